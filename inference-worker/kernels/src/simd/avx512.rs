//! AVX-512 with VNNI: 16 rows are one register, four products per lane and instruction.
//!
//! The instruction wants one unsigned factor: the weights, moved up by 128 (Q8_0) or as they are stored (Q4_0, 8 too large). The
//! offset times the block's sum of activations is where the integer sum starts.

use core::arch::x86_64::*;

use crate::{
    BLOCK, LANES,
    activations::QuantRow,
    packed::{Group, Quad},
};

/// One group by `N` rows of Q8_0.
///
/// # Safety
/// The CPU must have AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn q8_0<const N: usize>(group: Group<'_>, x: [QuantRow<'_>; N]) -> [[f32; LANES]; N] {
    let sign = _mm512_set1_epi8(-128);
    let mut sums = [_mm512_setzero_ps(); N];
    for (block, (quads, scales)) in group.quads.as_chunks::<8>().0.iter().zip(group.scales).enumerate() {
        prefetch(quads.as_ptr(), 8);
        let mut integers = core::array::from_fn(|n| _mm512_set1_epi32(-128 * x[n].sums[block]));
        for (c, quad) in quads.iter().enumerate() {
            let weights = _mm512_xor_si512(load(quad), sign);
            for n in 0..N {
                integers[n] = _mm512_dpbusd_epi32(integers[n], weights, four(&x[n].quants[block], c));
            }
        }
        accumulate(&mut sums, integers, scales, block, &x);
    }
    sums.map(|sums| lanes(sums))
}

/// One group by `N` rows of Q4_0.
///
/// # Safety
/// The CPU must have AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn q4_0<const N: usize>(group: Group<'_>, x: [QuantRow<'_>; N]) -> [[f32; LANES]; N] {
    let low = _mm512_set1_epi8(0x0f);
    let mut sums = [_mm512_setzero_ps(); N];
    for (block, (quads, scales)) in group.quads.as_chunks::<4>().0.iter().zip(group.scales).enumerate() {
        prefetch(quads.as_ptr(), 4);
        let mut integers = core::array::from_fn(|n| _mm512_set1_epi32(-8 * x[n].sums[block]));
        for (c, quad) in quads.iter().enumerate() {
            let both = load(quad);
            let first = _mm512_and_si512(both, low);
            let second = _mm512_and_si512(_mm512_srli_epi16::<4>(both), low);
            for n in 0..N {
                integers[n] = _mm512_dpbusd_epi32(integers[n], first, four(&x[n].quants[block], c));
                integers[n] = _mm512_dpbusd_epi32(integers[n], second, four(&x[n].quants[block], c + 4));
            }
        }
        accumulate(&mut sums, integers, scales, block, &x);
    }
    sums.map(|sums| lanes(sums))
}

/// Asks for the quads that come 4 KiB later.
#[inline]
#[target_feature(enable = "avx512f")]
fn prefetch(quads: *const Quad, count: usize) {
    for quad in 0..count {
        // A prefetch may point anywhere; it never faults.
        _mm_prefetch::<_MM_HINT_T0>(quads.wrapping_add(64 + quad).cast());
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(quad: &Quad) -> __m512i {
    // SAFETY: a quad is 64 bytes.
    unsafe { _mm512_loadu_si512(quad.0.as_ptr().cast()) }
}

/// Four activations, the same for all rows.
#[inline]
#[target_feature(enable = "avx512f")]
fn four(block: &[i8; BLOCK], c: usize) -> __m512i {
    let quad = [block[4 * c], block[4 * c + 1], block[4 * c + 2], block[4 * c + 3]];
    _mm512_set1_epi32(i32::from_le_bytes(quad.map(|q| q as u8)))
}

/// `sums += (d_w·d_x)·integers`, rounded at every step.
#[inline]
#[target_feature(enable = "avx512f")]
fn accumulate<const N: usize>(
    sums: &mut [__m512; N],
    integers: [__m512i; N],
    scales: &[u16; LANES],
    block: usize,
    x: &[QuantRow<'_>; N],
) {
    // SAFETY: 16 halves.
    let scales = unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(scales.as_ptr().cast())) };
    for n in 0..N {
        let scale = _mm512_mul_ps(scales, _mm512_set1_ps(x[n].scales[block]));
        sums[n] = _mm512_add_ps(sums[n], _mm512_mul_ps(scale, _mm512_cvtepi32_ps(integers[n])));
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn lanes(sums: __m512) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    // SAFETY: 16 floats.
    unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sums) };
    out
}
