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
//! * 2 bits: two such quads alone; 3 bits: a quad of third bits like that of fifth bits, then two.
//! * Q4_K, Q5_K: 3 quads of scales and minima ([`SixBits`]), then 8 blocks as above.
//! * Q6_K: 4 quads of signed scales; quad `q` has those of parts `4q, 4q+2, 4q+1, 4q+3`; then 8
//!   blocks as above. Q2_K: the same with a scale in the low and a minimum in the high half of each
//!   byte.
//! * Q3_K: 3 quads of unsigned scales ([`SixBits`], its minima for parts 8 to 15).
//! * IQ4_XS: one quad and a second head of unsigned scales ([`FourAndTwo`]).
//!
//! Integers are stored unsigned, with the format's offset added, except those of Q8_0; those of
//! formats with a table as places in it. In all that takes as many bytes as in the file, and one
//! more for a block of MXFP4. A group's heads come first, filled up to whole quads, then
//! its quads, and the groups follow each other in one piece of memory. Rows that pad the last group
//! are zeros and are never returned.

use core::{ops::Range, slice};

use crate::{
    Activations, BLOCK, Columns, Isa, LANES, SUPER_BLOCK, WeightType,
    isa::Kind,
    matrix::RunParts,
    memory::{Fresh, Memory, Zeroed},
    quant::{self, Block, PARTS, Scale, SuperBlock, unpack},
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
    /// Bits of a stored integer.
    pub bits: u8,
    /// By how much the stored integers are too large.
    pub offset: i8,
    /// What they stand for, if it is not by an offset.
    pub table: Option<&'static [i8; 16]>,
    /// Whether there are minima: the second head.
    pub minima: bool,
    /// Whether every part of 16 columns has a scale of its own, or two share one.
    pub scale_each_part: bool,
}

impl Layout {
    /// `None` for formats that are not quantised.
    pub const fn of(format: WeightType) -> Option<Self> {
        // Heads, quads of scales, quads of upper bits, other quads, bits, offset.
        let (heads, scale_quads, upper_quads, low_quads, bits, offset) = match format {
            WeightType::F32 | WeightType::F16 | WeightType::BF16 => return None,
            WeightType::Q8_0 => (1, 0, 0, 8, 8, 0),
            WeightType::Q4_0 => (1, 0, 0, 4, 4, 8),
            WeightType::Q4_1 => (2, 0, 0, 4, 4, 0),
            WeightType::Q5_0 => (1, 0, 1, 4, 5, 16),
            WeightType::Q5_1 => (2, 0, 1, 4, 5, 0),
            WeightType::Q4_K => (2, 3, 0, 4, 4, 0),
            WeightType::Q5_K => (2, 3, 1, 4, 5, 0),
            WeightType::Q6_K => (1, 4, 2, 4, 6, 32),
            WeightType::Q2_K => (2, 4, 0, 2, 2, 0),
            WeightType::Q3_K => (1, 3, 1, 2, 3, 4),
            WeightType::IQ4_NL | WeightType::MXFP4 => (1, 0, 0, 4, 4, 0),
            WeightType::IQ4_XS => (2, 1, 0, 4, 4, 0),
        };
        Some(Self {
            heads,
            scale_quads,
            upper_quads,
            block_quads: upper_quads + low_quads,
            bits,
            offset,
            table: quant::table(format),
            minima: heads == 2 && !matches!(format, WeightType::IQ4_XS),
            scale_each_part: matches!(
                format,
                WeightType::Q2_K | WeightType::Q3_K | WeightType::Q6_K
            ),
        })
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
                let block = super_block_of(self.format, layout, lane, heads, quads);
                unpack::super_block_values(&block, out);
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
        unpack::from_table(format, integers_of(layout, lane, quads))
    };
    let bits = heads[0][lane];
    let scale = if format == WeightType::MXFP4 { Scale::BF16(bits) } else { Scale::F16(bits) };
    Block { scale, minimum: heads.get(1).map(|minima| minima[lane]), integers }
}

/// The inverse of [`pack`], for super-blocks.
fn super_block_of(
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
                    let weights = super_block_of(format, layout, lane, heads, quads);
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
                    prop_assert_eq!(super_block_of(format, layout, lane, heads, &quads), unpack::super_block(format, bytes));
                }
                prop_assert!(quads.iter().all(|quad| (0..LANES).all(|other| other == lane || quad.lane(other) == [0; 4])));
            }
        }
    }

    #[test]
    fn packed_matrices_are_as_large_as_in_the_file() {
        for format in WeightType::ALL {
            if let Some(layout) = Layout::of(format) {
                let more = usize::from(format == WeightType::MXFP4);
                assert_eq!(
                    layout.heads * 2 + layout.quads(format) * 4,
                    format.block_bytes() + more,
                    "{}",
                    format.name()
                );
            }
        }
    }
}
