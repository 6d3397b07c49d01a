//! The ends of an agreement: where the escrow goes, what the stake loses, and that nothing is left
//! behind.

use frame_support::{
    ensure,
    pallet_prelude::DispatchResult,
    traits::{
        fungible::hold::Mutate,
        tokens::{Fortitude, Precision, Restriction},
    },
};
use mica_primitives::{
    Agreement, AgreementId, AgreementState, Balance, Claim,
    domain::signing_bytes,
    hooks::{Offence, SlashWorker},
};

use crate::{
    Agreements, ByAccount, Config, Error, Event, HoldReason, Pallet, PayerLoad, WorkerLoads,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_settle(id: AgreementId) -> DispatchResult {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(Self::now() >= agreement.state.ends(), Error::<T>::NotDue);
        Self::end_due(id, &agreement)
    }

    /// Ends an agreement whose time is over.
    pub(crate) fn end_due(id: AgreementId, agreement: &Agreement<T::AccountId>) -> DispatchResult {
        match agreement.state {
            AgreementState::Proposed { .. } | AgreementState::Active { acknowledged: None, .. } => {
                Self::end_refunded(id, agreement)
            }
            AgreementState::Active { acknowledged: Some(_), .. } => {
                Self::end_in_breach(id, agreement)
            }
            AgreementState::Claimed { claim, .. } => Self::end_paid(id, agreement, claim.tokens),
            AgreementState::Disputed { claim, .. } => Self::end_burned(id, agreement, &claim),
        }
    }

    fn end_refunded(id: AgreementId, agreement: &Agreement<T::AccountId>) -> DispatchResult {
        Self::release(&agreement.payer, agreement.escrow)?;
        Self::remove(id, agreement);
        Self::deposit_event(Event::Expired { agreement: id, refunded: agreement.escrow });
        Ok(())
    }

    /// Pays `tokens` at the agreed price and refunds the rest.
    pub(crate) fn end_paid(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
        tokens: u32,
    ) -> DispatchResult {
        let paid = value(agreement, tokens);
        let refunded = agreement.escrow.saturating_sub(paid);
        Self::pay(agreement, paid)?;
        Self::release(&agreement.payer, refunded)?;
        Self::remove(id, agreement);
        Self::deposit_event(Event::Paid { agreement: id, paid, refunded });
        Ok(())
    }

    /// Refunds the payer and takes the penalty from the worker's stake.
    pub(crate) fn end_in_breach(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
    ) -> DispatchResult {
        Self::release(&agreement.payer, agreement.escrow)?;
        let slashed = T::SlashWorker::slash(
            &agreement.worker,
            agreement.terms.penalty,
            Self::offence(id),
            Some(&agreement.payer),
        );
        Self::remove(id, agreement);
        let (refunded, penalty) = (agreement.escrow, slashed.total());
        Self::deposit_event(Event::Breached {
            agreement: id,
            refunded,
            penalty,
            reward: slashed.reward,
        });
        Ok(())
    }

    /// Pays what the payer signed for; both lose the rest of the claim, and nobody receives it.
    fn end_burned(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
        claim: &Claim,
    ) -> DispatchResult {
        let paid = value(agreement, claim.signed);
        let unsigned = value(agreement, claim.tokens).saturating_sub(paid);
        let refunded = agreement.escrow.saturating_sub(paid).saturating_sub(unsigned);
        Self::pay(agreement, paid)?;
        let reason = HoldReason::Escrow.into();
        let escrow = T::Currency::burn_held(
            &reason,
            &agreement.payer,
            unsigned,
            Precision::Exact,
            Fortitude::Force,
        )?;
        Self::release(&agreement.payer, refunded)?;
        let stake =
            T::SlashWorker::slash(&agreement.worker, unsigned, Self::offence(id), None).total();
        Self::remove(id, agreement);
        Self::deposit_event(Event::Burned { agreement: id, paid, escrow, stake, refunded });
        Ok(())
    }

    /// Pays the worker from the escrow.
    fn pay(agreement: &Agreement<T::AccountId>, amount: Balance) -> DispatchResult {
        if amount > 0 {
            // Force: a freeze that the payer put on its account later must not stop what it
            // promised before.
            T::Currency::transfer_on_hold(
                &HoldReason::Escrow.into(),
                &agreement.payer,
                &agreement.worker,
                amount,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )?;
        }
        Ok(())
    }

    /// Gives `amount` of the escrow back to `payer`.
    pub(crate) fn release(payer: &T::AccountId, amount: Balance) -> DispatchResult {
        if amount > 0 {
            T::Currency::release(&HoldReason::Escrow.into(), payer, amount, Precision::Exact)?;
        }
        Ok(())
    }

    /// Removes every trace of an agreement.
    pub(crate) fn remove(id: AgreementId, agreement: &Agreement<T::AccountId>) {
        Self::unschedule(id, agreement.state.ends());
        Agreements::<T>::remove(id);
        ByAccount::<T>::remove(&agreement.payer, id);
        ByAccount::<T>::remove(&agreement.worker, id);
        PayerLoad::<T>::mutate_exists(&agreement.payer, |count| {
            *count = count.map(|count| count.saturating_sub(1)).filter(|count| *count > 0);
        });
        if agreement.state.is_open() {
            let risk = agreement.terms.risk().unwrap_or_default();
            WorkerLoads::<T>::mutate_exists(&agreement.worker, |slot| {
                *slot = slot.take().and_then(|mut load| {
                    load.open = load.open.saturating_sub(1);
                    load.at_risk = load.at_risk.saturating_sub(risk);
                    (load.open > 0).then_some(load)
                });
            });
        }
    }

    /// The name under which breaking this agreement is punished once.
    fn offence(id: AgreementId) -> Offence {
        Offence(sp_io::hashing::blake2_256(&signing_bytes("breach", &Self::genesis(), &id)))
    }
}

/// Price of `tokens`, never above the escrow.
fn value<AccountId>(agreement: &Agreement<AccountId>, tokens: u32) -> Balance {
    agreement.terms.price_of(tokens).unwrap_or(agreement.escrow).min(agreement.escrow)
}
