//! Simple quantisers: valid blocks of every format, near enough to the values that they stand for.
//! The layouts are those of `ggml-common.h` in ggml.

use mica_kernels::f16;

pub const F32: u32 = 0;
pub const F16: u32 = 1;
pub const Q4_0: u32 = 2;
pub const Q4_1: u32 = 3;
pub const Q5_0: u32 = 6;
pub const Q5_1: u32 = 7;
pub const Q8_0: u32 = 8;
pub const Q2_K: u32 = 10;
pub const Q3_K: u32 = 11;
pub const Q4_K: u32 = 12;
pub const Q5_K: u32 = 13;
pub const Q6_K: u32 = 14;
pub const IQ4_NL: u32 = 20;
pub const IQ4_XS: u32 = 23;
pub const BF16: u32 = 30;
pub const MXFP4: u32 = 39;

/// Every format that has kernels.
pub const FORMATS: [u32; 16] = [
    F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K, Q2_K, Q3_K, IQ4_NL, IQ4_XS,
    MXFP4,
];

/// What the nibbles of IQ4_NL and IQ4_XS stand for: `kvalues_iq4nl` in ggml.
pub const IQ4_VALUES: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/// What those of MXFP4 stand for, twice: `kvalues_mxfp4` in ggml.
pub const MXFP4_VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// Name, elements of a block and its bytes.
pub fn format(kind: u32) -> (&'static str, usize, usize) {
    match kind {
        F32 => ("F32", 1, 4),
        F16 => ("F16", 1, 2),
        BF16 => ("BF16", 1, 2),
        Q4_0 => ("Q4_0", 32, 18),
        Q4_1 => ("Q4_1", 32, 20),
        Q5_0 => ("Q5_0", 32, 22),
        Q5_1 => ("Q5_1", 32, 24),
        Q8_0 => ("Q8_0", 32, 34),
        Q4_K => ("Q4_K", 256, 144),
        Q5_K => ("Q5_K", 256, 176),
        Q6_K => ("Q6_K", 256, 210),
        Q2_K => ("Q2_K", 256, 84),
        Q3_K => ("Q3_K", 256, 110),
        IQ4_NL => ("IQ4_NL", 32, 18),
        IQ4_XS => ("IQ4_XS", 256, 136),
        MXFP4 => ("MXFP4", 32, 17),
        other => panic!("no format {other}"),
    }
}

/// Values in a tensor type, by the format's own definition.
pub fn quantise(values: &[f32], kind: u32) -> Vec<u8> {
    let (_, elements, bytes) = format(kind);
    assert!(values.len().is_multiple_of(elements), "rows are whole blocks");
    let quantised: Vec<u8> = match kind {
        F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        F16 => values.iter().flat_map(|&x| half(x)).collect(),
        // Cut, not rounded: near enough.
        BF16 => values.iter().flat_map(|x| ((x.to_bits() >> 16) as u16).to_le_bytes()).collect(),
        Q8_0 => values.chunks_exact(32).flat_map(q8_0).collect(),
        Q4_0 => values.chunks_exact(32).flat_map(|block| symmetric(block, 7.0, 8)).collect(),
        Q4_1 => values.chunks_exact(32).flat_map(|block| between(block, 15)).collect(),
        Q5_0 => values.chunks_exact(32).flat_map(|block| symmetric(block, 15.0, 16)).collect(),
        Q5_1 => values.chunks_exact(32).flat_map(|block| between(block, 31)).collect(),
        Q4_K => values.chunks_exact(256).flat_map(|block| nested(block, 15)).collect(),
        Q5_K => values.chunks_exact(256).flat_map(|block| nested(block, 31)).collect(),
        Q2_K => values.chunks_exact(256).flat_map(q2_k).collect(),
        Q3_K => values.chunks_exact(256).flat_map(q3_k).collect(),
        IQ4_NL => values.chunks_exact(32).flat_map(iq4_nl).collect(),
        IQ4_XS => values.chunks_exact(256).flat_map(iq4_xs).collect(),
        MXFP4 => values.chunks_exact(32).flat_map(mxfp4).collect(),
        _ => values.chunks_exact(256).flat_map(q6_k).collect(),
    };
    assert_eq!(quantised.len(), values.len() / elements * bytes);
    quantised
}

