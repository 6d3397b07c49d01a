//! What clients read in one round trip; the runtime's API forwards to these.

use alloc::vec::Vec;
use frame_support::traits::Get;
use mica_primitives::{Channel, ChannelId, ChannelParameters};

use crate::{ByPayee, ByPayer, Channels, Config, MAX_PAGE, Pallet};

impl<T: Config> Pallet<T> {
    /// The channel, if it is open or closing.
    pub fn channel(id: ChannelId) -> Option<Channel<T::AccountId>> {
        Channels::<T>::get(id)
    }

    /// Every channel that `payer` pays from: at most [`Config::MaxChannelsPerPayer`].
    pub fn channels_of(payer: &T::AccountId) -> Vec<(ChannelId, Channel<T::AccountId>)> {
        Self::with_ids(ByPayer::<T>::iter_key_prefix(payer), T::MaxChannelsPerPayer::get())
    }

    /// A page of the channels that `payee` is paid from: those after `from` in the order of ids, at
    /// most `limit` and [`MAX_PAGE`].
    pub fn channels_to(
        payee: &T::AccountId,
        from: Option<ChannelId>,
        limit: u32,
    ) -> Vec<(ChannelId, Channel<T::AccountId>)> {
        let ids = match from {
            Some(id) => {
                ByPayee::<T>::iter_key_prefix_from(payee, ByPayee::<T>::hashed_key_for(payee, id))
            }
            None => ByPayee::<T>::iter_key_prefix(payee),
        };
        Self::with_ids(ids, limit.min(MAX_PAGE))
    }

    /// The constants that a payer must know before it opens a channel.
    pub fn channel_parameters() -> ChannelParameters {
        ChannelParameters {
            min_deposit: T::MinDeposit::get(),
            min_window: T::MinWindow::get(),
            max_window: T::MaxWindow::get(),
            max_channels_per_account: T::MaxChannelsPerPayer::get(),
            storage_deposit: T::StorageDeposit::get(),
        }
    }

    fn with_ids(
        ids: impl Iterator<Item = ChannelId>,
        limit: u32,
    ) -> Vec<(ChannelId, Channel<T::AccountId>)> {
        ids.take(limit as usize).filter_map(|id| Some((id, Channels::<T>::get(id)?))).collect()
    }
}
