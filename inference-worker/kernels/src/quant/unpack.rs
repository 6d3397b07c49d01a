//! The blocks of quantised weights as a model file has them.
//!
//! Scales are f16, little-endian. "Nibbles of `n` bytes": byte `i` holds element `i` in its low and
//! element `n + i` in its high half. The formats are GGML's (`ggml-common.h`).

use super::{Block, Scale, SuperBlock, table};
use crate::{BLOCK, SUPER_BLOCK, WeightType, f16};

const HALF: usize = BLOCK / 2;

/// One block of a format with blocks of 32.
///
/// | format | bytes |
/// |---|---|
/// | Q8_0 | scale, 32 signed bytes |
/// | Q4_0 | scale, nibbles of 16 bytes, 8 too large |
/// | Q4_1 | scale, minimum, nibbles of 16 bytes |
/// | Q5_0 | scale, 32 fifth bits, nibbles of 16 bytes, 16 too large |
/// | Q5_1 | scale, minimum, 32 fifth bits, nibbles of 16 bytes |
/// | IQ4_NL | scale, nibbles of 16 bytes: places in a table |
/// | MXFP4 | one byte `e` for the scale 2^(e − 128), nibbles of 16 bytes: places in a table |
///
/// # Panics
/// If `bytes` is shorter than a block.
#[inline]
pub fn block(format: WeightType, bytes: &[u8]) -> Block {
    let scale = match format {
        WeightType::MXFP4 => Scale::BF16(power_of_two(bytes[0])),
        _ => Scale::F16(half(bytes, 0)),
    };
    let minimum = match format {
        WeightType::Q4_1 | WeightType::Q5_1 => Some(half(bytes, 2)),
        _ => None,
    };
    let integers = match format {
        WeightType::Q8_0 => core::array::from_fn(|i| bytes[2 + i] as i8),
        WeightType::Q4_0 => nibbles(&bytes[2..]).map(|q| q - 8),
        WeightType::Q4_1 => nibbles(&bytes[4..]),
        WeightType::Q5_0 => five_bits(&bytes[2..]).map(|q| q - 16),
        WeightType::MXFP4 => from_table(format, nibbles(&bytes[1..])),
        WeightType::IQ4_NL => from_table(format, nibbles(&bytes[2..])),
        _ => five_bits(&bytes[4..]),
    };
    Block { scale, minimum, integers }
}

/// bfloat16 bits of 2^(exponent − 128): half of what the exponent stands for, since the table has
/// twice the numbers. The two smallest are denormal.
pub(crate) const fn power_of_two(exponent: u8) -> u16 {
    match exponent {
        0 | 1 => 0x20 << exponent,
        _ => (exponent as u16 - 1) << 7,
    }
}

/// What stands in the format's table at the stored places.
#[inline]
pub(crate) fn from_table<const N: usize>(format: WeightType, stored: [i8; N]) -> [i8; N] {
    match table(format) {
        Some(table) => stored.map(|place| table[usize::from(place as u8 & 0x0f)]),
        None => stored,
    }
}

