//! Attention of four states at once, each by the definition's sequence.
//!
//! The keys of a tile are transposed to `[element, position]`, so that a register holds one element
//! of 16 keys: each of the 16 virtual lanes of the definition's sum is then a register of its own,
//! and its tree adds registers. Keys and values are loaded once for four states.

use core::ops::Range;

use super::{Tile, softmax_step};
use crate::{Isa, LANES, TILE, lanes::Lanes};

/// States that are computed together.
pub(super) const TOGETHER: usize = 4;

impl Tile<'_> {
    /// All states through the tile. `queries`: as [`transpose_queries`] leaves them; the keys: as
    /// [`transpose_keys`] does.
    #[inline(always)]
    pub(super) fn run_together<V: Lanes>(
        &self,
        queries: &[f32],
        largest: &mut [f32],
        total: &mut [f32],
        out: &mut [f32],
    ) {
        let head_size = self.shape.head_size;
        let states = largest
            .as_chunks_mut::<TOGETHER>()
            .0
            .iter_mut()
            .zip(total.as_chunks_mut::<TOGETHER>().0);
        let operands =
            queries.chunks_exact(TOGETHER * head_size).zip(out.chunks_mut(TOGETHER * head_size));
        for (index, ((largest, total), (queries, out))) in states.zip(operands).enumerate() {
            let held = out.len() / head_size;
            let seen: [Range<usize>; TOGETHER] = core::array::from_fn(|s| match s < held {
                true => self.shape.visible(index * TOGETHER + s, self.start),
                false => 0..0,
            });
            let active = || seen.iter().filter(|seen| !seen.is_empty());
            let first = active().fold(TILE, |first, seen| first.min(seen.start));
            let last = active().fold(0, |last, seen| last.max(seen.end));
            let mut weights = [[f32::NEG_INFINITY; TILE]; TOGETHER];
            for chunk in first / LANES..last.div_ceil(LANES) {
                let scores = self.scores::<V>(queries, chunk);
                for s in 0..TOGETHER {
                    weights[s].as_chunks_mut().0[chunk] =
                        scores[s].times(V::splat(self.scale)).store();
                }
            }
            for (s, seen) in seen.iter().enumerate().filter(|(_, seen)| !seen.is_empty()) {
                // e^−∞ is 0, and a 0 more does not change a maximum or a sum of weights.
                weights[s][..seen.start].fill(f32::NEG_INFINITY);
                weights[s][seen.end..].fill(f32::NEG_INFINITY);
                let correction = softmax_step(&mut weights[s], &mut largest[s], &mut total[s]);
                for out in &mut out[s * head_size..][..head_size] {
                    *out *= correction;
                }
            }
            // What all four see, and what only some of them see before and after it.
            let shared = if active().count() == TOGETHER {
                let start = active().fold(0, |start, seen| start.max(seen.start));
                start..active().fold(TILE, |end, seen| end.min(seen.end))
            } else {
                0..0
            };
            for (s, seen) in seen.iter().enumerate().filter(|(_, seen)| !seen.is_empty()) {
                let before = seen.start..if shared.is_empty() { seen.end } else { shared.start };
                let out = &mut out[s * head_size..][..head_size];
                self.accumulate_one(&weights[s], before, out);
            }
            if !shared.is_empty() {
                self.accumulate::<V>(&weights, shared.clone(), out);
                for (s, seen) in seen.iter().enumerate() {
                    let out = &mut out[s * head_size..][..head_size];
                    self.accumulate_one(&weights[s], shared.end..seen.end, out);
                }
            }
        }
    }

    /// Products of four queries with the 16 keys of a chunk, in the order of
    /// [`crate::reduce::dot`].
    #[inline(always)]
    fn scores<V: Lanes>(&self, queries: &[f32], chunk: usize) -> [V; TOGETHER] {
        let operands =
            (queries.as_chunks::<TOGETHER>().0, &self.keys.as_chunks::<LANES>().0[chunk..]);
        plus(two::<V>(operands, 0), two::<V>(operands, 1))
    }

    /// `out[s][d] += weights[s][j]·values[j][d]` for `j` in `range` in order.
    #[inline(always)]
    fn accumulate<V: Lanes>(
        &self,
        weights: &[[f32; TILE]; TOGETHER],
        range: Range<usize>,
        out: &mut [f32],
    ) {
        let head_size = self.shape.head_size;
        let whole = head_size / LANES * LANES;
        let mut first = 0;
        while first + 2 * LANES <= whole {
            self.accumulate_columns::<V, 2>(weights, range.clone(), first, out);
            first += 2 * LANES;
        }
        if first < whole {
            self.accumulate_columns::<V, 1>(weights, range.clone(), first, out);
        }
        for (weights, out) in weights.iter().zip(out.chunks_exact_mut(head_size)) {
            for (d, out) in out.iter_mut().enumerate().skip(whole) {
                let values = self.values[range.start * head_size..].chunks_exact(head_size);
                for (weight, values) in weights[range.clone()].iter().zip(values) {
                    *out += weight * values[d];
                }
            }
        }
    }

    /// The same for `16·W` columns.
    #[expect(
        clippy::needless_range_loop,
        reason = "registers of several sums, counted at compile time"
    )]
    #[inline(always)]
    fn accumulate_columns<V: Lanes, const W: usize>(
        &self,
        weights: &[[f32; TILE]; TOGETHER],
        range: Range<usize>,
        first: usize,
        out: &mut [f32],
    ) {
        let head_size = self.shape.head_size;
        let mut sums = [[V::splat(0.0); W]; TOGETHER];
        for s in 0..TOGETHER {
            for w in 0..W {
                sums[s][w] = V::load(&out[s * head_size + first..].as_chunks().0[w]);
            }
        }
        let values = self.values[range.start * head_size..].chunks_exact(head_size);
        for (j, values) in (range.start..range.end.min(TILE)).zip(values) {
            let values = &values[first..][..W * LANES].as_chunks().0;
            for w in 0..W {
                let value = V::load(&values[w]);
                for s in 0..TOGETHER {
                    sums[s][w] = sums[s][w].plus(V::splat(weights[s][j]).times(value));
                }
            }
        }
        for s in 0..TOGETHER {
            for w in 0..W {
                out[s * head_size + first..].as_chunks_mut().0[w] = sums[s][w].store();
            }
        }
    }

    /// The same for one state and positions `range`.
    #[inline(always)]
    fn accumulate_one(&self, weights: &[f32; TILE], range: Range<usize>, out: &mut [f32]) {
        let values = self.values.chunks_exact(out.len()).skip(range.start);
        for (weight, values) in weights[range].iter().zip(values) {
            for (out, value) in out.iter_mut().zip(values) {
                *out += weight * value;
            }
        }
    }
}

