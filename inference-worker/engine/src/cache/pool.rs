//! The memory for keys and values that all sessions of a model share, in pages and with a budget.
//!
//! A session reserves the pages of all its positions when it begins, so that it cannot run out of
//! them later; they become memory as positions are computed. Pages of sessions that end or are cut
//! back are used again before new memory is asked for, so that what the pool holds never exceeds
//! its budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mica_kernels::TILE;

use crate::{error::ForwardError, memory};

/// Keys and values of [`TILE`] positions of one layer, `[kv head, keys and values, position,
/// head_size]`.
pub(super) type Page = Box<[u16]>;

/// Of the memory that is available when a model is loaded, the part that goes into the pool unless
/// its owner says otherwise.
const DEFAULT_SHARE: f64 = 0.5;
/// The budget where the system does not tell what is available.
const DEFAULT_BYTES: usize = 1 << 30;

/// Pages of one model. Clones are handles to the same pool.
#[derive(Clone, Debug)]
pub struct KvPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    page_halves: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    budget: usize,
    reserved: usize,
    /// Pages that were used before.
    free: Vec<Page>,
}

impl KvPool {
    /// A pool for a model's heads with the default budget: half of the memory that is available.
    pub(crate) fn new(kv_heads: usize, head_size: usize) -> Self {
        // The product was bounded when the configuration was read.
        let page_halves = 2 * TILE * kv_heads * head_size;
        let state = State { budget: 0, reserved: 0, free: Vec::new() };
        let pool = Self { shared: Arc::new(Shared { page_halves, state: Mutex::new(state) }) };
        pool.set_budget_bytes(
            memory::available_bytes()
                .map_or(DEFAULT_BYTES, |bytes| (bytes as f64 * DEFAULT_SHARE) as usize),
        );
        pool
    }

    /// Bytes of one page: 64 positions of one layer.
    pub fn page_bytes(&self) -> usize {
        self.shared.page_halves * size_of::<u16>()
    }

    /// Bytes that all sessions together may reserve, rounded down to whole pages.
    pub fn budget_bytes(&self) -> usize {
        self.lock().budget * self.page_bytes()
    }

    /// Sets the budget. Sessions that have reserved their pages keep them.
    pub fn set_budget_bytes(&self, bytes: usize) {
        let budget = bytes / self.page_bytes();
        let mut state = self.lock();
        state.budget = budget;
        let keep = budget.saturating_sub(state.reserved);
        state.free.truncate(keep);
    }

    /// Bytes that sessions have reserved.
    pub fn reserved_bytes(&self) -> usize {
        self.lock().reserved * self.page_bytes()
    }

    /// Bytes that a new session could reserve.
    pub fn free_bytes(&self) -> usize {
        let state = self.lock();
        state.budget.saturating_sub(state.reserved) * self.page_bytes()
    }

    /// Whether `other` is a handle to this pool.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Sets `pages` aside.
    pub(super) fn reserve(&self, pages: usize) -> Result<(), ForwardError> {
        let mut state = self.lock();
        let free = state.budget.saturating_sub(state.reserved);
        if pages > free {
            let bytes = self.page_bytes();
            return Err(ForwardError::CacheBudget {
                wanted: pages.saturating_mul(bytes),
                free: free * bytes,
                budget: state.budget * bytes,
            });
        }
        state.reserved += pages;
        Ok(())
    }

    /// Gives a reservation back.
    pub(super) fn release(&self, pages: usize) {
        let mut state = self.lock();
        state.reserved = state.reserved.saturating_sub(pages);
        // Only matters after the budget was lowered: otherwise there are never more pages than were
        // reserved at one time.
        let keep = state.budget.saturating_sub(state.reserved);
        state.free.truncate(keep);
    }

    /// One of the reserved pages, with any contents.
    pub(super) fn take(&self) -> Page {
        let used = self.lock().free.pop();
        used.unwrap_or_else(|| vec![0; self.shared.page_halves].into_boxed_slice())
    }

    /// Takes pages back for other sessions.
    pub(super) fn give_back(&self, pages: impl Iterator<Item = Page>) {
        self.lock().free.extend(pages);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can leave the state half changed.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_end_at_the_budget_and_pages_are_used_again() {
        let pool = KvPool::new(2, 16);
        assert_eq!(pool.page_bytes(), 2 * 2 * 64 * 2 * 16);
        pool.set_budget_bytes(3 * pool.page_bytes() + 1);
        assert_eq!(pool.budget_bytes(), 3 * pool.page_bytes());
        assert_eq!(pool.reserve(2), Ok(()));
        let page = pool.page_bytes();
        assert_eq!(
            pool.reserve(2),
            Err(ForwardError::CacheBudget { wanted: 2 * page, free: page, budget: 3 * page })
        );
        assert_eq!((pool.reserved_bytes(), pool.free_bytes()), (2 * page, page));
        let mut first = pool.take();
        first[0] = 7;
        pool.give_back(std::iter::once(first));
        assert_eq!(pool.take()[0], 7, "the same page");
        pool.release(2);
        assert_eq!(pool.reserve(3), Ok(()));
        pool.set_budget_bytes(page);
        assert_eq!(pool.free_bytes(), 0, "a smaller budget than what is reserved");
    }
}
