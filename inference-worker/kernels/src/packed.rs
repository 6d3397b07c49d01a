//! Quantised matrices, 16 output rows interleaved, so that one wide register advances 16 rows by
//! the scalar sequence.
//!
//! Per group of 16 rows and block there are *heads*, the 16 rows' f16 scales and, if the format has
//! them, minima; and *quads*, 4 bytes of every row, lane after lane:
//!
//! * Q8_0: 8 quads, each the integers of 4 consecutive columns.
//! * 4 bits: 4 quads; the 4 bytes of quad `c` have columns `4c..4c+4` in their low and
//!   `16+4c..16+4c+4` in their high nibbles.
//! * 5 bits: before them one quad of fifth bits; bit `c` of byte `j` belongs to column `4c + j`.
//! * 6 bits: before them two quads of upper bits, for columns `0..16` and `16..32`; bits `2k` and
//!   `2k + 1` of byte `j` belong to column `4k + j` of the half.
//! * Q4_K, Q5_K: 3 quads of scales and minima ([`SixBits`]), then 8 blocks as above.
//! * Q6_K: 4 quads of signed scales; quad `q` has those of parts `4q, 4q+2, 4q+1, 4q+3`; then 8
//!   blocks as above.
//!
//! Integers are stored unsigned, with the format's offset added, except those of Q8_0. In all that
//! takes as many bytes as in the file. A group's heads come first, filled up to whole quads, then
//! its quads, and the groups follow each other in one piece of memory. Rows that pad the last group
//! are zeros and are never returned.

use core::{ops::Range, slice};

use crate::{
    Activations, BLOCK, Columns, Isa, LANES, SUPER_BLOCK, WeightType,
    isa::Kind,
    matrix::RunParts,
    memory::{Fresh, Memory, Zeroed},
    quant::{self, Block, PARTS, SuperBlock, unpack},
};

/// Bytes of four columns of 16 rows.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Quad(pub [u8; 4 * LANES]);

impl Quad {
    fn lane(&self, lane: usize) -> [u8; 4] {
        self.0.as_chunks().0[lane]
    }

    fn set(&mut self, lane: usize, bytes: [u8; 4]) {
        self.0.as_chunks_mut().0[lane] = bytes;
    }
}

// SAFETY: bytes.
unsafe impl Zeroed for Quad {}

/// f16 numbers of 16 rows.
pub(crate) type Head = [u16; LANES];

/// Heads in the memory of a quad.
const QUAD_HEADS: usize = size_of::<Quad>() / size_of::<Head>();

fn heads(quads: &[Quad]) -> &[Head] {
    // SAFETY: as many bytes, none of them without a value; a quad's alignment is more than a head
    // needs.
    unsafe { slice::from_raw_parts(quads.as_ptr().cast(), quads.len() * QUAD_HEADS) }
}

fn heads_mut(quads: &mut [Quad]) -> &mut [Head] {
    // SAFETY: as above, and any bytes are halves.
    unsafe { slice::from_raw_parts_mut(quads.as_mut_ptr().cast(), quads.len() * QUAD_HEADS) }
}

/// How much a block of the format takes, and what the integers of its quads are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Heads of a block or super-block.
    pub heads: usize,
    /// Quads of scales at the beginning of a super-block.
    pub scale_quads: usize,
    /// Quads of upper bits of 32 columns.
    pub upper_quads: usize,
    /// Quads of 32 columns, those of upper bits included.
    pub block_quads: usize,
    /// By how much the stored integers are too large.
    pub offset: i8,
}

impl Layout {
    /// `None` for formats that are not quantised.
    pub const fn of(format: WeightType) -> Option<Self> {
        let (heads, scale_quads, upper_quads, low_quads, offset) = match format {
            WeightType::F32 | WeightType::F16 | WeightType::BF16 => return None,
            WeightType::Q8_0 => (1, 0, 0, 8, 0),
            WeightType::Q4_0 => (1, 0, 0, 4, 8),
            WeightType::Q4_1 => (2, 0, 0, 4, 0),
            WeightType::Q5_0 => (1, 0, 1, 4, 16),
            WeightType::Q5_1 => (2, 0, 1, 4, 0),
            WeightType::Q4_K => (2, 3, 0, 4, 0),
            WeightType::Q5_K => (2, 3, 1, 4, 0),
            WeightType::Q6_K => (1, 4, 2, 4, 32),
        };
        Some(Self { heads, scale_quads, upper_quads, block_quads: upper_quads + low_quads, offset })
    }

    /// Quads that hold the heads of so many blocks or super-blocks.
    const fn head_quads(self, blocks: usize) -> usize {
        (blocks * self.heads).div_ceil(QUAD_HEADS)
    }

