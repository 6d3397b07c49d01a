//! What of a model is still to be fetched, shared by all sources.
//!
//! Peers take pieces, sources that know no trees whole tensors. What a source gives up goes to the
//! others.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use mica_host::lock;
use tokio::sync::Notify;

use crate::{
    bits::Bits,
    store::{Held, StoreError, WriteLock},
    tree,
};

/// How often the disk may have other bytes of a tensor than were written, before nothing more is
/// fetched for it.
const MAX_LOST: u32 = 3;

/// A tensor that is not whole.
struct Open {
    /// Pieces that nobody fetches.
    pending: VecDeque<u32>,
    /// Pieces that somebody fetches.
    under_way: usize,
    /// Whether one source has all of it.
    is_taken: bool,
    /// How often the disk had other bytes than were written.
    lost: u32,
}

/// What there is to do next.
pub(crate) enum Next<T> {
    /// This.
    Take(T),
    /// Nothing now; what others have may come back.
    Wait,
    /// Nothing any more.
    Over,
}

/// Everything that is missing.
pub(crate) struct Work {
    pub(crate) held: Arc<Held>,
    open: Mutex<BTreeMap<usize, Open>>,
    changed: Notify,
    /// Verified bytes that were written.
    pub(crate) written: AtomicU64,
    /// Held until nobody writes any more: what waits for the disk may outlast the fetch.
    _lock: WriteLock,
}

impl Work {
    pub(crate) fn new(held: Arc<Held>, wanted: &[usize], lock: WriteLock) -> Self {
        let open = wanted
            .iter()
            .filter(|&&tensor| !held.is_whole(tensor))
            .map(|&tensor| {
                let pending = held.missing_pieces(tensor).into();
                (tensor, Open { pending, under_way: 0, is_taken: false, lost: 0 })
            })
            .collect();
        let (open, written) = (Mutex::new(open), AtomicU64::new(0));
        Self { held, open, changed: Notify::new(), written, _lock: lock }
    }

    /// Tensors that are not whole.
    pub(crate) fn missing(&self) -> Vec<usize> {
        lock(&self.open).keys().copied().collect()
    }

    /// A piece of a tensor that `has` contains.
    pub(crate) fn piece(&self, has: &Bits) -> Next<(usize, u32)> {
        let mut open = lock(&self.open);
        let mut is_busy = false;
        for (&tensor, state) in open.iter_mut() {
            is_busy |= state.is_taken || state.under_way > 0;
            if !state.is_taken
                && has.contains(tensor)
                && let Some(piece) = state.pending.pop_front()
            {
                state.under_way += 1;
                return Next::Take((tensor, piece));
            }
        }
        if is_busy { Next::Wait } else { Next::Over }
    }

    /// A whole tensor: the one with the smallest `key` of those that nobody has begun, else of
    /// those that nobody fetches.
    pub(crate) fn tensor<K: Ord>(&self, key: impl Fn(usize) -> K) -> Next<usize> {
        let mut open = lock(&self.open);
        let is_over = open.is_empty();
        let free = |state: &Open| !state.is_taken && state.under_way == 0;
        let is_fresh = |tensor: usize, state: &Open| {
            state.pending.len() == tree::pieces(self.held.blob(tensor).bytes) as usize
        };
        let best = open
            .iter_mut()
            .filter(|(_, state)| free(state))
            .min_by_key(|(tensor, state)| (!is_fresh(**tensor, state), key(**tensor)));
        match best {
            Some((&tensor, state)) => {
                state.is_taken = true;
                Next::Take(tensor)
            }
            None if is_over => Next::Over,
            None => Next::Wait,
        }
    }

    /// Writes a verified piece; hashes the tensor if it was the last.
    pub(crate) async fn put(
        self: &Arc<Self>,
        tensor: usize,
        piece: u32,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        let work = self.clone();
        let length = bytes.len() as u64;
        let written = blocking(move || work.held.put(tensor, piece, &bytes)).await;
        if let Err(error) = written {
            self.give_back(tensor, piece);
            return Err(error);
        }
        self.written.fetch_add(length, Ordering::Relaxed);
        let is_last = {
            let mut open = lock(&self.open);
            let Some(state) = open.get_mut(&tensor) else { return Ok(()) };
            let is_last = state.pending.is_empty() && state.under_way == 1;
            // The last one stays under way while the tensor is hashed.
            state.under_way -= usize::from(!is_last);
            is_last
        };
        if !is_last {
            return Ok(());
        }
        let work = self.clone();
        let finished = blocking(move || work.held.finish(tensor)).await;
        let mut is_hopeless = false;
        let mut open = lock(&self.open);
        if matches!(finished, Ok(true)) {
            open.remove(&tensor);
        } else if let Some(state) = open.get_mut(&tensor) {
            // The disk has lost pieces: all of it is fetched once more.
            state.under_way = 0;
            state.pending = (0..tree::pieces(self.held.blob(tensor).bytes)).collect();
            state.lost += 1;
            is_hopeless = state.lost >= MAX_LOST;
        }
        drop(open);
        self.changed.notify_waiters();
        match finished {
            Ok(_) if is_hopeless => Err(StoreError::Unreliable(self.held.folder().to_owned())),
            finished => finished.map(drop),
        }
    }

    /// Somebody does not fetch a piece after all.
    pub(crate) fn give_back(&self, tensor: usize, piece: u32) {
        if let Some(state) = lock(&self.open).get_mut(&tensor) {
            state.under_way = state.under_way.saturating_sub(1);
            state.pending.push_front(piece);
        }
        self.changed.notify_waiters();
    }

    /// Somebody has all of a tensor, or not after all.
    pub(crate) fn end_tensor(&self, tensor: usize, is_whole: bool) {
        let mut open = lock(&self.open);
        if is_whole {
            open.remove(&tensor);
            self.held.note_whole(tensor);
        } else if let Some(state) = open.get_mut(&tensor) {
            state.is_taken = false;
            state.pending = self.held.missing_pieces(tensor).into();
        }
        drop(open);
        self.changed.notify_waiters();
    }

    /// Waits until nothing is missing.
    pub(crate) async fn done(&self) {
        let next = || if lock(&self.open).is_empty() { Next::Over } else { Next::<()>::Wait };
        self.wait_for(next).await;
    }

    /// Waits until `next` is something else than to wait.
    pub(crate) async fn wait_for<T>(&self, mut next: impl FnMut() -> Next<T>) -> Option<T> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before the look, so that a change after it is not missed.
            changed.as_mut().enable();
            match next() {
                Next::Take(found) => return Some(found),
                Next::Over => return None,
                Next::Wait => changed.await,
            }
        }
    }
}

/// Runs what waits for the disk on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(StoreError::Stopped),
    })
}
