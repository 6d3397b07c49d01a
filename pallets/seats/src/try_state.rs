//! The invariants of the pallet's storage.

use frame_support::{ensure, traits::Get};
use sp_runtime::TryRuntimeError;

use crate::{
    Ballot, Ballots, Config, LastSlot, LastVotes, Pallet, Record, Records, Slots, VotesSince,
};

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
        for ballot in Ballots::<T>::get().values() {
            ensure!(*ballot != Ballot::default(), "what is known of a voter says something");
            let is_silent = ballot.found_silent || ballot.silent > 0;
            ensure!(!(ballot.voted && is_silent), "who has voted is not silent");
        }
        let block = frame_system::Pallet::<T>::block_number();
        ensure!(VotesSince::<T>::get() <= block, "the window has begun");
        ensure!(LastVotes::<T>::get() <= block, "votes were handed in by now");
        Ok(())
    }
}
