//! AVX2: a register is 8 rows; `S` registers side by side, from register `side` of a group on.
//!
//! The byte multiplication of AVX2 wants one unsigned factor and adds two products in 16 bits. For
//! Q8_0 the weight gives its sign to the activation (activations are within ±127, so that cannot
//! overflow, and two products stay below 2¹⁵). Stored integers of fewer bits are unsigned, and
//! several products fit into 16 bits: of 4 and 5 bits those of 16 columns (8·31·127 < 2¹⁵), of 6
//! bits those of 8 columns (4·63·127). What the offset adds is taken back with the activations'
//! sums, still in integers.

use core::arch::x86_64::*;

use super::{block_quads, layout, prefetch};
use crate::{
    LANES, WeightType,
    activations::{BLOCK_PAIRS, Four, PAIRS, Panel, SuperPanel},
    packed::{Group, Head, Quad},
};

/// Lanes of a register.
const WIDTH: usize = LANES / 2;

/// `8·S` rows of a group by one panel of `R` rows, blocks of 32.
///
/// # Safety
/// The CPU must have AVX2 and F16C.
#[expect(
    clippy::needless_range_loop,
    reason = "registers of several sums, counted at compile time"
)]
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn blocks<const R: usize, const S: usize, const KIND: usize>(
    group: Group<'_>,
    side: usize,
    x: Panel<'_, R>,
) -> [[[f32; WIDTH]; S]; R] {
    let layout = const { layout(KIND) };
    let mut sums = [[_mm256_setzero_ps(); S]; R];
    let records = group
        .quads
        .chunks_exact(const { block_quads(KIND) })
        .zip(group.heads.chunks_exact(layout.heads));
    for (block, (quads, heads)) in records.enumerate() {
        if R == 1 {
            prefetch(quads);
            prefetch(heads);
        }
        for s in 0..S {
            let integers = block_products::<R, KIND>(quads, side + s, &x.quants[block]);
            let scales = halves(&heads[0], side + s);
            for r in 0..R {
                let (x_scale, x_sum) =
                    (_mm256_set1_ps(x.scales[block][r]), _mm256_set1_epi32(x.sums[block][r]));
                let integer = match layout.offset {
                    8 => _mm256_sub_epi32(integers[r], _mm256_slli_epi32::<3>(x_sum)),
                    16 => _mm256_sub_epi32(integers[r], _mm256_slli_epi32::<4>(x_sum)),
                    _ => integers[r],
                };
                sums[r][s] = add_product(sums[r][s], _mm256_mul_ps(scales, x_scale), integer);
                if layout.heads == 2 {
                    sums[r][s] = add_product(
                        sums[r][s],
                        _mm256_mul_ps(halves(&heads[1], side + s), x_scale),
                        x_sum,
                    );
                }
            }
        }
    }
    sums.map(|sums| sums.map(|sums| lanes(sums)))
}

/// `8·S` rows of a group by one panel of `R` rows, super-blocks.
///
/// # Safety
/// The CPU must have AVX2 and F16C.
#[expect(
    clippy::needless_range_loop,
    reason = "registers of several sums, counted at compile time"
)]
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn super_blocks<const R: usize, const S: usize, const KIND: usize>(
    group: Group<'_>,
    side: usize,
    x: SuperPanel<'_, R>,
) -> [[[f32; WIDTH]; S]; R] {
    let layout = const { layout(KIND) };
    let mut sums = [[_mm256_setzero_ps(); S]; R];
    let records = group
        .quads
        .chunks_exact(const { block_quads(KIND) })
        .zip(group.heads.chunks_exact(layout.heads));
    for (index, (quads, heads)) in records.enumerate() {
        let (scale_quads, quads) = quads.split_at(layout.scale_quads);
        if R == 1 {
            prefetch(scale_quads);
            prefetch(heads);
        }
        for s in 0..S {
            let scales = part_scales::<KIND>(scale_quads, side + s);
            let mut integers = [_mm256_setzero_si256(); R];
            for (block, quads) in quads.chunks_exact(layout.block_quads).enumerate() {
                if R == 1 && s == 0 {
                    prefetch(quads);
                }
                let x = &x.quants[index][block];
                for half in 0..2 {
                    // Formats with 8 scales have them at even places.
                    let scale = scales[2 * block + if layout.heads == 1 { half } else { 0 }];
                    let pairs = half_pairs::<R, KIND>(quads, side + s, half, x);
                    for r in 0..R {
                        for pairs in pairs[r] {
                            integers[r] =
                                _mm256_add_epi32(integers[r], _mm256_madd_epi16(pairs, scale));
                        }
                    }
                }
            }
            let scale = halves(&heads[0], side + s);
            for r in 0..R {
                let x_scale = _mm256_set1_ps(x.scales[index][r]);
                let corrections =
                    pair_products::<R, KIND>(scale_quads, side + s, &x.pairs[index], r);
                if layout.heads == 1 {
                    let integer =
                        _mm256_sub_epi32(integers[r], _mm256_slli_epi32::<5>(corrections));
                    sums[r][s] = add_product(sums[r][s], _mm256_mul_ps(scale, x_scale), integer);
                } else {
                    sums[r][s] =
                        add_product(sums[r][s], _mm256_mul_ps(scale, x_scale), integers[r]);
                    let minima = _mm256_mul_ps(halves(&heads[1], side + s), x_scale);
                    sums[r][s] = _mm256_sub_ps(
                        sums[r][s],
                        _mm256_mul_ps(minima, _mm256_cvtepi32_ps(corrections)),
                    );
                }
            }
        }
    }
    sums.map(|sums| sums.map(|sums| lanes(sums)))
}