// Only functions that are always inlined, no closures: what is not inlined is not compiled for the
// instruction set.

#[inline(always)]
fn plus<V: Lanes>(mut a: [V; TOGETHER], b: [V; TOGETHER]) -> [V; TOGETHER] {
    for s in 0..TOGETHER {
        a[s] = a[s].plus(b[s]);
    }
    a
}

/// Queries, and the keys from a chunk of 16 on.
type Operands<'a> = (&'a [[f32; TOGETHER]], &'a [[f32; LANES]]);

/// One virtual lane of the products.
#[inline(always)]
fn one<V: Lanes>((queries, keys): Operands<'_>, lane: usize) -> [V; TOGETHER] {
    let mut sums = [V::splat(0.0); TOGETHER];
    let mut d = lane;
    while d < queries.len() {
        let key = V::load(&keys[d * (TILE / LANES)]);
        for s in 0..TOGETHER {
            sums[s] = sums[s].plus(V::splat(queries[d][s]).times(key));
        }
        d += LANES;
    }
    sums
}

// The tree, from its leaves to two lanes.

#[inline(always)]
fn eight<V: Lanes>(operands: Operands<'_>, lane: usize) -> [V; TOGETHER] {
    plus(one::<V>(operands, lane), one::<V>(operands, lane + 8))
}

#[inline(always)]
fn four<V: Lanes>(operands: Operands<'_>, lane: usize) -> [V; TOGETHER] {
    plus(eight::<V>(operands, lane), eight::<V>(operands, lane + 4))
}

#[inline(always)]
fn two<V: Lanes>(operands: Operands<'_>, lane: usize) -> [V; TOGETHER] {
    plus(four::<V>(operands, lane), four::<V>(operands, lane + 2))
}

/// `[state, head_size]` to `[four states, head_size, state]`; states that fill up the last four are
/// zeros.
#[inline(always)]
pub(super) fn transpose_queries(queries: &[f32], head_size: usize, transposed: &mut [f32]) {
    transposed.fill(0.0);
    let four = TOGETHER * head_size;
    for (queries, transposed) in queries.chunks(four).zip(transposed.chunks_exact_mut(four)) {
        for (s, query) in queries.chunks_exact(head_size).enumerate() {
            for (element, transposed) in query.iter().zip(transposed.as_chunks_mut::<TOGETHER>().0)
            {
                transposed[s] = *element;
            }
        }
    }
}

/// `[positions, head_size]` halves to `[head_size, TILE]`; positions that are not there are zeros.
pub(super) fn transpose_keys(isa: Isa, keys: &[u16], head_size: usize, transposed: &mut [f32]) {
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    let done = crate::simd::transpose(isa, keys, head_size, transposed);
    #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
    let done = 0;
    isa.run(|| {
        for (position, key) in keys.chunks_exact(head_size).enumerate().skip(done) {
            for (element, transposed) in key.iter().zip(transposed.as_chunks_mut::<TILE>().0) {
                transposed[position] = crate::f16::to_f32(*element);
            }
        }
        let held = keys.len() / head_size;
        for transposed in transposed.as_chunks_mut::<TILE>().0 {
            transposed[held..].fill(0.0);
        }
    });
}
