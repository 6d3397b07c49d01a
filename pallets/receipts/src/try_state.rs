//! The invariants of the pallet's storage, recomputed from nothing. Unbounded on purpose: it runs
//! beside a chain, never in a block.

use frame_support::ensure;
use mica_primitives::MAX_LANES;
use sp_runtime::TryRuntimeError;

use crate::{Config, Head, Pallet, Queue, Roots, Tail};

impl<T: Config> Pallet<T> {
    /// Checks every invariant of the crate's documentation.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let now = Self::now();
        let mut seen = alloc::collections::BTreeSet::new();
        let mut last_since = 0;
        for number in Head::<T>::get()..Tail::<T>::get() {
            let entry = Queue::<T>::get(number).ok_or("the queue has no gap")?;
            ensure!((last_since..=now).contains(&entry.since), "the blocks of queueing never fall");
            last_since = entry.since;
            ensure!(
                Roots::<T>::contains_key(entry.channel, (entry.lane, entry.by)),
                "a queued lane has a root"
            );
            ensure!(seen.insert((entry.channel, entry.lane, entry.by)), "a root is queued once");
        }
        ensure!(
            Queue::<T>::iter_keys().count() == seen.len(),
            "nothing lies outside the queue's ends"
        );
        let mut roots = 0;
        for (_, (lane, by), root) in Roots::<T>::iter() {
            roots += 1;
            ensure!(root.by == by, "a root stands in the place of whoever submitted it");
            ensure!(root.seq > 0, "a redeemed voucher has a number");
            ensure!(u32::from(lane) < MAX_LANES, "a lane is within a channel's bound");
            ensure!(root.count > 0, "a root has receipts");
            ensure!(root.block <= now, "nothing was fixed in the future");
        }
        ensure!(roots == seen.len(), "each root is queued");
        Ok(())
    }
}
