//! Memory of weights: large, aligned so that the system can back it with huge pages, and first
//! touched by the thread that fills it.
//!
//! A decoded token reads every weight once. With pages of 4 KiB the CPU looks up an address every
//! 64 cache lines, and most of its prefetchers stop at the end of a page; with pages of 2 MiB both
//! are rare. The system hands out huge pages only where memory is aligned to them and, mostly, only
//! where it is asked to before the first touch: that is what [`Fresh`] is for.

use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use core::{fmt, mem::MaybeUninit, ops::Deref, ptr::NonNull, slice};

use crate::{matrix::RunParts, pieces::Pieces};

/// Size and alignment of a huge page on the systems that we know.
pub const HUGE_PAGE: usize = 2 << 20;

/// Called with memory that nobody has touched yet and that begins at a multiple of [`HUGE_PAGE`],
/// for advice to the system. What it writes there is lost.
pub type Fresh<'a> = &'a mut dyn FnMut(&mut [MaybeUninit<u8>]);

/// A type whose values may be all zero bits.
///
/// # Safety
/// A value whose bits are all zero must be valid, and dropping one must do nothing.
pub(crate) unsafe trait Zeroed: Copy {}
// SAFETY: numbers.
unsafe impl Zeroed for f32 {}
// SAFETY: numbers.
unsafe impl Zeroed for u16 {}

/// A slice on the heap. What was not filled is zero.
pub(crate) struct Memory<T> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: it owns its elements, as a `Box<[T]>` does.
unsafe impl<T: Send> Send for Memory<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Memory<T> {}

impl<T: Zeroed + Send> Memory<T> {
    /// `len` elements in pieces of `piece`, each filled by one call of `fill(index, zeros)`; `run`
    /// shares the calls out, and what it leaves out is done at the end. `None` if there cannot be
    /// so many.
    pub fn new(
        len: usize,
        piece: usize,
        run: RunParts<'_>,
        fresh: Fresh<'_>,
        fill: impl Fn(usize, &mut [T]) + Sync,
    ) -> Option<Self> {
        let layout = layout::<T>(len)?;
        if layout.size() == 0 {
            return Some(Self { start: NonNull::dangling(), len: 0 });
        }
        // SAFETY: the size is not 0.
        let start = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(start.cast::<T>()) else { handle_alloc_error(layout) };
        // From here on it is freed, also when a task panics.
        let memory = Self { start, len };
        if layout.align() >= HUGE_PAGE {
            // SAFETY: all of the allocation, which may be uninitialised.
            fresh(unsafe { slice::from_raw_parts_mut(start.as_ptr().cast(), layout.size()) });
        }
        // SAFETY: likewise.
        let elements: &mut [MaybeUninit<T>] =
            unsafe { slice::from_raw_parts_mut(start.as_ptr().cast(), len) };
        let pieces = Pieces::new(elements, piece);
        let fill_piece = |index: usize| {
            if let Some(piece) = pieces.take(index) {
                let (start, len) = (piece.as_mut_ptr().cast::<T>(), piece.len());
                // SAFETY: the piece is this thread's, and its bits are zero when it is seen as
                // values.
                fill(index, unsafe {
                    start.write_bytes(0, len);
                    slice::from_raw_parts_mut(start, len)
                });
            }
        };
        let count = len.div_ceil(piece.max(1));
        run(count, &fill_piece);
        // Now every piece is initialised.
        (0..count).for_each(fill_piece);
        Some(memory)
    }
}

/// The alignment depends on the size alone, so that memory is freed as it was taken.
fn layout<T>(len: usize) -> Option<Layout> {
    let layout = Layout::array::<T>(len).ok()?;
    if layout.size() < HUGE_PAGE { Some(layout) } else { layout.align_to(HUGE_PAGE).ok() }
}

impl<T> Deref for Memory<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialised elements that `self` owns.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        // The layout was valid when the memory was taken; elements are numbers and need no drop.
        if let Some(layout) = layout::<T>(self.len).filter(|layout| layout.size() > 0) {
            // SAFETY: taken with this layout, and nobody has it any more.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl<T> fmt::Debug for Memory<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {} bytes", self.len, size_of::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(len: usize, piece: usize, advised: &mut Vec<(usize, usize)>) -> Memory<u16> {
        // Some pieces twice, some not at all.
        let mut run = |parts: usize, task: &(dyn Fn(usize) + Sync)| {
            (0..parts).step_by(2).chain(0..1.min(parts)).for_each(task)
        };
        let mut fresh =
            |memory: &mut [MaybeUninit<u8>]| advised.push((memory.as_ptr().addr(), memory.len()));
        let fill = |index: usize, piece: &mut [u16]| piece[0] = index as u16 + 1;
        Memory::new(len, piece, &mut run, &mut fresh, fill).expect("memory")
    }

    #[test]
    fn every_piece_is_filled_once_and_the_rest_is_zero() {
        for (len, piece) in [(0, 5), (1, 5), (12, 5), (HUGE_PAGE, 1000)] {
            let memory = filled(len, piece, &mut Vec::new());
            assert_eq!(memory.len(), len);
            let truth = |i: usize| if i.is_multiple_of(piece) { (i / piece) as u16 + 1 } else { 0 };
            assert!(
                memory.iter().enumerate().all(|(i, &x)| x == truth(i)),
                "{len} in pieces of {piece}"
            );
        }
    }

    #[test]
    fn large_memory_is_aligned_and_advised_and_small_memory_is_not() {
        let mut advised = Vec::new();
        filled(HUGE_PAGE / 2 - 1, 64, &mut advised);
        assert_eq!(advised, []);
        let memory = filled(HUGE_PAGE / 2 + 100, 64, &mut advised);
        assert_eq!(advised, [(memory.as_ptr().addr(), HUGE_PAGE + 200)]);
        assert!(memory.as_ptr().addr().is_multiple_of(HUGE_PAGE));
    }

    #[test]
    fn more_than_there_can_be_is_refused() {
        let run: RunParts<'_> = &mut |_, _| {};
        assert!(Memory::<u16>::new(usize::MAX, 1, run, &mut |_| {}, |_, _| {}).is_none());
    }

    #[test]
    fn a_panic_while_filling_frees_the_memory() {
        let fill = |index: usize, _: &mut [u16]| assert!(index != 3, "piece 3");
        let outcome = std::panic::catch_unwind(|| {
            Memory::new(100, 10, &mut |_, _| {}, &mut |_| {}, fill).is_some()
        });
        assert!(outcome.is_err());
    }
}