/// `Σ stored·x` over a block of 32.
#[inline]
#[target_feature(enable = "avx2")]
fn block_products<const R: usize, const KIND: usize>(
    quads: &[Quad],
    side: usize,
    x: &[[Four; R]; 8],
) -> [__m256i; R] {
    let ones = _mm256_set1_epi16(1);
    let mut integers = [_mm256_setzero_si256(); R];
    if KIND == WeightType::Q8_0 as usize {
        for (quad, x) in quads.iter().zip(x) {
            let weights = load(quad, side);
            let magnitude = _mm256_abs_epi8(weights);
            for r in 0..R {
                let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(four(x[r]), weights));
                integers[r] = _mm256_add_epi32(integers[r], _mm256_madd_epi16(pairs, ones));
            }
        }
        return integers;
    }
    for half in 0..2 {
        let pairs = half_pairs::<R, KIND>(quads, side, half, x);
        for r in 0..R {
            for pairs in pairs[r] {
                integers[r] = _mm256_add_epi32(integers[r], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    integers
}

/// Products of one half of a block of 32, two or more of them added in each 16 bits. Of two
/// registers the second is empty where the first can hold all.
#[inline]
#[target_feature(enable = "avx2")]
fn half_pairs<const R: usize, const KIND: usize>(
    quads: &[Quad],
    side: usize,
    half: usize,
    x: &[[Four; R]; 8],
) -> [[__m256i; 2]; R] {
    let mut pairs = [[_mm256_setzero_si256(); 2]; R];
    for c in 0..4 {
        let weights = stored::<KIND>(quads, side, half, c);
        let register = if const { layout(KIND).upper_quads } == 2 { c / 2 } else { 0 };
        for r in 0..R {
            let products = _mm256_maddubs_epi16(weights, four(x[4 * half + c][r]));
            pairs[r][register] = _mm256_add_epi16(pairs[r][register], products);
        }
    }
    pairs
}

/// Stored integers of columns `16·half + 4c..16·half + 4c + 4` of a block.
#[inline]
#[target_feature(enable = "avx2")]
fn stored<const KIND: usize>(quads: &[Quad], side: usize, half: usize, c: usize) -> __m256i {
    let upper_quads = const { layout(KIND).upper_quads };
    let both = load(&quads[upper_quads + c], side);
    let shifted = if half == 0 { both } else { _mm256_srli_epi16::<4>(both) };
    let nibbles = _mm256_and_si256(shifted, _mm256_set1_epi8(0x0f));
    // Bits of the byte that belong to these columns, moved to bit 4: from bit `c + 4·half` or from
    // bit `2c`.
    let (quad, from, mask) = match upper_quads {
        0 => return nibbles,
        1 => (0, c + 4 * half, 0x10),
        _ => (half, 2 * c, 0x30),
    };
    let bits = load(&quads[quad], side);
    let moved = match from {
        0 => _mm256_slli_epi32::<4>(bits),
        1 => _mm256_slli_epi32::<3>(bits),
        2 => _mm256_slli_epi32::<2>(bits),
        3 => _mm256_slli_epi32::<1>(bits),
        4 => bits,
        5 => _mm256_srli_epi32::<1>(bits),
        6 => _mm256_srli_epi32::<2>(bits),
        _ => _mm256_srli_epi32::<3>(bits),
    };
    _mm256_or_si256(nibbles, _mm256_and_si256(moved, _mm256_set1_epi8(mask)))
}

/// Scales of the 16 parts of a super-block, twice in every lane; those of formats with 8 are at
/// even places.
#[inline]
#[target_feature(enable = "avx2")]
fn part_scales<const KIND: usize>(quads: &[Quad], side: usize) -> [__m256i; 16] {
    let mut scales = [_mm256_setzero_si256(); 16];
    if KIND == WeightType::Q6_K as usize {
        for q in 0..4 {
            let word = load(&quads[q], side);
            let (even, odd) = (
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(word)),
                _mm256_srai_epi16::<8>(word),
            );
            scales[4 * q] = lower_twice(even);
            scales[4 * q + 1] = upper_twice(even);
            scales[4 * q + 2] = lower_twice(odd);
            scales[4 * q + 3] = upper_twice(odd);
        }
    } else {
        let six = _mm256_set1_epi16(0x3f);
        for q in 0..2 {
            let word = load(&quads[q], side);
            let (first, second) =
                (_mm256_and_si256(word, six), _mm256_and_si256(_mm256_srli_epi16::<6>(word), six));
            scales[8 * q] = lower_twice(first);
            scales[8 * q + 2] = upper_twice(first);
            scales[8 * q + 4] = lower_twice(second);
            scales[8 * q + 6] = upper_twice(second);
        }
    }
    scales
}

/// The lower 16 bits of every lane in both halves.
#[inline]
#[target_feature(enable = "avx2")]
fn lower_twice(x: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_slli_epi32::<16>(x), _mm256_and_si256(x, _mm256_set1_epi32(0xffff)))
}

/// The upper 16 bits of every lane in both halves.
#[inline]
#[target_feature(enable = "avx2")]
fn upper_twice(x: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_srli_epi32::<16>(x), _mm256_andnot_si256(_mm256_set1_epi32(0xffff), x))
}

