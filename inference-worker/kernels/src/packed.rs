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
//! * Q4_K, Q5_K: 3 quads of scales and minima ([`record::SixBits`]), then 8 blocks as above.
//! * Q6_K: 4 quads of signed scales; quad `q` has those of parts `4q, 4q+2, 4q+1, 4q+3`; then 8
//!   blocks as above. Q2_K: the same with a scale in the low and a minimum in the high half of each
//!   byte.
//! * Q3_K: 3 quads of unsigned scales ([`SixBits`], its minima for parts 8 to 15).
//! * IQ4_XS: one quad and a second head of unsigned scales ([`record::FourAndTwo`]).
//!
//! Integers are stored unsigned, with the format's offset added, except those of Q8_0; those of
//! formats with a table as places in it. In all that takes as many bytes as in the file, and one
//! more for a block of MXFP4. A group's heads come first, filled up to whole quads, then
//! its quads, and the groups follow each other in one piece of memory. Rows that pad the last group
//! are zeros and are never returned.

pub(crate) mod record;

use core::{ops::Range, slice};

use crate::{
    Activations, BLOCK, Columns, Isa, LANES, WeightType,
    isa::Kind,
    matrix::RunParts,
    memory::{Fresh, Memory, Zeroed},
    quant::{self, unpack},
};
use record::{block_of, pack, super_block_of};

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
