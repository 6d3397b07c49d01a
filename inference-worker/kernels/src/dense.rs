//! Products with F32 and F16 matrices: each output is [`reduce::dot`] of a weight row and an input row.

use crate::{LANES, f16, reduce};

/// `Σ w[i]·x[i]` in the order of [`reduce::dot`], the weights widened first.
#[inline(always)]
pub fn dot_f16(weights: &[u16], x: &[f32]) -> f32 {
    let length = weights.len().min(x.len());
    let (w_chunks, w_tail) = weights[..length].as_chunks::<LANES>();
    let (x_chunks, x_tail) = x[..length].as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (w, x) in w_chunks.iter().zip(x_chunks) {
        for lane in 0..LANES {
            lanes[lane] += f16::to_f32(w[lane]) * x[lane];
        }
    }
    for (lane, (&w, x)) in w_tail.iter().zip(x_tail).enumerate() {
        lanes[lane] += f16::to_f32(w) * x;
    }
    reduce::tree(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn f16_is_f32_after_widening(halves in prop::collection::vec(0u16..0x7c00, 0..70), seed in any::<u32>()) {
            let x: Vec<f32> = (0..halves.len()).map(|i| (seed.wrapping_mul(i as u32 + 7) % 1000) as f32 - 500.0).collect();
            let wide: Vec<f32> = halves.iter().map(|&h| f16::to_f32(h)).collect();
            prop_assert_eq!(dot_f16(&halves, &x).to_bits(), reduce::dot(&wide, &x).to_bits());
        }
    }
}
