//! Redeeming vouchers: the only way in which a payee is paid while the channel lives.

use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    storage::with_storage_layer,
    traits::{
        Get,
        fungible::hold::Mutate,
        tokens::{Fortitude, Precision, Restriction},
    },
    weights::Weight,
};
use mica_primitives::{
    Balance, BlockNumber, Channel, ChannelId, ChannelState, Lane, PublicKey, Redeem, Signature,
    Voucher,
    hooks::{OnRedeem, Redeemed, Saved},
    settlement::{Figures, Receipts, SettleError, Settlement, Submitter, extended, settle},
};
use sp_core::ed25519;
use sp_runtime::DispatchError;

use crate::{Channels, Config, Error, Event, HoldReason, Pallet, WeightInfo};

impl<T: Config> Pallet<T> {
    /// Pays what `redeem` promises, submitted by `who`; returns in which role, and what the
    /// listeners did not need of their worst case.
    pub(crate) fn do_redeem(
        who: &T::AccountId,
        redeem: &Redeem,
    ) -> Result<(Submitter, Saved), DispatchError> {
        let voucher = &redeem.voucher;
        let mut channel = Channels::<T>::get(voucher.channel).ok_or(Error::<T>::NoChannel)?;
        let now = Self::now();
        let by = if *who == channel.payee { Submitter::Payee } else { Submitter::Other };
        let lane = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        let settlement =
            settle(&Figures::from(&channel), &lane, redeem, by, now).map_err(Error::<T>::from)?;
        Self::check_signature(
            &redeem.signature,
            &voucher.signing_bytes(&Self::genesis()),
            &channel.signer,
        )?;
        Self::check_tick(redeem)?;
        Self::check_lock(redeem)?;

        let bounty = Self::pay_bounty(&channel, who, settlement.bounty);
        Self::pay(&channel, settlement.paid.saturating_sub(bounty))?;
        let extended = Self::record(&mut channel, voucher, &settlement, now)?;
        Channels::<T>::insert(voucher.channel, &channel);
        let saved = Self::announce(&channel, redeem, &settlement, by, extended);
        if bounty > 0 {
            let channel = voucher.channel;
            Self::deposit_event(Event::BountyPaid { channel, to: who.clone(), amount: bounty });
        }
        Ok((by, saved))
    }

    /// At most what a redeem takes that shows `ticks` ticks, whoever submits it.
    pub(crate) fn most_weight(ticks: u32) -> Weight {
        T::WeightInfo::redeem(ticks).saturating_add(Self::record_of_a_leaving_payee())
    }

    /// What a redeem took that was submitted by `by`.
    pub(crate) fn weight_taken(ticks: u32, by: Submitter, saved: Saved) -> Weight {
        let most = match by {
            Submitter::Payee => T::WeightInfo::redeem_by_payee(ticks),
            Submitter::Other => T::WeightInfo::redeem(ticks),
        };
        most.saturating_add(Self::record_of_a_leaving_payee()).saturating_sub(
            T::DbWeight::get().reads_writes(saved.reads.into(), saved.writes.into()),
        )
    }

    /// What no payee of the benchmark causes: the record of one that is leaving is written.
    fn record_of_a_leaving_payee() -> Weight {
        T::DbWeight::get().writes(1)
    }

    /// `Hⁿ(preimage) = anchor` with the host's hash, at most `MAX_TICKS` times.
    fn check_tick(redeem: &Redeem) -> DispatchResult {
        if let (Some(tick), Some(proof)) = (&redeem.voucher.tick, &redeem.tick) {
            ensure!(tick.verify(proof, sp_io::hashing::blake2_256), Error::<T>::BadTick);
        }
        Ok(())
    }

