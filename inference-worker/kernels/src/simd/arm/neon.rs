//! NEON: a register is 4 rows; `S` registers side by side, from register `first` of a group on.
//!
//! Where the CPU has it, `sdot` adds four signed products per lane; it is written in assembly,
//! since the compiler does not offer it yet. Without it two products are added in 16 bits (at most
//! 2·128·127) and then in 32.
//!
//! Places in a table are looked up as signed integers.
//!
//! Nothing here may be a closure: the bodies are inlined into the functions that carry the
//! instruction set.

mod scales;

use core::arch::{aarch64::*, asm};

use super::{block_quads, layout};
use crate::{
    LANES, WeightType,
    activations::{Four, Panel, SuperPanel},
    packed::{Group, Head, Quad},
};
use scales::{minimum_products, part_scales, scale_products};

/// Lanes of a register.
pub(super) const WIDTH: usize = LANES / 4;

/// How four products per lane are added.
pub(super) trait Dot {
    /// `sum[lane] += Σ weights[4·lane + j]·x[4·row + j]`.
    ///
    /// # Safety
    /// The CPU must have the instruction.
    unsafe fn add(sum: int32x4_t, weights: int8x16_t, x: int8x16_t, row: usize) -> int32x4_t;
}

/// By `sdot`.
pub(super) struct Sdot;

impl Dot for Sdot {
    #[inline(always)]
    unsafe fn add(sum: int32x4_t, weights: int8x16_t, x: int8x16_t, row: usize) -> int32x4_t {
        // SAFETY: as above.
        unsafe {
            match row {
                0 => sdot::<0>(sum, weights, x),
                1 => sdot::<1>(sum, weights, x),
                2 => sdot::<2>(sum, weights, x),
                _ => sdot::<3>(sum, weights, x),
            }
        }
    }
}

#[inline(always)]
unsafe fn sdot<const ROW: u32>(mut sum: int32x4_t, weights: int8x16_t, x: int8x16_t) -> int32x4_t {
    // SAFETY: registers in, register out; the caller vouches for the instruction.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {weights:v}.16b, {x:v}.4b[{row}]",
            sum = inout(vreg) sum,
            weights = in(vreg) weights,
            x = in(vreg) x,
            row = const ROW,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// By multiplications into 16 bits.
pub(super) struct Widening;

impl Dot for Widening {
    #[inline(always)]
    unsafe fn add(sum: int32x4_t, weights: int8x16_t, x: int8x16_t, row: usize) -> int32x4_t {
        // SAFETY: baseline instructions.
        unsafe {
            let x = vreinterpretq_s32_s8(x);
            let x = vreinterpretq_s8_s32(match row {
                0 => vdupq_laneq_s32::<0>(x),
                1 => vdupq_laneq_s32::<1>(x),
                2 => vdupq_laneq_s32::<2>(x),
                _ => vdupq_laneq_s32::<3>(x),
            });
            let pairs = vpaddq_s16(
                vmull_s8(vget_low_s8(weights), vget_low_s8(x)),
                vmull_high_s8(weights, x),
            );
            vpadalq_s16(sum, pairs)
        }
    }
}

/// `4·S` rows of a group by one panel of `R` rows, blocks of 32.
///
/// # Safety
/// The CPU must have NEON and what `D` needs.
#[inline(always)]
pub(super) unsafe fn blocks<D: Dot, const R: usize, const S: usize, const KIND: usize>(
    group: Group<'_>,
    first: usize,
    x: Panel<'_, R>,
) -> [[[f32; WIDTH]; S]; R] {
    let layout = const { layout(KIND) };
    // SAFETY: as above; all memory is reached through slices and arrays of sufficient size.
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); S]; R];
        let records = group
            .quads
            .chunks_exact(const { block_quads(KIND) })
            .zip(group.heads.chunks_exact(layout.heads));
        for (block, (quads, heads)) in records.enumerate() {
            let mut integers = [[vdupq_n_s32(0); S]; R];
            for half in 0..2 {
                add_half::<D, R, S, KIND>(&mut integers, quads, first, half, &x.quants[block]);
            }
            for s in 0..S {
                let scales = block_scales::<KIND>(&heads[0], first + s);
                for r in 0..R {
                    let (x_scale, x_sum) = (x.scales[block][r], x.sums[block][r]);
                    let offset = vdupq_n_s32(x_sum.wrapping_mul(layout.offset as i32));
                    let integer = vsubq_s32(integers[r][s], offset);
                    sums[r][s] = add_product(sums[r][s], vmulq_n_f32(scales, x_scale), integer);
                    if layout.minima {
                        let minima = vmulq_n_f32(halves(&heads[1], first + s), x_scale);
                        sums[r][s] = add_product(sums[r][s], minima, vdupq_n_s32(x_sum));
                    }
                }
            }
        }
        lanes(sums)
    }
}

