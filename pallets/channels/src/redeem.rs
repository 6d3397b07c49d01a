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
    Balance, BlockNumber, Channel, ChannelId, ChannelState, Closing, MAX_LANES, PublicKey, Redeem,
    Signature, Voucher,
    hooks::{OnRedeem, Redeemed},
};
use sp_core::ed25519;
use sp_runtime::DispatchError;

use crate::{Channels, Config, Error, Event, HoldReason, MAX_EXTENSIONS, Pallet};

/// What a redeem does to its lane, decided before anything is moved.
struct Settlement {
    /// Total promised on the lane, ticks included.
    promised: Balance,
    /// Base units to pay now.
    paid: Balance,
    /// Base units promised on the lane that stay unpaid.
    missing: Balance,
    /// Whether the lane's number and receipts move: only the payee moves them.
    receipts: Receipts,
}

/// Whether a redeem fixes its voucher's receipts.
#[derive(PartialEq, Eq)]
enum Receipts {
    /// The payee submitted a newer voucher.
    Fixed,
    /// Somebody else submitted it, or it is the voucher that was redeemed last.
    Unchanged,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_redeem(submitter: &T::AccountId, redeem: &Redeem) -> DispatchResult {
        let voucher = &redeem.voucher;
        let mut channel = Channels::<T>::get(voucher.channel).ok_or(Error::<T>::NoChannel)?;
        let now = Self::now();
        if let ChannelState::Closing(closing) = &channel.state {
            ensure!(now < closing.ends, Error::<T>::WindowOver);
        }
        ensure!(now <= voucher.expires, Error::<T>::Expired);
        let settlement = Self::settle(&channel, redeem, submitter)?;
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

    /// The rules of seq and amount, without signature and hashes.
    fn settle(
        channel: &Channel<T::AccountId>,
        redeem: &Redeem,
        submitter: &T::AccountId,
    ) -> Result<Settlement, Error<T>> {
        let voucher = &redeem.voucher;
        ensure!(u32::from(voucher.lane) < MAX_LANES, Error::<T>::LaneOutOfRange);
        let lane = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        ensure!(voucher.seq > 0 && voucher.seq >= lane.seq, Error::<T>::StaleVoucher);
        ensure!(redeem.tick.is_none() || voucher.tick.is_some(), Error::<T>::BadTick);
        let promised = redeem.promised().ok_or(Error::<T>::AmountOverflow)?;
        ensure!(promised >= lane.cumulative, Error::<T>::AmountFell);

        // Neither difference can fail: claimed <= cumulative <= promised on a lane, claimed <=
        // deposit in a channel.
        let owed = promised.saturating_sub(lane.claimed);
        let paid = owed.min(channel.deposit.saturating_sub(channel.claimed));
        let receipts = if *submitter == channel.payee && voucher.seq > lane.seq {
            Receipts::Fixed
        } else {
            Receipts::Unchanged
        };
        ensure!(paid > 0 || receipts == Receipts::Fixed, Error::<T>::NothingToPay);
        Ok(Settlement { promised, paid, missing: owed.saturating_sub(paid), receipts })
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
        let mut lane = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        lane.cumulative = settlement.promised;
        lane.claimed = lane.claimed.saturating_add(settlement.paid);
        if settlement.receipts == Receipts::Fixed {
            lane.seq = voucher.seq;
            lane.receipts_root = voucher.receipts_root;
            lane.receipts = voucher.receipts;
        }
        channel.lanes.try_insert(voucher.lane, lane).map_err(|_| Error::<T>::LaneOutOfRange)?;
        channel.claimed = channel.claimed.saturating_add(settlement.paid);
        let window = channel.window;
        Ok(match &mut channel.state {
            ChannelState::Closing(closing) if settlement.paid > 0 => extend(closing, window, now),
            _ => None,
        })
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

/// Moves the end of a closing channel if `now` lies in the last tenth of its window. Returns the
/// new end.
fn extend(closing: &mut Closing, window: BlockNumber, now: BlockNumber) -> Option<BlockNumber> {
    let ends = now.saturating_add(window / 10);
    if closing.extended >= MAX_EXTENSIONS || ends <= closing.ends {
        return None;
    }
    closing.extended += 1;
    closing.ends = ends;
    Some(ends)
}
