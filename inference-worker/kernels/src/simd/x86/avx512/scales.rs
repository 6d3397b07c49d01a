//! Scales and minima of super-blocks out of their quads.

use core::arch::x86_64::*;

use super::{Head, Quad, WeightType, layout, load, two, wide};
use crate::activations::{BLOCK_PAIRS, PAIRS};

/// Scales in pairs of 16 bits, those of parts (of blocks, if two parts share one) `2p` and `2p + 1`
/// in lane halves; `None` for formats that [`part_scales`] reads by itself.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn scale_pairs<const KIND: usize>(quads: &[Quad], heads: &[Head]) -> Option<[__m512i; 8]> {
    if KIND == WeightType::Q2_K as usize {
        return Some(nibble_pairs(quads, 0));
    }
    if KIND == WeightType::Q3_K as usize {
        return Some(signed_pairs(six_bit_pairs(quads)));
    }
    if KIND == WeightType::IQ4_XS as usize {
        return Some(signed_pairs(four_and_two_pairs(quads, heads)));
    }
    None
}

/// Bits `from..from + 4` of the bytes of four quads: bytes 0 and 2 of quad `q` are pair `2q`, bytes
/// 1 and 3 pair `2q + 1`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn nibble_pairs(quads: &[Quad], from: i32) -> [__m512i; 8] {
    let mut pairs = [_mm512_setzero_si512(); 8];
    let four = _mm512_set1_epi16(0x0f);
    for q in 0..4 {
        let word = load(&quads[q]);
        let (first, second) = (_mm_cvtsi32_si128(from), _mm_cvtsi32_si128(from + 8));
        pairs[2 * q] = _mm512_and_si512(_mm512_srl_epi16(word, first), four);
        pairs[2 * q + 1] = _mm512_and_si512(_mm512_srl_epi16(word, second), four);
    }
    pairs
}

/// What [`crate::packed::record::SixBits`] packs, scales and then minima.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn six_bit_pairs(quads: &[Quad]) -> [__m512i; 8] {
    let [a, b, c] = [load(&quads[0]), load(&quads[1]), load(&quads[2])];
    let (six, upper) = (_mm512_set1_epi16(0x3f), _mm512_set1_epi16(0x30));
    [
        _mm512_and_si512(a, six),
        _mm512_and_si512(_mm512_srli_epi16::<6>(a), six),
        _mm512_and_si512(b, six),
        _mm512_and_si512(_mm512_srli_epi16::<6>(b), six),
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
    ]
}

/// What [`crate::packed::record::FourAndTwo`] packs; only the first four pairs are any.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn four_and_two_pairs(quads: &[Quad], heads: &[Head]) -> [__m512i; 8] {
    let mut pairs = [_mm512_setzero_si512(); 8];
    let (word, half) = (load(&quads[0]), wide(&heads[1]));
    let (low, high) = (_mm512_set1_epi32(0xff), _mm512_set1_epi32(0xff00));
    let upper = _mm512_or_si512(
        _mm512_and_si512(half, low),
        _mm512_slli_epi32::<8>(_mm512_and_si512(half, high)),
    );
    let (four, two) = (_mm512_set1_epi16(0x0f), _mm512_set1_epi16(0x03));
    for (p, pair) in pairs.iter_mut().enumerate().take(4) {
        let lower = _mm512_srl_epi16(word, _mm_cvtsi32_si128(4 * p as i32));
        let upper = _mm512_srl_epi16(upper, _mm_cvtsi32_si128(2 * p as i32));
        *pair = _mm512_or_si512(
            _mm512_and_si512(lower, four),
            _mm512_slli_epi16::<4>(_mm512_and_si512(upper, two)),
        );
    }
    pairs
}

/// Scales that are stored 32 too large.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn signed_pairs(mut pairs: [__m512i; 8]) -> [__m512i; 8] {
    for pair in &mut pairs {
        *pair = _mm512_sub_epi16(*pair, _mm512_set1_epi16(32));
    }
    pairs
}

/// Scales of the 16 parts of a super-block; those of formats with 8 are at even places.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn part_scales<const KIND: usize>(quads: &[Quad], heads: &[Head]) -> [__m512i; 16] {
    let mut scales = [_mm512_setzero_si512(); 16];
    if let Some(pairs) = scale_pairs::<KIND>(quads, heads) {
        // Of eight scales each is for two parts.
        let (stride, count) = if const { layout(KIND).scale_each_part } { (1, 8) } else { (2, 4) };
        for p in 0..count {
            scales[2 * stride * p] = _mm512_srai_epi32::<16>(_mm512_slli_epi32::<16>(pairs[p]));
            scales[2 * stride * p + stride] = _mm512_srai_epi32::<16>(pairs[p]);
        }
        return scales;
    }
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

/// `Σ minimum·sum` over the 8 blocks or the 16 parts, or for formats whose integers were moved up
/// `Σ scale·sum` over them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn corrections<const R: usize, const KIND: usize>(
    quads: &[Quad],
    heads: &[Head],
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
    let (pairs, first, x_first) = if KIND == WeightType::Q2_K as usize {
        (nibble_pairs(quads, 4), 0, 0)
    } else if KIND == WeightType::Q3_K as usize {
        (signed_pairs(six_bit_pairs(quads)), 0, 0)
    } else if KIND == WeightType::IQ4_XS as usize {
        (signed_pairs(four_and_two_pairs(quads, heads)), 0, BLOCK_PAIRS)
    } else {
        (six_bit_pairs(quads), 4, BLOCK_PAIRS)
    };
    for pair in 0..(if x_first == 0 { BLOCK_PAIRS } else { PAIRS - BLOCK_PAIRS }) {
        sum = _mm512_dpwssd_epi32(sum, pairs[first + pair], two(x[x_first + pair][r]));
    }
    sum
}
