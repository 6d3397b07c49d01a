//! AVX2: 16 rows are two registers of 8.
//!
//! The byte multiplication of AVX2 wants one unsigned factor. For Q8_0 the weight gives its sign to the activation (activations
//! are within ±127, so that cannot overflow, and two products stay below 2¹⁵). For Q4_0 the nibbles are unsigned as they are, and
//! eight times the block's sum of activations is taken off at the end.

use core::arch::x86_64::*;

use crate::{
    BLOCK, LANES,
    activations::QuantRow,
    packed::{Group, Quad},
};

/// One group by `N` rows of Q8_0.
///
/// # Safety
/// The CPU must have AVX2 and F16C.
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn q8_0<const N: usize>(group: Group<'_>, x: [QuantRow<'_>; N]) -> [[f32; LANES]; N] {
    let mut sums = [[_mm256_setzero_ps(); 2]; N];
    for (block, (quads, scales)) in group.quads.as_chunks::<8>().0.iter().zip(group.scales).enumerate() {
        let mut integers = [[_mm256_setzero_si256(); 2]; N];
        for (c, quad) in quads.iter().enumerate() {
            let weights = halves(quad);
            for n in 0..N {
                let activations = four(&x[n].quants[block], c);
                for side in 0..2 {
                    let magnitude = _mm256_abs_epi8(weights[side]);
                    let signed = _mm256_sign_epi8(activations, weights[side]);
                    integers[n][side] = add_products(integers[n][side], magnitude, signed);
                }
            }
        }
        accumulate(&mut sums, integers, scales, block, &x);
    }
    sums.map(|sums| lanes(sums))
}

/// One group by `N` rows of Q4_0.
///
/// # Safety
/// The CPU must have AVX2 and F16C.
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn q4_0<const N: usize>(group: Group<'_>, x: [QuantRow<'_>; N]) -> [[f32; LANES]; N] {
    let low = _mm256_set1_epi8(0x0f);
    let mut sums = [[_mm256_setzero_ps(); 2]; N];
    for (block, (quads, scales)) in group.quads.as_chunks::<4>().0.iter().zip(group.scales).enumerate() {
        let mut integers = [[_mm256_setzero_si256(); 2]; N];
        for n in 0..N {
            let offset = _mm256_set1_epi32(-8 * x[n].sums[block]);
            integers[n] = [offset; 2];
        }
        for (c, quad) in quads.iter().enumerate() {
            let weights = halves(quad);
            for side in 0..2 {
                let first = _mm256_and_si256(weights[side], low);
                let second = _mm256_and_si256(_mm256_srli_epi16::<4>(weights[side]), low);
                for n in 0..N {
                    let integer = add_products(integers[n][side], first, four(&x[n].quants[block], c));
                    integers[n][side] = add_products(integer, second, four(&x[n].quants[block], c + 4));
                }
            }
        }
        accumulate(&mut sums, integers, scales, block, &x);
    }
    sums.map(|sums| lanes(sums))
}

#[inline]
#[target_feature(enable = "avx2")]
fn halves(quad: &Quad) -> [__m256i; 2] {
    let bytes = quad.0.as_ptr();
    // SAFETY: a quad is 64 bytes.
    unsafe { [_mm256_loadu_si256(bytes.cast()), _mm256_loadu_si256(bytes.add(32).cast())] }
}

/// Four activations, the same for all rows.
#[inline]
#[target_feature(enable = "avx2")]
fn four(block: &[i8; BLOCK], c: usize) -> __m256i {
    let quad = [block[4 * c], block[4 * c + 1], block[4 * c + 2], block[4 * c + 3]];
    _mm256_set1_epi32(i32::from_le_bytes(quad.map(|q| q as u8)))
}

/// `sum[lane] += Σ of 4 unsigned·signed`.
#[inline]
#[target_feature(enable = "avx2")]
fn add_products(sum: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
    let pairs = _mm256_maddubs_epi16(unsigned, signed);
    _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
}

/// `sums += (d_w·d_x)·integers`, rounded at every step.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn accumulate<const N: usize>(
    sums: &mut [[__m256; 2]; N],
    integers: [[__m256i; 2]; N],
    scales: &[u16; LANES],
    block: usize,
    x: &[QuantRow<'_>; N],
) {
    for side in 0..2 {
        // SAFETY: 8 of 16 halves, at 0 or 8.
        let scales = unsafe { _mm256_cvtph_ps(_mm_loadu_si128(scales.as_ptr().add(8 * side).cast())) };
        for n in 0..N {
            let scale = _mm256_mul_ps(scales, _mm256_set1_ps(x[n].scales[block]));
            sums[n][side] = _mm256_add_ps(sums[n][side], _mm256_mul_ps(scale, _mm256_cvtepi32_ps(integers[n][side])));
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes(sums: [__m256; 2]) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    // SAFETY: two times 8 floats into 16.
    unsafe {
        _mm256_storeu_ps(out.as_mut_ptr(), sums[0]);
        _mm256_storeu_ps(out.as_mut_ptr().add(8), sums[1]);
    }
    out
}
