//! Quantised products: how activations become integers, and the definition of the sum that every
//! packed kernel must equal.
//!
//! Weights come in blocks of 32 elements or in super-blocks of 256 ([`unpack`]); activations are
//! quantised in blocks of the same size, one scale `d_x` each. Inside a block only integers are
//! added, so their order does not matter; over the blocks one f32 per output runs in block order,
//! every operation rounded:
//!
//! ```text
//! blocks of 32:    isum = Σ q_w·q_x        sum += (d_w·d_x)·isum
//!                  xsum = Σ q_x            sum += (m_w·d_x)·xsum           formats with a minimum m_w, after the first step
//! of 256:          isum = Σ_p scales[p]·Σ q_w·q_x over part p               sum += (d_w·d_x)·isum
//!                  msum = Σ_p minima[p]·Σ q_x over part p                   sum −= (m_w·d_x)·msum           likewise
//! ```
//!
//! A part is 16 elements (formats with 8 scales use each for two parts). `q_w` is what is stored
//! less an offset, or what a table of 16 integers has at that place. With `|q_x| ≤ 127` the largest
//! integers are 256·128·32·127 < 2²⁷ (Q6_K, and IQ4_XS with 256·32·127·127), so i32 never
//! overflows; kernels that add the offset of unsigned weights later stay below 2²⁸.

pub mod unpack;

use crate::{Activations, BLOCK, SUPER_BLOCK, WeightType, f16, math::ROUND};

/// Elements that share a scale inside a super-block.
pub const PART: usize = 16;
/// Parts of a super-block.
pub const PARTS: usize = SUPER_BLOCK / PART;

/// Largest activation of a block below which the whole block counts as zero; its reciprocal would
/// overflow.
const NEGLIGIBLE: f32 = 1.0e-30;

/// The integers of IQ4_NL and IQ4_XS, by what is stored: nearer to each other around 0, as weights
/// are.
const NEAR_ZERO: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Twice the numbers of MXFP4, by what is stored: sign, two bits of exponent and one of mantissa.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// What the integers of a format are by what is stored, for formats where it is no offset.
pub(crate) const fn table(format: WeightType) -> Option<&'static [i8; 16]> {
    match format {
        WeightType::IQ4_NL | WeightType::IQ4_XS => Some(&NEAR_ZERO),
        WeightType::MXFP4 => Some(&E2M1),
        _ => None,
    }
}

/// Bits of the scale of a block of 32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// Half precision.
    F16(u16),
    /// bfloat16, for the powers of two of MXFP4.
    BF16(u16),
}

impl Scale {
    /// Its value.
    #[inline(always)]
    pub fn value(self) -> f32 {
        match self {
            Self::F16(bits) => f16::to_f32(bits),
            Self::BF16(bits) => f16::from_bf16(bits),
        }
    }

    /// Its bits.
    pub const fn bits(self) -> u16 {
        match self {
            Self::F16(bits) | Self::BF16(bits) => bits,
        }
    }
}

/// Weights of a block of 32.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// The scale.
    pub scale: Scale,
    /// f16 bits of the minimum, in formats that have one.
    pub minimum: Option<u16>,
    /// The integers, their offset taken off.
    pub integers: [i8; BLOCK],
}

/// Weights of a super-block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SuperBlock {
    /// f16 bits of the scale.
    pub scale: u16,
    /// Integer scale of every part.
    pub scales: [i8; PARTS],
    /// f16 bits of the scale of the minima and the integer minimum of every part, in formats that
    /// have them.
    pub minimum: Option<(u16, [u8; PARTS])>,
    /// The integers, their offset taken off.
    pub integers: [i8; SUPER_BLOCK],
}