/// One block of a format with blocks of 256.
///
/// | format | bytes |
/// |---|---|
/// | Q4_K | scale, scale of the minima, 12 bytes of scales and minima, 4 times nibbles of 32 bytes |
/// | Q5_K | scale, scale of the minima, 12 bytes of scales and minima, 32 bytes of fifth bits (bit `p` of byte `i` belongs to element `32·p + i`), 4 times nibbles of 32 bytes |
/// | Q6_K | 2 times nibbles of 64 bytes, 2 times 32 bytes of upper bits (bits `2p` and `2p + 1` of byte `i` belong to element `32·p + i`), 16 signed scales, scale; 32 too large |
/// | Q2_K | 16 bytes with a scale in the low and a minimum in the high half, 2 times 32 bytes of integers (bits `2p` and `2p + 1` of byte `i` belong to element `32·p + i`), scale, scale of the minima |
/// | Q3_K | 32 bytes of third bits (bit `p` of byte `i` belongs to element `32·p + i`), integers as Q2_K, 12 bytes of scales, scale; 4 too large, scales 32 too large |
/// | IQ4_XS | scale, 16 bits with the upper two bits of 8 scales, 4 bytes with their lower four, 8 times nibbles of 16 bytes: places in a table; scales 32 too large |
///
/// # Panics
/// If `bytes` is shorter than a block.
pub fn super_block(format: WeightType, bytes: &[u8]) -> SuperBlock {
    match format {
        WeightType::Q6_K => six_bits(bytes),
        WeightType::Q2_K => two_bits(bytes),
        WeightType::Q3_K => three_bits(bytes),
        WeightType::IQ4_XS => table_places(bytes),
        _ => {
            let (scales, minima) = scales_and_minima(&bytes[4..16]);
            let (high, low) = if format == WeightType::Q5_K {
                (Some(&bytes[16..48]), &bytes[48..])
            } else {
                (None, &bytes[16..])
            };
            let mut integers = [0; SUPER_BLOCK];
            for (part, integers) in integers.as_chunks_mut::<BLOCK>().0.iter_mut().enumerate() {
                let low = &low[part / 2 * BLOCK..][..BLOCK];
                for (i, integer) in integers.iter_mut().enumerate() {
                    let nibble = if part % 2 == 0 { low[i] & 0x0f } else { low[i] >> 4 };
                    let fifth = high.map_or(0, |high| (high[i] >> part) & 1);
                    *integer = (nibble | fifth << 4) as i8;
                }
            }
            SuperBlock {
                scale: half(bytes, 0),
                scales: core::array::from_fn(|i| scales[i / 2] as i8),
                minimum: Some((half(bytes, 2), core::array::from_fn(|i| minima[i / 2]))),
                integers,
            }
        }
    }
}

/// Bits of the f16 number at `at`.
fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn nibbles(bytes: &[u8]) -> [i8; BLOCK] {
    core::array::from_fn(|i| if i < HALF { bytes[i] & 0x0f } else { bytes[i - HALF] >> 4 } as i8)
}

/// Four bytes of fifth bits, bit `i` of element `i`, then nibbles.
#[inline]
fn five_bits(bytes: &[u8]) -> [i8; BLOCK] {
    let fifth = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let mut integers = nibbles(&bytes[4..]);
    for (i, integer) in integers.iter_mut().enumerate() {
        *integer |= (((fifth >> i) & 1) << 4) as i8;
    }
    integers
}

/// Eight scales and eight minima of 6 bits. The first four of each have bytes of their own, `0..4`
/// and `4..8`; the others have their lower four bits in bytes `8..12` (scale low, minimum high) and
/// their upper two at the top of the first eight.
fn scales_and_minima(bytes: &[u8]) -> ([u8; 8], [u8; 8]) {
    let scale = |i: usize| {
        if i < 4 { bytes[i] & 0x3f } else { (bytes[i + 4] & 0x0f) | (bytes[i - 4] >> 6 << 4) }
    };
    let minimum = |i: usize| {
        if i < 4 { bytes[i + 4] & 0x3f } else { (bytes[i + 4] >> 4) | (bytes[i] >> 6 << 4) }
    };
    (core::array::from_fn(scale), core::array::from_fn(minimum))
}

fn six_bits(bytes: &[u8]) -> SuperBlock {
    let mut integers = [0; SUPER_BLOCK];
    for (half, integers) in integers.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&bytes[64 * half..][..64], &bytes[128 + 32 * half..][..32]);
        for (part, integers) in integers.chunks_exact_mut(BLOCK).enumerate() {
            let low = &low[part % 2 * BLOCK..][..BLOCK];
            for (i, integer) in integers.iter_mut().enumerate() {
                let nibble = if part < 2 { low[i] & 0x0f } else { low[i] >> 4 };
                let upper = (high[i] >> (2 * part)) & 3;
                *integer = (nibble | upper << 4) as i8 - 32;
            }
        }
    }
    SuperBlock {
        scale: half(bytes, 208),
        scales: core::array::from_fn(|i| bytes[192 + i] as i8),
        minimum: None,
        integers,
    }
}

/// 64 bytes of integers of 2 bits: bits `2p` and `2p + 1` of byte `i` of a half belong to its
/// element `32·p + i`.
fn pairs_of_bits(bytes: &[u8]) -> [i8; SUPER_BLOCK] {
    core::array::from_fn(|at| {
        let (half, part, i) = (at / 128, at % 128 / BLOCK, at % BLOCK);
        ((bytes[BLOCK * half + i] >> (2 * part)) & 3) as i8
    })
}

