//! One tensor of a file: what it is, and its bytes piece by piece.

use std::ops::Range;

use super::{GgufError, TensorType, source::Source};

/// What the header says about a tensor.
pub(super) struct Described {
    pub name: String,
    pub dtype: TensorType,
    /// Rows first.
    pub shape: Vec<usize>,
    /// Which of the model's files it lies in, from 0.
    pub part: usize,
    /// Where its bytes begin in that file.
    pub start: u64,
    pub bytes: usize,
}

/// One tensor of the file. Its bytes are read when they are asked for, each time anew.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub dtype: TensorType,
    /// Its shape, rows first.
    pub shape: &'a [usize],
    source: &'a Source,
    start: u64,
    bytes: usize,
}

impl<'a> TensorView<'a> {
    pub(super) fn new(described: &'a Described, source: &'a Source) -> Self {
        let Described { name, dtype, shape, start, bytes, .. } = described;
        Self { name, dtype: *dtype, shape, source, start: *start, bytes: *bytes }
    }

    /// Bytes of the whole tensor.
    pub const fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// Where its bytes begin in the file that it lies in.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Number of rows: the product of all dimensions but the last, so that the matrices of experts
    /// lie one after the other.
    pub fn rows(&self) -> usize {
        // No dimension is zero and the product is bounded by the file's size: both were checked
        // when the file was opened.
        self.shape.split_last().map_or(1, |(_, rows)| rows.iter().product())
    }

    /// Bytes of one row; always whole blocks.
    pub fn row_bytes(&self) -> usize {
        self.bytes / self.rows()
    }

    /// Fills `out` with the bytes of some rows. `out` is `rows.len() * row_bytes()` long.
    ///
    /// # Errors
    /// [`GgufError::Outside`] if the tensor does not have those rows or `out` has another length,
    /// [`GgufError::Io`] and [`GgufError::Changed`] if the file cannot be read any more as it was.
    pub fn read_rows(&self, rows: Range<usize>, out: &mut [u8]) -> Result<(), GgufError> {
        let count = rows.end.checked_sub(rows.start).filter(|_| rows.end <= self.rows());
        if count.map(|count| count * self.row_bytes()) != Some(out.len()) {
            return Err(self.outside());
        }
        self.read_at(rows.start * self.row_bytes(), out)
    }

    /// Fills `out` with the bytes from `offset` of the tensor on.
    ///
    /// # Errors
    /// As [`TensorView::read_rows`].
    pub fn read_at(&self, offset: usize, out: &mut [u8]) -> Result<(), GgufError> {
        if offset.checked_add(out.len()).is_none_or(|end| end > self.bytes) {
            return Err(self.outside());
        }
        self.source.read_at(self.start + offset as u64, out)
    }

    /// All bytes, in memory of their own.
    ///
    /// # Errors
    /// As [`TensorView::read_rows`].
    pub fn read(&self) -> Result<Vec<u8>, GgufError> {
        let mut bytes = vec![0; self.bytes];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    fn outside(&self) -> GgufError {
        GgufError::Outside { tensor: self.name.to_owned(), bytes: self.bytes }
    }
}
