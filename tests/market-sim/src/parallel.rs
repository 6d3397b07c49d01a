//! Work on blocks of workers, on several threads.
//!
//! Each thread takes one stretch of the blocks. What a block yields depends on the block alone, and
//! whoever adds results up does so in the order of the blocks, so results are the same whatever the
//! number of threads.

use std::thread;

/// Does `work` on every item, each on one of `threads` threads.
pub fn each<T: Send>(threads: usize, items: &mut [T], work: impl Fn(&mut T) + Sync) {
    let stretch = items.len().div_ceil(threads.max(1)).max(1);
    if items.len() <= stretch {
        items.iter_mut().for_each(work);
        return;
    }
    let work = &work;
    thread::scope(|scope| {
        for part in items.chunks_mut(stretch) {
            scope.spawn(move || part.iter_mut().for_each(work));
        }
    });
}

/// What `work` gives for `0..count`, in order.
pub fn map<R: Send>(threads: usize, count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    let mut places: Vec<(usize, &mut Option<R>)> = results.iter_mut().enumerate().collect();
    each(threads, &mut places, |(i, place)| **place = Some(work(*i)));
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_and_in_order_on_any_number_of_threads() {
        for threads in [0, 1, 2, 3, 9] {
            let mut items = vec![1u32; 7];
            each(threads, &mut items, |item| *item += 1);
            assert_eq!(items, [2; 7]);
            let squares = map(threads, 5_000, |i| i * i);
            assert!(squares.iter().enumerate().all(|(i, square)| *square == i * i));
            assert_eq!(squares.len(), 5_000);
        }
    }
}
