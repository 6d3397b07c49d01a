//! The 16 virtual lanes in registers of aarch64. The instructions round as the plain operations do.

use core::arch::aarch64::*;

use super::neon::widened;
use crate::{LANES, lanes::Lanes};

/// Four registers of NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon([float32x4_t; 4]);

// SAFETY (of all blocks): NEON is part of the target's baseline; loads and stores stay inside of
// arrays of 16.
impl Lanes for Neon {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        unsafe { Self([vdupq_n_f32(x); 4]) }
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        let x = x.as_ptr();
        unsafe {
            Self([vld1q_f32(x), vld1q_f32(x.add(4)), vld1q_f32(x.add(8)), vld1q_f32(x.add(12))])
        }
    }

    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        let x = x.as_chunks().0;
        unsafe { Self([widened(&x[0]), widened(&x[1]), widened(&x[2]), widened(&x[3])]) }
    }

    #[inline(always)]
    fn load_bf16(x: &[u16; LANES]) -> Self {
        unsafe {
            let (low, high) = (vld1q_u16(x.as_ptr()), vld1q_u16(x.as_ptr().add(8)));
            let parts =
                [vget_low_u16(low), vget_high_u16(low), vget_low_u16(high), vget_high_u16(high)];
            let mut wide = [vdupq_n_f32(0.0); 4];
            for i in 0..4 {
                wide[i] = vreinterpretq_f32_u32(vshll_n_u16::<16>(parts[i]));
            }
            Self(wide)
        }
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        for i in 0..4 {
            unsafe { vst1q_f32(out.as_mut_ptr().add(4 * i), self.0[i]) };
        }
        out
    }

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        for i in 0..4 {
            self.0[i] = unsafe { vaddq_f32(self.0[i], other.0[i]) };
        }
        self
    }

    #[inline(always)]
    fn times(mut self, other: Self) -> Self {
        for i in 0..4 {
            self.0[i] = unsafe { vmulq_f32(self.0[i], other.0[i]) };
        }
        self
    }
}
