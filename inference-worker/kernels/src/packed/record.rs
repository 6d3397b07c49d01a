//! One block or super-block of one row, into its lane of heads and quads and out of it again.

use super::{Head, Layout, Quad};
use crate::{
    BLOCK, SUPER_BLOCK, WeightType,
    quant::{Block, PARTS, Scale, SuperBlock, unpack},
};

/// Packs the bytes of a block or super-block of the file.
#[inline]
pub(super) fn pack(
    format: WeightType,
    layout: Layout,
    bytes: &[u8],
    lane: usize,
    heads: &mut [Head],
    quads: &mut [Quad],
) {
    match format {
        // The file has the same words, one after the other.
        WeightType::Q8_0 | WeightType::Q4_0 | WeightType::Q4_1 | WeightType::IQ4_NL => {
            let (halves, words) = bytes.split_at(heads.len() * size_of::<u16>());
            for (head, half) in heads.iter_mut().zip(halves.as_chunks().0) {
                head[lane] = u16::from_le_bytes(*half);
            }
            pack_words(words, lane, quads);
        }
        WeightType::MXFP4 => {
            heads[0][lane] = unpack::power_of_two(bytes[0]);
            pack_words(&bytes[1..], lane, quads);
        }
        WeightType::IQ4_XS => {
            let block = unpack::super_block(format, bytes);
            heads[0][lane] = block.scale;
            let scales = core::array::from_fn(|i| (block.scales[2 * i] + 32) as u8);
            let (four, two) = FourAndTwo { scales }.pack();
            heads[1][lane] = two;
            quads[0].set(lane, four.to_le_bytes());
            pack_words(&bytes[8..], lane, &mut quads[1..]);
        }
        _ if format.block_elements() == BLOCK => {
            pack_block(layout, &unpack::block(format, bytes), lane, heads, quads)
        }
        _ => {
            let block = unpack::super_block(format, bytes);
            pack_super_block(format, layout, &block, lane, heads, quads)
        }
    }
}

fn pack_words(words: &[u8], lane: usize, quads: &mut [Quad]) {
    for (quad, word) in quads.iter_mut().zip(words.as_chunks().0) {
        quad.set(lane, *word);
    }
}

fn pack_block(layout: Layout, block: &Block, lane: usize, heads: &mut [Head], quads: &mut [Quad]) {
    heads[0][lane] = block.scale.bits();
    if let Some(minimum) = block.minimum {
        heads[1][lane] = minimum;
    }
    pack_integers(layout, &block.integers, lane, quads);
}

fn pack_super_block(
    format: WeightType,
    layout: Layout,
    block: &SuperBlock,
    lane: usize,
    heads: &mut [Head],
    quads: &mut [Quad],
) {
    heads[0][lane] = block.scale;
    if let (Some((minimum, _)), [_, minima]) = (&block.minimum, &mut *heads) {
        minima[lane] = *minimum;
    }
    let (scales, quads) = quads.split_at_mut(layout.scale_quads);
    match format {
        WeightType::Q4_K | WeightType::Q5_K | WeightType::Q3_K => {
            let six_bits = match &block.minimum {
                Some((_, minima)) => SixBits {
                    scales: core::array::from_fn(|i| block.scales[2 * i] as u8),
                    minima: core::array::from_fn(|i| minima[2 * i]),
                },
                None => SixBits {
                    scales: core::array::from_fn(|i| (block.scales[i] + 32) as u8),
                    minima: core::array::from_fn(|i| (block.scales[8 + i] + 32) as u8),
                },
            };
            for (quad, word) in scales.iter_mut().zip(six_bits.pack()) {
                quad.set(lane, word.to_le_bytes());
            }
        }
        _ => {
            let byte = |i: usize| match &block.minimum {
                Some((_, minima)) => block.scales[i] as u8 | minima[i] << 4,
                None => block.scales[i] as u8,
            };
            for (q, quad) in scales.iter_mut().enumerate() {
                quad.set(lane, [4 * q, 4 * q + 2, 4 * q + 1, 4 * q + 3].map(byte));
            }
        }
    }
    for (quads, integers) in
        quads.chunks_exact_mut(layout.block_quads).zip(block.integers.as_chunks::<BLOCK>().0)
    {
        pack_integers(layout, integers, lane, quads);
    }
}