fn two_bits(bytes: &[u8]) -> SuperBlock {
    SuperBlock {
        scale: half(bytes, 80),
        scales: core::array::from_fn(|i| (bytes[i] & 0x0f) as i8),
        minimum: Some((half(bytes, 82), core::array::from_fn(|i| bytes[i] >> 4))),
        integers: pairs_of_bits(&bytes[16..80]),
    }
}

fn three_bits(bytes: &[u8]) -> SuperBlock {
    let mut integers = pairs_of_bits(&bytes[32..96]);
    for (at, integer) in integers.iter_mut().enumerate() {
        let third = (bytes[at % BLOCK] >> (at / BLOCK)) & 1;
        *integer += (third << 2) as i8 - 4;
    }
    // The lower four bits of scales 0 to 7 are in the low halves of 8 bytes and those of scales 8
    // to 15 in the high ones; the upper two bits of scale `i` are bits `2·(i / 4)` and up of byte
    // `8 + i mod 4`.
    let packed = &bytes[96..108];
    let scale = |i: usize| {
        let low = if i < 8 { packed[i] & 0x0f } else { packed[i - 8] >> 4 };
        (low | ((packed[8 + i % 4] >> (2 * (i / 4))) & 3) << 4) as i8 - 32
    };
    SuperBlock {
        scale: half(bytes, 108),
        scales: core::array::from_fn(scale),
        minimum: None,
        integers,
    }
}

fn table_places(bytes: &[u8]) -> SuperBlock {
    let (high, low) = (half(bytes, 2), &bytes[4..8]);
    let scale = |block: usize| {
        let low = (low[block / 2] >> (4 * (block % 2))) & 0x0f;
        (low | ((high >> (2 * block)) as u8 & 3) << 4) as i8 - 32
    };
    let mut integers = [0; SUPER_BLOCK];
    for (integers, bytes) in
        integers.as_chunks_mut::<BLOCK>().0.iter_mut().zip(bytes[8..].chunks_exact(HALF))
    {
        *integers = from_table(WeightType::IQ4_XS, nibbles(bytes));
    }
    SuperBlock {
        scale: half(bytes, 0),
        scales: core::array::from_fn(|part| scale(part / 2)),
        minimum: None,
        integers,
    }
}

/// The values of a row; see [`block_values`] and [`super_block_values`].
pub fn values(format: WeightType, bytes: &[u8], out: &mut [f32]) {
    let blocks = bytes.chunks_exact(format.block_bytes());
    if format.block_elements() == BLOCK {
        for (bytes, out) in blocks.zip(out.as_chunks_mut().0) {
            block_values(&block(format, bytes), out);
        }
    } else {
        for (bytes, out) in blocks.zip(out.as_chunks_mut().0) {
            super_block_values(&super_block(format, bytes), out);
        }
    }
}

/// Each value in f32: `scale·q`, and with a minimum `scale·q + minimum`.
pub fn block_values(block: &Block, out: &mut [f32; BLOCK]) {
    let scale = block.scale.value();
    for (out, q) in out.iter_mut().zip(block.integers) {
        let product = f32::from(q) * scale;
        *out = block.minimum.map_or(product, |minimum| product + f16::to_f32(minimum));
    }
}

