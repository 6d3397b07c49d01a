//! Redeeming vouchers: the only way in which a payee is paid while the channel lives.

use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{
        fungible::hold::Mutate,
        tokens::{Fortitude, Precision, Restriction},
    },
};
use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, ChannelState, PublicKey, Redeem, Signature, Voucher,
    hooks::{OnRedeem, Redeemed},
    settlement::{Figures, Receipts, SettleError, Settlement, Submitter, extended, settle},
};
use sp_core::ed25519;
use sp_runtime::DispatchError;

use crate::{Channels, Config, Error, Event, HoldReason, Pallet};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_redeem(submitter: &T::AccountId, redeem: &Redeem) -> DispatchResult {
        let voucher = &redeem.voucher;
        let mut channel = Channels::<T>::get(voucher.channel).ok_or(Error::<T>::NoChannel)?;
        let now = Self::now();
        let submitter =
            if *submitter == channel.payee { Submitter::Payee } else { Submitter::Other };
        let lane = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        let settlement = settle(&Figures::from(&channel), &lane, redeem, submitter, now)
            .map_err(Error::<T>::from)?;
        Self::check_signature(
            &redeem.signature,
            &voucher.signing_bytes(&Self::genesis()),
            &channel.signer,
        )?;
        Self::check_tick(redeem)?;

        Self::pay(&channel, settlement.paid)?;
        let extended = Self::record(&mut channel, voucher, &settlement, now)?;
        Channels::<T>::insert(voucher.channel, &channel);
        Self::announce(&channel, voucher, &settlement, extended);
        Ok(())
    }

    /// `Hⁿ(preimage) = anchor` with the host's hash, at most `MAX_TICKS` times.
    fn check_tick(redeem: &Redeem) -> DispatchResult {
        if let (Some(tick), Some(proof)) = (&redeem.voucher.tick, &redeem.tick) {
            ensure!(tick.verify(proof, sp_io::hashing::blake2_256), Error::<T>::BadTick);
        }
        Ok(())
    }

    /// Writes a settlement into the channel. Returns the new end if a late redeem moved it.
    fn record(
        channel: &mut Channel<T::AccountId>,
        voucher: &Voucher,
        settlement: &Settlement,
        now: BlockNumber,
    ) -> Result<Option<BlockNumber>, DispatchError> {
        let lane = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        let lane = settlement.lane_after(lane, voucher);
        channel.lanes.try_insert(voucher.lane, lane).map_err(|_| Error::<T>::LaneOutOfRange)?;
        channel.claimed = channel.claimed.saturating_add(settlement.paid);
        let ChannelState::Closing(closing) = &mut channel.state else { return Ok(None) };
        let moved = extended(closing, channel.window, now).filter(|_| settlement.paid > 0);
        Ok(moved.map(|moved| {
            *closing = moved;
            moved.ends
        }))
    }

    /// Tells listeners and the event log.
    fn announce(
        channel: &Channel<T::AccountId>,
        voucher: &Voucher,
        settlement: &Settlement,
        extended: Option<BlockNumber>,
    ) {
        let (id, lane, seq): (ChannelId, _, _) = (voucher.channel, voucher.lane, voucher.seq);
        let (receipts_root, receipts) = (voucher.receipts_root, voucher.receipts);
        if settlement.receipts == Receipts::Fixed {
            T::OnRedeem::on_redeem(&Redeemed {
                payer: channel.payer.clone(),
                payee: channel.payee.clone(),
                channel: id,
                lane,
                seq,
                receipts_root,
                receipts,
            });
        }
        Self::deposit_event(Event::Redeemed {
            channel: id,
            lane,
            seq,
            paid: settlement.paid,
            receipts_root,
            receipts,
        });
        if settlement.missing > 0 {
            Self::deposit_event(Event::Shortfall {
                channel: id,
                lane,
                missing: settlement.missing,
            });
        }
        if let Some(ends) = extended {
            Self::deposit_event(Event::Extended { channel: id, ends });
        }
    }

    /// Moves `amount` from the payer's hold to the payee.
    pub(crate) fn pay(channel: &Channel<T::AccountId>, amount: Balance) -> DispatchResult {
        if amount > 0 {
            // Force: a freeze that the payer put on its account later must not stop what it
            // promised before.
            T::Currency::transfer_on_hold(
                &HoldReason::Deposit.into(),
                &channel.payer,
                &channel.payee,
                amount,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )?;
        }
        Ok(())
    }

    pub(crate) fn check_signature(
        signature: &Signature,
        bytes: &[u8],
        key: &PublicKey,
    ) -> DispatchResult {
        let (signature, key) =
            (ed25519::Signature::from_raw(*signature), ed25519::Public::from_raw(*key));
        ensure!(sp_io::crypto::ed25519_verify(&signature, bytes, &key), Error::<T>::BadSignature);
        Ok(())
    }
}

impl<T> From<SettleError> for Error<T> {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::WindowOver => Self::WindowOver,
            SettleError::Expired => Self::Expired,
            SettleError::LaneOutOfRange => Self::LaneOutOfRange,
            SettleError::StaleVoucher => Self::StaleVoucher,
            SettleError::BadTick => Self::BadTick,
            SettleError::AmountOverflow => Self::AmountOverflow,
            SettleError::AmountFell => Self::AmountFell,
            SettleError::NothingToPay => Self::NothingToPay,
        }
    }
}
