//! The blocks of quantised weights as a model file has them.
//!
//! Scales are f16, little-endian. "Nibbles of `n` bytes": byte `i` holds element `i` in its low and
//! element `n + i` in its high half. The formats are GGML's (`ggml-common.h`).

use super::{Block, SuperBlock};
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
///
/// # Panics
/// If `bytes` is shorter than a block.
#[inline]
pub fn block(format: WeightType, bytes: &[u8]) -> Block {
    let scale = half(bytes, 0);
    match format {
        WeightType::Q8_0 => {
            Block { scale, minimum: None, integers: core::array::from_fn(|i| bytes[2 + i] as i8) }
        }
        WeightType::Q4_0 => {
            Block { scale, minimum: None, integers: nibbles(&bytes[2..]).map(|q| q - 8) }
        }
        WeightType::Q4_1 => {
            Block { scale, minimum: Some(half(bytes, 2)), integers: nibbles(&bytes[4..]) }
        }
        WeightType::Q5_0 => {
            Block { scale, minimum: None, integers: five_bits(&bytes[2..]).map(|q| q - 16) }
        }
        _ => Block { scale, minimum: Some(half(bytes, 2)), integers: five_bits(&bytes[4..]) },
    }
}

/// One block of a format with blocks of 256.
///
/// | format | bytes |
/// |---|---|
/// | Q4_K | scale, scale of the minima, 12 bytes of scales and minima, 4 times nibbles of 32 bytes |
/// | Q5_K | scale, scale of the minima, 12 bytes of scales and minima, 32 bytes of fifth bits (bit `p` of byte `i` belongs to element `32·p + i`), 4 times nibbles of 32 bytes |
/// | Q6_K | 2 times nibbles of 64 bytes, 2 times 32 bytes of upper bits (bits `2p` and `2p + 1` of byte `i` belong to element `32·p + i`), 16 signed scales, scale; 32 too large |
///
/// # Panics
/// If `bytes` is shorter than a block.
pub fn super_block(format: WeightType, bytes: &[u8]) -> SuperBlock {
    match format {
        WeightType::Q6_K => six_bits(bytes),
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
    let scale = f16::to_f32(block.scale);
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
            (0x3c00, -8, 7, -8)
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
}
