//! AVX-512 with VNNI: 16 rows are one register, four products per lane and instruction.
//!
//! The instruction wants one unsigned factor: the weights, as they are stored or, for Q8_0, moved
//! up by 128. What the offset adds is taken back with the activations' sums, still in integers.

use core::arch::x86_64::*;

use super::{block_quads, layout, prefetch};
use crate::{
    LANES, WeightType,
    activations::{BLOCK_PAIRS, Four, PAIRS, Panel, SuperPanel},
    packed::{Group, Head, Quad},
};

/// `G` groups by `P` panels of `R` rows, blocks of 32.
///
/// # Safety
/// The CPU must have AVX-512 F, BW, VL and VNNI.
#[expect(
    clippy::needless_range_loop,
    reason = "registers of several sums, counted at compile time"
)]
#[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn blocks<const R: usize, const G: usize, const P: usize, const KIND: usize>(
    groups: [Group<'_>; G],
    x: [Panel<'_, R>; P],
) -> [[[[f32; LANES]; R]; P]; G] {
    let (layout, block_quads) = const { (layout(KIND), block_quads(KIND)) };
    let mut sums = [[[_mm512_setzero_ps(); R]; P]; G];
    for block in 0..groups[0].heads.len() / layout.heads {
        // Not by `map`: its closure would have this function's features, and `map`, which has not,
        // could not take it in.
        let (mut quads, mut heads): ([&[Quad]; G], [&[Head]; G]) = ([&[]; G], [&[]; G]);
        for g in 0..G {
            quads[g] = &groups[g].quads[block * block_quads..][..block_quads];
            heads[g] = &groups[g].heads[block * layout.heads..][..layout.heads];
            if R * P <= 4 {
                prefetch(quads[g]);
                prefetch(heads[g]);
            }
        }
        let mut integers = [[[_mm512_setzero_si512(); R]; P]; G];
        for p in 0..P {
            for r in 0..R {
                let start = offset_sum::<KIND>(x[p].sums[block][r]);
                for g in 0..G {
                    integers[g][p][r] = start;
                }
            }
        }
        for half in 0..8 {
            let (c, is_high) = (half / 2, half % 2 == 1);
            let mut weights = [_mm512_setzero_si512(); G];
            for g in 0..G {
                weights[g] =
                    if is_high { high::<KIND>(quads[g], c) } else { low::<KIND>(quads[g], c) };
            }
            for p in 0..P {
                for r in 0..R {
                    // Loaded once for all groups: one load for each multiplication would be as much
                    // as the CPU can do.
                    let x = four(x[p].quants[block][c + 4 * usize::from(is_high)][r]);
                    for g in 0..G {
                        integers[g][p][r] = _mm512_dpbusd_epi32(integers[g][p][r], weights[g], x);
                    }
                }
            }
        }
        let mut scales = [_mm512_setzero_ps(); G];
        for g in 0..G {
            scales[g] = halves(&heads[g][0]);
        }
        for p in 0..P {
            for r in 0..R {
                let (x_scale, x_sum) =
                    (_mm512_set1_ps(x[p].scales[block][r]), _mm512_set1_epi32(x[p].sums[block][r]));
                for g in 0..G {
                    sums[g][p][r] = add_product(
                        sums[g][p][r],
                        _mm512_mul_ps(scales[g], x_scale),
                        integers[g][p][r],
                    );
                    if layout.heads == 2 {
                        sums[g][p][r] = add_product(
                            sums[g][p][r],
                            _mm512_mul_ps(halves(&heads[g][1]), x_scale),
                            x_sum,
                        );
                    }
                }
            }
        }
    }
    sums.map(|sums| sums.map(|sums| sums.map(|sums| lanes(sums))))
}

/// What the offset of the stored weights adds to a block's integers, taken off in advance.
#[inline]
#[target_feature(enable = "avx512f")]
fn offset_sum<const KIND: usize>(x_sum: i32) -> __m512i {
    let (zero, x_sum) = (_mm512_setzero_si512(), _mm512_set1_epi32(x_sum));
    match const { layout(KIND).offset } {
        8 => _mm512_sub_epi32(zero, _mm512_slli_epi32::<3>(x_sum)),
        16 => _mm512_sub_epi32(zero, _mm512_slli_epi32::<4>(x_sum)),
        _ if KIND == WeightType::Q8_0 as usize => {
            _mm512_sub_epi32(zero, _mm512_slli_epi32::<7>(x_sum))
        }
        _ => zero,
    }
}

/// One group by `P` panels of `R` rows, super-blocks.
///
/// # Safety
/// The CPU must have AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx2,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn super_blocks<const R: usize, const P: usize, const KIND: usize>(
    group: Group<'_>,
    x: [SuperPanel<'_, R>; P],
) -> [[[f32; LANES]; R]; P] {
    let layout = const { layout(KIND) };
    let mut sums = [[_mm512_setzero_ps(); R]; P];
    let records = group
        .quads
        .chunks_exact(const { block_quads(KIND) })
        .zip(group.heads.chunks_exact(layout.heads));
    for (index, (quads, heads)) in records.enumerate() {
        let (scale_quads, quads) = quads.split_at(layout.scale_quads);
        let scales = part_scales::<KIND>(scale_quads);
        let mut integers = [[_mm512_setzero_si512(); R]; P];
        for (block, quads) in quads.chunks_exact(layout.block_quads).enumerate() {
            if R * P <= 4 {
                prefetch(quads);
            }
            let mut parts = [[[_mm512_setzero_si512(); R]; P]; 2];
            for c in 0..4 {
                let (low, high) = (low::<KIND>(quads, c), high::<KIND>(quads, c));
                // With a scale for each 16 columns the halves are summed apart.
                let other = usize::from(layout.heads == 1);
                for p in 0..P {
                    let x = &x[p].quants[index][block];
                    for r in 0..R {
                        parts[0][p][r] = _mm512_dpbusd_epi32(parts[0][p][r], low, four(x[c][r]));
                        parts[other][p][r] =
                            _mm512_dpbusd_epi32(parts[other][p][r], high, four(x[c + 4][r]));
                    }
                }
            }
            for p in 0..P {
                for r in 0..R {
                    integers[p][r] = _mm512_add_epi32(
                        integers[p][r],
                        _mm512_mullo_epi32(parts[0][p][r], scales[2 * block]),
                    );
                    if layout.heads == 1 {
                        integers[p][r] = _mm512_add_epi32(
                            integers[p][r],
                            _mm512_mullo_epi32(parts[1][p][r], scales[2 * block + 1]),
                        );
                    }
                }
            }
        }
        let scale = halves(&heads[0]);
        for p in 0..P {
            for r in 0..R {
                let x_scale = _mm512_set1_ps(x[p].scales[index][r]);
                let corrections = pair_products::<R, KIND>(scale_quads, &x[p].pairs[index], r);
                if layout.heads == 1 {
                    let integer =
                        _mm512_sub_epi32(integers[p][r], _mm512_slli_epi32::<5>(corrections));
                    sums[p][r] = add_product(sums[p][r], _mm512_mul_ps(scale, x_scale), integer);
                } else {
                    sums[p][r] =
                        add_product(sums[p][r], _mm512_mul_ps(scale, x_scale), integers[p][r]);
                    let minimum = _mm512_mul_ps(
                        _mm512_mul_ps(halves(&heads[1]), x_scale),
                        _mm512_cvtepi32_ps(corrections),
                    );
                    sums[p][r] = _mm512_sub_ps(sums[p][r], minimum);
                }
            }
        }
    }
    sums.map(|sums| sums.map(|sums| lanes(sums)))
}

/// Integers, unsigned, of columns `4c..4c + 4` of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn low<const KIND: usize>(quads: &[Quad], c: usize) -> __m512i {
    let upper_quads = const { layout(KIND).upper_quads };
    if KIND == WeightType::Q8_0 as usize {
        return _mm512_xor_si512(load(&quads[c]), _mm512_set1_epi8(-128));
    }
    let nibbles = _mm512_and_si512(load(&quads[upper_quads + c]), _mm512_set1_epi8(0x0f));
    match upper_quads {
        0 => nibbles,
        1 => _mm512_or_si512(nibbles, fifth_bits(&quads[0], c)),
        _ => _mm512_or_si512(nibbles, upper_bits(&quads[0], c)),
    }
}