    /// `H(preimage) = hash` with the host's hash.
    fn check_lock(redeem: &Redeem) -> DispatchResult {
        if let (Some(lock), Some(preimage)) = (&redeem.voucher.lock, &redeem.preimage) {
            ensure!(lock.opens(preimage, sp_io::hashing::blake2_256), Error::<T>::BadLock);
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
        let before = channel.lanes.get(&voucher.lane).copied().unwrap_or_default();
        let lane = settlement.lane_after(before, voucher);
        ensure!(never_falls(&before, &lane), Error::<T>::StaleVoucher);
        channel.lanes.try_insert(voucher.lane, lane).map_err(|_| Error::<T>::LaneOutOfRange)?;
        channel.claimed = channel.claimed.saturating_add(settlement.paid);
        let ChannelState::Closing(closing) = &mut channel.state else { return Ok(None) };
        let moved = extended(closing, channel.window, now).filter(|_| settlement.extends);
        Ok(moved.map(|moved| {
            *closing = moved;
            moved.ends
        }))
    }

    /// Tells listeners and the event log. Returns what the listeners did not need.
    fn announce(
        channel: &Channel<T::AccountId>,
        redeem: &Redeem,
        settlement: &Settlement,
        by: Submitter,
        extended: Option<BlockNumber>,
    ) -> Saved {
        let mut saved = Saved::default();
        let voucher = &redeem.voucher;
        let (id, lane, seq): (ChannelId, _, _) = (voucher.channel, voucher.lane, voucher.seq);
        let (receipts_root, receipts) = (voucher.receipts_root, voucher.receipts);
        if settlement.receipts != Receipts::Unchanged {
            saved = T::OnRedeem::on_redeem(&Redeemed {
                payer: channel.payer.clone(),
                payee: channel.payee.clone(),
                channel: id,
                lane,
                seq,
                receipts_root,
                receipts,
                by,
            });
        }
        if let Some(preimage) = redeem.preimage {
            Self::deposit_event(Event::Unlocked { channel: id, lane, preimage });
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
        saved
    }

    /// Moves `amount` from the payer's hold to the payee.
    pub(crate) fn pay(channel: &Channel<T::AccountId>, amount: Balance) -> DispatchResult {
        Self::move_held(&channel.payer, &channel.payee, amount)
    }

    /// Moves a bounty from the payer's hold to the submitter. Returns what it received: nothing if
    /// its account cannot take it, because the payee must be paid all the same.
    fn pay_bounty(
        channel: &Channel<T::AccountId>,
        submitter: &T::AccountId,
        bounty: Balance,
    ) -> Balance {
        let paid = with_storage_layer(|| Self::move_held(&channel.payer, submitter, bounty));
        if paid.is_ok() { bounty } else { 0 }
    }

    fn move_held(from: &T::AccountId, to: &T::AccountId, amount: Balance) -> DispatchResult {
        if amount > 0 {
            // Force: a freeze that the payer put on its account later must not stop what it
            // promised before.
            T::Currency::transfer_on_hold(
                &HoldReason::Deposit.into(),
                from,
                to,
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

/// Whether everything of a lane that must never fall has not fallen. The rules of settlement see to
/// it; this keeps a mistake in them from costing money.
const fn never_falls(before: &Lane, after: &Lane) -> bool {
    after.seq >= before.seq
        && after.shown >= before.shown
        && after.cumulative >= before.cumulative
        && after.claimed >= before.claimed
}

impl<T> From<SettleError> for Error<T> {
    fn from(error: SettleError) -> Self {
        match error {
            SettleError::WindowOver => Self::WindowOver,
            SettleError::Expired => Self::Expired,
            SettleError::LaneOutOfRange => Self::LaneOutOfRange,
            SettleError::StaleVoucher => Self::StaleVoucher,
            SettleError::BadTick => Self::BadTick,
            SettleError::BadLock => Self::BadLock,
            SettleError::LockExpired => Self::LockExpired,
            SettleError::AmountOverflow => Self::AmountOverflow,
            SettleError::AmountFell => Self::AmountFell,
            SettleError::NothingToPay => Self::NothingToPay,
        }
    }
}
