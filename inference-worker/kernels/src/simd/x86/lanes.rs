//! The 16 virtual lanes in registers of x86-64. The instructions round as the plain operations do.

#![expect(clippy::undocumented_unsafe_blocks, reason = "one comment says it for all")]

use core::arch::x86_64::*;

use crate::{LANES, lanes::Lanes};

/// Two registers of AVX. Only under [`crate::isa::Kind::Avx2`].
#[derive(Clone, Copy)]
pub(crate) struct Avx(__m256, __m256);

/// One register of AVX-512. Only under [`crate::isa::Kind::Avx512`].
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

// SAFETY (of all blocks): the kinds under which these types are used exist only where the CPU was
// seen to have AVX2 and F16C, or AVX-512 F; loads and stores stay inside of arrays of 16.
impl Lanes for Avx {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        unsafe { Self(_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))) }
    }

    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        unsafe {
            let (low, high) =
                (_mm_loadu_si128(x.as_ptr().cast()), _mm_loadu_si128(x.as_ptr().add(8).cast()));
            Self(_mm256_cvtph_ps(low), _mm256_cvtph_ps(high))
        }
    }

    #[inline(always)]
    fn load_bf16(x: &[u16; LANES]) -> Self {
        unsafe {
            let (low, high) =
                (_mm_loadu_si128(x.as_ptr().cast()), _mm_loadu_si128(x.as_ptr().add(8).cast()));
            let wide =
                |half| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(half)));
            Self(wide(low), wide(high))
        }
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), self.0);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), self.1);
        }
        out
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
}

impl Lanes for Avx512 {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(x)) }
    }

    #[inline(always)]
    fn load(x: &[f32; LANES]) -> Self {
        unsafe { Self(_mm512_loadu_ps(x.as_ptr())) }
    }

    #[inline(always)]
    fn load_f16(x: &[u16; LANES]) -> Self {
        unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(x.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn load_bf16(x: &[u16; LANES]) -> Self {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(x.as_ptr().cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
        }
    }

    #[inline(always)]
    fn store(self) -> [f32; LANES] {
        let mut out = [0.0; LANES];
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) };
        out
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }
}
