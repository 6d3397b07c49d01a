//! Causal attention by online softmax over tiles of 64 positions, keys and values in half precision.
//!
//! For one query the state is `(m, l, acc)`, at first `(−∞, 0, 0)`. Tiles are aligned to absolute positions and taken in order:
//!
//! ```text
//! s[j] = (q·k[j]) · scale                      for the tile's positions j that the query may see
//! m'   = max(m, max s)          c = e^(m − m')          w[j] = e^(s[j] − m')
//! l    = l·c + Σ w              acc[d] = acc[d]·c, then += w[j]·v[j][d] for j in order
//! out  = acc / l
//! ```
//!
//! So a query's bytes depend on the positions up to its own alone, not on what else is in the step, and one tile can be repeated
//! from a small state.

use core::ops::Range;

use crate::{Isa, LANES, TILE, f16, math, reduce};

/// Sizes of one step through one key/value head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Elements of a head.
    pub head_size: usize,
    /// Query heads that share this key/value head.
    pub group: usize,
    /// Absolute position of the first query row.
    pub first_position: usize,
    /// Query rows; row `r` sees positions `0..=first_position + r`.
    pub rows: usize,
}

impl Shape {
    /// Elements of scratch memory that [`attend`] needs.
    pub const fn scratch_len(&self) -> usize {
        2 * TILE * self.head_size + TILE + 2 * self.rows * self.group
    }
}

/// Attention of one key/value head with all query heads that share it.
///
/// `queries` and `out`: `[rows, group, head_size]`, the queries already rotated. `keys` and `values`:
/// `[first_position + rows, head_size]` or longer. `scale` is usually `1/√head_size`. `scratch` may hold anything.
///
/// # Panics
/// If a slice is shorter than its shape says.
#[expect(clippy::too_many_arguments, reason = "the operands of one operation")]
pub fn attend(
    isa: Isa,
    shape: Shape,
    scale: f32,
    queries: &[f32],
    keys: &[u16],
    values: &[u16],
    scratch: &mut [f32],
    out: &mut [f32],
) {
    isa.run(|| {
        let Shape { head_size, group, first_position, rows } = shape;
        let states = rows * group;
        let (key_tile, rest) = scratch[..shape.scratch_len()].split_at_mut(TILE * head_size);
        let (value_tile, rest) = rest.split_at_mut(TILE * head_size);
        let (weights, rest) = rest.split_at_mut(TILE);
        let (largest, total) = rest.split_at_mut(states);
        largest.fill(f32::NEG_INFINITY);
        total.fill(0.0);
        let out = &mut out[..states * head_size];
        out.fill(0.0);
        let seen = first_position + rows;
        for start in (0..seen).step_by(TILE) {
            let end = (start + TILE).min(seen);
            let halves: Range<usize> = start * head_size..end * head_size;
            f16::widen(&keys[halves.clone()], key_tile);
            f16::widen(&values[halves], value_tile);
            for state in 0..states {
                let position = first_position + state / group;
                if position < start {
                    continue;
                }
                let count = (position + 1).min(end) - start;
                let query = &queries[state * head_size..][..head_size];
                let weights = &mut weights[..count];
                for (weight, key) in weights.iter_mut().zip(key_tile.chunks_exact(head_size)) {
                    *weight = reduce::dot(query, key) * scale;
                }
                let tile_largest = reduce::max(weights);
                let new_largest = if tile_largest > largest[state] { tile_largest } else { largest[state] };
                let correction = math::exp(largest[state] - new_largest);
                for weight in weights.iter_mut() {
                    *weight = math::exp(*weight - new_largest);
                }
                largest[state] = new_largest;
                total[state] = total[state] * correction + reduce::sum(weights);
                accumulate(&mut out[state * head_size..][..head_size], correction, weights, value_tile);
            }
        }
        for (out, total) in out.chunks_exact_mut(head_size).zip(total) {
            for out in out {
                *out /= *total;
            }
        }
    });
}

/// `acc[d] = acc[d]·correction`, then `+= weights[j]·values[j][d]` for `j` in order.
#[inline(always)]
fn accumulate(acc: &mut [f32], correction: f32, weights: &[f32], values: &[f32]) {
    let head_size = acc.len();
    let (chunks, tail) = acc.as_chunks_mut::<LANES>();
    let whole = chunks.len() * LANES;
    for (chunk, lanes) in chunks.iter_mut().enumerate() {
        let mut sums = lanes.map(|lane| lane * correction);
        for (j, &weight) in weights.iter().enumerate() {
            let values = &values[j * head_size + chunk * LANES..][..LANES];
            for lane in 0..LANES {
                sums[lane] += weight * values[lane];
            }
        }
        *lanes = sums;
    }
    for (d, acc) in tail.iter_mut().enumerate() {
        let mut sum = *acc * correction;
        for (j, &weight) in weights.iter().enumerate() {
            sum += weight * values[j * head_size + whole + d];
        }
        *acc = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plain softmax attention in f64.
    fn naive(query: &[f32], keys: &[f32], values: &[f32], scale: f64) -> Vec<f64> {
        let size = query.len();
        let dot = |key: &[f32]| query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() * scale;
        let scores: Vec<f64> = keys.chunks_exact(size).map(dot).collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        (0..size)
            .map(|d| weights.iter().enumerate().map(|(j, w)| w * f64::from(values[j * size + d])).sum::<f64>() / total)
            .collect()
    }

    #[test]
    fn it_is_attention() {
        for (head_size, positions) in [(32, 1), (64, 63), (48, 64), (20, 65), (16, 200)] {
            let value = |i: usize, salt: usize| (((i * 2_654_435_761 + salt) % 2001) as f32 - 1000.0) / 500.0;
            let halves = |salt| (0..positions * head_size).map(|i| f16::from_f32(value(i, salt))).collect::<Vec<_>>();
            let (keys, values) = (halves(1), halves(2));
            let query: Vec<f32> = (0..head_size).map(|i| value(i, 3)).collect();
            let shape = Shape { head_size, group: 1, first_position: positions - 1, rows: 1 };
            let mut scratch = vec![f32::NAN; shape.scratch_len()];
            let mut out = vec![0.0; head_size];
            attend(Isa::best(), shape, 0.25, &query, &keys, &values, &mut scratch, &mut out);
            let wide = |halves: &[u16]| halves.iter().map(|&h| f16::to_f32(h)).collect::<Vec<_>>();
            for (ours, truth) in out.iter().zip(naive(&query, &wide(&keys), &wide(&values), 0.25)) {
                assert!((f64::from(*ours) - truth).abs() < 1.0e-5, "{head_size} {positions}: {ours} {truth}");
            }
        }
    }
}
