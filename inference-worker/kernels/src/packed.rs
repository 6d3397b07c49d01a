//! Quantised matrices, 16 output rows interleaved, so that one wide register advances 16 rows by the scalar sequence.
//!
//! Per group of 16 rows and block of 32 columns there are the rows' 16 scales and the integers: for each 4 consecutive columns 4
//! bytes of every row. `Q4_0` keeps its nibbles: the 4 bytes of columns `4c..4c+4` also hold columns `16+4c..16+4c+4`.
//! Rows that fill up the last group have scale 0 and are never given out.

use alloc::vec::Vec;
use core::ops::Range;

use crate::activations::QuantRow;
use crate::{
    Activations, BLOCK, Isa, LANES, f16,
    isa::Kind,
    quant::{self, Q4_0_BYTES, Q8_0_BYTES},
};

/// Bytes of four columns of 16 rows.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Quad(pub [u8; 4 * LANES]);

/// Which of the two formats a matrix has, with the number of quads per block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// 8 quads of signed bytes.
    Q8_0,
    /// 4 quads of nibbles, 8 too large.
    Q4_0,
}

impl Format {
    pub(crate) const fn quads(self) -> usize {
        match self {
            Self::Q8_0 => 8,
            Self::Q4_0 => 4,
        }
    }

    const fn block_bytes(self) -> usize {
        match self {
            Self::Q8_0 => Q8_0_BYTES,
            Self::Q4_0 => Q4_0_BYTES,
        }
    }
}

/// A `[rows, columns]` matrix of `Q8_0` or `Q4_0` blocks, packed.
#[derive(Debug)]
pub struct Packed {
    format: Format,
    rows: usize,
    columns: usize,
    /// `[group, block][lane]`, f16.
    scales: Vec<[u16; LANES]>,
    /// `[group, block, quad]`.
    quads: Vec<Quad>,
}

/// One group of 16 rows.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    pub scales: &'a [[u16; LANES]],
    pub quads: &'a [Quad],
}

impl Packed {
    /// Packs a matrix from the bytes of a GGUF tensor; `None` if their number does not fit the shape or a row is not whole blocks.
    pub fn new(format: Format, rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        let blocks = columns / BLOCK;
        let row_bytes = blocks.checked_mul(format.block_bytes())?;
        if columns == 0 || !columns.is_multiple_of(BLOCK) || row_bytes.checked_mul(rows)? != bytes.len() {
            return None;
        }
        let groups = rows.div_ceil(LANES);
        let mut scales = Vec::new();
        scales.resize(groups * blocks, [0u16; LANES]);
        let mut quads = Vec::new();
        quads.resize(groups * blocks * format.quads(), Quad([0; 4 * LANES]));
        for (row, row_bytes) in bytes.chunks_exact(row_bytes).enumerate() {
            let (group, lane) = (row / LANES, row % LANES);
            for (block, bytes) in row_bytes.chunks_exact(format.block_bytes()).enumerate() {
                let at = group * blocks + block;
                scales[at][lane] = u16::from_le_bytes([bytes[0], bytes[1]]);
                for (quad, four) in quads[at * format.quads()..].iter_mut().zip(bytes[2..].chunks_exact(4)) {
                    quad.0[lane * 4..][..4].copy_from_slice(four);
                }
            }
        }
        Some(Self { format, rows, columns, scales, quads })
    }

