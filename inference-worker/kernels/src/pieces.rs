//! Memory that several threads fill, each only its own part.

use alloc::vec::Vec;
use core::{
    marker::PhantomData,
    sync::atomic::{AtomicBool, Ordering},
};

/// A slice cut into pieces of equal length (the last one may be shorter), each of which is given
/// out once.
pub(crate) struct Pieces<'a, T> {
    start: *mut T,
    len: usize,
    piece: usize,
    taken: Vec<AtomicBool>,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: sharing it gives threads no more than disjoint `&mut [T]`, which may be sent wherever `T`
// may.
unsafe impl<T: Send> Sync for Pieces<'_, T> {}

impl<'a, T> Pieces<'a, T> {
    /// Cuts `slice` into pieces of `piece` elements, at least 1.
    pub fn new(slice: &'a mut [T], piece: usize) -> Self {
        let piece = piece.max(1);
        let taken = (0..slice.len().div_ceil(piece)).map(|_| AtomicBool::new(false)).collect();
        Self { start: slice.as_mut_ptr(), len: slice.len(), piece, taken, owner: PhantomData }
    }

    /// Piece `index`; `None` if there is none or if it was given out before.
    pub fn take(&self, index: usize) -> Option<&'a mut [T]> {
        if self.taken.get(index)?.swap(true, Ordering::AcqRel) {
            return None;
        }
        let first = index * self.piece;
        let length = self.piece.min(self.len - first);
        // SAFETY: inside the slice that `self` borrows for 'a, and no other piece overlaps; the
        // flag lets it out only once.
        Some(unsafe { core::slice::from_raw_parts_mut(self.start.add(first), length) })
    }
}

/// `columns` of every row of a `[rows, stride]` output: what one thread may write of it.
pub struct Columns<'a> {
    start: *mut f32,
    rows: usize,
    stride: usize,
    width: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a `&mut` to disjoint parts of rows; f32 may be sent.
unsafe impl Send for Columns<'_> {}

impl<'a> Columns<'a> {
    /// All columns of `out: [rows, width]`.
    ///
    /// # Panics
    /// If `out` is not whole rows.
    pub fn new(out: &'a mut [f32], width: usize) -> Self {
        assert!(
            width > 0 && out.len().is_multiple_of(width),
            "rows of {width} cannot make {} outputs",
            out.len()
        );
        Self {
            start: out.as_mut_ptr(),
            rows: out.len() / width,
            stride: width,
            width,
            owner: PhantomData,
        }
    }

    /// The first `column` columns and the others.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn split_at(self, column: usize) -> (Self, Self) {
        assert!(column <= self.width, "{} columns cannot be split at {column}", self.width);
        let Self { start, rows, stride, width, owner } = self;
        // With columns left over the sum is inside of the first row; without, nothing is read or
        // written through it.
        let second = start.wrapping_add(column);
        (
            Self { start, rows, stride, width: column, owner },
            Self { start: second, rows, stride, width: width - column, owner },
        )
    }

    /// The same columns for a shorter time.
    pub const fn reborrow(&mut self) -> Columns<'_> {
        Columns {
            start: self.start,
            rows: self.rows,
            stride: self.stride,
            width: self.width,
            owner: PhantomData,
        }
    }

    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// `length` columns from `first` on of one row.
    ///
    /// # Panics
    /// If they are not all there.
    pub fn row(&mut self, row: usize, first: usize, length: usize) -> &mut [f32] {
        assert!(
            row < self.rows && first <= self.width && length <= self.width - first,
            "outside of the output"
        );
        // SAFETY: inside of the slice that was borrowed for 'a, in columns that no other `Columns`
        // has; `self` is borrowed mutably.
        unsafe {
            core::slice::from_raw_parts_mut(self.start.add(row * self.stride + first), length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_given_out_once() {
        let mut memory = [0; 7];
        let pieces = Pieces::new(&mut memory, 3);
        assert_eq!(pieces.take(2).map(|piece| piece.len()), Some(1));
        pieces.take(0).expect("the first").fill(1);
        assert!(pieces.take(0).is_none() && pieces.take(3).is_none());
        assert_eq!(memory, [1, 1, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn columns_reach_their_own_part_of_every_row() {
        let mut out = [0.0; 12];
        let (mut left, right) = Columns::new(&mut out, 4).split_at(1);
        let (mut middle, right) = right.split_at(3);
        assert_eq!((left.rows(), left.width(), right.width()), (3, 1, 0));
        for row in 0..3 {
            left.row(row, 0, 1).fill(1.0);
            middle.row(row, 1, 2).fill(2.0);
        }
        assert_eq!(out, [1.0, 0.0, 2.0, 2.0, 1.0, 0.0, 2.0, 2.0, 1.0, 0.0, 2.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "outside of the output")]
    fn columns_end_where_they_end() {
        let mut out = [0.0; 12];
        let (mut left, _right) = Columns::new(&mut out, 4).split_at(2);
        left.row(0, 1, 2);
    }
}
