//! The 16 virtual lanes of a reduction, as plain numbers or in registers.
//!
//! Sums of f32 outside of the quantised products run in 16 lanes (see [`crate::reduce`]). Code that
//! is generic over [`Lanes`] is the definition with `[f32; 16]` and the same sequence of rounded
//! operations with registers.

use crate::{LANES, f16};

/// 16 numbers of f32; every operation is done in each lane and rounded there.
///
/// Types other than `[f32; 16]` use instructions that not every CPU has: only [`crate::Isa::call`]
/// names them.
pub(crate) trait Lanes: Copy {
    /// The same number in every lane.
    fn splat(x: f32) -> Self;
    /// Lane `i` gets `x[i]`.
    fn load(x: &[f32; LANES]) -> Self;
    /// Lane `i` gets the half-precision number `x[i]`.
    fn load_f16(x: &[u16; LANES]) -> Self;
    /// Lane `i` gets the bfloat16 number `x[i]`.
    fn load_bf16(x: &[u16; LANES]) -> Self;
    /// The numbers.
    fn store(self) -> [f32; LANES];
    /// `self + other`.
    fn plus(self, other: Self) -> Self;
    /// `self · other`.
    fn times(self, other: Self) -> Self;
}

impl Lanes for [f32; LANES] {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        *x
    }

    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        x.map(f16::to_f32)
    }

    #[inline(always)]
    fn load_bf16(x: &[u16; LANES]) -> Self {
        x.map(f16::from_bf16)
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        self
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        core::array::from_fn(|i| self[i] + other[i])
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        core::array::from_fn(|i| self[i] * other[i])
    }
}