/// `4·S` rows of a group by one panel of `R` rows, super-blocks.
///
/// # Safety
/// The CPU must have NEON and what `D` needs.
#[inline(always)]
pub(super) unsafe fn super_blocks<D: Dot, const R: usize, const S: usize, const KIND: usize>(
    group: Group<'_>,
    first: usize,
    x: SuperPanel<'_, R>,
) -> [[[f32; WIDTH]; S]; R] {
    let layout = const { layout(KIND) };
    // SAFETY: as above.
    unsafe {
        let mut sums = [[vdupq_n_f32(0.0); S]; R];
        let records = group
            .quads
            .chunks_exact(const { block_quads(KIND) })
            .zip(group.heads.chunks_exact(layout.heads));
        for (index, (quads, heads)) in records.enumerate() {
            let (scale_quads, quads) = quads.split_at(layout.scale_quads);
            let mut integers = [[vdupq_n_s32(0); S]; R];
            let mut scales = [[vdupq_n_s32(0); 16]; S];
            for s in 0..S {
                scales[s] = part_scales::<KIND>(scale_quads, heads, first + s);
            }
            for (block, quads) in quads.chunks_exact(layout.block_quads).enumerate() {
                let mut parts = [[vdupq_n_s32(0); S]; R];
                for half in 0..2 {
                    add_half::<D, R, S, KIND>(
                        &mut parts,
                        quads,
                        first,
                        half,
                        &x.quants[index][block],
                    );
                    // Formats with 8 scales have one for both halves, at even places.
                    if layout.scale_each_part || half == 1 {
                        let part = 2 * block + if layout.scale_each_part { half } else { 0 };
                        for r in 0..R {
                            for s in 0..S {
                                integers[r][s] =
                                    vmlaq_s32(integers[r][s], parts[r][s], scales[s][part]);
                                parts[r][s] = vdupq_n_s32(0);
                            }
                        }
                    }
                }
            }
            for s in 0..S {
                let scale = halves(&heads[0], first + s);
                for r in 0..R {
                    let (x_scale, pairs) = (x.scales[index][r], &x.pairs[index]);
                    let mut integer = integers[r][s];
                    if layout.offset != 0 {
                        let offset = scale_products(&scales[s], pairs, r);
                        integer = vmlsq_n_s32(integer, offset, layout.offset as i32);
                    }
                    sums[r][s] = add_product(sums[r][s], vmulq_n_f32(scale, x_scale), integer);
                    if layout.minima {
                        let minima = minimum_products::<R, KIND>(scale_quads, first + s, pairs, r);
                        let scale = vmulq_n_f32(halves(&heads[1], first + s), x_scale);
                        let minima = vmulq_f32(scale, vcvtq_f32_s32(minima));
                        sums[r][s] = vsubq_f32(sums[r][s], minima);
                    }
                }
            }
        }
        lanes(sums)
    }
}

/// Adds `Σ stored·x` over half a block of 32.
#[inline(always)]
unsafe fn add_half<D: Dot, const R: usize, const S: usize, const KIND: usize>(
    integers: &mut [[int32x4_t; S]; R],
    quads: &[Quad],
    first: usize,
    half: usize,
    x: &[[Four; R]; 8],
) {
    // SAFETY: the caller's.
    unsafe {
        for c in 0..4 {
            let x = if R == 4 {
                vld1q_s8(x[4 * half + c].as_ptr().cast())
            } else {
                vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(
                    x[4 * half + c][0].map(|q| q as u8),
                )))
            };
            for s in 0..S {
                let weights = stored::<KIND>(quads, first + s, half, c);
                for r in 0..R {
                    integers[r][s] = D::add(integers[r][s], weights, x, r);
                }
            }
        }
    }
}