    /// Quads of a block or super-block.
    pub const fn quads(self, format: WeightType) -> usize {
        self.scale_quads + self.block_quads * (format.block_elements() / BLOCK)
    }
}

/// A `[rows, columns]` matrix of quantised blocks, packed.
#[derive(Debug)]
pub(crate) struct Packed {
    format: WeightType,
    layout: Layout,
    rows: usize,
    /// Blocks or super-blocks of a row.
    blocks: usize,
    /// `[group, heads and then quads]`.
    memory: Memory<Quad>,
}

/// One group of 16 rows.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    /// `[block, head]`.
    pub heads: &'a [Head],
    /// `[block, quad]`.
    pub quads: &'a [Quad],
}

impl Packed {
    /// Packs a matrix from the bytes of a tensor, which fit the shape; `None` for formats that are
    /// not quantised.
    pub fn new(
        format: WeightType,
        rows: usize,
        columns: usize,
        bytes: &[u8],
        run: RunParts<'_>,
        fresh: Fresh<'_>,
    ) -> Option<Self> {
        let layout = Layout::of(format)?;
        let blocks = columns / format.block_elements();
        let (group_heads, group_quads) =
            (layout.head_quads(blocks), layout.head_quads(blocks) + blocks * layout.quads(format));
        let row_bytes = blocks * format.block_bytes();
        let pack_group = |group: usize, quads: &mut [Quad]| {
            let (head_quads, quads) = quads.split_at_mut(group_heads);
            let rows = &bytes[group * LANES * row_bytes..]
                [..(rows - group * LANES).min(LANES) * row_bytes];
            let records = heads_mut(head_quads)
                .chunks_exact_mut(layout.heads)
                .zip(quads.chunks_exact_mut(layout.quads(format)));
            for (block, (heads, quads)) in records.enumerate() {
                for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
                    pack(
                        format,
                        layout,
                        &row[block * format.block_bytes()..][..format.block_bytes()],
                        lane,
                        heads,
                        quads,
                    );
                }
            }
        };
        let quads = rows.div_ceil(LANES).checked_mul(group_quads)?;
        let memory = Memory::new(quads, group_quads, run, fresh, pack_group)?;
        Some(Self { format, layout, rows, blocks, memory })
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.memory)
    }

    fn group(&self, group: usize) -> Group<'_> {
        let (head_quads, quads) =
            (self.layout.head_quads(self.blocks), self.blocks * self.layout.quads(self.format));
        let (before, quads) =
            self.memory[group * (head_quads + quads)..][..head_quads + quads].split_at(head_quads);
        Group { heads: &heads(before)[..self.blocks * self.layout.heads], quads }
    }

    /// The values of one row, as [`unpack::values`] gives them.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let (group, lane, layout) = (self.group(row / LANES), row % LANES, self.layout);
        let records = group
            .heads
            .chunks_exact(layout.heads)
            .zip(group.quads.chunks_exact(layout.quads(self.format)));
        if self.format.block_elements() == BLOCK {
            for ((heads, quads), out) in records.zip(out.as_chunks_mut().0) {
                unpack::block_values(&block_of(self.format, layout, lane, heads, quads), out);
            }
        } else {
            for ((heads, quads), out) in records.zip(out.as_chunks_mut().0) {
                unpack::super_block_values(&super_block_of(layout, lane, heads, quads), out);
            }
        }
    }

    /// Products of the rows of `groups` (16 rows each) with every row of `x`: `out: [x.rows, rows
    /// of the groups]`.
    pub fn matmul(&self, isa: Isa, x: &Activations, groups: Range<usize>, out: &mut Columns<'_>) {
        let first_row = groups.start * LANES;
        let mut next = groups.start;
        while next < groups.end {
            let (group, column, left) = (next, next * LANES - first_row, self.rows - next * LANES);
            next += 1;
            let mut store = |row: usize, first: usize, lanes: &[f32]| {
                let here = left.saturating_sub(first).min(lanes.len());
                if here > 0 {
                    out.row(row, column + first, here).copy_from_slice(&lanes[..here]);
                }
            };
            match isa.0 {
                Kind::Scalar => scalar_group(self.format, self.group(group), x, &mut store),
                #[cfg(all(target_arch = "x86_64", feature = "std"))]
                Kind::Avx2 => {
                    crate::simd::avx2_group(self.format, self.group(group), x, &mut store)
                }
                #[cfg(all(target_arch = "x86_64", feature = "std"))]
                Kind::Avx512 if next < groups.end => {
                    let two = [self.group(group), self.group(next)];
                    next += 1;
                    crate::simd::avx512_groups(self.format, two, x, &mut store);
                }
                #[cfg(all(target_arch = "x86_64", feature = "std"))]
                Kind::Avx512 => {
                    crate::simd::avx512_groups(self.format, [self.group(group)], x, &mut store)
                }
                #[cfg(all(target_arch = "aarch64", feature = "std"))]
                Kind::Neon => {
                    crate::simd::neon_group(self.format, self.group(group), x, &mut store)
                }
                #[cfg(all(target_arch = "aarch64", feature = "std"))]
                Kind::Dotprod => {
                    crate::simd::dotprod_group(self.format, self.group(group), x, &mut store)
                }
            }
        }
    }
}