/// Packs 32 integers of 2 to 6 bits.
#[inline]
fn pack_integers(layout: Layout, integers: &[i8; BLOCK], lane: usize, quads: &mut [Quad]) {
    let raw = integers.map(|q| q.wrapping_add(layout.offset) as u8);
    let (low, high) = raw.split_at(BLOCK / 2);
    // Bits `from` and `from + 1` of the columns of a half.
    let two = |half: &[u8], from: u32| {
        core::array::from_fn(|j| {
            (0..4).fold(0, |bits, k| bits | (((half[4 * k + j] >> from) & 3) << (2 * k)))
        })
    };
    // Bit `from` of all columns.
    let one = |from: u32| {
        core::array::from_fn(|j| {
            (0..8).fold(0, |bits, c| bits | (((raw[4 * c + j] >> from) & 1) << c))
        })
    };
    let (uppers, lowers) = quads.split_at_mut(layout.upper_quads);
    if layout.bits <= 3 {
        for (quad, half) in lowers.iter_mut().zip([low, high]) {
            quad.set(lane, two(half, 0));
        }
    } else {
        for (c, quad) in lowers.iter_mut().enumerate() {
            quad.set(
                lane,
                core::array::from_fn(|j| (low[4 * c + j] & 0x0f) | (high[4 * c + j] << 4)),
            );
        }
    }
    match uppers {
        [single] => single.set(lane, one(u32::from(layout.bits) - 1)),
        _ => {
            for (quad, half) in uppers.iter_mut().zip([low, high]) {
                quad.set(lane, two(half, 4));
            }
        }
    }
}

/// Eight scales and eight minima of 6 bits, in three words of one lane.
///
/// Every word is two halves of 16 bits, the lower one for even, the upper one for odd blocks.
/// Halves have, from bit 0 on: word 0 scales 0/1, scales 2/3, lower 4 bits of minima 4/5; word 1
/// scales 4/5, scales 6/7, lower 4 bits of minima 6/7; word 2 minima 0/1, minima 2/3, upper 2 bits
/// of minima 4/5, upper 2 bits of minima 6/7. So one shift and one mask give two of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SixBits {
    pub scales: [u8; 8],
    pub minima: [u8; 8],
}

impl SixBits {
    fn pack(&self) -> [u32; 3] {
        let two = |values: &[u8; 8], pair: usize| {
            u32::from(values[2 * pair]) | u32::from(values[2 * pair + 1]) << 16
        };
        let (scale, minimum) = (|pair| two(&self.scales, pair), |pair| two(&self.minima, pair));
        let lower = |pair| minimum(pair) & 0x000f_000f;
        let upper = |pair| (minimum(pair) >> 4) & 0x0003_0003;
        [
            scale(0) | scale(1) << 6 | lower(2) << 12,
            scale(2) | scale(3) << 6 | lower(3) << 12,
            minimum(0) | minimum(1) << 6 | upper(2) << 12 | upper(3) << 14,
        ]
    }

    fn unpack(words: [u32; 3]) -> Self {
        let [a, b, c] = words;
        let six = |word: u32| word & 0x003f_003f;
        let four =
            |word: u32, upper: u32| ((word >> 12) & 0x000f_000f) | ((upper & 0x0003_0003) << 4);
        let scales = [six(a), six(a >> 6), six(b), six(b >> 6)];
        let minima = [six(c), six(c >> 6), four(a, c >> 12), four(b, c >> 14)];
        let value = |pairs: [u32; 4], i: usize| (pairs[i / 2] >> (16 * (i % 2))) as u8;
        Self {
            scales: core::array::from_fn(|i| value(scales, i)),
            minima: core::array::from_fn(|i| value(minima, i)),
        }
    }
}

/// Eight scales of 6 bits, in a word and a half of one lane: the lower four bits of scale `2p` from
/// bit `4p` of the word on and those of scale `2p + 1` from bit `16 + 4p` on; their upper two bits
/// from bits `2p` and `8 + 2p` of the half on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FourAndTwo {
    pub scales: [u8; 8],
}

impl FourAndTwo {
    fn pack(&self) -> (u32, u16) {
        self.scales.iter().enumerate().fold((0, 0), |(four, two), (i, &scale)| {
            let (pair, odd) = (i / 2, i % 2);
            (
                four | u32::from(scale & 0x0f) << (16 * odd + 4 * pair),
                two | u16::from(scale >> 4) << (8 * odd + 2 * pair),
            )
        })
    }

    fn unpack(four: u32, two: u16) -> Self {
        let scale = |i: usize| {
            let (pair, odd) = (i / 2, i % 2);
            let low = (four >> (16 * odd + 4 * pair)) as u8 & 0x0f;
            low | ((two >> (8 * odd + 2 * pair)) as u8 & 3) << 4
        };
        Self { scales: core::array::from_fn(scale) }
    }
}

/// The inverse of [`pack`], for blocks of 32.
pub(super) fn block_of(
    format: WeightType,
    layout: Layout,
    lane: usize,
    heads: &[Head],
    quads: &[Quad],
) -> Block {
    let integers = if format == WeightType::Q8_0 {
        core::array::from_fn(|i| quads[i / 4].lane(lane)[i % 4] as i8)
    } else {
        unpack::from_table(format, integers_of(layout, lane, quads))
    };
    let bits = heads[0][lane];
    let scale = if format == WeightType::MXFP4 { Scale::BF16(bits) } else { Scale::F16(bits) };
    Block { scale, minimum: heads.get(1).map(|minima| minima[lane]), integers }
}

