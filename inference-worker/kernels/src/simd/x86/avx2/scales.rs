//! Scales and minima of super-blocks out of their quads.

use core::arch::x86_64::*;

use super::{Head, Quad, WeightType, layout, load, two, wide};
use crate::activations::{BLOCK_PAIRS, PAIRS};

/// Scales in pairs of 16 bits, those of parts (of blocks, if two parts share one) `2p` and `2p + 1`
/// in lane halves; `None` for formats that [`part_scales`] reads by itself.
#[inline]
#[target_feature(enable = "avx2")]
fn scale_pairs<const KIND: usize>(
    quads: &[Quad],
    heads: &[Head],
    side: usize,
) -> Option<[__m256i; 8]> {
    if KIND == WeightType::Q2_K as usize {
        return Some(nibble_pairs(quads, side, 0));
    }
    if KIND == WeightType::Q3_K as usize {
        return Some(signed_pairs(six_bit_pairs(quads, side)));
    }
    if KIND == WeightType::IQ4_XS as usize {
        return Some(signed_pairs(four_and_two_pairs(quads, heads, side)));
    }
    None
}

/// Bits `from..from + 4` of the bytes of four quads: bytes 0 and 2 of quad `q` are pair `2q`, bytes
/// 1 and 3 pair `2q + 1`.
#[inline]
#[target_feature(enable = "avx2")]
fn nibble_pairs(quads: &[Quad], side: usize, from: i32) -> [__m256i; 8] {
    let mut pairs = [_mm256_setzero_si256(); 8];
    let four = _mm256_set1_epi16(0x0f);
    for q in 0..4 {
        let word = load(&quads[q], side);
        let (first, second) = (_mm_cvtsi32_si128(from), _mm_cvtsi32_si128(from + 8));
        pairs[2 * q] = _mm256_and_si256(_mm256_srl_epi16(word, first), four);
        pairs[2 * q + 1] = _mm256_and_si256(_mm256_srl_epi16(word, second), four);
    }
    pairs
}

/// What [`crate::packed::record::SixBits`] packs, scales and then minima.
#[inline]
#[target_feature(enable = "avx2")]
fn six_bit_pairs(quads: &[Quad], side: usize) -> [__m256i; 8] {
    let [a, b, c] = [load(&quads[0], side), load(&quads[1], side), load(&quads[2], side)];
    let (six, upper) = (_mm256_set1_epi16(0x3f), _mm256_set1_epi16(0x30));
    [
        _mm256_and_si256(a, six),
        _mm256_and_si256(_mm256_srli_epi16::<6>(a), six),
        _mm256_and_si256(b, six),
        _mm256_and_si256(_mm256_srli_epi16::<6>(b), six),
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
    ]
}

/// What [`crate::packed::record::FourAndTwo`] packs; only the first four pairs are any.
#[inline]
#[target_feature(enable = "avx2")]
fn four_and_two_pairs(quads: &[Quad], heads: &[Head], side: usize) -> [__m256i; 8] {
    let mut pairs = [_mm256_setzero_si256(); 8];
    let (word, half) = (load(&quads[0], side), wide(&heads[1], side));
    let (low, high) = (_mm256_set1_epi32(0xff), _mm256_set1_epi32(0xff00));
    let upper = _mm256_or_si256(
        _mm256_and_si256(half, low),
        _mm256_slli_epi32::<8>(_mm256_and_si256(half, high)),
    );
    let (four, two) = (_mm256_set1_epi16(0x0f), _mm256_set1_epi16(0x03));
    for (p, pair) in pairs.iter_mut().enumerate().take(4) {
        let lower = _mm256_srl_epi16(word, _mm_cvtsi32_si128(4 * p as i32));
        let upper = _mm256_srl_epi16(upper, _mm_cvtsi32_si128(2 * p as i32));
        *pair = _mm256_or_si256(
            _mm256_and_si256(lower, four),
            _mm256_slli_epi16::<4>(_mm256_and_si256(upper, two)),
        );
    }
    pairs
}

/// Scales that are stored 32 too large.
#[inline]
#[target_feature(enable = "avx2")]
fn signed_pairs(mut pairs: [__m256i; 8]) -> [__m256i; 8] {
    for pair in &mut pairs {
        *pair = _mm256_sub_epi16(*pair, _mm256_set1_epi16(32));
    }
    pairs
}

/// Scales of the 16 parts of a super-block, twice in every lane; those of formats with 8 are at
/// even places.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn part_scales<const KIND: usize>(
    quads: &[Quad],
    heads: &[Head],
    side: usize,
) -> [__m256i; 16] {
    let mut scales = [_mm256_setzero_si256(); 16];
    if let Some(pairs) = scale_pairs::<KIND>(quads, heads, side) {
        // Of eight scales each is for two parts.
        let (stride, count) = if const { layout(KIND).scale_each_part } { (1, 8) } else { (2, 4) };
        for p in 0..count {
            scales[2 * stride * p] = lower_twice(pairs[p]);
            scales[2 * stride * p + stride] = upper_twice(pairs[p]);
        }
        return scales;
    }
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

/// `Σ minimum·sum` over the 8 blocks or the 16 parts, or for formats with an offset `Σ scale·sum`
/// over the 16 parts; 0 for those with neither.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn corrections<const R: usize, const KIND: usize>(
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
    if KIND == WeightType::IQ4_XS as usize {
        return sum;
    }
    if KIND == WeightType::Q2_K as usize || KIND == WeightType::Q3_K as usize {
        let pairs = if KIND == WeightType::Q2_K as usize {
            nibble_pairs(quads, side, 4)
        } else {
            signed_pairs(six_bit_pairs(quads, side))
        };
        for pair in 0..BLOCK_PAIRS {
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs[pair], two(x[pair][r])));
        }
        return sum;
    }
    let pairs = six_bit_pairs(quads, side);
    for pair in 0..4 {
        let x = two(x[BLOCK_PAIRS + pair][r]);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs[4 + pair], x));
    }
    sum
}