fn half(x: f32) -> [u8; 2] {
    f16::from_f32(x).to_le_bytes()
}

/// What a scale is after it was written and read again.
fn rounded(x: f32) -> f32 {
    f16::to_f32(f16::from_f32(x))
}

fn largest(block: &[f32]) -> f32 {
    block.iter().fold(0.0f32, |m, x| m.max(x.abs()))
}

/// The nearest whole number of `unit`s in `low..=high`; 0 if there is no unit.
fn steps(x: f32, unit: f32, low: i32, high: i32) -> i32 {
    if unit == 0.0 { 0 } else { ((x / unit).round() as i32).clamp(low, high) }
}

fn q8_0(block: &[f32]) -> Vec<u8> {
    let scale = largest(block) / 127.0;
    let mut bytes = half(scale).to_vec();
    bytes.extend(block.iter().map(|x| ((x / scale).round() as i8) as u8));
    bytes
}

/// Low four bits of element `i` and `i + 16` in one byte; the fifth bits, where there are any, in
/// front of them.
fn packed(levels: &[i32], fifth: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if fifth {
        let high =
            levels.iter().enumerate().fold(0u32, |bits, (i, &q)| bits | (q as u32 >> 4) << i);
        bytes.extend_from_slice(&high.to_le_bytes());
    }
    bytes.extend((0..16).map(|i| (levels[i] & 15 | (levels[16 + i] & 15) << 4) as u8));
    bytes
}

/// Q4_0 and Q5_0: levels around `middle`.
fn symmetric(block: &[f32], reach: f32, middle: i32) -> Vec<u8> {
    let scale = largest(block) / reach;
    let levels: Vec<i32> = block
        .iter()
        .map(|x| ((x / scale).round() + middle as f32).clamp(0.0, 2.0 * middle as f32 - 1.0) as i32)
        .collect();
    [half(scale).to_vec(), packed(&levels, middle == 16)].concat()
}

/// Q4_1 and Q5_1: levels from the smallest value up.
fn between(block: &[f32], top: i32) -> Vec<u8> {
    let low = rounded(block.iter().copied().fold(f32::MAX, f32::min));
    let scale = (block.iter().copied().fold(f32::MIN, f32::max) - low) / top as f32;
    let levels: Vec<i32> = block.iter().map(|x| steps(x - low, rounded(scale), 0, top)).collect();
    [half(scale).to_vec(), half(low).to_vec(), packed(&levels, top == 31)].concat()
}

/// Q4_K and Q5_K: eight parts of 32 whose scales and minima have six bits.
fn nested(block: &[f32], top: i32) -> Vec<u8> {
    let parts: Vec<&[f32]> = block.chunks_exact(32).collect();
    let minimum = |part: &[f32]| -part.iter().copied().fold(0.0, f32::min);
    let scale = |part: &[f32]| {
        (part.iter().copied().fold(f32::MIN, f32::max) + minimum(part)).max(0.0) / top as f32
    };
    let most =
        |of: &dyn Fn(&[f32]) -> f32| parts.iter().map(|part| of(part)).fold(0.0, f32::max) / 63.0;
    let (unit, minimum_unit) = (most(&scale), most(&minimum));
    let mut bytes = [half(unit), half(minimum_unit)].concat();
    let (unit, minimum_unit) = (rounded(unit), rounded(minimum_unit));
    let scales: Vec<i32> = parts.iter().map(|part| steps(scale(part), unit, 0, 63)).collect();
    let minima: Vec<i32> =
        parts.iter().map(|part| steps(minimum(part), minimum_unit, 0, 63)).collect();
    // Six bits each: the first four of both in the low bits of bytes 0..8, the others in bytes
    // 8..12 and in the bits left over.
    bytes.extend((0..4).map(|j| (scales[j] | (scales[j + 4] >> 4) << 6) as u8));
    bytes.extend((0..4).map(|j| (minima[j] | (minima[j + 4] >> 4) << 6) as u8));
    bytes.extend((4..8).map(|j| (scales[j] & 15 | (minima[j] & 15) << 4) as u8));
    let level = |j: usize, i: usize| {
        let low = minimum_unit * minima[j] as f32;
        steps(parts[j][i] + low, unit * scales[j] as f32, 0, top)
    };
    if top == 31 {
        bytes.extend(
            (0..32).map(|i| (0..8).fold(0u8, |bits, j| bits | ((level(j, i) >> 4) as u8) << j)),
        );
    }
    for pair in 0..4 {
        bytes.extend(
            (0..32).map(|i| (level(2 * pair, i) & 15 | (level(2 * pair + 1, i) & 15) << 4) as u8),
        );
    }
    bytes
}

