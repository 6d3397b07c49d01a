//! A small pool of threads that work on the parts of one task at a time.
//!
//! A product of a small model takes microseconds, so threads wait for work by spinning a moment
//! before they sleep; an idle engine burns nothing. The caller is one of the threads and waits only
//! for those that have joined: a thread that wakes late finds the work done and goes back to sleep.
//! Each thread has a contiguous range of the parts, so that it reads memory in one stream, and
//! takes parts from the end of the others' ranges when it is done. Which thread computes what never
//! changes a byte, because every output is computed by a single thread in the one defined order.

use std::{
    any::Any,
    cell::UnsafeCell,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Most threads of one model.
pub const MAX_THREADS: usize = 64;

/// How long a thread spins before it sleeps: longer than the pauses between the products of a step.
const SPIN: Duration = Duration::from_micros(100);

/// Looks at the memory between two looks at the clock.
const LOOKS: usize = 64;

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

/// A task: called with a part and the index of the thread that does it.
type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// The parts that a thread has yet to do: first in the upper half, end in the lower. On a cache
/// line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Share(AtomicU64);

impl Share {
    fn set(&self, parts: Range<usize>) {
        self.0.store((parts.start as u64) << 32 | parts.end as u64, Ordering::Relaxed);
    }

    /// Takes the first part, for the owner, or the last one, for another thread.
    fn take(&self, end: End) -> Option<usize> {
        let mut held = self.0.load(Ordering::Relaxed);
        loop {
            let (first, last) = (held >> 32, held & u64::from(u32::MAX));
            if first >= last {
                return None;
            }
            let (part, rest) = match end {
                End::Front => (first, (first + 1) << 32 | last),
                End::Back => (last - 1, first << 32 | (last - 1)),
            };
            match self.0.compare_exchange_weak(held, rest, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(part as usize),
                Err(now) => held = now,
            }
        }
    }
}

enum End {
    Front,
    Back,
}

struct Shared {
    /// Odd while a task can be joined. Grows by one when a task opens and by one when it closes.
    phase: AtomicUsize,
    /// Threads that are at a task, or about to see that it has closed.
    inside: AtomicUsize,
    shares: Vec<Share>,
    /// Valid while `phase` is odd.
    task: UnsafeCell<Option<*const Task<'static>>>,
    /// Threads that sleep, or are about to.
    sleepers: AtomicUsize,
    stop: AtomicBool,
    /// First panic of a thread in this task. Sleepers hold this lock until they sleep.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    wake: Condvar,
}

// SAFETY: `task` is the one part that is not `Sync` by itself. It is written by the one caller that
// has the turn, while `phase` is even and `inside` is 0 after it became even; it is read by threads
// that have raised `inside` and then seen `phase` odd. Both use sequentially consistent operations,
// so that no read and write overlap. What it points to is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer is only used while the caller keeps the closure alive.
unsafe impl Send for Shared {}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.panic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does parts until none is left.
    fn parts(&self, thread: usize, task: &Task<'_>) {
        let threads = self.shares.len();
        while let Some(part) = self.shares[thread].take(End::Front) {
            task(part, thread);
        }
        let mut distance = 1;
        while distance < threads {
            match self.shares[(thread + distance) % threads].take(End::Back) {
                Some(part) => task(part, thread),
                None => distance += 1,
            }
        }
    }

    /// Waits for a task other than that of phase `seen`; `None` when the pool ends.
    fn next_phase(&self, seen: usize) -> Option<usize> {
        let news = || {
            let phase = self.phase.load(Ordering::SeqCst);
            (phase % 2 == 1 && phase != seen).then_some(phase)
        };
        let mut found = None;
        spin(|| {
            found = news();
            found.is_some() || self.stop.load(Ordering::SeqCst)
        });
        if found.is_none() {
            let mut guard = self.lock();
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            while !self.stop.load(Ordering::SeqCst) {
                found = news();
                if found.is_some() {
                    break;
                }
                guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
        found
    }

    fn wake(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            // Whoever has announced itself as a sleeper holds the lock until it can be woken.
            drop(self.lock());
            self.wake.notify_all();
        }
    }
}

/// Spins until `done` says so or [`SPIN`] has passed.
fn spin(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    loop {
        for _ in 0..LOOKS {
            if done() {
                return;
            }
            std::hint::spin_loop();
        }
        if started.elapsed() > SPIN {
            return;
        }
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
        let shared = Arc::new(Shared {
            phase: AtomicUsize::new(0),
            inside: AtomicUsize::new(0),
            shares: (0..threads.count()).map(|_| Share::default()).collect(),
            task: UnsafeCell::new(None),
            sleepers: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            panic: Mutex::new(None),
            wake: Condvar::new(),
        });
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

    /// Calls `task(part, thread)` once for every part in `0..parts`, on as many threads as there
    /// are; no two calls at one time have the same thread. Returns when all are done. The caller is
    /// thread 0 and does a single part by itself.
    ///
    /// # Panics
    /// If a part panics; all other parts have then ended or were never begun.
    pub(crate) fn run(&self, parts: usize, task: &Task<'_>) {
        if self.workers.is_empty() || parts <= 1 {
            return (0..parts).for_each(|part| task(part, 0));
        }
        // Parts of a model are rows, heads or experts, whose numbers are bounded far below this.
        assert!(u32::try_from(parts).is_ok(), "too many parts");
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = &*self.shared;
        let threads = self.threads();
        for (thread, share) in shared.shares.iter().enumerate() {
            share.set(parts * thread / threads..parts * (thread + 1) / threads);
        }
        // SAFETY: only the lifetime changes. Threads use the closure only while they are counted in
        // `inside`, and this function neither returns nor unwinds before the task is closed and
        // `inside` is 0.
        let erased = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        // SAFETY: this caller has the turn, and the last task was closed and left by all, so that
        // nobody reads.
        unsafe { *shared.task.get() = Some(erased) };
        shared.phase.fetch_add(1, Ordering::SeqCst);
        shared.wake();
        let own = catch_unwind(AssertUnwindSafe(|| shared.parts(0, task)));
        shared.phase.fetch_add(1, Ordering::SeqCst);
        let left = || shared.inside.load(Ordering::SeqCst) == 0;
        spin(left);
        while !left() {
            std::thread::yield_now();
        }
        let other = shared.lock().take();
        if let Some(panic) = own.err().or(other) {
            resume_unwind(panic);
        }
    }
}

impl Pool {
    /// Calls `task(item, thread)` for every item, as [`Pool::run`] does for parts. Items are what
    /// the calls may write, such as disjoint pieces of an output.
    ///
    /// # Panics
    /// If a call panics.
    pub(crate) fn each<T: Send>(
        &self,
        items: impl IntoIterator<Item = T>,
        task: impl Fn(T, usize) + Sync,
    ) {
        let slots: Vec<Mutex<Option<T>>> =
            items.into_iter().map(|item| Mutex::new(Some(item))).collect();
        self.run(slots.len(), &|part, thread| {
            let item = slots[part].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(item) = item {
                task(item, thread);
            }
        });
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
        for worker in self.workers.drain(..) {
            // A worker catches the panics of its tasks, so that there is nothing to hear from it.
            drop(worker.join());
        }
    }
}

fn work(shared: &Shared, thread: usize) {
    let mut seen = 0;
    while let Some(phase) = shared.next_phase(seen) {
        seen = phase;
        shared.inside.fetch_add(1, Ordering::SeqCst);
        if shared.phase.load(Ordering::SeqCst) == phase {
            // SAFETY: the task is open and this thread is counted in `inside`: the caller keeps
            // pointer and closure as they are.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe {
                if let Some(task) = *shared.task.get() {
                    shared.parts(thread, &*task);
                }
            }));
            if let Err(panic) = outcome {
                shared.lock().get_or_insert(panic);
            }
        }
        shared.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn every_part_is_done_once_by_any_number_of_threads() {
        for threads in [1, 2, 3, 7] {
            let pool = Pool::new(Threads::new(threads)).expect("threads");
            for parts in [0, 1, 2, 5, 100] {
                for _ in 0..50 {
                    let mut out = vec![0; parts * 3];
                    pool.each(out.chunks_exact_mut(3).enumerate(), |(part, piece), thread| {
                        assert!(thread < threads);
                        piece.iter_mut().for_each(|x| *x += part + 1);
                    });
                    assert_eq!(out, (0..parts * 3).map(|i| i / 3 + 1).collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn a_thread_does_one_part_at_a_time_and_the_others_help_a_slow_one() {
        let pool = Pool::new(Threads::new(3)).expect("threads");
        let busy: Vec<AtomicU32> = (0..3).map(|_| AtomicU32::new(0)).collect();
        let done = AtomicUsize::new(0);
        pool.run(30, &|part, thread| {
            assert_eq!(busy[thread].fetch_add(1, Ordering::SeqCst), 0);
            done.fetch_add(1, Ordering::SeqCst);
            if part == 0 {
                // The first part ends when the others have done all the rest, the first thread's
                // own parts included.
                let deadline = Instant::now() + Duration::from_secs(20);
                while done.load(Ordering::SeqCst) < 30 && Instant::now() < deadline {
                    std::thread::yield_now();
                }
            }
            busy[thread].fetch_sub(1, Ordering::SeqCst);
        });
        assert_eq!(done.load(Ordering::SeqCst), 30);
    }

    #[test]
    fn sessions_on_many_threads_take_turns() {
        let pool = Pool::new(Threads::new(3)).expect("threads");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let mut out = [0usize; 64];
                        pool.each(out.iter_mut().enumerate(), |(part, out), _| *out = part);
                        assert!(out.iter().enumerate().all(|(i, &x)| i == x));
                    }
                });
            }
        });
    }

    #[test]
    fn threads_that_sleep_are_woken_and_help() {
        let pool = Pool::new(Threads::new(2)).expect("threads");
        let slept = || {
            let deadline = Instant::now() + Duration::from_secs(20);
            while pool.shared.sleepers.load(Ordering::SeqCst) == 0 {
                assert!(Instant::now() < deadline, "an idle thread spins for ever");
                std::thread::yield_now();
            }
        };
        for _ in 0..3 {
            slept();
            let other = AtomicBool::new(false);
            pool.run(2, &|_, thread| match thread {
                0 => {
                    let deadline = Instant::now() + Duration::from_secs(20);
                    while !other.load(Ordering::SeqCst) && Instant::now() < deadline {
                        std::thread::yield_now();
                    }
                }
                _ => other.store(true, Ordering::SeqCst),
            });
            assert!(other.load(Ordering::SeqCst));
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        let pool = Pool::new(Threads::new(3)).expect("threads");
        for bad in 0..3 {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.run(3, &|part, _| assert!(part != bad, "part {bad}"))
            }));
            assert!(outcome.is_err());
        }
        let done = AtomicUsize::new(0);
        pool.run(3, &|_, _| {
            done.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(done.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn the_number_of_threads_is_bounded() {
        assert_eq!(Threads::new(0).count(), 1);
        assert_eq!(Threads::new(1_000_000).count(), MAX_THREADS);
    }
}
