//! The queue of lanes whose root will have to be removed: first in, first looked at, renewed ones
//! to the back.

use frame_support::{pallet_prelude::Weight, traits::Get, weights::WeightMeter};
use mica_primitives::{ChannelId, LaneId, settlement::Submitter};

use crate::{Config, Event, Head, Pallet, Queue, Queued, Roots, Tail, WeightInfo};

impl<T: Config> Pallet<T> {
    /// Puts a root's place at the back.
    pub(crate) fn push(channel: ChannelId, (lane, by): (LaneId, Submitter)) {
        let tail = Tail::<T>::get();
        Queue::<T>::insert(tail, Queued { channel, lane, by, since: Self::now() });
        // 2⁶⁴ entries are out of reach: a million a second would take half a million years.
        Tail::<T>::put(tail.wrapping_add(1));
    }

    /// Looks at the front of the queue as far as `remaining` and the bound per block reach. Returns
    /// the weight used.
    pub(crate) fn remove_old(remaining: Weight) -> Weight {
        let mut meter = WeightMeter::with_limit(remaining);
        if meter.try_consume(T::WeightInfo::on_idle_base()).is_err() {
            return Weight::zero();
        }
        // What goes to the back meanwhile is not looked at again in this block.
        let (mut head, end) = (Head::<T>::get(), Tail::<T>::get());
        for _ in 0..T::MaxRemovalsPerBlock::get() {
            if head == end
                || meter.try_consume(T::WeightInfo::remove_root()).is_err()
                || !Self::visit(head)
            {
                break;
            }
            head = head.wrapping_add(1);
        }
        Head::<T>::put(head);
        meter.consumed()
    }

    /// Removes entry `number` from the front, with its root unless that was renewed; whether the
    /// next entry may be old enough too.
    fn visit(number: u64) -> bool {
        let Some(Queued { channel, lane, by, since }) = Queue::<T>::get(number) else {
            return true;
        };
        if Self::now().saturating_sub(since) < T::AuditWindow::get() {
            return false;
        }
        Queue::<T>::remove(number);
        match Roots::<T>::get(channel, (lane, by)) {
            Some(root) if Self::is_open(&root) => Self::push(channel, (lane, by)),
            _ => {
                Roots::<T>::remove(channel, (lane, by));
                Self::deposit_event(Event::RootRemoved { channel, lane });
            }
        }
        true
    }
}
