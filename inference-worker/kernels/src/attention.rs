//! Causal attention by online softmax over tiles of 64 positions, keys and values in half
//! precision.
//!
//! For one query the state is `(m, l, acc)`, at first `(−∞, 0, 0)`. Tiles are aligned to absolute
//! positions and taken in order:
//!
//! ```text
//! s[j] = (q·k[j]) · scale                      for the tile's positions j that the query may see
//! m'   = max(m, max s)          c = e^(m − m')          w[j] = e^(s[j] − m')
//! l    = l·c + Σ w              acc[d] = acc[d]·c, then += w[j]·v[j][d] for j in order
//! out  = acc / l
//! ```
//!
//! With a window a query sees only so many positions, its own the last of them; the others of a
//! tile have `s = −∞` and are left out of `acc`, and tiles without any that it sees are passed
//! over. With a sink, a score of the head's own that no position has, the state begins as
//! `(sink, 1, 0)`.
//!
//! So a query's bytes depend on the positions up to its own alone, not on what else is in the step,
//! and one tile can be repeated from a small state.

mod together;

use core::ops::Range;

use crate::{Isa, LANES, TILE, dense, f16, isa::Operation, lanes::Lanes, math, reduce};
use together::TOGETHER;

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
    /// If given, a row sees only the last so many of them, at least 1.
    pub window: Option<usize>,
}

impl Shape {
    /// Elements of scratch memory that [`attend`] needs.
    pub const fn scratch_len(&self) -> usize {
        let states = (self.rows * self.group).next_multiple_of(TOGETHER);
        (2 * TILE + states) * self.head_size + 2 * states
    }

    /// Which of a tile's positions, from `start` on, a state (query row and head) sees.
    #[inline(always)]
    fn visible(&self, state: usize, start: usize) -> Range<usize> {
        let end = self.first_position + state / self.group + 1;
        let first = self.window.map_or(0, |window| end.saturating_sub(window));
        let within = |position: usize| position.saturating_sub(start).min(TILE);
        within(first)..within(end)
    }

    /// The first position of the first tile that a row sees anything of.
    fn first_tile(&self) -> usize {
        let first =
            self.window.map_or(0, |window| (self.first_position + 1).saturating_sub(window));
        first / TILE * TILE
    }
}

/// Attention of one key/value head with all query heads that share it.
///
/// `queries` and `out`: `[rows, group, head_size]`, the queries already rotated. `tile(t)` gives
/// the keys and the values of the positions from `64·t` on, each `[positions, head_size]` and at
/// least as long as positions up to `first_position + rows` need. `scale` is usually
/// `1/√head_size`. `sinks` are the heads' own scores, `[group]`, or empty where there are none.
/// `scratch` may hold anything.
///
/// # Panics
/// If a slice is shorter than its shape says.
#[expect(clippy::too_many_arguments, reason = "operands of one operation")]
pub fn attend<'a>(
    isa: Isa,
    shape: Shape,
    scale: f32,
    sinks: &[f32],
    queries: &[f32],
    tile: impl Fn(usize) -> (&'a [u16], &'a [u16]),
    scratch: &mut [f32],
    out: &mut [f32],
) {
    let Shape { head_size, group, first_position, rows, .. } = shape;
    let states = rows * group;
    // Fewer states are not worth turning the keys around, and the definition goes state by state.
    let together = isa != Isa::scalar() && states >= TOGETHER;
    let padded = states.next_multiple_of(TOGETHER);
    let (key_tile, rest) = scratch[..shape.scratch_len()].split_at_mut(TILE * head_size);
    let (value_tile, rest) = rest.split_at_mut(TILE * head_size);
    let (transposed, rest) = rest.split_at_mut(padded * head_size);
    let (largest, total) = rest.split_at_mut(padded);
    let (queries, out) = (&queries[..states * head_size], &mut out[..states * head_size]);
    if sinks.is_empty() {
        largest.fill(f32::NEG_INFINITY);
        total.fill(0.0);
    } else {
        let of_states = sinks[..group].iter().cycle().take(states);
        largest.iter_mut().zip(of_states).for_each(|(largest, &sink)| *largest = sink);
        total.fill(1.0);
    }
    out.fill(0.0);
    if together {
        together::transpose_queries(queries, head_size, transposed);
    }
    let seen = first_position + rows;
    for start in (shape.first_tile()..seen).step_by(TILE) {
        let (keys, values) = tile(start / TILE);
        let length = (seen - start).min(TILE) * head_size;
        let (keys, values) = (&keys[..length], &values[..length]);
        isa.run(|| f16::widen(values, value_tile));
        if together {
            together::transpose_keys(isa, keys, head_size, key_tile);
        } else {
            isa.run(|| f16::widen(keys, key_tile));
        }
        let tile = Tile { shape, scale, start, keys: key_tile, values: value_tile };
        let queries = if together { &*transposed } else { queries };
        isa.call(Step { tile, together, queries, largest, total, out });
    }
    isa.run(|| {
        for (out, total) in out.chunks_exact_mut(head_size).zip(total) {
            for out in out {
                *out /= *total;
            }
        }
    });
}

