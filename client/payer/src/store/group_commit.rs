//! Sessions that write at the same moment share one transaction: the disk is flushed once for all
//! of them.
//!
//! A thread that finds no write under way takes everything that waits, writes it, and tells the
//! others. No thread waits longer than for the transaction that is under way and the next one.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who waits for the disk with what.
pub(super) struct GroupCommit<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    next: u64,
    /// No more entries than threads that write.
    waiting: Vec<(u64, T)>,
    is_writing: bool,
    /// Whether it is on disk, for those who have not looked yet.
    finished: BTreeMap<u64, bool>,
}

/// What a call of [`GroupCommit::take`] is to do.
pub(super) enum Commit<'a, T> {
    /// Write all of these, and say whether it went well.
    Write(Writing<'a, T>),
    /// Another thread has written it.
    Written,
    /// Another thread tried to write it together with others, and failed: try alone, to learn why.
    Failed,
}

/// What one thread writes for all. Dropped without [`Writing::done`] it counts as failed.
pub(super) struct Writing<'a, T> {
    pub(super) batch: Vec<(u64, T)>,
    commits: &'a GroupCommit<T>,
    own: u64,
    is_done: bool,
}

impl<T> Default for GroupCommit<T> {
    fn default() -> Self {
        let state =
            State { next: 0, waiting: Vec::new(), is_writing: false, finished: BTreeMap::new() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl<T> GroupCommit<T> {
    /// Waits until another thread has written `value`, or it is to be written here.
    pub(super) fn take(&self, value: T) -> Commit<'_, T> {
        let mut state = self.lock();
        let own = state.next;
        state.next += 1;
        state.waiting.push((own, value));
        loop {
            if let Some(is_written) = state.finished.remove(&own) {
                return if is_written { Commit::Written } else { Commit::Failed };
            }
            if !state.is_writing {
                state.is_writing = true;
                let batch = std::mem::take(&mut state.waiting);
                return Commit::Write(Writing { batch, commits: self, own, is_done: false });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Every change of the state is whole before anything can panic.
        mica_host::lock(&self.state)
    }
}

impl<T> Writing<'_, T> {
    /// All of it is on disk.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl<T> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        let mut state = self.commits.lock();
        state.is_writing = false;
        for (number, _) in &self.batch {
            if *number != self.own {
                state.finished.insert(*number, self.is_done);
            }
        }
        drop(state);
        self.commits.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn everything_is_written_once_and_often_together() {
        let commits = GroupCommit::default();
        let (written, transactions) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for value in 0..50usize {
                        match commits.take(value) {
                            Commit::Write(writing) => {
                                transactions.fetch_add(1, Ordering::Relaxed);
                                written.fetch_add(writing.batch.len(), Ordering::Relaxed);
                                std::thread::yield_now();
                                writing.done();
                            }
                            Commit::Written => {}
                            Commit::Failed => panic!("nobody failed"),
                        }
                    }
                });
            }
        });
        assert_eq!(written.into_inner(), 400);
        assert!(transactions.into_inner() <= 400);
        assert!(commits.lock().finished.is_empty() && commits.lock().waiting.is_empty());
    }

    #[test]
    fn a_failure_is_told_to_all_who_were_in_it() {
        let commits = GroupCommit::default();
        let Commit::Write(first) = commits.take(1) else { panic!("nobody else is there") };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| match commits.take(2) {
                Commit::Write(writing) => {
                    let count = writing.batch.len();
                    drop(writing);
                    count
                }
                Commit::Failed => 0,
                Commit::Written => panic!("nothing was written"),
            });
            let third =
                scope.spawn(|| matches!(commits.take(3), Commit::Failed | Commit::Write(_)));
            first.done();
            assert!(other.join().expect("no panic") <= 2 && third.join().expect("no panic"));
        });
    }
}
