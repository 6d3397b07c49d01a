//! The agenda: every agreement stands under the block in which it ends by itself, and each block
//! settles a bounded number.
//!
//! A block's entries are keys of their own, not one bounded list: nothing is ever refused for lack
//! of room, and an agreement that ends early leaves without a search.

use alloc::vec::Vec;
use frame_support::{storage::with_storage_layer, traits::Get, weights::Weight};
use mica_primitives::{Agreement, AgreementId, AgreementState, BlockNumber};

use crate::{Agenda, Agreements, Config, Event, NextDue, Pallet, WeightInfo};

impl<T: Config> Pallet<T> {
    /// Puts an agreement under the block in which it ends.
    pub(crate) fn schedule(id: AgreementId, ends: BlockNumber) {
        Agenda::<T>::insert(ends, id, ());
    }

    /// Takes it off again.
    pub(crate) fn unschedule(id: AgreementId, ends: BlockNumber) {
        Agenda::<T>::remove(ends, id);
    }

    /// Moves an agreement to its next state, and on the agenda to the end of that.
    pub(crate) fn transition(
        id: AgreementId,
        mut agreement: Agreement<T::AccountId>,
        state: AgreementState,
    ) {
        Self::unschedule(id, agreement.state.until());
        Self::schedule(id, state.until());
        agreement.state = state;
        Agreements::<T>::insert(id, agreement);
    }

    /// Settles what is due, in the order of due blocks, at most [`Config::MaxSettlementsPerBlock`]
    /// agreements, and looks at no more blocks than that. The rest waits for the next block.
    pub(crate) fn settle_due() -> Weight {
        let now = Self::now();
        let first = NextDue::<T>::get();
        let mut due = first.unwrap_or(now);
        let limit = T::MaxSettlementsPerBlock::get();
        let (mut settlements_left, mut blocks_left) = (limit, limit);
        while due <= now && settlements_left > 0 && blocks_left > 0 {
            let ids: Vec<AgreementId> =
                Agenda::<T>::iter_key_prefix(due).take(settlements_left as usize).collect();
            settlements_left = settlements_left.saturating_sub(ids.len() as u32);
            ids.into_iter().for_each(|id| Self::settle_scheduled(id, due));
            if settlements_left > 0 {
                // Fewer than asked for: the block's agenda is empty now.
                due = due.saturating_add(1);
                blocks_left -= 1;
            }
        }
        if first != Some(due) {
            NextDue::<T>::put(due);
        }
        let settled = u64::from(limit - settlements_left);
        let blocks = u64::from(limit - blocks_left).max(1);
        T::WeightInfo::agenda()
            .saturating_mul(blocks)
            .saturating_add(T::WeightInfo::settle().saturating_mul(settled))
    }

    /// Settles one entry. What cannot be settled leaves the agenda, so that it never blocks the
    /// others, and waits for `settle`.
    fn settle_scheduled(id: AgreementId, due: BlockNumber) {
        let Some(agreement) = Agreements::<T>::get(id) else {
            Self::unschedule(id, due);
            return;
        };
        if with_storage_layer(|| Self::end_due(id, &agreement)).is_err() {
            Self::unschedule(id, due);
            Self::deposit_event(Event::SettlementFailed { agreement: id });
        }
    }
}
