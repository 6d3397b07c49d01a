//! Widens and transposes halves, 8 by 8.

use core::arch::x86_64::*;

use crate::TILE;

/// `[positions, head_size]` to `[head_size, TILE]`, as many whole eights of positions as there are;
/// returns how many positions. Elements beyond the last whole eight of a head are left to the
/// caller: then nothing is done.
///
/// # Safety
/// The CPU must have AVX2 and F16C.
#[target_feature(enable = "avx2,f16c")]
pub(super) unsafe fn halves(keys: &[u16], head_size: usize, out: &mut [f32]) -> usize {
    if !head_size.is_multiple_of(8) {
        return 0;
    }
    let rows = out.as_chunks_mut::<TILE>().0;
    let eights = (keys.len() / head_size).min(TILE) / 8;
    for (eight, keys) in keys.chunks_exact(8 * head_size).take(eights).enumerate() {
        for (block, rows) in rows.as_chunks_mut::<8>().0.iter_mut().take(head_size / 8).enumerate()
        {
            let row = |i: usize| {
                let halves: &[u16] = &keys[i * head_size + block * 8..][..8];
                // SAFETY: 8 halves.
                _mm256_cvtph_ps(unsafe { _mm_loadu_si128(halves.as_ptr().cast()) })
            };
            for (row, column) in rows.iter_mut().zip(transposed(core::array::from_fn(row))) {
                let to = &mut row[eight * 8..][..8];
                // SAFETY: 8 floats.
                unsafe { _mm256_storeu_ps(to.as_mut_ptr(), column) };
            }
        }
    }
    eights * 8
}

#[inline]
#[target_feature(enable = "avx2")]
fn transposed(r: [__m256; 8]) -> [__m256; 8] {
    // Pairs of rows, then fours, then halves of registers.
    let low = |i: usize| _mm256_unpacklo_ps(r[i], r[i + 1]);
    let high = |i: usize| _mm256_unpackhi_ps(r[i], r[i + 1]);
    let pairs = [low(0), high(0), low(2), high(2), low(4), high(4), low(6), high(6)];
    let fours = |i: usize| {
        let (a, b) = (pairs[i], pairs[i + 2]);
        (_mm256_shuffle_ps::<0b01_00_01_00>(a, b), _mm256_shuffle_ps::<0b11_10_11_10>(a, b))
    };
    let upper = [fours(0), fours(1)];
    let lower = [fours(4), fours(5)];
    let joined = |i: usize| {
        let (first, second) =
            ([upper[i / 2].0, upper[i / 2].1][i % 2], [lower[i / 2].0, lower[i / 2].1][i % 2]);
        (
            _mm256_permute2f128_ps::<0x20>(first, second),
            _mm256_permute2f128_ps::<0x31>(first, second),
        )
    };
    let [a, b, c, d] = [joined(0), joined(1), joined(2), joined(3)];
    [a.0, b.0, c.0, d.0, a.1, b.1, c.1, d.1]
}
