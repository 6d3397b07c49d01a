//! Stake: added, left to unbond, withdrawn, and taken from those who did wrong.

use frame_support::{
    ensure,
    pallet_prelude::{DispatchError, DispatchResult},
    storage::with_storage_layer,
    traits::{
        Get,
        fungible::hold::Mutate,
        tokens::{Fortitude, Precision, Restriction},
    },
};
use mica_primitives::{
    Balance, WorkerStatus,
    hooks::{
        Offence, OnRedeem, OpenAgreements, OpenChannels, Payees, Redeemed, Saved, SlashWorker,
        Slashed,
    },
};
use sp_runtime::ArithmeticError;

use crate::{
    Config, Error, Event, HoldReason, MAX_FORGOTTEN, OffenceEnds, OffenceQueue, Offences, Pallet,
    PeerOwner, Workers,
};

impl<T: Config> Pallet<T> {
    /// Returns the number of shards that were written.
    pub(crate) fn do_top_up_stake(
        who: &T::AccountId,
        amount: Balance,
    ) -> Result<u32, DispatchError> {
        ensure!(amount > 0, Error::<T>::ZeroAmount);
        let mut record = Self::staying(who)?;
        record.stake = record.stake.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
        T::Currency::hold(&HoldReason::Stake.into(), who, amount)?;
        Self::deposit_event(Event::StakeToppedUp { worker: who.clone(), stake: record.stake });
        let shards = Self::try_unjail(&mut record);
        Self::put(record);
        Ok(shards)
    }

    /// Returns the number of shards that were written.
    pub(crate) fn do_unregister(who: &T::AccountId) -> Result<u32, DispatchError> {
        let mut record = Self::staying(who)?;
        ensure!(!T::OpenAgreements::has_open_agreements(who), Error::<T>::BoundByAgreement);
        let shards = match record.status {
            WorkerStatus::Active => Self::shift_coverage(&record, Some(record.range), None),
            WorkerStatus::Jailed | WorkerStatus::Unbonding { .. } => 0,
        };
        Self::unlist(record.model, who);
        let until = Self::now().saturating_add(T::Unbonding::get());
        record.status = WorkerStatus::Unbonding { until };
        Workers::<T>::insert(who, record);
        Self::deposit_event(Event::Unregistered { worker: who.clone(), until });
        Ok(shards)
    }

    pub(crate) fn do_withdraw(who: &T::AccountId) -> DispatchResult {
        let record = Workers::<T>::get(who).ok_or(Error::<T>::NotRegistered)?;
        let WorkerStatus::Unbonding { until } = record.status else {
            return Err(Error::<T>::NotLeaving.into());
        };
        ensure!(Self::now() >= until, Error::<T>::StillBonded);
        ensure!(!T::OpenAgreements::has_open_agreements(who), Error::<T>::BoundByAgreement);
        ensure!(!T::OpenChannels::has_channels(who), Error::<T>::PaidByChannel);
        let amount =
            T::Currency::release(&HoldReason::Stake.into(), who, record.stake, Precision::Exact)?;
        Workers::<T>::remove(who);
        PeerOwner::<T>::remove(record.peer);
        Self::deposit_event(Event::Withdrawn { worker: who.clone(), amount });
        Ok(())
    }

    /// Moves `amount` of the stake to `reporter`; nothing if it cannot take it, for example an
    /// account below the existential deposit.
    fn reward(worker: &T::AccountId, reporter: &T::AccountId, amount: Balance) -> Balance {
        with_storage_layer(|| {
            T::Currency::transfer_on_hold(
                &HoldReason::Stake.into(),
                worker,
                reporter,
                amount,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )
        })
        .unwrap_or(0)
    }
}

impl<T: Config> SlashWorker<T::AccountId> for Pallet<T> {
    fn slash(
        worker: &T::AccountId,
        amount: Balance,
        offence: Offence,
        reporter: Option<&T::AccountId>,
    ) -> Slashed {
        let Some(mut record) = Workers::<T>::get(worker) else { return Slashed::default() };
        let taken = amount.min(record.stake);
        if taken == 0 || Offences::<T>::contains_key(worker, offence.0) {
            return Slashed::default();
        }
        Self::remember(worker, offence);

        // Who reports itself gets nothing back.
        let reward = match reporter.filter(|reporter| *reporter != worker) {
            Some(reporter) => {
                Self::reward(worker, reporter, T::SlashReward::get().mul_floor(taken))
            }
            None => 0,
        };
        let reason = HoldReason::Stake.into();
        let burned = T::Currency::burn_held(
            &reason,
            worker,
            taken - reward,
            Precision::BestEffort,
            Fortitude::Force,
        )
        .unwrap_or_default();
        let slashed = Slashed { burned, reward };
        record.stake = record.stake.saturating_sub(slashed.total());
        Self::deposit_event(Event::Slashed {
            worker: worker.clone(),
            amount: slashed.total(),
            burned,
            reward,
            reporter: reporter.cloned(),
        });
        if record.status == WorkerStatus::Active && record.stake < Self::min_stake(record.range) {
            Self::jail(&mut record);
        }
        Self::put(record);
        slashed
    }
}

impl<T: Config> Pallet<T> {
    /// Remembers an offence until its worker has withdrawn. Of the two that stand first in the
    /// queue it forgets what was done by who is gone, and puts the others to the back.
    ///
    /// A time after the punishment would not do: each new root of a lane covers the old receipts
    /// again, for as long as the worker goes on. A worker withdraws when no channel pays it and all
    /// roots are out of their windows.
    fn remember(worker: &T::AccountId, offence: Offence) {
        // 2⁶⁴ entries are out of reach: a million a second would take half a million years.
        let (mut head, mut tail) = OffenceEnds::<T>::get();
        for _ in 0..MAX_FORGOTTEN {
            let Some((of, hash)) = OffenceQueue::<T>::take(head) else { break };
            head = head.wrapping_add(1);
            if Workers::<T>::contains_key(&of) {
                OffenceQueue::<T>::insert(tail, (of, hash));
                tail = tail.wrapping_add(1);
            } else {
                Offences::<T>::remove(&of, hash);
            }
        }
        OffenceQueue::<T>::insert(tail, (worker, offence.0));
        OffenceEnds::<T>::put((head, tail.wrapping_add(1)));
        Offences::<T>::insert(worker, offence.0, ());
    }
}

impl<T: Config> OnRedeem<T::AccountId> for Pallet<T> {
    /// Keeps the stake of a leaving worker for as long as what it has just fixed can be judged.
    fn on_redeem(redeemed: &Redeemed<T::AccountId>) -> Saved {
        let unwritten = Saved { reads: 0, writes: 1 };
        let Some(mut record) = Workers::<T>::get(&redeemed.payee) else { return unwritten };
        let WorkerStatus::Unbonding { until } = record.status else { return unwritten };
        let judged = Self::now().saturating_add(T::LongestDispute::get()).saturating_add(1);
        if judged <= until {
            return unwritten;
        }
        record.status = WorkerStatus::Unbonding { until: judged };
        Workers::<T>::insert(&redeemed.payee, record);
        Saved::default()
    }
}

impl<T: Config> Payees<T::AccountId> for Pallet<T> {
    fn takes_channels(account: &T::AccountId) -> bool {
        !Workers::<T>::get(account)
            .is_some_and(|record| matches!(record.status, WorkerStatus::Unbonding { .. }))
    }
}