/// Integers, unsigned, of columns `16 + 4c..16 + 4c + 4` of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn high<const KIND: usize>(quads: &[Quad], c: usize) -> __m512i {
    let upper_quads = const { layout(KIND).upper_quads };
    if KIND == WeightType::Q8_0 as usize {
        return _mm512_xor_si512(load(&quads[4 + c]), _mm512_set1_epi8(-128));
    }
    let shifted = _mm512_srli_epi16::<4>(load(&quads[upper_quads + c]));
    let nibbles = _mm512_and_si512(shifted, _mm512_set1_epi8(0x0f));
    match upper_quads {
        0 => nibbles,
        1 => _mm512_or_si512(nibbles, fifth_bits(&quads[0], c + 4)),
        _ => _mm512_or_si512(nibbles, upper_bits(&quads[1], c)),
    }
}

/// Bit `c` of every byte, as 16.
#[inline]
#[target_feature(enable = "avx512f")]
fn fifth_bits(quad: &Quad, c: usize) -> __m512i {
    let bits = load(quad);
    let moved = match c {
        0 => _mm512_slli_epi32::<4>(bits),
        1 => _mm512_slli_epi32::<3>(bits),
        2 => _mm512_slli_epi32::<2>(bits),
        3 => _mm512_slli_epi32::<1>(bits),
        4 => bits,
        5 => _mm512_srli_epi32::<1>(bits),
        6 => _mm512_srli_epi32::<2>(bits),
        _ => _mm512_srli_epi32::<3>(bits),
    };
    _mm512_and_si512(moved, _mm512_set1_epi8(0x10))
}

