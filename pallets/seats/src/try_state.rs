//! The invariants of the pallet's storage.

use frame_support::{ensure, traits::Get};
use sp_runtime::TryRuntimeError;

use crate::{Config, LastSlot, Pallet, Record, Records, Slots};

impl<T: Config> Pallet<T> {
    /// Checks every invariant of the crate's documentation.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        let mut records = 0;
        for (_, record) in Records::<T>::iter() {
            records += 1;
            ensure!(record != Record::default(), "a record says something");
        }
        ensure!(records <= 2 * T::MaxValidators::get(), "records are of two sets");
        if let (Some(last), Some(slot)) = (LastSlot::<T>::get(), T::Slots::current()) {
            ensure!(last <= slot, "the last slot is not ahead");
        }
        Ok(())
    }
}