/// Each value in f32: `(scale·scales[i])·q`, and with minima `(scale·scales[i])·q −
/// minimum·minima[i]`.
pub fn super_block_values(block: &SuperBlock, out: &mut [f32; SUPER_BLOCK]) {
    let scale = f16::to_f32(block.scale);
    for (i, (out, q)) in out.iter_mut().zip(block.integers).enumerate() {
        let product = (scale * f32::from(block.scales[i / HALF])) * f32::from(q);
        *out = match block.minimum {
            Some((minimum, minima)) => product - f16::to_f32(minimum) * f32::from(minima[i / HALF]),
            None => product,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nibbles_are_where_the_format_says() {
        let mut bytes = [0u8; 18];
        bytes[..2].copy_from_slice(&0x3c00u16.to_le_bytes());
        bytes[2] = 0xf0;
        let block = block(WeightType::Q4_0, &bytes);
        assert_eq!(
            (block.scale, block.integers[0], block.integers[16], block.integers[1]),
            (Scale::F16(0x3c00), -8, 7, -8)
        );
    }

    #[test]
    fn fifth_bits_are_where_the_formats_say() {
        let mut bytes = [0u8; 24];
        bytes[4..8].copy_from_slice(&0x8000_0001u32.to_le_bytes());
        bytes[23] = 0x20;
        let last = block(WeightType::Q5_1, &bytes).integers;
        assert_eq!((last[0], last[1], last[31]), (16, 0, 18));
        let mut bytes = [0u8; 176];
        (bytes[16], bytes[48], bytes[48 + 127]) = (0b0000_0011, 0x5a, 0xb0);
        let integers = super_block(WeightType::Q5_K, &bytes).integers;
        assert_eq!((integers[0], integers[32], integers[64], integers[255]), (0x1a, 0x15, 0, 0x0b));
    }

    #[test]
    fn six_bit_scales_are_where_the_format_says() {
        let mut bytes = [0u8; 12];
        (bytes[1], bytes[5], bytes[9]) = (0b1001_0001, 0b0111_1111, 0b0011_1010);
        let (scales, minima) = scales_and_minima(&bytes);
        assert_eq!(
            (scales[1], minima[1], scales[5], minima[5]),
            (0b01_0001, 0b11_1111, 0b10_1010, 0b01_0011)
        );
    }

    #[test]
    fn upper_bits_of_q6_k_are_where_the_format_says() {
        let mut bytes = [0u8; 210];
        (bytes[64], bytes[128 + 32], bytes[192 + 15]) = (0x21, 0b11_10_01_00, 0x80);
        let block = super_block(WeightType::Q6_K, &bytes);
        let at = |i: usize| block.integers[128 + i] + 32;
        assert_eq!((at(0), at(32), at(64), at(96)), (0x01, 0x10, 0x22, 0x30));
        assert_eq!(block.scales[15], -128);
    }

    #[test]
    fn two_and_three_bits_are_where_the_formats_say() {
        let mut bytes = [0u8; 84];
        (bytes[0], bytes[15], bytes[16 + 32 + 1]) = (0x5a, 0xf0, 0b11_10_01_00);
        let block = super_block(WeightType::Q2_K, &bytes);
        assert_eq!((block.scales[0], block.scales[15]), (10, 0));
        assert_eq!(block.minimum.map(|(_, minima)| (minima[0], minima[15])), Some((5, 15)));
        let at = |part: usize| block.integers[128 + 32 * part + 1];
        assert_eq!([at(0), at(1), at(2), at(3)], [0, 1, 2, 3]);
        let mut bytes = [0u8; 110];
        (bytes[1], bytes[32 + 1], bytes[96], bytes[96 + 8]) =
            (0b0000_0010, 0b11_10_01_00, 0x21, 0b11_10_01_00);
        let block = super_block(WeightType::Q3_K, &bytes);
        let at = |part: usize| block.integers[32 * part + 1];
        assert_eq!([at(0), at(1), at(2), at(3)], [-4, 1, -2, -1]);
        let scale = |i: usize| block.scales[i] + 32;
        assert_eq!([scale(0), scale(4), scale(8), scale(12)], [0x01, 0x10, 0x22, 0x30]);
    }

    #[test]
    fn tables_and_their_scales_are_where_the_formats_say() {
        let mut bytes = [0u8; 136];
        bytes[2..4].copy_from_slice(&0b11_00_00_00_00_00_10_01u16.to_le_bytes());
        (bytes[4], bytes[7], bytes[8], bytes[135]) = (0x32, 0xf0, 0xf8, 0x70);
        let block = super_block(WeightType::IQ4_XS, &bytes);
        let scale = |block_of: usize| block.scales[2 * block_of] + 32;
        assert_eq!([scale(0), scale(1), scale(7)], [0x12, 0x23, 0x3f]);
        assert_eq!((block.integers[0], block.integers[16], block.integers[255]), (1, 113, -10));
        let mut bytes = [0u8; 17];
        (bytes[0], bytes[1]) = (128, 0x7a);
        let block = super::block(WeightType::MXFP4, &bytes);
        assert_eq!((block.scale.value(), block.integers[0], block.integers[16]), (1.0, -2, 12));
        let power = |exponent| Scale::BF16(power_of_two(exponent)).value();
        assert_eq!([power(0), power(1), power(2)], [-128, -127, -126].map(|e| 2.0f32.powi(e)));
        assert_eq!(power(255), 2.0f32.powi(127));
    }
}