/// Bits `2k` and `2k + 1` of every byte, times 16.
#[inline]
#[target_feature(enable = "avx512f")]
fn upper_bits(quad: &Quad, k: usize) -> __m512i {
    let bits = load(quad);
    let moved = match k {
        0 => _mm512_slli_epi32::<4>(bits),
        1 => _mm512_slli_epi32::<2>(bits),
        2 => bits,
        _ => _mm512_srli_epi32::<2>(bits),
    };
    _mm512_and_si512(moved, _mm512_set1_epi8(0x30))
}

/// Scales of the 16 parts of a super-block; those of formats with 8 are at even places.
#[inline]
#[target_feature(enable = "avx512f")]
fn part_scales<const KIND: usize>(quads: &[Quad]) -> [__m512i; 16] {
    let mut scales = [_mm512_setzero_si512(); 16];
    if KIND == WeightType::Q6_K as usize {
        for q in 0..4 {
            let word = load(&quads[q]);
            scales[4 * q] = _mm512_srai_epi32::<24>(_mm512_slli_epi32::<24>(word));
            scales[4 * q + 1] = _mm512_srai_epi32::<24>(_mm512_slli_epi32::<8>(word));
            scales[4 * q + 2] = _mm512_srai_epi32::<24>(_mm512_slli_epi32::<16>(word));
            scales[4 * q + 3] = _mm512_srai_epi32::<24>(word);
        }
    } else {
        let six = _mm512_set1_epi32(0x3f);
        for q in 0..2 {
            let word = load(&quads[q]);
            scales[8 * q] = _mm512_and_si512(word, six);
            scales[8 * q + 2] = _mm512_and_si512(_mm512_srli_epi32::<16>(word), six);
            scales[8 * q + 4] = _mm512_and_si512(_mm512_srli_epi32::<6>(word), six);
            scales[8 * q + 6] = _mm512_and_si512(_mm512_srli_epi32::<22>(word), six);
        }
    }
    scales
}

/// `Σ minimum·sum` over the 8 blocks, or for Q6_K `Σ scale·sum` over the 16 parts.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn pair_products<const R: usize, const KIND: usize>(
    quads: &[Quad],
    x: &[[[i16; 2]; R]; PAIRS],
    r: usize,
) -> __m512i {
    let mut sum = _mm512_setzero_si512();
    if KIND == WeightType::Q6_K as usize {
        for q in 0..4 {
            let word = load(&quads[q]);
            let (even, odd) = (
                _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(word)),
                _mm512_srai_epi16::<8>(word),
            );
            sum = _mm512_dpwssd_epi32(sum, even, two(x[2 * q][r]));
            sum = _mm512_dpwssd_epi32(sum, odd, two(x[2 * q + 1][r]));
        }
        return sum;
    }
    let [a, b, c] = [load(&quads[0]), load(&quads[1]), load(&quads[2])];
    let (six, upper) = (_mm512_set1_epi16(0x3f), _mm512_set1_epi16(0x30));
    let minima = [
        _mm512_and_si512(c, six),
        _mm512_and_si512(_mm512_srli_epi16::<6>(c), six),
        _mm512_or_si512(
            _mm512_srli_epi16::<12>(a),
            _mm512_and_si512(_mm512_srli_epi16::<8>(c), upper),
        ),
        _mm512_or_si512(
            _mm512_srli_epi16::<12>(b),
            _mm512_and_si512(_mm512_srli_epi16::<10>(c), upper),
        ),
    ];
    for pair in 0..4 {
        sum = _mm512_dpwssd_epi32(sum, minima[pair], two(x[BLOCK_PAIRS + pair][r]));
    }
    sum
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(quad: &Quad) -> __m512i {
    // SAFETY: a quad is 64 bytes.
    unsafe { _mm512_loadu_si512(quad.0.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn halves(head: &Head) -> __m512 {
    // SAFETY: 16 halves.
    unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(head.as_ptr().cast())) }
}

/// Four activations, the same for all rows.
#[inline]
#[target_feature(enable = "avx512f")]
fn four(four: Four) -> __m512i {
    _mm512_set1_epi32(i32::from_le_bytes(four.map(|q| q as u8)))
}

/// Two sums, the same for all rows.
#[inline]
#[target_feature(enable = "avx512f")]
fn two([first, second]: [i16; 2]) -> __m512i {
    _mm512_set1_epi32(i32::from(first as u16) | i32::from(second) << 16)
}

/// `sum + scale·integer`, rounded at every step.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_product(sum: __m512, scale: __m512, integer: __m512i) -> __m512 {
    _mm512_add_ps(sum, _mm512_mul_ps(scale, _mm512_cvtepi32_ps(integer)))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn lanes(sums: __m512) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    // SAFETY: 16 floats.
    unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sums) };
    out
}