/// The inverse of [`pack`], for super-blocks.
pub(super) fn super_block_of(
    format: WeightType,
    layout: Layout,
    lane: usize,
    heads: &[Head],
    quads: &[Quad],
) -> SuperBlock {
    let (scale_quads, quads) = quads.split_at(layout.scale_quads);
    let mut integers = [0; SUPER_BLOCK];
    for (integers, quads) in
        integers.as_chunks_mut::<BLOCK>().0.iter_mut().zip(quads.chunks_exact(layout.block_quads))
    {
        *integers = unpack::from_table(format, integers_of(layout, lane, quads));
    }
    let (scales, minima) = scales_of(format, lane, heads, scale_quads);
    let minimum = heads.get(1).filter(|_| layout.minima);
    SuperBlock {
        scale: heads[0][lane],
        scales,
        minimum: minimum.map(|minimum| (minimum[lane], minima)),
        integers,
    }
}

/// Scales of the parts, and their minima if the format has them.
fn scales_of(
    format: WeightType,
    lane: usize,
    heads: &[Head],
    quads: &[Quad],
) -> ([i8; PARTS], [u8; PARTS]) {
    let word = |q: usize| u32::from_le_bytes(quads[q].lane(lane));
    match format {
        WeightType::Q4_K | WeightType::Q5_K => {
            let SixBits { scales, minima } = SixBits::unpack(core::array::from_fn(word));
            let each = |i: usize| scales[i / 2] as i8;
            (core::array::from_fn(each), core::array::from_fn(|i| minima[i / 2]))
        }
        WeightType::Q3_K => {
            let SixBits { scales, minima } = SixBits::unpack(core::array::from_fn(word));
            let stored = |i: usize| if i < 8 { scales[i] } else { minima[i - 8] };
            (core::array::from_fn(|i| stored(i) as i8 - 32), [0; PARTS])
        }
        WeightType::IQ4_XS => {
            let FourAndTwo { scales } = FourAndTwo::unpack(word(0), heads[1][lane]);
            (core::array::from_fn(|i| scales[i / 2] as i8 - 32), [0; PARTS])
        }
        _ => {
            let mut bytes = [0; PARTS];
            for (bytes, quad) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(quads) {
                let [a, c, b, d] = quad.lane(lane);
                *bytes = [a, b, c, d];
            }
            if format == WeightType::Q2_K {
                (bytes.map(|byte| (byte & 0x0f) as i8), bytes.map(|byte| byte >> 4))
            } else {
                (bytes.map(|byte| byte as i8), [0; PARTS])
            }
        }
    }
}

/// The inverse of [`pack_integers`]; places of a table stay what they are.
fn integers_of(layout: Layout, lane: usize, quads: &[Quad]) -> [i8; BLOCK] {
    let (uppers, lowers) = quads.split_at(layout.upper_quads);
    core::array::from_fn(|i| {
        let (half, within) = (i / (BLOCK / 2), i % (BLOCK / 2));
        let (quad, j) = (within / 4, within % 4);
        let low = if layout.bits <= 3 {
            (lowers[half].lane(lane)[j] >> (2 * quad)) & 3
        } else {
            (lowers[quad].lane(lane)[j] >> (4 * half)) & 0x0f
        };
        let upper = match uppers {
            [] => 0,
            [single] => ((single.lane(lane)[j] >> (i / 4)) & 1) << (layout.bits - 1),
            _ => ((uppers[half].lane(lane)[j] >> (2 * quad)) & 3) << 4,
        };
        (low | upper).wrapping_sub(layout.offset as u8) as i8
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LANES;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_loses_nothing(bytes in prop::collection::vec(any::<u8>(), 210), lane in 0usize..LANES) {
            for format in WeightType::ALL {
                let Some(layout) = Layout::of(format) else { continue };
                let (mut heads, mut quads) = ([[0u16; LANES]; 2], vec![Quad([0; 64]); layout.quads(format)]);
                let heads = &mut heads[..layout.heads];
                let bytes = &bytes[..format.block_bytes()];
                pack(format, layout, bytes, lane, heads, &mut quads);
                if format.block_elements() == BLOCK {
                    prop_assert_eq!(block_of(format, layout, lane, heads, &quads), unpack::block(format, bytes));
                } else {
                    prop_assert_eq!(super_block_of(format, layout, lane, heads, &quads), unpack::super_block(format, bytes));
                }
                prop_assert!(quads.iter().all(|quad| (0..LANES).all(|other| other == lane || quad.lane(other) == [0; 4])));
            }
        }
    }
}