/// Packs the bytes of a block or super-block of the file.
#[inline]
fn pack(
    format: WeightType,
    layout: Layout,
    bytes: &[u8],
    lane: usize,
    heads: &mut [Head],
    quads: &mut [Quad],
) {
    match format {
        // The file has the same words, one after the other.
        WeightType::Q8_0 | WeightType::Q4_0 | WeightType::Q4_1 => {
            let (halves, words) = bytes.split_at(heads.len() * size_of::<u16>());
            for (head, half) in heads.iter_mut().zip(halves.as_chunks().0) {
                head[lane] = u16::from_le_bytes(*half);
            }
            for (quad, word) in quads.iter_mut().zip(words.as_chunks().0) {
                quad.set(lane, *word);
            }
        }
        _ if format.block_elements() == BLOCK => {
            pack_block(layout, &unpack::block(format, bytes), lane, heads, quads)
        }
        _ => pack_super_block(layout, &unpack::super_block(format, bytes), lane, heads, quads),
    }
}

fn pack_block(layout: Layout, block: &Block, lane: usize, heads: &mut [Head], quads: &mut [Quad]) {
    heads[0][lane] = block.scale;
    if let Some(minimum) = block.minimum {
        heads[1][lane] = minimum;
    }
    pack_integers(layout, &block.integers, lane, quads);
}

fn pack_super_block(
    layout: Layout,
    block: &SuperBlock,
    lane: usize,
    heads: &mut [Head],
    quads: &mut [Quad],
) {
    heads[0][lane] = block.scale;
    let (scales, quads) = quads.split_at_mut(layout.scale_quads);
    match &block.minimum {
        Some((minimum, minima)) => {
            heads[1][lane] = *minimum;
            let six_bits = SixBits {
                scales: core::array::from_fn(|i| block.scales[2 * i] as u8),
                minima: core::array::from_fn(|i| minima[2 * i]),
            };
            for (quad, word) in scales.iter_mut().zip(six_bits.pack()) {
                quad.set(lane, word.to_le_bytes());
            }
        }
        None => {
            for (quad, [a, b, c, d]) in scales.iter_mut().zip(block.scales.as_chunks::<4>().0) {
                quad.set(lane, [a, c, b, d].map(|&scale| scale as u8));
            }
        }
    }
    for (quads, integers) in
        quads.chunks_exact_mut(layout.block_quads).zip(block.integers.as_chunks::<BLOCK>().0)
    {
        pack_integers(layout, integers, lane, quads);
    }
}

