//! How fast threads can read memory when they do nothing else.

use std::{fs, hint::black_box, sync::Barrier, time::Instant};

use mica_kernels::HUGE_PAGE;

use crate::{
    memory::{ask_for_huge_pages, available_bytes},
    threads::Threads,
};

/// Least bytes that all threads read together in one pass.
const BUFFER: usize = 256 << 20;
/// How many times the largest cache is read in one pass, so that hardly a line of it is still there
/// from the pass before.
const CACHES: usize = 4;
/// Passes of each pattern; the fastest counts.
const PASSES: usize = 5;
/// Bytes of a cache line.
const LINE: usize = 64;

type Line = [u8; LINE];

/// Bytes that `threads` threads together read per second from a buffer far larger than the caches,
/// from the fastest pass.
///
/// Each thread reads memory of its own, as one, two or four streams: how many lines a core asks for
/// at once depends on that, and what counts is what the memory can give. Takes 256 MiB for a
/// moment, more where a cache is large, and never more than half of what the system can give.
pub fn read_bytes_per_second(threads: Threads) -> f64 {
    let threads = threads.count();
    let lines = buffer_bytes(largest_cache(), available_bytes()) / LINE / threads;
    let start = Barrier::new(threads);
    let end = Barrier::new(threads);
    let patterns: [fn(&[Line]) -> u8; 3] = [read::<1>, read::<2>, read::<4>];
    let pass = |buffer: &[Line], pattern: fn(&[Line]) -> u8| {
        start.wait();
        let started = Instant::now();
        black_box(pattern(buffer));
        end.wait();
        started.elapsed().as_secs_f64()
    };
    let passes = || {
        let memory = memory_of(lines);
        let buffer = in_huge_pages(&memory, lines);
        let seconds =
            patterns.iter().flat_map(|pattern| (0..PASSES).map(|_| pass(buffer, *pattern)));
        seconds.fold(f64::INFINITY, f64::min)
    };
    let seconds = std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(passes);
        }
        passes()
    });
    (threads * lines * LINE) as f64 / seconds
}

/// Bytes to read in one pass.
fn buffer_bytes(cache: Option<usize>, available: Option<usize>) -> usize {
    let wanted = cache.unwrap_or(0).saturating_mul(CACHES).max(BUFFER);
    wanted.min(available.map_or(usize::MAX, |available| available / 2))
}

/// Bytes of the largest cache that a core has, as far as the system tells. A server's last one can
/// hold hundreds of MiB.
fn largest_cache() -> Option<usize> {
    let caches = fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let sizes = caches.filter_map(|cache| fs::read_to_string(cache.ok()?.path().join("size")).ok());
    sizes
        .filter_map(|size| size.trim().strip_suffix('K')?.parse::<usize>().ok()?.checked_mul(1024))
        .max()
}

/// Memory for `lines` lines, wherever huge pages begin in it, in the kind of pages that weights lie
/// in. Written by the thread that reads it, so that it lies near.
fn memory_of(lines: usize) -> Vec<u8> {
    let bytes = lines * LINE + HUGE_PAGE;
    let mut memory: Vec<u8> = Vec::with_capacity(bytes);
    let spare = memory.spare_capacity_mut();
    let start = spare.as_ptr().align_offset(HUGE_PAGE).min(spare.len());
    ask_for_huge_pages(&mut spare[start..]);
    memory.resize(bytes, 1);
    memory
}

/// The first `lines` lines from where a huge page begins.
fn in_huge_pages(memory: &[u8], lines: usize) -> &[Line] {
    let start = memory.as_ptr().align_offset(HUGE_PAGE).min(memory.len());
    let whole = memory[start..].as_chunks().0;
    &whole[..lines.min(whole.len())]
}

/// Reads `lines` as `STREAMS` streams side by side.
fn read<const STREAMS: usize>(lines: &[Line]) -> u8 {
    let length = lines.len() / STREAMS;
    let streams: [&[Line]; STREAMS] =
        std::array::from_fn(|stream| &lines[stream * length..][..length]);
    let mut sums = [[0; LINE]; STREAMS];
    for line in 0..length {
        for (sum, stream) in sums.iter_mut().zip(streams) {
            for (sum, byte) in sum.iter_mut().zip(stream[line]) {
                *sum ^= byte;
            }
        }
    }
    sums.as_flattened().iter().fold(0, |a, b| a ^ b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_once() {
        let lines: Vec<Line> = (0..32u8)
            .map(|i| std::array::from_fn(|j| i.wrapping_mul(37) ^ (j as u8).wrapping_mul(11)))
            .collect();
        let truth = lines.as_flattened().iter().fold(0, |a, b| a ^ b);
        assert_eq!([read::<1>(&lines), read::<2>(&lines), read::<4>(&lines)], [truth; 3]);
    }

    #[test]
    fn the_buffer_is_larger_than_the_caches_and_no_larger_than_the_memory() {
        const MIB: usize = 1 << 20;
        assert_eq!(buffer_bytes(None, None), 256 * MIB);
        assert_eq!(buffer_bytes(Some(8 * MIB), Some(8192 * MIB)), 256 * MIB);
        assert_eq!(buffer_bytes(Some(260 * MIB), Some(8192 * MIB)), 1040 * MIB);
        assert_eq!(buffer_bytes(Some(260 * MIB), Some(1000 * MIB)), 500 * MIB);
        assert!(
            largest_cache().is_none_or(|bytes| (1024..1 << 40).contains(&bytes)),
            "{:?}",
            largest_cache()
        );
    }

    #[test]
    fn memory_is_read_at_a_credible_rate() {
        let rate = read_bytes_per_second(Threads::new(2));
        assert!((1.0e7..1.0e14).contains(&rate), "{rate} bytes per second");
    }
}
