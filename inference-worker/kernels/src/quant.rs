//! The block formats of GGUF that we compute with, and the rule by which activations are quantised.
//!
//! A block is 32 elements of a row. `Q8_0`: an f16 scale and 32 signed bytes, 34 bytes. `Q4_0`: an f16 scale and 16 bytes; byte
//! `i` holds element `i` in its low and element `16 + i` in its high nibble, each 8 too large; 18 bytes.

use crate::{BLOCK, f16, math::ROUND};

/// Bytes of a `Q8_0` block.
pub const Q8_0_BYTES: usize = 2 + BLOCK;
/// Bytes of a `Q4_0` block.
pub const Q4_0_BYTES: usize = 2 + BLOCK / 2;

/// Largest activation of a block below which the whole block counts as zero; its reciprocal would overflow.
const NEGLIGIBLE: f32 = 1.0e-30;

/// Scale and integers of a `Q8_0` block.
#[inline(always)]
pub fn unpack_q8_0(block: &[u8; Q8_0_BYTES]) -> (f32, [i8; BLOCK]) {
    let scale = f16::to_f32(u16::from_le_bytes([block[0], block[1]]));
    (scale, core::array::from_fn(|i| block[2 + i] as i8))
}

/// Scale and integers (−8..=7) of a `Q4_0` block.
#[inline(always)]
pub fn unpack_q4_0(block: &[u8; Q4_0_BYTES]) -> (f32, [i8; BLOCK]) {
    let scale = f16::to_f32(u16::from_le_bytes([block[0], block[1]]));
    let half = BLOCK / 2;
    let quants = core::array::from_fn(|i| match i < half {
        true => (block[2 + i] & 0x0f) as i8 - 8,
        false => (block[2 + i - half] >> 4) as i8 - 8,
    });
    (scale, quants)
}

/// Quantises 32 activations: `scale = max|x|/127`, `q = round_half_even(x · (1/scale))`. Returns the scale.
///
/// A block below 1e-30 becomes zeros; a block with a NaN gets a NaN as scale, so that the NaN stays visible.
#[inline(always)]
pub fn quantize_block(x: &[f32; BLOCK], quants: &mut [i8; BLOCK]) -> f32 {
    let mut lanes = [0.0f32; BLOCK];
    let mut nan = false;
    for (lane, &x) in lanes.iter_mut().zip(x) {
        *lane = x.abs();
        nan |= x.is_nan();
    }
    let mut half = BLOCK / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = if lanes[lane + half] > lanes[lane] { lanes[lane + half] } else { lanes[lane] };
        }
        half /= 2;
    }
    let (scale, inverse) = if lanes[0] < NEGLIGIBLE { (0.0, 0.0) } else { (lanes[0] / 127.0, 1.0 / (lanes[0] / 127.0)) };
    for (quant, &x) in quants.iter_mut().zip(x) {
        *quant = ((x * inverse + ROUND).to_bits() as u8) as i8;
    }
    if nan { f32::NAN } else { scale }
}

/// `Σ w·x` over one row of `Q8_0` or `Q4_0` blocks: the definition of every quantised product in this crate.
///
/// `unpack` gives a block's scale and integers; `quants` and `scales` are the quantised activations.
#[inline(always)]
pub fn dot<const BYTES: usize>(
    row: &[[u8; BYTES]],
    unpack: impl Fn(&[u8; BYTES]) -> (f32, [i8; BLOCK]),
    quants: &[[i8; BLOCK]],
    scales: &[f32],
) -> f32 {
    let mut sum = 0.0;
    for ((block, x), &x_scale) in row.iter().zip(quants).zip(scales) {
        let (scale, weights) = unpack(block);
        let mut integer = 0i32;
        for (&w, &x) in weights.iter().zip(x) {
            integer += i32::from(w) * i32::from(x);
        }
        sum += (scale * x_scale) * integer as f32;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_block_of_zeros_or_dust_is_zero_and_a_nan_is_seen() {
        let mut quants = [1; BLOCK];
        assert_eq!(quantize_block(&[0.0; BLOCK], &mut quants), 0.0);
        assert_eq!(quants, [0; BLOCK]);
        assert_eq!(quantize_block(&[f32::from_bits(1); BLOCK], &mut quants), 0.0);
        let mut x = [1.0; BLOCK];
        x[7] = f32::NAN;
        assert!(quantize_block(&x, &mut quants).is_nan());
        x[7] = f32::INFINITY;
        assert!(!quantize_block(&x, &mut quants).is_finite());
    }

    #[test]
    fn nibbles_are_where_the_format_says() {
        let mut block = [0u8; Q4_0_BYTES];
        block[..2].copy_from_slice(&0x3c00u16.to_le_bytes());
        block[2] = 0xf0;
        let (scale, quants) = unpack_q4_0(&block);
        assert_eq!((scale, quants[0], quants[16], quants[1]), (1.0, -8, 7, -8));
    }

    proptest! {
        #[test]
        fn rounding_is_half_even_and_stays_in_range(x in prop::array::uniform32(-1.0e6f32..1.0e6), shrink in -30i32..5) {
            let x = x.map(|x| x * 2.0f32.powi(shrink));
            let mut quants = [0; BLOCK];
            let scale = quantize_block(&x, &mut quants);
            let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            prop_assert_eq!(scale, largest / 127.0);
            for (&quant, &x) in quants.iter().zip(&x) {
                prop_assert!((-127..=127).contains(&quant));
                prop_assert_eq!(f32::from(quant), (x * (1.0 / scale)).round_ties_even());
            }
        }
    }
}
