//! AVX2: a register is 8 rows; `S` registers side by side, from register `side` of a group on.
//!
//! The byte multiplication of AVX2 wants one unsigned factor and adds two products in 16 bits. For
//! Q8_0 and formats with a table the weight gives its sign to the activation (activations are
//! within ±127, so that cannot overflow, and two products stay below 2¹⁵). Stored integers of fewer
//! bits are unsigned, and several products fit into 16 bits: of 2 to 5 bits those of 16 columns
//! (8·31·127 < 2¹⁵), of 6 bits those of 8 columns (4·63·127). What the offset adds is taken back
//! with the activations' sums, still in integers.

mod scales;

use core::arch::x86_64::*;

use super::{block_quads, layout, prefetch};
use crate::{
    LANES, WeightType,
    activations::{Four, Panel, SuperPanel},
    packed::{Group, Head, Quad},
};
use scales::{corrections, part_scales};

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
            let scales = block_scales::<KIND>(&heads[0], side + s);
            for r in 0..R {
                let (x_scale, x_sum) =
                    (_mm256_set1_ps(x.scales[block][r]), _mm256_set1_epi32(x.sums[block][r]));
                let integer = match layout.offset {
                    8 => _mm256_sub_epi32(integers[r], _mm256_slli_epi32::<3>(x_sum)),
                    16 => _mm256_sub_epi32(integers[r], _mm256_slli_epi32::<4>(x_sum)),
                    _ => integers[r],
                };
                sums[r][s] = add_product(sums[r][s], _mm256_mul_ps(scales, x_scale), integer);
                if layout.minima {
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
            let scales = part_scales::<KIND>(scale_quads, heads, side + s);
            let mut integers = [_mm256_setzero_si256(); R];
            for (block, quads) in quads.chunks_exact(layout.block_quads).enumerate() {
                if R == 1 && s == 0 {
                    prefetch(quads);
                }
                let x = &x.quants[index][block];
                for half in 0..2 {
                    // Formats with 8 scales have them at even places.
                    let scale = scales[2 * block + if layout.scale_each_part { half } else { 0 }];
                    add_half::<R, KIND>(&mut integers, quads, side + s, half, x, scale);
                }
            }
            let scale = halves(&heads[0], side + s);
            for r in 0..R {
                let x_scale = _mm256_set1_ps(x.scales[index][r]);
                let correction = corrections::<R, KIND>(scale_quads, side + s, &x.pairs[index], r);
                let integer = match layout.offset {
                    4 => _mm256_sub_epi32(integers[r], _mm256_slli_epi32::<2>(correction)),
                    32 => _mm256_sub_epi32(integers[r], _mm256_slli_epi32::<5>(correction)),
                    _ => integers[r],
                };
                sums[r][s] = add_product(sums[r][s], _mm256_mul_ps(scale, x_scale), integer);
                if layout.minima {
                    let minima = _mm256_mul_ps(halves(&heads[1], side + s), x_scale);
                    sums[r][s] = _mm256_sub_ps(
                        sums[r][s],
                        _mm256_mul_ps(minima, _mm256_cvtepi32_ps(correction)),
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
            add_signed(&mut integers, load(quad, side), x, ones);
        }
        return integers;
    }
    for half in 0..2 {
        add_half::<R, KIND>(&mut integers, quads, side, half, x, ones);
    }
    integers
}

/// Adds `Σ stored·x·scale` over one half of a block of 32, with a table `Σ table[stored]·x·scale`.
#[inline]
#[target_feature(enable = "avx2")]
fn add_half<const R: usize, const KIND: usize>(
    integers: &mut [__m256i; R],
    quads: &[Quad],
    side: usize,
    half: usize,
    x: &[[Four; R]; 8],
    scale: __m256i,
) {
    if let Some(table) = const { layout(KIND).table } {
        for c in 0..4 {
            let weights = looked_up(table, stored::<KIND>(quads, side, half, c));
            add_signed(integers, weights, &x[4 * half + c], scale);
        }
        return;
    }
    let pairs = half_pairs::<R, KIND>(quads, side, half, x);
    for r in 0..R {
        for pairs in pairs[r] {
            integers[r] = _mm256_add_epi32(integers[r], _mm256_madd_epi16(pairs, scale));
        }
    }
}

/// Adds `weights·x·scale` of four columns; weights are signed.
#[inline]
#[target_feature(enable = "avx2")]
fn add_signed<const R: usize>(
    integers: &mut [__m256i; R],
    weights: __m256i,
    x: &[Four; R],
    scale: __m256i,
) {
    let magnitude = _mm256_abs_epi8(weights);
    for r in 0..R {
        let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(four(x[r]), weights));
        integers[r] = _mm256_add_epi32(integers[r], _mm256_madd_epi16(pairs, scale));
    }
}

/// What stands in the table at each place.
#[inline]
#[target_feature(enable = "avx2")]
fn looked_up(table: &[i8; 16], places: __m256i) -> __m256i {
    // SAFETY: 16 bytes.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), places)
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
    let layout = const { layout(KIND) };
    if layout.bits <= 3 {
        let low = moved(load(&quads[layout.upper_quads + half], side), -(2 * c as i32), 0x03);
        return match layout.bits {
            2 => low,
            _ => {
                let third = moved(load(&quads[0], side), 2 - (c + 4 * half) as i32, 0x04);
                _mm256_or_si256(low, third)
            }
        };
    }
    let both = load(&quads[layout.upper_quads + c], side);
    let shifted = if half == 0 { both } else { _mm256_srli_epi16::<4>(both) };
    let nibbles = _mm256_and_si256(shifted, _mm256_set1_epi8(0x0f));
    // Bits of the byte that belong to these columns, moved to bit 4: from bit `c + 4·half` or from
    // bit `2c`.
    let (quad, from, mask) = match layout.upper_quads {
        0 => return nibbles,
        1 => (0, c + 4 * half, 0x10),
        _ => (half, 2 * c, 0x30),
    };
    _mm256_or_si256(nibbles, moved(load(&quads[quad], side), 4 - from as i32, mask))
}

/// Bits moved up by `places`, or down if that is negative, those of `mask` in every byte. The
/// compiler knows `places`.
#[inline]
#[target_feature(enable = "avx2")]
fn moved(bits: __m256i, places: i32, mask: i8) -> __m256i {
    let moved = match places {
        0 => bits,
        1.. => _mm256_sll_epi32(bits, _mm_cvtsi32_si128(places)),
        _ => _mm256_srl_epi32(bits, _mm_cvtsi32_si128(-places)),
    };
    _mm256_and_si256(moved, _mm256_set1_epi8(mask))
}

/// Scales of a block of 32.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn block_scales<const KIND: usize>(head: &Head, side: usize) -> __m256 {
    if KIND == WeightType::MXFP4 as usize {
        return _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide(head, side)));
    }
    halves(head, side)
}

/// 16 bits of 8 rows, each in a lane of 32.
#[inline]
#[target_feature(enable = "avx2")]
fn wide(head: &Head, side: usize) -> __m256i {
    let halves = &head.as_chunks::<WIDTH>().0[side];
    // SAFETY: 8 halves.
    _mm256_cvtepu16_epi32(unsafe { _mm_loadu_si128(halves.as_ptr().cast()) })
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