/// Quantises `N` activations: `scale = max|x|/127`, `q = round_half_even(x · (1/scale))`. Returns
/// the scale.
///
/// A block below 1e-30 becomes zeros; a block with a NaN gets a NaN as scale, so that the NaN stays
/// visible.
#[inline(always)]
pub fn quantize_block<const N: usize>(x: &[f32; N], quants: &mut [i8; N]) -> f32 {
    let mut lanes = [0.0f32; N];
    let mut nan = false;
    for (lane, &x) in lanes.iter_mut().zip(x) {
        *lane = x.abs();
        nan |= x.is_nan();
    }
    let mut half = N / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] =
                if lanes[lane + half] > lanes[lane] { lanes[lane + half] } else { lanes[lane] };
        }
        half /= 2;
    }
    let (scale, inverse) = if lanes[0] < NEGLIGIBLE {
        (0.0, 0.0)
    } else {
        (lanes[0] / 127.0, 1.0 / (lanes[0] / 127.0))
    };
    for (quant, &x) in quants.iter_mut().zip(x) {
        *quant = ((x * inverse + ROUND).to_bits() as u8) as i8;
    }
    if nan { f32::NAN } else { scale }
}

/// `sum` after one more block: see the head of this module.
#[inline(always)]
pub(crate) fn add_block(sum: f32, weights: &Block, x: &[i8; BLOCK], x_scale: f32) -> f32 {
    let sum = sum + (weights.scale.value() * x_scale) * integer_dot(&weights.integers, x) as f32;
    match weights.minimum {
        Some(minimum) => sum + (f16::to_f32(minimum) * x_scale) * integer_sum(x) as f32,
        None => sum,
    }
}

/// `sum` after one more super-block: see the head of this module.
#[inline(always)]
pub(crate) fn add_super_block(
    sum: f32,
    weights: &SuperBlock,
    x: &[i8; SUPER_BLOCK],
    x_scale: f32,
) -> f32 {
    let parts = x.as_chunks::<PART>().0;
    let mut integer = 0;
    for ((weights, x), &scale) in
        weights.integers.as_chunks::<PART>().0.iter().zip(parts).zip(&weights.scales)
    {
        integer += i32::from(scale) * integer_dot(weights, x);
    }
    let sum = sum + (f16::to_f32(weights.scale) * x_scale) * integer as f32;
    match weights.minimum {
        Some((minimum, minima)) => {
            let integer: i32 = parts
                .iter()
                .zip(minima)
                .map(|(x, minimum)| i32::from(minimum) * integer_sum(x))
                .sum();
            sum - (f16::to_f32(minimum) * x_scale) * integer as f32
        }
        None => sum,
    }
}

#[inline(always)]
fn integer_dot<const N: usize>(weights: &[i8; N], x: &[i8; N]) -> i32 {
    weights.iter().zip(x).map(|(&w, &x)| i32::from(w) * i32::from(x)).sum()
}

#[inline(always)]
fn integer_sum<const N: usize>(x: &[i8; N]) -> i32 {
    x.iter().map(|&x| i32::from(x)).sum()
}

/// The definition of a product: one row of a quantised matrix, in the file's layout, with row
/// `x_row` of `x`.
///
/// # Panics
/// If `x` was not loaded in the form that the format needs, or has other columns, or if the format
/// is not quantised.
pub fn dot(format: WeightType, row: &[u8], x: &Activations, x_row: usize) -> f32 {
    assert_eq!(
        Some(row.len()),
        format.row_bytes(x.columns()),
        "the row is not as long as the activations"
    );
    let mut sum = 0.0;
    for (index, bytes) in row.chunks_exact(format.block_bytes()).enumerate() {
        sum = match format.block_elements() {
            BLOCK => {
                let (x, x_scale) = x.block(x_row, index);
                add_block(sum, &unpack::block(format, bytes), &x, x_scale)
            }
            SUPER_BLOCK => {
                let (x, x_scale) = x.super_block(x_row, index);
                add_super_block(sum, &unpack::super_block(format, bytes), &x, x_scale)
            }
            _ => panic!("{} is not quantised", format.name()),
        };
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
