//! Hand-written twins of the quantised products. Each lane of a register is one output row and runs
//! the scalar sequence; only the integers inside a block are summed in another order, which cannot
//! change them.
//!
//! A kernel is compiled once per format: `KIND` is the format's number in [`WeightType::ALL`], so
//! that everything that depends on it is decided by the compiler. `R` is the number of rows of a
//! panel of activations, `P` the number of panels that one pass over the weights serves.

/// Runs `$blocks` or `$super_blocks` with the constant `$kind` of a format.
macro_rules! with_kind {
    ($format:expr, $kind:ident => $blocks:expr, $super_blocks:expr) => {
        with_kind!(@ $format, $kind, $blocks, [Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, MXFP4], $super_blocks, [Q4_K, Q5_K, Q6_K, Q2_K, Q3_K, IQ4_XS])
    };
    (@ $format:expr, $kind:ident, $blocks:expr, [$($block:ident),*], $super_blocks:expr, [$($super_block:ident),*]) => {
        match $format {
            $(WeightType::$block => { const $kind: usize = WeightType::$block as usize; $blocks })*
            $(WeightType::$super_block => { const $kind: usize = WeightType::$super_block as usize; $super_blocks })*
            // These are never packed.
            WeightType::F32 | WeightType::F16 | WeightType::BF16 => {}
        }
    };
}

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use arm::{Neon, dotprod_group, neon_group};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx, Avx512, avx2_group, avx512_groups, transpose};

use crate::{Activations, WeightType, packed::Layout};

/// What the kernels of one format know at compile time.
const fn layout(kind: usize) -> Layout {
    match Layout::of(WeightType::ALL[kind]) {
        Some(layout) => layout,
        None => panic!("a format that is not quantised has no packed layout"),
    }
}

/// Quads of one block or super-block.
const fn block_quads(kind: usize) -> usize {
    layout(kind).quads(WeightType::ALL[kind])
}

/// Takes the products of `W` output rows from number `first` on of a group, for row `row` of the
/// input.
pub(crate) trait Store: FnMut(usize, usize, &[f32]) {}
impl<F: FnMut(usize, usize, &[f32])> Store for F {}

/// Hands out what a kernel computed for panels from `panel` on, without the rows that only fill up
/// the last panel.
fn emit<const W: usize, const R: usize, const P: usize>(
    x: &Activations,
    panel: usize,
    first: usize,
    sums: &[[[f32; W]; R]; P],
    store: &mut impl Store,
) {
    for (sums, row) in sums.as_flattened().iter().zip(panel * R..x.rows()) {
        store(row, first, sums);
    }
}

/// The lanes of registers that lie side by side.
fn joined<const N: usize, const W: usize>(registers: &[[f32; N]]) -> [f32; W] {
    let lanes = registers.as_flattened();
    core::array::from_fn(|lane| lanes[lane])
}