/// One tile, widened.
struct Tile<'a> {
    shape: Shape,
    scale: f32,
    /// First position of the tile.
    start: usize,
    /// `[TILE, head_size]`; the other way round in [`together`].
    keys: &'a [f32],
    /// `[TILE, head_size]`.
    values: &'a [f32],
}

/// All states through one tile.
struct Step<'a> {
    tile: Tile<'a>,
    together: bool,
    /// As [`attend`] takes them; in another order if they are computed together.
    queries: &'a [f32],
    /// By state.
    largest: &'a mut [f32],
    total: &'a mut [f32],
    /// `[state, head_size]`.
    out: &'a mut [f32],
}

impl Operation for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { tile, together, queries, largest, total, out } = self;
        if together {
            tile.run_together::<V>(queries, largest, total, out);
        } else {
            tile.run::<V>(queries, largest, total, out);
        }
    }
}

impl Tile<'_> {
    /// The definition.
    #[inline(always)]
    fn run<V: Lanes>(
        &self,
        queries: &[f32],
        largest: &mut [f32],
        total: &mut [f32],
        out: &mut [f32],
    ) {
        let head_size = self.shape.head_size;
        for (state, (query, out)) in
            queries.chunks_exact(head_size).zip(out.chunks_exact_mut(head_size)).enumerate()
        {
            let Range { start: first, end: count } = self.shape.visible(state, self.start);
            if first < count {
                let mut weights = [0.0; TILE];
                let weights = &mut weights[..count];
                weights[..first].fill(f32::NEG_INFINITY);
                let keys = self.keys[first * head_size..].chunks_exact(head_size);
                for (weight, key) in weights[first..].iter_mut().zip(keys) {
                    let [score] = dense::dots::<V, dense::F32, 1>(query, [key]);
                    *weight = score * self.scale;
                }
                let correction = softmax_step(weights, &mut largest[state], &mut total[state]);
                let values = &self.values[first * head_size..];
                accumulate::<V>(out, correction, &weights[first..], values);
            }
        }
    }
}

/// Scores to weights of one state; returns the factor of what was summed before.
#[inline(always)]
fn softmax_step(weights: &mut [f32], largest: &mut f32, total: &mut f32) -> f32 {
    let tile_largest = reduce::max(weights);
    let new_largest = if tile_largest > *largest { tile_largest } else { *largest };
    let correction = math::exp(*largest - new_largest);
    for weight in weights.iter_mut() {
        *weight = math::exp(*weight - new_largest);
    }
    *largest = new_largest;
    *total = *total * correction + reduce::sum(weights);
    correction
}