/// Stored integers of columns `16·half + 4c..16·half + 4c + 4` of a block, looked up where the
/// format has a table.
#[inline(always)]
unsafe fn stored<const KIND: usize>(
    quads: &[Quad],
    register: usize,
    half: usize,
    c: usize,
) -> int8x16_t {
    let layout = const { layout(KIND) };
    // SAFETY: the caller's.
    unsafe {
        if layout.bits == 8 {
            return vreinterpretq_s8_u8(load(&quads[4 * half + c], register));
        }
        if layout.bits <= 3 {
            let both = load(&quads[layout.upper_quads + half], register);
            let low = moved(both, -(2 * c as i8), 0x03);
            if layout.bits == 2 {
                return vreinterpretq_s8_u8(low);
            }
            let third = moved(load(&quads[0], register), 2 - (c + 4 * half) as i8, 0x04);
            return vreinterpretq_s8_u8(vorrq_u8(low, third));
        }
        let both = load(&quads[layout.upper_quads + c], register);
        let nibbles =
            if half == 0 { vandq_u8(both, vdupq_n_u8(0x0f)) } else { vshrq_n_u8::<4>(both) };
        if let Some(table) = layout.table {
            return vqtbl1q_s8(vld1q_s8(table.as_ptr()), nibbles);
        }
        // Bits of the byte that belong to these columns, moved to bit 4: from bit `c + 4·half` or
        // from bit `2c`.
        let (quad, from, mask) = match layout.upper_quads {
            0 => return vreinterpretq_s8_u8(nibbles),
            1 => (0, c + 4 * half, 0x10),
            _ => (half, 2 * c, 0x30),
        };
        let upper = moved(load(&quads[quad], register), 4 - from as i8, mask);
        vreinterpretq_s8_u8(vorrq_u8(nibbles, upper))
    }
}

/// Bits of every byte moved up by `places`, or down if that is negative, those of `mask`.
#[inline(always)]
unsafe fn moved(bits: uint8x16_t, places: i8, mask: u8) -> uint8x16_t {
    // SAFETY: the caller's.
    unsafe { vandq_u8(vshlq_u8(bits, vdupq_n_s8(places)), vdupq_n_u8(mask)) }
}

/// Scales of a block of 32.
#[inline(always)]
unsafe fn block_scales<const KIND: usize>(head: &Head, register: usize) -> float32x4_t {
    // SAFETY: the caller's.
    unsafe {
        if KIND == WeightType::MXFP4 as usize {
            return vreinterpretq_f32_u32(vshlq_n_u32::<16>(wide(head, register)));
        }
        halves(head, register)
    }
}

/// 16 bits of 4 rows, each in a lane of 32.
#[inline(always)]
unsafe fn wide(head: &Head, register: usize) -> uint32x4_t {
    // SAFETY: 4 halves.
    unsafe { vmovl_u16(vld1_u16(head.as_chunks::<WIDTH>().0[register].as_ptr())) }
}

/// The 4 bytes of 4 rows.
#[inline(always)]
unsafe fn load(quad: &Quad, register: usize) -> uint8x16_t {
    // SAFETY: 16 bytes.
    unsafe { vld1q_u8(quad.0.as_chunks::<16>().0[register].as_ptr()) }
}

#[inline(always)]
unsafe fn halves(head: &Head, register: usize) -> float32x4_t {
    // SAFETY: 4 halves.
    unsafe { widened(&head.as_chunks::<WIDTH>().0[register]) }
}

/// [`crate::f16::to_f32`] of four.
///
/// # Safety
/// The CPU must have NEON.
#[inline(always)]
pub(super) unsafe fn widened(halves: &[u16; WIDTH]) -> float32x4_t {
    // SAFETY: 4 halves, and the caller's.
    unsafe {
        let wide = vmovl_u16(vld1_u16(halves.as_ptr()));
        let magnitude = vshlq_n_u32::<13>(vandq_u32(wide, vdupq_n_u32(0x7fff)));
        let scaled = vmulq_f32(
            vreinterpretq_f32_u32(magnitude),
            vdupq_n_f32(f32::from_bits((112 + 127) << 23)),
        );
        let special =
            vandq_u32(vcgeq_u32(magnitude, vdupq_n_u32(0x1f << 23)), vdupq_n_u32(0xff << 23));
        let sign = vshlq_n_u32::<16>(vandq_u32(wide, vdupq_n_u32(0x8000)));
        vreinterpretq_f32_u32(vorrq_u32(vorrq_u32(vreinterpretq_u32_f32(scaled), special), sign))
    }
}

/// `sum + scale·integer`, rounded at every step.
#[inline(always)]
unsafe fn add_product(sum: float32x4_t, scale: float32x4_t, integer: int32x4_t) -> float32x4_t {
    // SAFETY: the caller's.
    unsafe { vaddq_f32(sum, vmulq_f32(scale, vcvtq_f32_s32(integer))) }
}

#[inline(always)]
unsafe fn lanes<const R: usize, const S: usize>(
    sums: [[float32x4_t; S]; R],
) -> [[[f32; WIDTH]; S]; R] {
    let mut out = [[[0.0; WIDTH]; S]; R];
    for r in 0..R {
        for s in 0..S {
            // SAFETY: 4 floats.
            unsafe { vst1q_f32(out[r][s].as_mut_ptr(), sums[r][s]) };
        }
    }
    out
}
