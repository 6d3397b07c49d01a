//! How an agreement comes about: proposed by a payer, accepted, declined or taken back.

use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{Get, fungible::hold::Mutate},
};
use mica_primitives::{
    Agreement, AgreementId, AgreementState, Balance, BlockNumber, Terms, WorkerRecord,
    WorkerStatus,
    hooks::{OpenAgreements, Workers},
};
use scale_info::TypeInfo;
use sp_runtime::{ArithmeticError, traits::BlockNumberProvider};

use crate::{
    Agreements, ByAccount, Config, Error, Event, HoldReason, NextId, Pallet, PayerLoad, WorkerLoads,
};

/// What a worker is bound by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct WorkerLoad {
    /// Agreements accepted and not settled.
    pub open: u32,
    /// Base units of stake that it forfeits if it fails all of them.
    pub at_risk: Balance,
}

impl<T: Config> Pallet<T> {
    /// The block that periods and deadlines count.
    pub(crate) fn now() -> BlockNumber {
        T::Clock::current_block_number()
    }

    pub(crate) fn do_propose(
        payer: T::AccountId,
        worker: T::AccountId,
        terms: Terms,
    ) -> DispatchResult {
        ensure!(payer != worker, Error::<T>::SelfAgreement);
        let duration = terms
            .start_blocks
            .checked_add(terms.first_blocks)
            .and_then(|blocks| blocks.checked_add(terms.work_blocks));
        let in_time = terms.work_blocks > 0
            && terms.start_blocks <= T::ProposalPeriod::get()
            && duration.is_some_and(|duration| duration <= T::MaxDuration::get());
        let has_credit = (1..=terms.tokens).contains(&terms.credit());
        ensure!(in_time && has_credit && !terms.range.is_empty(), Error::<T>::BadTerms);
        let escrow = terms
            .escrow()
            .filter(|escrow| *escrow >= T::MinEscrow::get())
            .ok_or(Error::<T>::BadEscrow)?;
        Self::serving(&worker, &terms)?;

        let id = NextId::<T>::get();
        NextId::<T>::put(id.checked_add(1).ok_or(ArithmeticError::Overflow)?);
        PayerLoad::<T>::try_mutate(&payer, |count| {
            ensure!(*count < T::MaxPerPayer::get(), Error::<T>::TooManyOfPayer);
            *count += 1;
            Ok::<_, Error<T>>(())
        })?;
        T::Currency::hold(&HoldReason::Escrow.into(), &payer, escrow)?;
        Self::book_escrow(escrow);
        ByAccount::<T>::insert(&payer, id, ());
        ByAccount::<T>::insert(&worker, id, ());
        let until = Self::now().saturating_add(T::ProposalPeriod::get());
        let state = AgreementState::Proposed { until };
        Self::schedule(id, state.until());
        Agreements::<T>::insert(
            id,
            Agreement { payer: payer.clone(), worker: worker.clone(), terms, escrow, state },
        );
        Self::deposit_event(Event::Proposed { agreement: id, payer, worker, escrow, until });
        Ok(())
    }

    pub(crate) fn do_accept(worker: &T::AccountId, id: AgreementId) -> DispatchResult {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.worker == *worker, Error::<T>::NotWorker);
        let AgreementState::Proposed { until } = agreement.state else {
            return Err(Error::<T>::WrongState.into());
        };
        let now = Self::now();
        ensure!(now < until, Error::<T>::TooLate);
        let record = Self::serving(worker, &agreement.terms)?;

        let mut load = WorkerLoads::<T>::get(worker);
        ensure!(load.open < T::MaxPerWorker::get(), Error::<T>::TooManyOfWorker);
        load.open += 1;
        // The forfeit did not overflow when the agreement was proposed; a sum that does is above
        // any stake.
        load.at_risk = agreement
            .terms
            .forfeit()
            .and_then(|forfeit| load.at_risk.checked_add(forfeit))
            .ok_or(Error::<T>::StakeTooLow)?;
        ensure!(
            load.at_risk <= T::MaxStakeAtRisk::get().mul_floor(record.stake),
            Error::<T>::StakeTooLow
        );
        WorkerLoads::<T>::insert(worker, load);

        // `start_blocks` whole blocks follow this one.
        let until = now.saturating_add(agreement.terms.start_blocks).saturating_add(1);
        Self::transition(id, agreement, AgreementState::Active { until });
        Self::deposit_event(Event::Accepted { agreement: id, until });
        Ok(())
    }

    pub(crate) fn do_cancel(who: &T::AccountId, id: AgreementId) -> DispatchResult {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.payer == *who || agreement.worker == *who, Error::<T>::NotParty);
        ensure!(!agreement.state.is_open(), Error::<T>::WrongState);
        Self::end_cancelled(id, &agreement)
    }

    /// The worker's record if it is active and serves what the terms ask for.
    fn serving(
        worker: &T::AccountId,
        terms: &Terms,
    ) -> Result<WorkerRecord<T::AccountId>, Error<T>> {
        T::Workers::worker(worker)
            .filter(|record| {
                record.status == WorkerStatus::Active
                    && record.model == terms.model
                    && record.range.covers(terms.range)
            })
            .ok_or(Error::<T>::NotServed)
    }
}

impl<T: Config> OpenAgreements<T::AccountId> for Pallet<T> {
    fn has_open_agreements(worker: &T::AccountId) -> bool {
        WorkerLoads::<T>::get(worker).open > 0
    }
}