/// `acc[d] = acc[d]·correction`, then `+= weights[j]·values[j][d]` for `j` in order.
#[inline(always)]
fn accumulate<V: Lanes>(acc: &mut [f32], correction: f32, weights: &[f32], values: &[f32]) {
    let head_size = acc.len();
    let (chunks, tail) = acc.as_chunks_mut::<LANES>();
    let whole = chunks.len() * LANES;
    for (chunk, lanes) in chunks.iter_mut().enumerate() {
        let mut sums = V::load(lanes).times(V::splat(correction));
        for (&weight, values) in weights.iter().zip(values.chunks_exact(head_size)) {
            sums = sums.plus(V::splat(weight).times(V::load(&values.as_chunks().0[chunk])));
        }
        *lanes = sums.store();
    }
    for (d, acc) in tail.iter_mut().enumerate() {
        let mut sum = *acc * correction;
        for (&weight, values) in weights.iter().zip(values.chunks_exact(head_size)) {
            sum += weight * values[whole + d];
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
        let dot = |key: &[f32]| {
            query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() * scale
        };
        let scores: Vec<f64> = keys.chunks_exact(size).map(dot).collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|s| (s - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        (0..size)
            .map(|d| {
                weights
                    .iter()
                    .enumerate()
                    .map(|(j, w)| w * f64::from(values[j * size + d]))
                    .sum::<f64>()
                    / total
            })
            .collect()
    }

    #[test]
    fn it_is_attention() {
        for (head_size, positions) in [(32, 1), (64, 63), (48, 64), (20, 65), (16, 200)] {
            let value = |i: usize, salt: usize| {
                (((i * 2_654_435_761 + salt) % 2001) as f32 - 1000.0) / 500.0
            };
            let halves = |salt| {
                (0..positions * head_size)
                    .map(|i| f16::from_f32(value(i, salt)))
                    .collect::<Vec<_>>()
            };
            let (keys, values) = (halves(1), halves(2));
            let query: Vec<f32> = (0..head_size).map(|i| value(i, 3)).collect();
            let shape =
                Shape { head_size, group: 1, first_position: positions - 1, rows: 1, window: None };
            let mut scratch = vec![f32::NAN; shape.scratch_len()];
            let mut out = vec![0.0; head_size];
            let tile = |t: usize| (&keys[t * TILE * head_size..], &values[t * TILE * head_size..]);
            attend(Isa::best(), shape, 0.25, &[], &query, tile, &mut scratch, &mut out);
            let wide = |halves: &[u16]| halves.iter().map(|&h| f16::to_f32(h)).collect::<Vec<_>>();
            for (ours, truth) in out.iter().zip(naive(&query, &wide(&keys), &wide(&values), 0.25)) {
                assert!(
                    (f64::from(*ours) - truth).abs() < 1.0e-5,
                    "{head_size} {positions}: {ours} {truth}"
                );
            }
        }
    }

    #[test]
    fn a_window_leaves_out_what_is_before_it_and_a_sink_is_one_score_more() {
        let (size, positions, group) = (24, 200, 3);
        let value =
            |i: usize, salt: usize| (((i * 2_654_435_761 + salt) % 2001) as f32 - 1000.0) / 500.0;
        let halves =
            |salt| (0..positions * size).map(|i| f16::from_f32(value(i, salt))).collect::<Vec<_>>();
        let (keys, values) = (halves(1), halves(2));
        let wide = |halves: &[u16]| halves.iter().map(|&h| f16::to_f32(h)).collect::<Vec<_>>();
        let tile = |t: usize| (&keys[t * TILE * size..], &values[t * TILE * size..]);
        let sinks = [0.5, -3.0, 9.0];
        for (window, first_position, rows) in
            [(1, 0, 5), (7, 60, 9), (64, 63, 3), (100, 90, 110), (500, 130, 2)]
        {
            let shape =
                Shape { head_size: size, group, first_position, rows, window: Some(window) };
            let queries: Vec<f32> = (0..rows * group * size).map(|i| value(i, 3)).collect();
            let mut scratch = vec![f32::NAN; shape.scratch_len()];
            let mut out = vec![0.0; queries.len()];
            attend(Isa::best(), shape, 0.25, &sinks, &queries, tile, &mut scratch, &mut out);
            for (state, (query, out)) in
                queries.chunks_exact(size).zip(out.chunks_exact(size)).enumerate()
            {
                let end = first_position + state / group + 1;
                let seen = end.saturating_sub(window) * size..end * size;
                // A position whose value is zero and whose score is the sink's.
                let mut keys = wide(&keys[seen.clone()]);
                let mut values = wide(&values[seen]);
                let square: f32 = query.iter().map(|x| x * x).sum();
                keys.extend(query.iter().map(|x| x * sinks[state % group] / (0.25 * square)));
                values.extend(vec![0.0; size]);
                for (ours, truth) in out.iter().zip(naive(query, &keys, &values, 0.25)) {
                    assert!(
                        (f64::from(*ours) - truth).abs() < 1.0e-5,
                        "{window}, state {state}: {ours} {truth}"
                    );
                }
            }
        }
    }
}