/// Packs 32 integers of 4, 5 or 6 bits.
#[inline]
fn pack_integers(layout: Layout, integers: &[i8; BLOCK], lane: usize, quads: &mut [Quad]) {
    let raw = integers.map(|q| q.wrapping_add(layout.offset) as u8);
    let (low, high) = raw.split_at(BLOCK / 2);
    let (uppers, nibbles) = quads.split_at_mut(layout.upper_quads);
    for (c, quad) in nibbles.iter_mut().enumerate() {
        quad.set(lane, core::array::from_fn(|j| (low[4 * c + j] & 0x0f) | (high[4 * c + j] << 4)));
    }
    match uppers {
        [fifth] => fifth.set(
            lane,
            core::array::from_fn(|j| {
                (0..8).fold(0, |bits, c| bits | (((raw[4 * c + j] >> 4) & 1) << c))
            }),
        ),
        _ => {
            for (quad, raw) in uppers.iter_mut().zip([low, high]) {
                quad.set(
                    lane,
                    core::array::from_fn(|j| {
                        (0..4).fold(0, |bits, k| bits | ((raw[4 * k + j] >> 4) << (2 * k)))
                    }),
                );
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

/// The inverse of [`pack`], for blocks of 32.
fn block_of(
    format: WeightType,
    layout: Layout,
    lane: usize,
    heads: &[Head],
    quads: &[Quad],
) -> Block {
    let integers = if format == WeightType::Q8_0 {
        core::array::from_fn(|i| quads[i / 4].lane(lane)[i % 4] as i8)
    } else {
        integers_of(layout, lane, quads)
    };
    Block { scale: heads[0][lane], minimum: heads.get(1).map(|minima| minima[lane]), integers }
}

/// The inverse of [`pack`], for super-blocks.
fn super_block_of(layout: Layout, lane: usize, heads: &[Head], quads: &[Quad]) -> SuperBlock {
    let (scale_quads, quads) = quads.split_at(layout.scale_quads);
    let mut integers = [0; SUPER_BLOCK];
    for (integers, quads) in
        integers.as_chunks_mut::<BLOCK>().0.iter_mut().zip(quads.chunks_exact(layout.block_quads))
    {
        *integers = integers_of(layout, lane, quads);
    }
    let scale = heads[0][lane];
    match heads.get(1) {
        Some(minima) => {
            let six_bits = SixBits::unpack(core::array::from_fn(|word| {
                u32::from_le_bytes(scale_quads[word].lane(lane))
            }));
            SuperBlock {
                scale,
                scales: core::array::from_fn(|i| six_bits.scales[i / 2] as i8),
                minimum: Some((minima[lane], core::array::from_fn(|i| six_bits.minima[i / 2]))),
                integers,
            }
        }
        None => {
            let mut scales = [0; PARTS];
            for (scales, quad) in scales.as_chunks_mut::<4>().0.iter_mut().zip(scale_quads) {
                let [a, c, b, d] = quad.lane(lane);
                *scales = [a, b, c, d].map(|scale| scale as i8);
            }
            SuperBlock { scale, scales, minimum: None, integers }
        }
    }
}

/// The inverse of [`pack_integers`].
fn integers_of(layout: Layout, lane: usize, quads: &[Quad]) -> [i8; BLOCK] {
    let (uppers, nibbles) = quads.split_at(layout.upper_quads);
    core::array::from_fn(|i| {
        let (half, within) = (i / (BLOCK / 2), i % (BLOCK / 2));
        let (quad, j) = (within / 4, within % 4);
        let nibble = (nibbles[quad].lane(lane)[j] >> (4 * half)) & 0x0f;
        let upper = match uppers {
            [] => 0,
            [fifth] => (fifth.lane(lane)[j] >> (i / 4)) & 1,
            _ => (uppers[half].lane(lane)[j] >> (2 * quad)) & 3,
        };
        (nibble | upper << 4).wrapping_sub(layout.offset as u8) as i8
    })
}

/// Input rows that the scalar code serves with one pass over the weights.
const SCALAR_ROWS: usize = 8;

/// The definition ([`quant::dot`]) for 16 interleaved rows.
fn scalar_group(
    format: WeightType,
    group: Group<'_>,
    x: &Activations,
    store: &mut impl FnMut(usize, usize, &[f32]),
) {
    // A matrix of another format is never packed.
    let Some(layout) = Layout::of(format) else { return };
    for first in (0..x.rows()).step_by(SCALAR_ROWS) {
        let rows = first..(first + SCALAR_ROWS).min(x.rows());
        let mut sums = [[0.0; LANES]; SCALAR_ROWS];
        let records = group
            .heads
            .chunks_exact(layout.heads)
            .zip(group.quads.chunks_exact(layout.quads(format)));
        for (index, (heads, quads)) in records.enumerate() {
            for lane in 0..LANES {
                if format.block_elements() == BLOCK {
                    let weights = block_of(format, layout, lane, heads, quads);
                    for (sums, row) in sums.iter_mut().zip(rows.clone()) {
                        let (x, x_scale) = x.block(row, index);
                        sums[lane] = quant::add_block(sums[lane], &weights, &x, x_scale);
                    }
                } else {
                    let weights = super_block_of(layout, lane, heads, quads);
                    for (sums, row) in sums.iter_mut().zip(rows.clone()) {
                        let (x, x_scale) = x.super_block(row, index);
                        sums[lane] = quant::add_super_block(sums[lane], &weights, &x, x_scale);
                    }
                }
            }
        }
        for (sums, row) in sums.iter().zip(rows) {
            store(row, 0, sums);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
                    prop_assert_eq!(super_block_of(layout, lane, heads, &quads), unpack::super_block(format, bytes));
                }
                prop_assert!(quads.iter().all(|quad| (0..LANES).all(|other| other == lane || quad.lane(other) == [0; 4])));
            }
        }
    }

    #[test]
    fn packed_matrices_are_as_large_as_in_the_file() {
        for format in WeightType::ALL {
            if let Some(layout) = Layout::of(format) {
                assert_eq!(
                    layout.heads * 2 + layout.quads(format) * 4,
                    format.block_bytes(),
                    "{}",
                    format.name()
                );
            }
        }
    }
}