/// Sixteen parts of 16 with signed 8-bit scales; six bits an element, in two halves of 128.
fn q6_k(block: &[f32]) -> Vec<u8> {
    let parts: Vec<&[f32]> = block.chunks_exact(16).collect();
    let unit = parts.iter().map(|part| largest(part) / 31.0).fold(0.0, f32::max) / 127.0;
    let scales: Vec<i32> =
        parts.iter().map(|part| steps(largest(part) / 31.0, rounded(unit), -128, 127)).collect();
    let level = |at: usize| steps(block[at], rounded(unit) * scales[at / 16] as f32, -32, 31) + 32;
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for base in [0, 128] {
        for column in [0, 32] {
            low.extend((0..32).map(|i| {
                (level(base + column + i) & 15 | (level(base + column + 64 + i) & 15) << 4) as u8
            }));
        }
        high.extend((0..32).map(|i| {
            (0..4).fold(0, |bits, j| bits | ((level(base + 32 * j + i) >> 4) << (2 * j)) as u8)
        }));
    }
    let scales = scales.iter().map(|&scale| scale as i8 as u8).collect();
    [low, high, scales, half(unit).to_vec()].concat()
}

/// 64 bytes of integers of 2 bits, in two halves of 128: bits `2p` and `2p + 1` of byte `i` are
/// element `32·p + i`.
fn pairs_of_bits(level: impl Fn(usize) -> i32) -> Vec<u8> {
    let byte = |half: usize, i: usize| {
        (0..4).fold(0, |bits, p| bits | ((level(128 * half + 32 * p + i) & 3) << (2 * p)) as u8)
    };
    (0..64).map(|at| byte(at / 32, at % 32)).collect()
}

/// Sixteen parts of 16 whose scales and minima have four bits.
fn q2_k(block: &[f32]) -> Vec<u8> {
    let parts: Vec<&[f32]> = block.chunks_exact(16).collect();
    let minimum = |part: &[f32]| -part.iter().copied().fold(0.0, f32::min);
    let scale = |part: &[f32]| {
        (part.iter().copied().fold(f32::MIN, f32::max) + minimum(part)).max(0.0) / 3.0
    };
    let most =
        |of: &dyn Fn(&[f32]) -> f32| parts.iter().map(|part| of(part)).fold(0.0, f32::max) / 15.0;
    let (unit, minimum_unit) = (most(&scale), most(&minimum));
    let halves = [half(unit), half(minimum_unit)].concat();
    let (unit, minimum_unit) = (rounded(unit), rounded(minimum_unit));
    let scales: Vec<i32> = parts.iter().map(|part| steps(scale(part), unit, 0, 15)).collect();
    let minima: Vec<i32> =
        parts.iter().map(|part| steps(minimum(part), minimum_unit, 0, 15)).collect();
    let level = |at: usize| {
        let low = minimum_unit * minima[at / 16] as f32;
        steps(block[at] + low, unit * scales[at / 16] as f32, 0, 3)
    };
    let packed = (0..16).map(|part| (scales[part] | minima[part] << 4) as u8).collect();
    [packed, pairs_of_bits(level), halves].concat()
}

