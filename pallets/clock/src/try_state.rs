//! The invariants of the pallet's storage.

use frame_support::{ensure, traits::Get};
use sp_runtime::TryRuntimeError;

use crate::{Config, Final, Hints, Now, Pallet, finality::lower_median};

impl<T: Config> Pallet<T> {
    /// Checks every invariant of the crate's documentation.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let block = Self::block();
        ensure!(Now::<T>::get() <= block, "the clock never runs ahead of the blocks");
        let hints = Hints::<T>::get();
        ensure!(hints.len() as u32 <= T::MaxAuthors::get(), "one hint per validator");
        ensure!(hints.values().all(|number| *number <= block), "a hint names a block that exists");
        let median = lower_median(hints.values().copied().collect());
        let expected = median.map(|number| (number, hints.len() as u32));
        ensure!(Final::<T>::get() == expected, "finality is the median of the hints");
        Ok(())
    }
}
