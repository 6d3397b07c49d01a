//! AVX-512 with VNNI: 16 rows are one register, four products per lane and instruction.
//!
//! The instruction wants one unsigned factor: the weights, as they are stored or, for Q8_0 and
//! formats with a table, moved up by 128. What the offset adds is taken back with the activations'
//! sums, still in integers.

mod scales;

use core::arch::x86_64::*;

use super::{block_quads, layout, prefetch};
use crate::{
    LANES, WeightType,
    activations::{Four, Panel, SuperPanel},
    packed::{Group, Head, Quad},
};
use scales::{corrections, part_scales};

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
            scales[g] = block_scales::<KIND>(&heads[g][0]);
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
                    if layout.minima {
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

/// Whether weights are signed and become unsigned by adding 128.
const fn moved_up(kind: usize) -> bool {
    kind == WeightType::Q8_0 as usize || layout(kind).table.is_some()
}

/// What the offset of the stored weights adds to a block's integers, taken off in advance.
#[inline]
#[target_feature(enable = "avx512f")]
fn offset_sum<const KIND: usize>(x_sum: i32) -> __m512i {
    let (zero, x_sum) = (_mm512_setzero_si512(), _mm512_set1_epi32(x_sum));
    match const { layout(KIND).offset } {
        8 => _mm512_sub_epi32(zero, _mm512_slli_epi32::<3>(x_sum)),
        16 => _mm512_sub_epi32(zero, _mm512_slli_epi32::<4>(x_sum)),
        _ if const { moved_up(KIND) } => _mm512_sub_epi32(zero, _mm512_slli_epi32::<7>(x_sum)),
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
        let scales = part_scales::<KIND>(scale_quads, heads);
        let mut integers = [[_mm512_setzero_si512(); R]; P];
        for (block, quads) in quads.chunks_exact(layout.block_quads).enumerate() {
            if R * P <= 4 {
                prefetch(quads);
            }
            let mut parts = [[[_mm512_setzero_si512(); R]; P]; 2];
            for c in 0..4 {
                let (low, high) = (low::<KIND>(quads, c), high::<KIND>(quads, c));
                // With a scale for each 16 columns the halves are summed apart.
                let other = usize::from(layout.scale_each_part);
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
                    if layout.scale_each_part {
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
                let correction = corrections::<R, KIND>(scale_quads, heads, &x[p].pairs[index], r);
                let integer = match layout.offset {
                    4 => _mm512_sub_epi32(integers[p][r], _mm512_slli_epi32::<2>(correction)),
                    32 => _mm512_sub_epi32(integers[p][r], _mm512_slli_epi32::<5>(correction)),
                    _ if const { moved_up(KIND) } => {
                        _mm512_sub_epi32(integers[p][r], _mm512_slli_epi32::<7>(correction))
                    }
                    _ => integers[p][r],
                };
                sums[p][r] = add_product(sums[p][r], _mm512_mul_ps(scale, x_scale), integer);
                if layout.minima {
                    let minimum = _mm512_mul_ps(
                        _mm512_mul_ps(halves(&heads[1]), x_scale),
                        _mm512_cvtepi32_ps(correction),
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
    let layout = const { layout(KIND) };
    match layout.bits {
        8 => _mm512_xor_si512(load(&quads[c]), _mm512_set1_epi8(-128)),
        2 | 3 => few_bits::<KIND>(quads, 0, c),
        _ => {
            let both = load(&quads[layout.upper_quads + c]);
            let nibbles = _mm512_and_si512(both, _mm512_set1_epi8(0x0f));
            match (layout.table, layout.upper_quads) {
                (Some(table), _) => looked_up(table, nibbles),
                (None, 0) => nibbles,
                (None, 1) => _mm512_or_si512(nibbles, fifth_bits(&quads[0], c)),
                (None, _) => _mm512_or_si512(nibbles, upper_bits(&quads[0], c)),
            }
        }
    }
}

/// Integers, unsigned, of columns `16 + 4c..16 + 4c + 4` of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn high<const KIND: usize>(quads: &[Quad], c: usize) -> __m512i {
    let layout = const { layout(KIND) };
    match layout.bits {
        8 => _mm512_xor_si512(load(&quads[4 + c]), _mm512_set1_epi8(-128)),
        2 | 3 => few_bits::<KIND>(quads, 1, c),
        _ => {
            let shifted = _mm512_srli_epi16::<4>(load(&quads[layout.upper_quads + c]));
            let nibbles = _mm512_and_si512(shifted, _mm512_set1_epi8(0x0f));
            match (layout.table, layout.upper_quads) {
                (Some(table), _) => looked_up(table, nibbles),
                (None, 0) => nibbles,
                (None, 1) => _mm512_or_si512(nibbles, fifth_bits(&quads[0], c + 4)),
                (None, _) => _mm512_or_si512(nibbles, upper_bits(&quads[1], c)),
            }
        }
    }
}

/// Integers of 2 or 3 bits of columns `16·half + 4c..16·half + 4c + 4` of a block.
#[inline]
#[target_feature(enable = "avx512f")]
fn few_bits<const KIND: usize>(quads: &[Quad], half: usize, c: usize) -> __m512i {
    let layout = const { layout(KIND) };
    let two = moved(load(&quads[layout.upper_quads + half]), -(2 * c as i32), 0x03);
    match layout.bits {
        2 => two,
        _ => {
            let third = moved(load(&quads[0]), 2 - (c + 4 * half) as i32, 0x04);
            _mm512_or_si512(two, third)
        }
    }
}

/// What stands in the table at each place, plus 128.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn looked_up(table: &[i8; 16], places: __m512i) -> __m512i {
    // SAFETY: 16 bytes.
    let table = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
    _mm512_shuffle_epi8(_mm512_xor_si512(table, _mm512_set1_epi8(-128)), places)
}

/// Bit `c` of every byte, as 16.
#[inline]
#[target_feature(enable = "avx512f")]
fn fifth_bits(quad: &Quad, c: usize) -> __m512i {
    moved(load(quad), 4 - c as i32, 0x10)
}

/// Bits `2k` and `2k + 1` of every byte, times 16.
#[inline]
#[target_feature(enable = "avx512f")]
fn upper_bits(quad: &Quad, k: usize) -> __m512i {
    moved(load(quad), 4 - 2 * k as i32, 0x30)
}

/// Bits moved up by `places`, or down if that is negative, those of `mask` in every byte. The
/// compiler knows `places`.
#[inline]
#[target_feature(enable = "avx512f")]
fn moved(bits: __m512i, places: i32, mask: i8) -> __m512i {
    let moved = match places {
        0 => bits,
        1.. => _mm512_sll_epi32(bits, _mm_cvtsi32_si128(places)),
        _ => _mm512_srl_epi32(bits, _mm_cvtsi32_si128(-places)),
    };
    _mm512_and_si512(moved, _mm512_set1_epi8(mask))
}

/// Scales of a block of 32.
#[inline]
#[target_feature(enable = "avx512f")]
fn block_scales<const KIND: usize>(head: &Head) -> __m512 {
    if KIND == WeightType::MXFP4 as usize {
        return _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide(head)));
    }
    halves(head)
}

/// 16 bits of 16 rows, each in a lane of 32.
#[inline]
#[target_feature(enable = "avx512f")]
fn wide(head: &Head) -> __m512i {
    // SAFETY: 16 halves.
    _mm512_cvtepu16_epi32(unsafe { _mm256_loadu_si256(head.as_ptr().cast()) })
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
