//! Rotary position embedding, over neighbouring pairs as in GGUF's `llama` or over pairs half the
//! rotated part apart as in GPT-NeoX.

use crate::{Isa, math};

/// Rotation per position of pair `pair`: `base^(−2·pair/dimensions)`, in f64, before any scaling.
///
/// `base` is positive; `dimensions` is the even number of rotated elements of a head.
pub fn frequency(base: f64, pair: usize, dimensions: usize) -> f64 {
    math::exp_64(-2.0 * pair as f64 / dimensions as f64 * math::ln_64(base))
}

/// Cosines and sines of one position (below 2²⁰) for all pairs, rounded once to f32. All three
/// slices have one length.
pub fn angles(position: u32, frequencies: &[f64], cos: &mut [f32], sin: &mut [f32]) {
    for ((&frequency, cos), sin) in frequencies.iter().zip(cos).zip(sin) {
        let (s, c) = math::sin_cos_64(f64::from(position) * frequency);
        (*cos, *sin) = (c as f32, s as f32);
    }
}

/// Rotates the first `2·cos.len()` elements of every head of a row; `heads: [n, head_size]`. The
/// rest of a head stays.
pub fn rotate(isa: Isa, heads: &mut [f32], head_size: usize, cos: &[f32], sin: &[f32]) {
    isa.run(|| {
        for head in heads.chunks_exact_mut(head_size) {
            let (pairs, _) = head.as_chunks_mut::<2>();
            for ((pair, &cos), &sin) in pairs.iter_mut().zip(cos).zip(sin) {
                let [x, y] = *pair;
                *pair = [x * cos - y * sin, x * sin + y * cos];
            }
        }
    });
}

/// As [`rotate`], where pair `i` is made of elements `i` and `i + cos.len()` of a head.
pub fn rotate_halves(isa: Isa, heads: &mut [f32], head_size: usize, cos: &[f32], sin: &[f32]) {
    isa.run(|| {
        for head in heads.chunks_exact_mut(head_size) {
            let (first, second) = head[..2 * cos.len()].split_at_mut(cos.len());
            for ((x, y), (&cos, &sin)) in first.iter_mut().zip(second).zip(cos.iter().zip(sin)) {
                (*x, *y) = (*x * cos - *y * sin, *x * sin + *y * cos);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_zero_turns_nothing_and_a_quarter_turn_swaps() {
        let mut row = [1.0, 2.0, 3.0, 4.0, 9.0, 9.0];
        rotate(Isa::scalar(), &mut row, 6, &[1.0, 0.0], &[0.0, 1.0]);
        assert_eq!(row, [1.0, 2.0, -4.0, 3.0, 9.0, 9.0]);
    }

    #[test]
    fn both_kinds_of_pairs_turn_alike() {
        let (cos, sin) = ([0.8, -0.6, 0.28], [0.6, 0.8, 0.96]);
        let mut neighbours = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 9.0, 1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 9.0];
        let mut halves = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0];
        for isa in Isa::available() {
            rotate(isa, &mut neighbours, 7, &cos, &sin);
            rotate_halves(isa, &mut halves, 7, &cos, &sin);
            for head in 0..2 {
                for pair in 0..3 {
                    assert_eq!(neighbours[head * 7 + 2 * pair], halves[head * 7 + pair]);
                    assert_eq!(neighbours[head * 7 + 2 * pair + 1], halves[head * 7 + 3 + pair]);
                }
                assert_eq!(halves[head * 7 + 6], 9.0);
            }
        }
    }

    #[test]
    fn frequencies_fall_from_one_to_one_over_the_base() {
        assert_eq!(frequency(10_000.0, 0, 64), 1.0);
        assert!((frequency(10_000.0, 16, 64) - 0.01).abs() < 1.0e-15);
        let (mut cos, mut sin) = ([0.0; 2], [0.0; 2]);
        angles(1000, &[1.0, 0.01], &mut cos, &mut sin);
        assert_eq!((cos[0], sin[1]), (1000.0f64.cos() as f32, 10.0f64.sin() as f32));
    }
}
