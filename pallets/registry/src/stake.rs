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
    hooks::{Offence, OpenAgreements, SlashWorker, Slashed},
};
use sp_runtime::ArithmeticError;

use crate::{
    Config, Error, Event, HoldReason, MAX_OFFENCES, Members, Offences, Pallet, PeerOwner, Workers,
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
        Workers::<T>::insert(who, record);
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
        Members::<T>::remove(record.model, who);
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
        let amount =
            T::Currency::release(&HoldReason::Stake.into(), who, record.stake, Precision::Exact)?;
        Workers::<T>::remove(who);
        PeerOwner::<T>::remove(record.peer);
        Offences::<T>::remove(who);
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
        let mut offences = Offences::<T>::get(worker);
        if taken == 0 || offences.contains(&offence.0) {
            return Slashed::default();
        }
        if offences.len() as u32 == MAX_OFFENCES {
            offences.remove(0);
        }
        let remembered = offences.try_push(offence.0);
        debug_assert!(remembered.is_ok(), "the oldest has made room");

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
        Offences::<T>::insert(worker, offences);
        Workers::<T>::insert(worker, record);
        slashed
    }
}
