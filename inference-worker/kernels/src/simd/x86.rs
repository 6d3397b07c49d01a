//! Which kernel takes which rows, on x86-64.

#![expect(clippy::undocumented_unsafe_blocks, reason = "one comment says it for all")]

mod avx2;
mod avx512;
mod lanes;
mod transpose;

pub(crate) use lanes::{Avx, Avx512};

use core::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

use super::{Store, block_quads, emit, joined, layout};
use crate::{Activations, Isa, LANES, WeightType, activations::PANEL, isa::Kind, packed::Group};

/// `G` groups with every row of `x`, by AVX-512 VNNI; rows are counted from the first group's. To
/// be called only under [`crate::isa::Kind::Avx512`].
pub(crate) fn avx512_groups<const G: usize>(
    format: WeightType,
    groups: [Group<'_>; G],
    x: &Activations,
    store: &mut impl Store,
) {
    with_kind!(format, KIND => avx512_blocks::<G, KIND>(groups, x, store), {
        for (g, group) in groups.into_iter().enumerate() {
            avx512_super_blocks::<KIND>(group, g * LANES, x, store);
        }
    });
}

fn avx512_blocks<const G: usize, const KIND: usize>(
    groups: [Group<'_>; G],
    x: &Activations,
    store: &mut impl Store,
) {
    let mut panel = 0;
    while panel < x.panels() {
        let at = |i| x.panel::<PANEL>(panel + i);
        // SAFETY (of all): the caller holds an `Isa` of this kind, which exists only where AVX-512
        // F, BW, VL and VNNI were seen.
        panel += match x.panels() - panel {
            _ if x.panel_rows() == 1 => {
                let sums = unsafe { avx512::blocks::<1, G, 1, KIND>(groups, [x.panel(panel)]) };
                emit_groups(x, panel, &sums, store);
                1
            }
            1 => {
                let sums = unsafe { avx512::blocks::<PANEL, G, 1, KIND>(groups, [at(0)]) };
                emit_groups(x, panel, &sums, store);
                1
            }
            _ => {
                let sums = unsafe { avx512::blocks::<PANEL, G, 2, KIND>(groups, [at(0), at(1)]) };
                emit_groups(x, panel, &sums, store);
                2
            }
        };
    }
}

fn emit_groups<const R: usize, const P: usize>(
    x: &Activations,
    panel: usize,
    sums: &[[[[f32; LANES]; R]; P]],
    store: &mut impl Store,
) {
    for (g, sums) in sums.iter().enumerate() {
        emit(x, panel, g * LANES, sums, store);
    }
}

fn avx512_super_blocks<const KIND: usize>(
    group: Group<'_>,
    first: usize,
    x: &Activations,
    store: &mut impl Store,
) {
    // SAFETY (of all): as in `avx512_blocks`.
    if x.panel_rows() == 1 {
        let sums = unsafe { avx512::super_blocks::<1, 1, KIND>(group, [x.super_panel(0)]) };
        return emit(x, 0, first, &sums, store);
    }
    let mut panel = 0;
    while panel < x.panels() {
        let at = |i| x.super_panel::<PANEL>(panel + i);
        panel += match x.panels() - panel {
            1 => {
                let sums = unsafe { avx512::super_blocks::<PANEL, 1, KIND>(group, [at(0)]) };
                emit(x, panel, first, &sums, store);
                1
            }
            _ => {
                let sums = unsafe { avx512::super_blocks::<PANEL, 2, KIND>(group, [at(0), at(1)]) };
                emit(x, panel, first, &sums, store);
                2
            }
        };
    }
}

/// 16 rows with every row of `x`, by AVX2. To be called only under [`crate::isa::Kind::Avx2`].
///
/// A row alone takes all 16 rows at once; panels take 8 at a time, since there are 16 registers.
pub(crate) fn avx2_group(
    format: WeightType,
    group: Group<'_>,
    x: &Activations,
    store: &mut impl Store,
) {
    with_kind!(format, KIND => avx2_blocks::<KIND>(group, x, store), avx2_super_blocks::<KIND>(group, x, store));
}

fn avx2_blocks<const KIND: usize>(group: Group<'_>, x: &Activations, store: &mut impl Store) {
    // SAFETY (of all): the caller holds an `Isa` of this kind, which exists only where AVX2 and
    // F16C were seen.
    if x.panel_rows() == 1 {
        let sums = unsafe { avx2::blocks::<1, 2, KIND>(group, 0, x.panel(0)) };
        return emit(x, 0, 0, &[sums.map(|sides| joined::<8, LANES>(&sides))], store);
    }
    for panel in 0..x.panels() {
        for side in 0..2 {
            let sums = unsafe { avx2::blocks::<PANEL, 1, KIND>(group, side, x.panel(panel)) };
            emit(x, panel, side * (LANES / 2), &[sums.map(|[side]| side)], store);
        }
    }
}

fn avx2_super_blocks<const KIND: usize>(group: Group<'_>, x: &Activations, store: &mut impl Store) {
    // SAFETY (of all): as in `avx2_blocks`.
    if x.panel_rows() == 1 {
        let sums = unsafe { avx2::super_blocks::<1, 2, KIND>(group, 0, x.super_panel(0)) };
        return emit(x, 0, 0, &[sums.map(|sides| joined::<8, LANES>(&sides))], store);
    }
    for panel in 0..x.panels() {
        for side in 0..2 {
            let sums =
                unsafe { avx2::super_blocks::<PANEL, 1, KIND>(group, side, x.super_panel(panel)) };
            emit(x, panel, side * (LANES / 2), &[sums.map(|[side]| side)], store);
        }
    }
}

/// How far ahead of its use memory is asked for, in bytes: into the second cache, which can wait
/// for more lines at once than the first, and from there into the first.
const AHEAD: [usize; 2] = [4096, 1024];

/// Asks for what comes [`AHEAD`] after `parts`. A product of one row waits for memory and for
/// nothing else.
#[inline(always)]
fn prefetch<T>(parts: &[T]) {
    for part in parts {
        let [second, first] =
            AHEAD.map(|bytes| (&raw const *part).cast::<i8>().wrapping_add(bytes));
        // SAFETY: a prefetch may point anywhere; it never faults. Every x86-64 CPU has it.
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(second);
            _mm_prefetch::<_MM_HINT_T0>(first);
        }
    }
}

/// Widens and transposes the keys of a tile, `[positions, head_size]` to `[head_size, TILE]`, as
/// far as that goes in wide registers; returns the number of positions done.
pub(crate) fn transpose(isa: Isa, keys: &[u16], head_size: usize, transposed: &mut [f32]) -> usize {
    match isa.0 {
        Kind::Scalar => 0,
        // SAFETY: an `Isa` of these kinds exists only where AVX2 and F16C were seen.
        Kind::Avx2 | Kind::Avx512 => unsafe { transpose::halves(keys, head_size, transposed) },
    }
}
