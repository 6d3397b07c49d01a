//! Scales and minima of super-blocks out of their quads.

use core::arch::aarch64::*;

use super::{Head, Quad, WeightType, load, wide};
use crate::activations::{BLOCK_PAIRS, PAIRS};

/// Scales of the 16 parts of a super-block; those of formats with 8 are at even places.
#[inline(always)]
pub(super) unsafe fn part_scales<const KIND: usize>(
    quads: &[Quad],
    heads: &[Head],
    register: usize,
) -> [int32x4_t; 16] {
    // SAFETY: the caller's.
    unsafe {
        let mut scales = [vdupq_n_s32(0); 16];
        if KIND == WeightType::Q2_K as usize {
            return nibbles(quads, register, 0);
        }
        if KIND == WeightType::Q3_K as usize {
            let pairs = six_bit_pairs(quads, register);
            for p in 0..8 {
                [scales[2 * p], scales[2 * p + 1]] = signed(pairs[p]);
            }
            return scales;
        }
        if KIND == WeightType::IQ4_XS as usize {
            let pairs = four_and_two_pairs(quads, heads, register);
            for p in 0..4 {
                [scales[4 * p], scales[4 * p + 2]] = signed(pairs[p]);
            }
            return scales;
        }
        if KIND == WeightType::Q6_K as usize {
            for q in 0..4 {
                let word = vreinterpretq_s32_u8(load(&quads[q], register));
                scales[4 * q] = vshrq_n_s32::<24>(vshlq_n_s32::<24>(word));
                scales[4 * q + 1] = vshrq_n_s32::<24>(vshlq_n_s32::<8>(word));
                scales[4 * q + 2] = vshrq_n_s32::<24>(vshlq_n_s32::<16>(word));
                scales[4 * q + 3] = vshrq_n_s32::<24>(word);
            }
        } else {
            let six = vdupq_n_u32(0x3f);
            for q in 0..2 {
                let word = vreinterpretq_u32_u8(load(&quads[q], register));
                scales[8 * q] = vreinterpretq_s32_u32(vandq_u32(word, six));
                scales[8 * q + 2] = vreinterpretq_s32_u32(vandq_u32(vshrq_n_u32::<16>(word), six));
                scales[8 * q + 4] = vreinterpretq_s32_u32(vandq_u32(vshrq_n_u32::<6>(word), six));
                scales[8 * q + 6] = vreinterpretq_s32_u32(vandq_u32(vshrq_n_u32::<22>(word), six));
            }
        }
        scales
    }
}

/// `Σ scale·sum` over the 16 parts.
#[inline(always)]
pub(super) unsafe fn scale_products<const R: usize>(
    scales: &[int32x4_t; 16],
    x: &[[[i16; 2]; R]; PAIRS],
    r: usize,
) -> int32x4_t {
    // SAFETY: the caller's.
    unsafe {
        let mut sum = vdupq_n_s32(0);
        for part in 0..16 {
            sum = vmlaq_n_s32(sum, scales[part], i32::from(x[part / 2][r][part % 2]));
        }
        sum
    }
}

/// `Σ minimum·sum` over the 8 blocks, or for Q2_K over the 16 parts.
#[inline(always)]
pub(super) unsafe fn minimum_products<const R: usize, const KIND: usize>(
    quads: &[Quad],
    register: usize,
    x: &[[[i16; 2]; R]; PAIRS],
    r: usize,
) -> int32x4_t {
    // SAFETY: the caller's.
    unsafe {
        if KIND == WeightType::Q2_K as usize {
            return scale_products(&nibbles(quads, register, 4), x, r);
        }
        let pairs = six_bit_pairs(quads, register);
        let mut sum = vdupq_n_s32(0);
        for pair in 0..4 {
            let [even, odd] = split(pairs[4 + pair]);
            let [x_even, x_odd] = x[BLOCK_PAIRS + pair][r];
            sum = vmlaq_n_s32(vmlaq_n_s32(sum, even, i32::from(x_even)), odd, i32::from(x_odd));
        }
        sum
    }
}

