//! A weight matrix of any supported type, and its product with rows of activations.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    Activations, Forms, Isa, LANES, dense,
    packed::{Format, Packed},
    reduce,
};

/// A `[rows, columns]` matrix. Row `r` of the matrix gives element `r` of the output.
#[derive(Debug)]
pub enum Matrix {
    /// Row-major.
    F32 {
        /// Length of a row.
        columns: usize,
        /// `[rows, columns]`.
        values: Vec<f32>,
    },
    /// Row-major halves.
    F16 {
        /// Length of a row.
        columns: usize,
        /// `[rows, columns]`.
        values: Vec<u16>,
    },
    /// Q8_0 or Q4_0.
    Packed(Packed),
}

impl Matrix {
    /// F32 matrix from little-endian bytes; `None` if their number does not fit the shape.
    pub fn f32(rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        let fits = columns > 0 && rows.checked_mul(columns)?.checked_mul(4)? == bytes.len();
        let values = || bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        fits.then(|| Self::F32 { columns, values: values() })
    }

    /// F16 matrix from little-endian bytes; `None` if their number does not fit the shape.
    pub fn f16(rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        let fits = columns > 0 && rows.checked_mul(columns)?.checked_mul(2)? == bytes.len();
        let values = || bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        fits.then(|| Self::F16 { columns, values: values() })
    }

    /// Q8_0 matrix from the file's bytes; `None` if they do not fit the shape or a row is not whole blocks.
    pub fn q8_0(rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        Packed::new(Format::Q8_0, rows, columns, bytes).map(Self::Packed)
    }

    /// Q4_0 matrix from the file's bytes; `None` if they do not fit the shape or a row is not whole blocks.
    pub fn q4_0(rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        Packed::new(Format::Q4_0, rows, columns, bytes).map(Self::Packed)
    }

    /// Number of rows: the length of an output.
    pub fn rows(&self) -> usize {
        match self {
            Self::F32 { columns, values } => values.len() / columns,
            Self::F16 { columns, values } => values.len() / columns,
            Self::Packed(packed) => packed.rows(),
        }
    }

    /// Length of a row: the length of an input.
    pub const fn columns(&self) -> usize {
        match self {
            Self::F32 { columns, .. } | Self::F16 { columns, .. } => *columns,
            Self::Packed(packed) => packed.columns(),
        }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::F32 { values, .. } => size_of_val(&**values),
            Self::F16 { values, .. } => size_of_val(&**values),
            Self::Packed(packed) => packed.bytes(),
        }
    }

    /// Which forms of the input [`Matrix::matmul`] needs.
    pub const fn forms(&self) -> Forms {
        match self {
            Self::Packed(_) => Forms { plain: false, quantised: true },
            _ => Forms { plain: true, quantised: false },
        }
    }

    /// Groups of 16 output rows: the unit by which threads share a product. The last one may be ragged.
    pub fn groups(&self) -> usize {
        self.rows().div_ceil(LANES)
    }

    /// Number of output rows in a range of groups.
    pub fn group_rows(&self, groups: &Range<usize>) -> usize {
        (groups.end * LANES).min(self.rows()).saturating_sub(groups.start * LANES)
    }

    /// Products of the rows of `groups` with every row of `x`: `out: [x.rows, group_rows]`. Every output is the same whatever
    /// the range, the number of rows of `x` or the instruction set.
    ///
    /// # Panics
    /// If `x` lacks the form that [`Matrix::forms`] names or has other columns, or if `out` has another size.
    pub fn matmul(&self, isa: Isa, x: &Activations, groups: Range<usize>, out: &mut [f32]) {
        let (width, first) = (self.group_rows(&groups), (groups.start * LANES).min(self.rows()));
        match self {
            Self::Packed(packed) => packed.matmul(isa, x, groups, out),
            Self::F32 { columns, values } => isa.run(|| {
                dense_rows(&values[first * columns..], *columns, width, x, out, reduce::dot);
            }),
            Self::F16 { columns, values } => isa.run(|| {
                dense_rows(&values[first * columns..], *columns, width, x, out, dense::dot_f16);
            }),
        }
    }
}

#[inline(always)]
fn dense_rows<T>(weights: &[T], columns: usize, width: usize, x: &Activations, out: &mut [f32], dot: impl Fn(&[T], &[f32]) -> f32) {
    assert_eq!(x.columns(), columns, "activations and matrix disagree on the number of columns");
    assert_eq!(out.len(), x.rows() * width, "output does not fit");
    for (column, row) in weights.chunks_exact(columns).take(width).enumerate() {
        for x_row in 0..x.rows() {
            out[x_row * width + column] = dot(row, x.plain_row(x_row));
        }
    }
}
