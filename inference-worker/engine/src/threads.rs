//! A small pool of threads that share out the rows of one product at a time.
//!
//! A product of a small model takes microseconds, so threads wait for work by spinning a moment before they sleep. The caller is
//! one of the threads. Who computes which rows never changes a byte, because every row is computed by one thread alone.

use std::{
    any::Any,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

/// Most threads of one model.
pub const MAX_THREADS: usize = 64;

/// Rounds of spinning before a thread sleeps.
const SPINS: usize = 4_000;

/// How many threads compute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Threads(usize);

impl Threads {
    /// `count` threads, at least 1 and at most [`MAX_THREADS`].
    pub fn new(count: usize) -> Self {
        Self(count.clamp(1, MAX_THREADS))
    }

    /// As many as the system says can run at once.
    pub fn available() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, Into::into))
    }

    /// The number.
    pub const fn count(self) -> usize {
        self.0
    }
}

/// A borrowed task whose lifetime was erased; see [`Pool::run`] for why that is sound.
#[derive(Clone, Copy)]
struct Task(*const (dyn Fn(usize) + Sync));

// SAFETY: the closure behind the pointer is `Sync`, so it may be called from any thread.
unsafe impl Send for Task {}

struct Job {
    /// Grows with every task.
    epoch: usize,
    task: Option<Task>,
    /// First panic of a thread in this task.
    panic: Option<Box<dyn Any + Send>>,
    stop: bool,
}

struct Shared {
    job: Mutex<Job>,
    wake: Condvar,
    /// Copy of `Job::epoch` to spin on.
    epoch: AtomicUsize,
    /// Threads that have not yet finished the task.
    busy: AtomicUsize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Job> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads that live as long as the model.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// One task at a time; sessions on other threads wait here.
    turn: Mutex<()>,
}

impl Pool {
    /// Starts `threads − 1` threads; the caller of a task is the last one.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub(crate) fn new(threads: Threads) -> std::io::Result<Self> {
        let job = Job { epoch: 0, task: None, panic: None, stop: false };
        let shared =
            Arc::new(Shared { job: Mutex::new(job), wake: Condvar::new(), epoch: AtomicUsize::new(0), busy: AtomicUsize::new(0) });
        let mut pool = Self { shared, workers: Vec::new(), turn: Mutex::new(()) };
        for index in 1..threads.count() {
            let shared = Arc::clone(&pool.shared);
            let builder = std::thread::Builder::new().name(format!("mica-engine-{index}"));
            pool.workers.push(builder.spawn(move || work(&shared, index))?);
        }
        Ok(pool)
    }

    /// Number of threads, the caller's included.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `task(0)`, …, `task(threads − 1)`, each on a thread of its own, and returns when all have.
    fn run(&self, task: &(dyn Fn(usize) + Sync)) {
        if self.workers.is_empty() {
            return task(0);
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.busy.store(self.workers.len(), Ordering::Release);
        {
            let mut job = self.shared.lock();
            // SAFETY: only the lifetime changes. Workers call the task only between here and their decrement of `busy`, and this
            // function does not return or unwind before `busy` is 0.
            let erased = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(task) };
            job.task = Some(Task(erased));
            job.epoch = job.epoch.wrapping_add(1);
            self.shared.epoch.store(job.epoch, Ordering::Release);
        }
        self.shared.wake.notify_all();
        let own = catch_unwind(AssertUnwindSafe(|| task(0)));
        let mut spins = 0;
        while self.shared.busy.load(Ordering::Acquire) != 0 {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
        let mut job = self.shared.lock();
        job.task = None;
        let other = job.panic.take();
        drop(job);
        if let Some(panic) = own.err().or(other) {
            resume_unwind(panic);
        }
    }

    /// The ranges into which [`Pool::split`] cuts `0..units`, in order; at least one.
    pub(crate) fn ranges(&self, units: usize, least: usize) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let parts = self.threads().min(units / least.max(1)).max(1);
        (0..parts).map(move |part| units * part / parts..units * (part + 1) / parts)
    }

    /// Cuts `0..units` into one contiguous range per thread and `out` at the same places, `weight(range)` elements each; calls
    /// `task(range, piece)` for each on a thread. Fewer than `least` units per thread are not worth waking one.
    ///
    /// # Panics
    /// If the weights of the ranges do not add up to `out`, or if a task panics.
    pub(crate) fn split<T: Send>(
        &self,
        units: usize,
        least: usize,
        out: &mut [T],
        weight: impl Fn(&Range<usize>) -> usize,
        task: impl Fn(Range<usize>, &mut [T]) + Sync,
    ) {
        let ranges = self.ranges(units, least);
        if ranges.len() == 1 {
            return task(0..units, out);
        }
        let mut rest = out;
        let mut pieces = Vec::with_capacity(ranges.len());
        for range in ranges {
            let (piece, tail) = rest.split_at_mut(weight(&range));
            pieces.push(Mutex::new(Some((range, piece))));
            rest = tail;
        }
        assert!(rest.is_empty(), "the pieces do not cover the output");
        self.run(&|thread| {
            let piece = pieces.get(thread).and_then(|piece| piece.lock().unwrap_or_else(PoisonError::into_inner).take());
            if let Some((range, piece)) = piece {
                task(range, piece);
            }
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        {
            let mut job = self.shared.lock();
            job.stop = true;
            job.epoch = job.epoch.wrapping_add(1);
            self.shared.epoch.store(job.epoch, Ordering::Release);
        }
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its tasks, so that there is nothing to hear from it.
            drop(worker.join());
        }
    }
}

fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        let mut spins = 0;
        while shared.epoch.load(Ordering::Acquire) == seen && spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        }
        let mut job = shared.lock();
        while job.epoch == seen {
            job = shared.wake.wait(job).unwrap_or_else(PoisonError::into_inner);
        }
        seen = job.epoch;
        if job.stop {
            return;
        }
        let task = job.task;
        drop(job);
        if let Some(Task(task)) = task {
            // SAFETY: `run` keeps the task alive until this thread has taken itself off `busy` below.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*task)(index) }));
            if let Err(panic) = outcome {
                shared.lock().panic.get_or_insert(panic);
            }
        }
        shared.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(Threads::new(threads)).expect("threads");
            for units in [0, 1, 2, 5, 100] {
                for _ in 0..50 {
                    let mut out = vec![0; units * 3];
                    pool.split(
                        units,
                        1,
                        &mut out,
                        |range| range.len() * 3,
                        |range, piece| {
                            for (unit, piece) in range.zip(piece.chunks_exact_mut(3)) {
                                piece.iter_mut().for_each(|x| *x += unit + 1);
                            }
                        },
                    );
                    assert_eq!(out, (0..units * 3).map(|i| i / 3 + 1).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn sessions_on_many_threads_take_turns() {
        let pool = Pool::new(Threads::new(3)).expect("threads");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut out = [0usize; 64];
                        pool.split(
                            64,
                            1,
                            &mut out,
                            |range| range.len(),
                            |range, piece| piece.copy_from_slice(&range.collect::<Vec<_>>()),
                        );
                        assert!(out.iter().enumerate().all(|(i, &x)| i == x));
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(Threads::new(3)).expect("threads");
        for bad in 0..3 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.split(3, 1, &mut [0; 3], |range| range.len(), |range, _| assert!(!range.contains(&bad), "unit {bad}"));
            }));
            assert!(outcome.is_err());
        }
        let mut out = [0; 3];
        pool.split(3, 1, &mut out, |range| range.len(), |_, piece| piece.fill(1));
        assert_eq!(out, [1; 3]);
    }

    #[test]
    fn the_number_of_threads_is_bounded() {
        assert_eq!(Threads::new(0).count(), 1);
        assert_eq!(Threads::new(1_000_000).count(), MAX_THREADS);
    }
}
