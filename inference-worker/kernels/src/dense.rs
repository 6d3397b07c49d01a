//! Products with F32, F16 and BF16 matrices: each output is [`reduce::dot`] of a weight row,
//! widened first, and an input row.

use crate::{Activations, Columns, LANES, f16, isa::Operation, lanes::Lanes, reduce};

/// A type of weights.
pub(crate) trait Weight {
    /// As stored.
    type Bits: Copy;
    /// The weight as f32, exactly.
    fn widen(bits: Self::Bits) -> f32;
    /// 16 of them.
    fn load<V: Lanes>(bits: &[Self::Bits; LANES]) -> V;
}

/// Single precision.
pub(crate) struct F32;
/// Half precision.
pub(crate) struct F16;
/// The upper half of single precision.
pub(crate) struct Bf16;

impl Weight for F32 {
    type Bits = f32;

    #[inline(always)]
    fn widen(bits: f32) -> f32 {
        bits
    }

    #[inline(always)]
    fn load<V: Lanes>(bits: &[f32; LANES]) -> V {
        V::load(bits)
    }
}

impl Weight for F16 {
    type Bits = u16;

    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        f16::to_f32(bits)
    }

    #[inline(always)]
    fn load<V: Lanes>(bits: &[u16; LANES]) -> V {
        V::load_f16(bits)
    }
}

impl Weight for Bf16 {
    type Bits = u16;

    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        f16::from_bf16(bits)
    }

    #[inline(always)]
    fn load<V: Lanes>(bits: &[u16; LANES]) -> V {
        V::load_bf16(bits)
    }
}

/// Weights as f32.
pub(crate) fn widen<W: Weight>(bits: &[W::Bits], out: &mut [f32]) {
    for (out, &bits) in out.iter_mut().zip(bits) {
        *out = W::widen(bits);
    }
}

/// Products of one weight row with several input rows, each in the order of [`reduce::dot`]. All
/// rows have one length.
#[inline(always)]
pub(crate) fn dots<V: Lanes, W: Weight, const N: usize>(
    weights: &[W::Bits],
    x: [&[f32]; N],
) -> [f32; N] {
    let mut lanes = [V::splat(0.0); N];
    let (chunks, tail) = weights.as_chunks::<LANES>();
    for (chunk, weights) in chunks.iter().enumerate() {
        let weights = W::load::<V>(weights);
        for n in 0..N {
            lanes[n] = lanes[n].plus(weights.times(V::load(&x[n].as_chunks().0[chunk])));
        }
    }
    let mut products = [0.0; N];
    for n in 0..N {
        let mut lanes = lanes[n].store();
        for (lane, (&weight, x)) in tail.iter().zip(&x[n][chunks.len() * LANES..]).enumerate() {
            lanes[lane] += W::widen(weight) * x;
        }
        products[n] = reduce::tree(lanes);
    }
    products
}

/// Input rows that one pass over a weight row serves.
const TOGETHER: usize = 4;

/// Rows of a dense matrix times all rows of `x`: `out: [x.rows, weight rows]`.
pub(crate) struct Rows<'a, W: Weight> {
    pub weights: &'a [W::Bits],
    pub columns: usize,
    pub x: &'a Activations,
    pub out: Columns<'a>,
}

impl<W: Weight> Operation for Rows<'_, W> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let Self { weights, columns, x, mut out } = self;
        let width = out.width();
        for (column, weights) in weights.chunks_exact(columns).take(width).enumerate() {
            let mut row = 0;
            while row + TOGETHER <= x.rows() {
                for product in
                    dots::<V, W, TOGETHER>(weights, core::array::from_fn(|i| x.plain_row(row + i)))
                {
                    out.row(row, column, 1)[0] = product;
                    row += 1;
                }
            }
            while row < x.rows() {
                let [product] = dots::<V, W, 1>(weights, [x.plain_row(row)]);
                out.row(row, column, 1)[0] = product;
                row += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dot<W: Weight>(weights: &[W::Bits], x: &[f32]) -> u32 {
        dots::<[f32; LANES], W, 1>(weights, [x])[0].to_bits()
    }

    proptest! {
        #[test]
        fn every_type_is_f32_after_widening(halves in prop::collection::vec(0u16..0x7c00, 0..70), seed in any::<u32>()) {
            let x: Vec<f32> = (0..halves.len()).map(|i| (seed.wrapping_mul(i as u32 + 7) % 1000) as f32 - 500.0).collect();
            let wide = |widen: fn(u16) -> f32| halves.iter().map(|&h| widen(h)).collect::<Vec<_>>();
            let (f16s, bf16s) = (wide(f16::to_f32), wide(f16::from_bf16));
            prop_assert_eq!(dot::<F16>(&halves, &x), reduce::dot(&f16s, &x).to_bits());
            prop_assert_eq!(dot::<Bf16>(&halves, &x), reduce::dot(&bf16s, &x).to_bits());
            prop_assert_eq!(dot::<F32>(&f16s, &x), reduce::dot(&f16s, &x).to_bits());
        }
    }
}
