//! Which kernel takes which rows, on aarch64. A single row is multiplied with all 16 output rows at
//! once, panels with 8 at a time.

mod lanes;
mod neon;

pub(crate) use lanes::Neon;

use neon::{Dot, Sdot, WIDTH, Widening};

use super::{Store, block_quads, emit, joined, layout};
use crate::{
    Activations, WeightType,
    activations::{PANEL, Panel, SuperPanel},
    packed::Group,
};

/// 16 rows with every row of `x`, by NEON. To be called only under [`crate::isa::Kind::Neon`].
pub(crate) fn neon_group(
    format: WeightType,
    group: Group<'_>,
    x: &Activations,
    store: &mut impl Store,
) {
    with_kind!(format, KIND => blocks::<Widening, KIND>(group, x, store), super_blocks::<Widening, KIND>(group, x, store));
}

/// The same with the dot product instruction. To be called only under
/// [`crate::isa::Kind::Dotprod`].
pub(crate) fn dotprod_group(
    format: WeightType,
    group: Group<'_>,
    x: &Activations,
    store: &mut impl Store,
) {
    with_kind!(format, KIND => blocks::<Sdot, KIND>(group, x, store), super_blocks::<Sdot, KIND>(group, x, store));
}

/// An instruction set under which the kernels are compiled.
///
/// # Safety
/// Each function wants a CPU that has it.
trait Compiled: Dot {
    unsafe fn blocks<const R: usize, const S: usize, const KIND: usize>(
        group: Group<'_>,
        first: usize,
        x: Panel<'_, R>,
    ) -> [[[f32; WIDTH]; S]; R];
    unsafe fn super_blocks<const R: usize, const S: usize, const KIND: usize>(
        group: Group<'_>,
        first: usize,
        x: SuperPanel<'_, R>,
    ) -> [[[f32; WIDTH]; S]; R];
}

macro_rules! compiled {
    ($dot:ty, $features:literal) => {
        impl Compiled for $dot {
            #[target_feature(enable = $features)]
            unsafe fn blocks<const R: usize, const S: usize, const KIND: usize>(
                group: Group<'_>,
                first: usize,
                x: Panel<'_, R>,
            ) -> [[[f32; WIDTH]; S]; R] {
                // SAFETY: the caller's.
                unsafe { neon::blocks::<Self, R, S, KIND>(group, first, x) }
            }

            #[target_feature(enable = $features)]
            unsafe fn super_blocks<const R: usize, const S: usize, const KIND: usize>(
                group: Group<'_>,
                first: usize,
                x: SuperPanel<'_, R>,
            ) -> [[[f32; WIDTH]; S]; R] {
                // SAFETY: the caller's.
                unsafe { neon::super_blocks::<Self, R, S, KIND>(group, first, x) }
            }
        }
    };
}

compiled!(Widening, "neon");
compiled!(Sdot, "neon,dotprod");

// SAFETY (of all): the callers hold an `Isa` of their kind, which exists only where the CPU was
// seen to have the instructions.

fn blocks<C: Compiled, const KIND: usize>(
    group: Group<'_>,
    x: &Activations,
    store: &mut impl Store,
) {
    if x.panel_rows() == 1 {
        let sums = unsafe { C::blocks::<1, 4, KIND>(group, 0, x.panel(0)) };
        return emit(x, 0, 0, &[sums.map(|registers| joined::<WIDTH, 16>(&registers))], store);
    }
    for panel in 0..x.panels() {
        for first in [0, 2] {
            let sums = unsafe { C::blocks::<PANEL, 2, KIND>(group, first, x.panel(panel)) };
            emit(
                x,
                panel,
                first * WIDTH,
                &[sums.map(|registers| joined::<WIDTH, 8>(&registers))],
                store,
            );
        }
    }
}

fn super_blocks<C: Compiled, const KIND: usize>(
    group: Group<'_>,
    x: &Activations,
    store: &mut impl Store,
) {
    if x.panel_rows() == 1 {
        let sums = unsafe { C::super_blocks::<1, 4, KIND>(group, 0, x.super_panel(0)) };
        return emit(x, 0, 0, &[sums.map(|registers| joined::<WIDTH, 16>(&registers))], store);
    }
    for panel in 0..x.panels() {
        for first in [0, 2] {
            let sums =
                unsafe { C::super_blocks::<PANEL, 2, KIND>(group, first, x.super_panel(panel)) };
            emit(
                x,
                panel,
                first * WIDTH,
                &[sums.map(|registers| joined::<WIDTH, 8>(&registers))],
                store,
            );
        }
    }
}
