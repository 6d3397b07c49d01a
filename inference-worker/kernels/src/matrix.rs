//! A weight matrix of any type, and its product with rows of activations.

use core::ops::Range;

use crate::{
    Activations, Columns, Forms, Isa, LANES, WeightType,
    dense::{self, Bf16, F16, F32, Weight},
    memory::{Fresh, Memory},
    packed::Packed,
};

/// A `[rows, columns]` matrix. Row `r` of the matrix gives element `r` of the output.
#[derive(Debug)]
pub struct Matrix {
    format: WeightType,
    rows: usize,
    columns: usize,
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    /// Row-major.
    F32(Memory<f32>),
    /// Row-major.
    F16(Memory<u16>),
    /// Row-major.
    Bf16(Memory<u16>),
    /// Quantised, 16 rows interleaved.
    Packed(Packed),
}

/// Runs a task for every part `0..parts`, on as many threads as it likes, and returns when all are
/// done.
pub type RunParts<'a> = &'a mut dyn FnMut(usize, &(dyn Fn(usize) + Sync));

impl Matrix {
    /// A matrix from a tensor's bytes in the file's layout; `None` if their number does not fit the
    /// shape or a row is not whole blocks of the format.
    pub fn new(format: WeightType, rows: usize, columns: usize, bytes: &[u8]) -> Option<Self> {
        Self::new_with(
            format,
            rows,
            columns,
            bytes,
            &mut |parts, task| (0..parts).for_each(task),
            &mut |_| {},
        )
    }

    /// As [`Matrix::new`], with `run` to share out the work of arranging the weights; what it
    /// leaves out is done at the end. `fresh` sees the memory of a large matrix before it is used.
    pub fn new_with(
        format: WeightType,
        rows: usize,
        columns: usize,
        bytes: &[u8],
        run: RunParts<'_>,
        fresh: Fresh<'_>,
    ) -> Option<Self> {
        let row_bytes = format.row_bytes(columns)?;
        if row_bytes.checked_mul(rows)? != bytes.len() {
            return None;
        }
        // Dense weights are arranged by as many rows at once as others.
        let piece = LANES.checked_mul(columns)?;
        let bytes_of = |index: usize| &bytes[index * LANES * row_bytes..];
        let halves = |index: usize, out: &mut [u16]| {
            for (out, half) in out.iter_mut().zip(bytes_of(index).as_chunks::<2>().0) {
                *out = u16::from_le_bytes(*half);
            }
        };
        let singles = |index: usize, out: &mut [f32]| {
            for (out, single) in out.iter_mut().zip(bytes_of(index).as_chunks::<4>().0) {
                *out = f32::from_le_bytes(*single);
            }
        };
        let len = rows.checked_mul(columns)?;
        let weights = match format {
            WeightType::F32 => Weights::F32(Memory::new(len, piece, run, fresh, singles)?),
            WeightType::F16 => Weights::F16(Memory::new(len, piece, run, fresh, halves)?),
            WeightType::BF16 => Weights::Bf16(Memory::new(len, piece, run, fresh, halves)?),
            _ => Weights::Packed(Packed::new(format, rows, columns, bytes, run, fresh)?),
        };
        Some(Self { format, rows, columns, weights })
    }

    /// The type that it was made from.
    pub const fn format(&self) -> WeightType {
        self.format
    }

    /// Number of rows: the length of an output.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row: the length of an input.
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::F32(values) => size_of_val(&**values),
            Weights::F16(values) => size_of_val(&**values),
            Weights::Bf16(values) => size_of_val(&**values),
            Weights::Packed(packed) => packed.bytes(),
        }
    }

    /// The values of one row, as [`crate::embedding::row`] gives them from the tensor's bytes.
    ///
    /// # Panics
    /// If there is no such row, or if `out` is not as long as one.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.columns, "no such row");
        let range = row * self.columns..(row + 1) * self.columns;
        match &self.weights {
            Weights::Packed(packed) => packed.row(row, out),
            Weights::F32(weights) => dense::widen::<F32>(&weights[range], out),
            Weights::F16(weights) => dense::widen::<F16>(&weights[range], out),
            Weights::Bf16(weights) => dense::widen::<Bf16>(&weights[range], out),
        }
    }

    /// Which forms of the input [`Matrix::matmul`] needs.
    pub const fn forms(&self) -> Forms {
        Forms::of(self.format)
    }

    /// Groups of 16 output rows: the unit by which threads share a product. The last one may be
    /// ragged.
    pub const fn groups(&self) -> usize {
        self.rows.div_ceil(LANES)
    }

    /// Number of output rows in a range of groups.
    pub fn group_rows(&self, groups: &Range<usize>) -> usize {
        (groups.end * LANES).min(self.rows).saturating_sub(groups.start * LANES)
    }

    /// Products of the rows of `groups` with every row of `x`: `out: [x.rows, group_rows]`. Every
    /// output is the same whatever the range, the number of rows of `x` or the instruction set.
    ///
    /// # Panics
    /// As [`Matrix::matmul_into`].
    pub fn matmul(&self, isa: Isa, x: &Activations, groups: Range<usize>, out: &mut [f32]) {
        let width = self.group_rows(&groups);
        assert_eq!(out.len(), x.rows() * width, "output does not fit");
        if width > 0 {
            self.matmul_into(isa, x, groups, Columns::new(out, width));
        }
    }

    /// As [`Matrix::matmul`], into columns of a wider output: those of the rows of `groups`, so
    /// that threads write their parts of `[x.rows, rows]` where they belong.
    ///
    /// # Panics
    /// If `x` lacks the form that [`Matrix::forms`] names or has other columns, or if `out` has
    /// another size.
    pub fn matmul_into(
        &self,
        isa: Isa,
        x: &Activations,
        groups: Range<usize>,
        mut out: Columns<'_>,
    ) {
        let first = (groups.start * LANES).min(self.rows);
        assert_eq!(
            x.columns(),
            self.columns,
            "activations and matrix disagree on the number of columns"
        );
        assert_eq!(
            (out.rows(), out.width()),
            (x.rows(), self.group_rows(&groups)),
            "output does not fit"
        );
        match &self.weights {
            Weights::Packed(packed) => packed.matmul(isa, x, groups, &mut out),
            Weights::F32(weights) => {
                self.dense::<F32>(isa, x, &weights[first * self.columns..], out)
            }
            Weights::F16(weights) => {
                self.dense::<F16>(isa, x, &weights[first * self.columns..], out)
            }
            Weights::Bf16(weights) => {
                self.dense::<Bf16>(isa, x, &weights[first * self.columns..], out)
            }
        }
    }

    fn dense<W: Weight>(&self, isa: Isa, x: &Activations, weights: &[W::Bits], out: Columns<'_>) {
        isa.call(dense::Rows::<W> { weights, columns: self.columns, x, out });
    }
}