    /// Number of output rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Which format.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.scales) + size_of_val(&*self.quads)
    }

    fn group(&self, group: usize) -> Group<'_> {
        let blocks = self.columns / BLOCK;
        let quads = blocks * self.format.quads();
        Group { scales: &self.scales[group * blocks..][..blocks], quads: &self.quads[group * quads..][..quads] }
    }

    /// Products of the rows of `groups` (16 rows each) with every row of `x`: `out: [x.rows, rows of the groups]`.
    ///
    /// # Panics
    /// If `x` is not quantised or has other columns, or if `out` has another size.
    pub(crate) fn matmul(&self, isa: Isa, x: &Activations, groups: Range<usize>, out: &mut [f32]) {
        assert_eq!(x.columns(), self.columns, "activations and matrix disagree on the number of columns");
        let first_row = groups.start * LANES;
        let width = (groups.end * LANES).min(self.rows).saturating_sub(first_row);
        assert_eq!(out.len(), x.rows() * width, "output does not fit");
        for group in groups {
            let column = group * LANES - first_row;
            let here = LANES.min(width - column);
            let mut store = |row: usize, lanes: [f32; LANES]| {
                out[row * width + column..][..here].copy_from_slice(&lanes[..here]);
            };
            match isa.0 {
                Kind::Scalar => {
                    for row in 0..x.rows() {
                        store(row, scalar_group(self.format, self.group(group), x.quant_row(row)));
                    }
                }
                #[cfg(all(target_arch = "x86_64", feature = "std"))]
                Kind::Avx2 => crate::simd::avx2_group(self.format, self.group(group), x, &mut store),
                #[cfg(all(target_arch = "x86_64", feature = "std"))]
                Kind::Avx512 => crate::simd::avx512_group(self.format, self.group(group), x, &mut store),
            }
        }
    }
}

/// The definition ([`quant::dot`]) for 16 interleaved rows at once, written so that compilers find wide instructions in it.
fn scalar_group(format: Format, group: Group<'_>, x: QuantRow<'_>) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    let blocks = group.quads.chunks_exact(format.quads()).zip(group.scales).zip(x.quants.iter().zip(x.scales));
    for ((quads, scales), (x, &x_scale)) in blocks {
        let (x, _) = x.as_chunks::<4>();
        let mut integers = [0i32; LANES];
        for (c, quad) in quads.iter().enumerate() {
            match format {
                Format::Q8_0 => add_products(&mut integers, &quad.0, x[c], |byte| i32::from(byte as i8)),
                Format::Q4_0 => {
                    add_products(&mut integers, &quad.0, x[c], |byte| i32::from(byte & 0x0f).wrapping_sub(8));
                    add_products(&mut integers, &quad.0, x[c + 4], |byte| i32::from(byte >> 4).wrapping_sub(8));
                }
            }
        }
        for lane in 0..LANES {
            sums[lane] += (f16::to_f32(scales[lane]) * x_scale) * integers[lane] as f32;
        }
    }
    sums
}

/// `integers[lane] += Σ weight(bytes[4·lane + j])·x[j]` over `j`. A block's sum is below 2²⁰, so nothing wraps; the operations
/// that may wrap are the ones without a check, which would keep the lanes apart.
#[inline(always)]
fn add_products(integers: &mut [i32; LANES], bytes: &[u8; 4 * LANES], x: [i8; 4], weight: impl Fn(u8) -> i32) {
    for (integer, four) in integers.iter_mut().zip(bytes.as_chunks::<4>().0) {
        let mut sum = 0i32;
        for j in 0..4 {
            sum = sum.wrapping_add(weight(four[j]).wrapping_mul(i32::from(x[j])));
        }
        *integer = integer.wrapping_add(sum);
    }
}

/// The definition of a product for one row in the file's layout: what the packed kernels must equal.
///
/// # Panics
/// As [`Activations::load`]: `x` must be quantised and as long as the row.
pub fn reference_dot(format: Format, row: &[u8], x: &Activations, x_row: usize) -> f32 {
    let x = x.quant_row(x_row);
    match format {
        Format::Q8_0 => quant::dot(row.as_chunks::<Q8_0_BYTES>().0, quant::unpack_q8_0, x.quants, x.scales),
        Format::Q4_0 => quant::dot(row.as_chunks::<Q4_0_BYTES>().0, quant::unpack_q4_0, x.quants, x.scales),
    }
}
