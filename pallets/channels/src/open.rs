//! Opening channels and raising their deposits: the only two ways in which money comes in.

use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{Get, fungible::hold::Mutate},
};
use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, ChannelOpening, ChannelState, Hash32, hooks::Payees,
};
use scale_info::TypeInfo;
use sp_runtime::{
    ArithmeticError,
    traits::{BlockNumberProvider, Zero},
};

use crate::{
    ByPayee, ByPayer, Channels, Config, Error, Event, HoldReason, NextChannel, Pallet, Payers,
};

/// What the chain remembers of a payer while it has a channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct PayerRecord {
    /// Channels that are open or closing.
    pub open: u32,
    /// Base units on hold for the storage that they occupy.
    pub storage: Balance,
}

impl<T: Config> Pallet<T> {
    /// The block that windows and expiry count.
    pub(crate) fn now() -> BlockNumber {
        T::Clock::current_block_number()
    }

    /// The genesis hash: binds ids and signatures to this chain. The system never prunes it.
    pub(crate) fn genesis() -> Hash32 {
        frame_system::Pallet::<T>::block_hash(
            frame_system::pallet_prelude::BlockNumberFor::<T>::zero(),
        )
        .0
    }

    pub(crate) fn do_open(
        payer: &T::AccountId,
        opening: ChannelOpening<T::AccountId>,
    ) -> DispatchResult {
        let ChannelOpening { payee, signer, deposit, window } = opening;
        ensure!(*payer != payee, Error::<T>::SelfPayment);
        ensure!(deposit >= T::MinDeposit::get(), Error::<T>::DepositTooLow);
        ensure!(
            (T::MinWindow::get()..=T::MaxWindow::get()).contains(&window),
            Error::<T>::WindowOutOfRange
        );

        ensure!(T::Payees::takes_channels(&payee), Error::<T>::PayeeLeaves);
        let mut record = Payers::<T>::get(payer);
        ensure!(record.open < T::MaxChannelsPerPayer::get(), Error::<T>::TooManyChannels);
        let number = NextChannel::<T>::get();
        let channel = ChannelId::derive(&Self::genesis(), payer, &payee, number);
        NextChannel::<T>::put(number.checked_add(1).ok_or(ArithmeticError::Overflow)?);
        let storage = T::StorageDeposit::get();
        record.open = record.open.saturating_add(1);
        record.storage = record.storage.checked_add(storage).ok_or(ArithmeticError::Overflow)?;

        T::Currency::hold(&HoldReason::Deposit.into(), payer, deposit)?;
        T::Currency::hold(&HoldReason::Storage.into(), payer, storage)?;
        Payers::<T>::insert(payer, record);
        ByPayer::<T>::insert(payer, channel, ());
        ByPayee::<T>::insert(&payee, channel, ());
        Channels::<T>::insert(
            channel,
            Channel {
                payer: payer.clone(),
                payee: payee.clone(),
                signer,
                deposit,
                claimed: 0,
                lanes: Default::default(),
                window,
                state: ChannelState::Open,
            },
        );
        Self::deposit_event(Event::Opened { channel, payer: payer.clone(), payee, deposit });
        Ok(())
    }

    pub(crate) fn do_top_up_to(
        payer: &T::AccountId,
        id: ChannelId,
        total: Balance,
    ) -> DispatchResult {
        Channels::<T>::try_mutate(id, |slot| {
            let channel = slot.as_mut().ok_or(Error::<T>::NoChannel)?;
            ensure!(channel.payer == *payer, Error::<T>::NotPayer);
            ensure!(channel.state == ChannelState::Open, Error::<T>::AlreadyClosing);
            let more = total.checked_sub(channel.deposit).ok_or(Error::<T>::DepositNeverFalls)?;
            if more > 0 {
                T::Currency::hold(&HoldReason::Deposit.into(), payer, more)?;
                channel.deposit = total;
                Self::deposit_event(Event::ToppedUp { channel: id, total });
            }
            Ok(())
        })
    }
}
