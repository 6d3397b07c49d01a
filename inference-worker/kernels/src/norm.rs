//! Root-mean-square norm.

use crate::{Isa, math, reduce};

/// `out[i] = (x[i] · 1/√(Σx²/n + epsilon)) · weight[i]` for one row; the sum in the order of
/// [`reduce`].
///
/// All three slices have one length.
pub fn rms_norm(isa: Isa, x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    isa.run(|| {
        let mean = reduce::dot(x, x) / x.len() as f32;
        let scale = 1.0 / math::sqrt(mean + epsilon);
        for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
            *out = (x * scale) * weight;
        }
    });
}

/// As [`rms_norm`] for every head of a row by itself, in place. `heads: [n, weight.len()]`.
pub fn rms_norm_heads(isa: Isa, heads: &mut [f32], weight: &[f32], epsilon: f32) {
    isa.run(|| {
        for head in heads.chunks_exact_mut(weight.len()) {
            let mean = reduce::dot(head, head) / head.len() as f32;
            let scale = 1.0 / math::sqrt(mean + epsilon);
            for (x, &weight) in head.iter_mut().zip(weight) {
                *x = (*x * scale) * weight;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_equal_values_becomes_its_weights() {
        let mut out = [0.0; 5];
        rms_norm(Isa::scalar(), &[3.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0], 0.0, &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn a_head_is_normed_like_a_row() {
        let x: Vec<f32> = (0..60).map(|i| (i * 37 % 23) as f32 - 11.0).collect();
        let weight: Vec<f32> = (0..20).map(|i| 0.5 + i as f32 / 10.0).collect();
        for isa in Isa::available() {
            let mut heads = x.clone();
            rms_norm_heads(isa, &mut heads, &weight, 1e-5);
            for (head, x) in heads.chunks_exact(20).zip(x.chunks_exact(20)) {
                let mut out = [0.0; 20];
                rms_norm(Isa::scalar(), x, &weight, 1e-5, &mut out);
                assert_eq!(head, out);
            }
        }
    }

    #[test]
    fn a_nan_stays_visible() {
        let mut out = [0.0; 2];
        rms_norm(Isa::scalar(), &[f32::NAN, 1.0], &[1.0; 2], 1e-5, &mut out);
        assert!(out.iter().all(|x| x.is_nan()));
    }
}
