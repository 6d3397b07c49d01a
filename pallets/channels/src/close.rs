//! The three ways in which a channel ends, and what is common to them.

use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{fungible::hold::Mutate, tokens::Precision},
};
use mica_primitives::{
    Balance, Channel, ChannelId, ChannelState, CooperativeClose, Signature,
    hooks::{OpenChannels, PeerKeys},
    settlement::{Close, EndError, Party, check_finish, close},
};

use crate::{ByPayee, ByPayer, Channels, Config, Error, Event, HoldReason, Pallet, Payers};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_close(who: &T::AccountId, id: ChannelId) -> DispatchResult {
        let mut channel = Channels::<T>::get(id).ok_or(Error::<T>::NoChannel)?;
        let party = if *who == channel.payee { Party::Payee } else { Party::Payer };
        ensure!(party == Party::Payee || *who == channel.payer, Error::<T>::NotParty);
        let close = close(&channel.state, channel.window, party, Self::now());
        let closing = match close.map_err(Error::<T>::from)? {
            Close::AtOnce => return Self::end(id, &channel),
            Close::Window(closing) => closing,
        };
        channel.state = ChannelState::Closing(closing);
        Channels::<T>::insert(id, channel);
        Self::deposit_event(Event::CloseRequested { channel: id, ends: closing.ends });
        Ok(())
    }

    pub(crate) fn do_close_cooperatively(
        who: &T::AccountId,
        close: &CooperativeClose,
        signature: &Signature,
    ) -> DispatchResult {
        let mut channel = Channels::<T>::get(close.channel).ok_or(Error::<T>::NoChannel)?;
        ensure!(*who == channel.payer || *who == channel.payee, Error::<T>::NotParty);
        ensure!(Self::now() <= close.expires, Error::<T>::Expired);
        ensure!(
            (channel.claimed..=channel.deposit).contains(&close.total),
            Error::<T>::TotalOutOfRange
        );
        // The submitter consents by submitting, so the other side's signature is the one that is
        // missing.
        let key = if *who == channel.payee {
            channel.signer
        } else {
            T::PeerKeys::peer_key(&channel.payee).ok_or(Error::<T>::NoPeerKey)?
        };
        Self::check_signature(signature, &close.signing_bytes(&Self::genesis()), &key)?;

        Self::pay(&channel, close.total.saturating_sub(channel.claimed))?;
        channel.claimed = close.total;
        Self::end(close.channel, &channel)
    }

    pub(crate) fn do_finish(id: ChannelId) -> DispatchResult {
        let channel = Channels::<T>::get(id).ok_or(Error::<T>::NoChannel)?;
        check_finish(&channel.state, Self::now()).map_err(Error::<T>::from)?;
        Self::end(id, &channel)
    }

    /// Releases what was not claimed and removes every trace of the channel.
    fn end(id: ChannelId, channel: &Channel<T::AccountId>) -> DispatchResult {
        let released = channel.deposit.saturating_sub(channel.claimed);
        if released > 0 {
            T::Currency::release(
                &HoldReason::Deposit.into(),
                &channel.payer,
                released,
                Precision::Exact,
            )?;
        }
        Channels::<T>::remove(id);
        ByPayer::<T>::remove(&channel.payer, id);
        ByPayee::<T>::remove(&channel.payee, id);
        Self::free_storage(&channel.payer)?;
        Self::deposit_event(Event::Closed { channel: id, claimed: channel.claimed, released });
        Ok(())
    }
}

impl<T: Config> Pallet<T> {
    /// Releases one channel's part of what its payer has on hold for storage, and forgets a payer
    /// that has no channel left.
    fn free_storage(payer: &T::AccountId) -> DispatchResult {
        let mut record = Payers::<T>::get(payer);
        // An even part: the deposit may have been another when some of the channels were opened.
        let part = record.storage / Balance::from(record.open.max(1));
        T::Currency::release(&HoldReason::Storage.into(), payer, part, Precision::Exact)?;
        record.open = record.open.saturating_sub(1);
        record.storage = record.storage.saturating_sub(part);
        match record.open {
            0 => Payers::<T>::remove(payer),
            _ => Payers::<T>::insert(payer, record),
        }
        Ok(())
    }
}

impl<T: Config> OpenChannels<T::AccountId> for Pallet<T> {
    fn has_channels(payee: &T::AccountId) -> bool {
        ByPayee::<T>::iter_key_prefix(payee).next().is_some()
    }
}

impl<T> From<EndError> for Error<T> {
    fn from(error: EndError) -> Self {
        match error {
            EndError::AlreadyClosing => Self::AlreadyClosing,
            EndError::NotClosing => Self::NotClosing,
            EndError::WindowRuns => Self::WindowRuns,
        }
    }
}