/// `Σ minimum·sum` over the 8 blocks, or for Q6_K `Σ scale·sum` over the 16 parts.
#[inline]
#[target_feature(enable = "avx2")]
fn pair_products<const R: usize, const KIND: usize>(
    quads: &[Quad],
    side: usize,
    x: &[[[i16; 2]; R]; PAIRS],
    r: usize,
) -> __m256i {
    let mut sum = _mm256_setzero_si256();
    if KIND == WeightType::Q6_K as usize {
        for q in 0..4 {
            let word = load(&quads[q], side);
            let (even, odd) = (
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(word)),
                _mm256_srai_epi16::<8>(word),
            );
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, two(x[2 * q][r])));
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(odd, two(x[2 * q + 1][r])));
        }
        return sum;
    }
    let [a, b, c] = [load(&quads[0], side), load(&quads[1], side), load(&quads[2], side)];
    let (six, upper) = (_mm256_set1_epi16(0x3f), _mm256_set1_epi16(0x30));
    let minima = [
        _mm256_and_si256(c, six),
        _mm256_and_si256(_mm256_srli_epi16::<6>(c), six),
        _mm256_or_si256(
            _mm256_srli_epi16::<12>(a),
            _mm256_and_si256(_mm256_srli_epi16::<8>(c), upper),
        ),
        _mm256_or_si256(
            _mm256_srli_epi16::<12>(b),
            _mm256_and_si256(_mm256_srli_epi16::<10>(c), upper),
        ),
    ];
    for pair in 0..4 {
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(minima[pair], two(x[BLOCK_PAIRS + pair][r])));
    }
    sum
}

/// The 4 bytes of 8 rows.
#[inline]
#[target_feature(enable = "avx2")]
fn load(quad: &Quad, side: usize) -> __m256i {
    let bytes = &quad.0.as_chunks::<32>().0[side];
    // SAFETY: 32 bytes.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn halves(head: &Head, side: usize) -> __m256 {
    let halves = &head.as_chunks::<WIDTH>().0[side];
    // SAFETY: 8 halves.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast())) }
}

/// Four activations, the same for all rows.
#[inline]
#[target_feature(enable = "avx2")]
fn four(four: Four) -> __m256i {
    _mm256_set1_epi32(i32::from_le_bytes(four.map(|q| q as u8)))
}

/// Two sums, the same for all rows.
#[inline]
#[target_feature(enable = "avx2")]
fn two([first, second]: [i16; 2]) -> __m256i {
    _mm256_set1_epi32(i32::from(first as u16) | i32::from(second) << 16)
}

/// `sum + scale·integer`, rounded at every step.
#[inline]
#[target_feature(enable = "avx2")]
fn add_product(sum: __m256, scale: __m256, integer: __m256i) -> __m256 {
    _mm256_add_ps(sum, _mm256_mul_ps(scale, _mm256_cvtepi32_ps(integer)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes(sums: __m256) -> [f32; WIDTH] {
    let mut out = [0.0; WIDTH];
    // SAFETY: 8 floats.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sums) };
    out
}