/// Bits `from..from + 4` of the bytes of four quads, by part.
#[inline(always)]
unsafe fn nibbles(quads: &[Quad], register: usize, from: i32) -> [int32x4_t; 16] {
    // SAFETY: the caller's.
    unsafe {
        let mut values = [vdupq_n_s32(0); 16];
        for q in 0..4 {
            let word = vreinterpretq_u32_u8(load(&quads[q], register));
            // Bytes 0, 2, 1 and 3.
            for (i, byte) in [0, 16, 8, 24].into_iter().enumerate() {
                let moved = vshlq_u32(word, vdupq_n_s32(-(byte + from)));
                values[4 * q + i] = vreinterpretq_s32_u32(vandq_u32(moved, vdupq_n_u32(0x0f)));
            }
        }
        values
    }
}

/// What [`crate::packed::record::SixBits`] packs, scales and then minima: those of even and odd
/// parts in the lower and upper halves of lanes.
#[inline(always)]
unsafe fn six_bit_pairs(quads: &[Quad], register: usize) -> [uint16x8_t; 8] {
    // SAFETY: the caller's.
    unsafe {
        let a = vreinterpretq_u16_u8(load(&quads[0], register));
        let b = vreinterpretq_u16_u8(load(&quads[1], register));
        let c = vreinterpretq_u16_u8(load(&quads[2], register));
        let (six, upper) = (vdupq_n_u16(0x3f), vdupq_n_u16(0x30));
        [
            vandq_u16(a, six),
            vandq_u16(vshrq_n_u16::<6>(a), six),
            vandq_u16(b, six),
            vandq_u16(vshrq_n_u16::<6>(b), six),
            vandq_u16(c, six),
            vandq_u16(vshrq_n_u16::<6>(c), six),
            vorrq_u16(vshrq_n_u16::<12>(a), vandq_u16(vshrq_n_u16::<8>(c), upper)),
            vorrq_u16(vshrq_n_u16::<12>(b), vandq_u16(vshrq_n_u16::<10>(c), upper)),
        ]
    }
}

/// What [`crate::packed::record::FourAndTwo`] packs, in the same way.
#[inline(always)]
unsafe fn four_and_two_pairs(quads: &[Quad], heads: &[Head], register: usize) -> [uint16x8_t; 4] {
    // SAFETY: the caller's.
    unsafe {
        let word = vreinterpretq_u16_u8(load(&quads[0], register));
        let half = wide(&heads[1], register);
        let (low, high) = (vdupq_n_u32(0xff), vdupq_n_u32(0xff00));
        let upper = vorrq_u32(vandq_u32(half, low), vshlq_n_u32::<8>(vandq_u32(half, high)));
        let upper = vreinterpretq_u16_u32(upper);
        let mut pairs = [vdupq_n_u16(0); 4];
        for (p, pair) in pairs.iter_mut().enumerate() {
            let four = vshlq_u16(word, vdupq_n_s16(-(4 * p as i16)));
            let two = vshlq_u16(upper, vdupq_n_s16(-(2 * p as i16)));
            let two = vshlq_n_u16::<4>(vandq_u16(two, vdupq_n_u16(0x03)));
            *pair = vorrq_u16(vandq_u16(four, vdupq_n_u16(0x0f)), two);
        }
        pairs
    }
}

/// Lower and upper halves of lanes.
#[inline(always)]
unsafe fn split(pairs: uint16x8_t) -> [int32x4_t; 2] {
    // SAFETY: the caller's.
    unsafe {
        let both = vreinterpretq_u32_u16(pairs);
        [
            vreinterpretq_s32_u32(vandq_u32(both, vdupq_n_u32(0xffff))),
            vreinterpretq_s32_u32(vshrq_n_u32::<16>(both)),
        ]
    }
}

/// The same for scales that are stored 32 too large.
#[inline(always)]
unsafe fn signed(pairs: uint16x8_t) -> [int32x4_t; 2] {
    // SAFETY: the caller's.
    unsafe {
        let [even, odd] = split(pairs);
        [vsubq_s32(even, vdupq_n_s32(32)), vsubq_s32(odd, vdupq_n_s32(32))]
    }
}