/// Sixteen parts of 16 with signed 6-bit scales.
fn q3_k(block: &[f32]) -> Vec<u8> {
    let parts: Vec<&[f32]> = block.chunks_exact(16).collect();
    let unit = parts.iter().map(|part| largest(part) / 3.5).fold(0.0, f32::max) / 31.0;
    let scales: Vec<i32> =
        parts.iter().map(|part| steps(largest(part) / 3.5, rounded(unit), -32, 31)).collect();
    let level = |at: usize| steps(block[at], rounded(unit) * scales[at / 16] as f32, -4, 3) + 4;
    let third = (0..32)
        .map(|i| (0..8).fold(0, |bits, p| bits | ((level(32 * p + i) >> 2) << p) as u8))
        .collect();
    // Lower halves of scales `j` and `8 + j`, then the upper two bits of scales `j + 4p`.
    let stored: Vec<u8> = scales.iter().map(|scale| (scale + 32) as u8).collect();
    let mut packed: Vec<u8> = (0..8).map(|j| stored[j] & 15 | stored[8 + j] << 4).collect();
    packed
        .extend((0..4).map(|j| (0..4).fold(0, |bits, p| bits | stored[j + 4 * p] >> 4 << (2 * p))));
    [third, pairs_of_bits(level), packed, half(unit).to_vec()].concat()
}

/// Places of the table's values that are nearest.
fn places(values: &[f32], unit: f32, table: &[i8; 16]) -> Vec<i32> {
    let nearest = |x: &f32| {
        let distance = |place: &usize| (x - unit * f32::from(table[*place])).abs();
        let order = |a: &usize, b: &usize| distance(a).total_cmp(&distance(b));
        (0..16).min_by(order).expect("sixteen") as i32
    };
    values.iter().map(nearest).collect()
}

fn iq4_nl(block: &[f32]) -> Vec<u8> {
    let unit = largest(block) / 127.0;
    [half(unit).to_vec(), packed(&places(block, rounded(unit), &IQ4_VALUES), false)].concat()
}

/// Eight parts of 32 with signed 6-bit scales.
fn iq4_xs(block: &[f32]) -> Vec<u8> {
    let parts: Vec<&[f32]> = block.chunks_exact(32).collect();
    let unit = parts.iter().map(|part| largest(part) / 127.0).fold(0.0, f32::max) / 31.0;
    // Signs of both kinds: a negative scale means the table's values the other way round.
    let scales: Vec<i32> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| {
            let steps = steps(largest(part) / 127.0, rounded(unit), 0, 31);
            if at % 3 == 1 { -steps } else { steps }
        })
        .collect();
    let stored: Vec<u32> = scales.iter().map(|scale| (scale + 32) as u32).collect();
    let high = (0..8).fold(0u16, |bits, part| bits | ((stored[part] >> 4) << (2 * part)) as u16);
    let mut bytes = [half(unit), high.to_le_bytes()].concat();
    bytes.extend(
        (0..4).map(|pair| (stored[2 * pair] & 15 | (stored[2 * pair + 1] & 15) << 4) as u8),
    );
    for (part, &scale) in parts.iter().zip(&scales) {
        bytes.extend(packed(&places(part, rounded(unit) * scale as f32, &IQ4_VALUES), false));
    }
    bytes
}

/// The scale is the power of two that lets the largest value be about the table's largest.
fn mxfp4(block: &[f32]) -> Vec<u8> {
    let exponent = (largest(block) / 12.0).log2().ceil().clamp(-128.0, 127.0);
    let mut bytes = vec![(exponent + 128.0) as u8];
    bytes.extend(packed(&places(block, exponent.exp2(), &MXFP4_VALUES), false));
    bytes
}
