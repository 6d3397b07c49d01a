//! The workers of a model as they are read: records packed into shelves of [`SHELF`], so that ten
//! thousand of them are a thousand reads and not twenty thousand.
//!
//! [`Workers`] is what everything else goes by; a shelf has a copy of the record of each worker
//! that has not left. Heartbeats change nothing of the copies: they stand on a strip beside the
//! shelf, which is 64 bytes. The places `0..n` of a model are taken without a gap, because the last
//! worker moves to the place of one that leaves.

use frame_support::{BoundedVec, defensive, pallet_prelude::ConstU32};
use mica_primitives::{BlockNumber, ModelId, WorkerRecord};

use crate::{Beats, Config, Counts, Pallet, Places, Shelves, Workers};

/// Workers on one shelf.
pub const SHELF: u32 = 16;

/// The records of one shelf.
pub type Shelf<AccountId> = BoundedVec<WorkerRecord<AccountId>, ConstU32<SHELF>>;
/// The last heartbeats of the workers on one shelf.
pub type Strip = BoundedVec<BlockNumber, ConstU32<SHELF>>;

impl<T: Config> Pallet<T> {
    /// Writes a worker's record, on its shelf as well.
    pub(crate) fn put(record: WorkerRecord<T::AccountId>) {
        if let Some(place) = Places::<T>::get(&record.account) {
            let (shelf, slot) = split(place);
            Shelves::<T>::mutate(record.model, shelf, |records| {
                if let Some(copy) = records.get_mut(slot) {
                    *copy = record.clone();
                }
            });
            Self::put_beat(&record);
        }
        Workers::<T>::insert(record.account.clone(), record);
    }

    /// Writes the last heartbeat beside the worker's shelf.
    pub(crate) fn put_beat(record: &WorkerRecord<T::AccountId>) {
        let Some(place) = Places::<T>::get(&record.account) else { return };
        let (shelf, slot) = split(place);
        Beats::<T>::mutate(record.model, shelf, |beats| {
            if let Some(beat) = beats.get_mut(slot) {
                *beat = record.last_heartbeat;
            }
        });
    }

    /// Lists a worker that was not listed, behind all others of its model.
    pub(crate) fn list(record: &WorkerRecord<T::AccountId>) {
        let place = Counts::<T>::get(record.model);
        let (shelf, _) = split(place);
        Shelves::<T>::mutate(record.model, shelf, |records| {
            if records.try_push(record.clone()).is_err() {
                defensive!("a shelf has more workers than places");
            }
        });
        Beats::<T>::mutate(record.model, shelf, |beats| {
            if beats.try_push(record.last_heartbeat).is_err() {
                defensive!("a shelf has more heartbeats than places");
            }
        });
        Places::<T>::insert(&record.account, place);
        Counts::<T>::insert(record.model, place.saturating_add(1));
    }

    /// Takes a worker off the list; the last one of its model moves to its place.
    pub(crate) fn unlist(model: ModelId, account: &T::AccountId) {
        let (Some(place), Some(last)) =
            (Places::<T>::take(account), Counts::<T>::get(model).checked_sub(1))
        else {
            defensive!("a worker that leaves is listed");
            return;
        };
        let (shelf, _) = split(last);
        let mut records = Shelves::<T>::take(model, shelf);
        let mut beats = Beats::<T>::take(model, shelf);
        let moved = records.pop().zip(beats.pop());
        if !records.is_empty() {
            Shelves::<T>::insert(model, shelf, records);
            Beats::<T>::insert(model, shelf, beats);
        }
        match last {
            0 => Counts::<T>::remove(model),
            _ => Counts::<T>::insert(model, last),
        }
        let Some((record, beat)) = moved.filter(|_| place != last) else { return };
        Places::<T>::insert(&record.account, place);
        let (shelf, slot) = split(place);
        Shelves::<T>::mutate(model, shelf, |records| {
            if let Some(copy) = records.get_mut(slot) {
                *copy = record;
            }
        });
        Beats::<T>::mutate(model, shelf, |beats| {
            if let Some(copy) = beats.get_mut(slot) {
                *copy = beat;
            }
        });
    }

    /// The records from place `first` on, shelf by shelf: at most as many as `look` shelves hold.
    pub(crate) fn listed_from(
        model: ModelId,
        first: u32,
        look: u32,
    ) -> impl Iterator<Item = WorkerRecord<T::AccountId>> {
        let (shelf, slot) = split(first);
        let end = Counts::<T>::get(model).div_ceil(SHELF).min(shelf.saturating_add(look));
        let records = (shelf..end).flat_map(move |shelf| {
            let records = Shelves::<T>::get(model, shelf);
            let beats = Beats::<T>::get(model, shelf);
            records.into_iter().zip(beats).map(|(mut record, beat)| {
                record.last_heartbeat = beat;
                record
            })
        });
        records.skip(slot)
    }
}

/// A place's shelf, and where it is on that shelf.
fn split(place: u32) -> (u32, usize) {
    (place / SHELF, (place % SHELF) as usize)
}
