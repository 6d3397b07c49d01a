//! The ends of an agreement: where the escrow goes, what the stake loses, and that nothing is left
//! behind.

use frame_support::{
    ensure,
    pallet_prelude::{DispatchError, DispatchResult},
    traits::{
        fungible::hold::Mutate,
        tokens::{Fortitude, Precision, Restriction},
    },
};
use mica_primitives::{
    Agreement, AgreementId, AgreementState, Balance, Progress,
    domain::signing_bytes,
    hooks::{Offence, SlashWorker},
};

use crate::{
    Agreements, ByAccount, Config, Error, Event, HoldReason, Pallet, PayerLoad, WorkerLoads,
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_settle(id: AgreementId) -> DispatchResult {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(Self::now() >= agreement.state.until(), Error::<T>::NotDue);
        Self::end_due(id, &agreement)
    }

    /// Ends an agreement whose time is over.
    pub(crate) fn end_due(id: AgreementId, agreement: &Agreement<T::AccountId>) -> DispatchResult {
        match agreement.state {
            AgreementState::Proposed { .. } | AgreementState::Active { .. } => {
                let refunded = Self::end(id, agreement, 0, 0)?;
                Self::deposit_event(Event::Expired { agreement: id, refunded });
                Ok(())
            }
            AgreementState::Requested { .. } | AgreementState::Working { .. } => {
                Self::end_failed(id, agreement, None)
            }
        }
    }

    /// A proposal that is taken back or declined.
    pub(crate) fn end_cancelled(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
    ) -> DispatchResult {
        let refunded = Self::end(id, agreement, 0, 0)?;
        Self::deposit_event(Event::Cancelled { agreement: id, refunded });
        Ok(())
    }

    pub(crate) fn end_paid(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
        progress: &Progress,
    ) -> DispatchResult {
        let paid = price_of(agreement, progress.tokens);
        let refunded = Self::end(id, agreement, paid, 0)?;
        Self::deposit_event(Event::Paid { agreement: id, progress: *progress, paid, refunded });
        Ok(())
    }

    pub(crate) fn end_failed(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
        progress: Option<&Progress>,
    ) -> DispatchResult {
        let paid = progress.map_or(0, |progress| price_of(agreement, progress.tokens));
        let refunded = Self::end(id, agreement, paid, 0)?;
        let forfeited = Self::forfeit(id, agreement);
        Self::deposit_event(Event::Failed {
            agreement: id,
            progress: progress.copied(),
            paid,
            refunded,
            forfeited,
        });
        Ok(())
    }

    pub(crate) fn end_disputed(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
        progress: Option<Progress>,
    ) -> DispatchResult {
        let paid = progress.map_or(0, |progress| price_of(agreement, progress.tokens));
        let forfeited = Self::forfeit(id, agreement);
        // Twice what the worker lost, or a worker without stake could burn deposits for nothing.
        let deposit = agreement.terms.deposit().unwrap_or_default();
        let burned = deposit.min(forfeited.saturating_mul(2));
        let refunded = Self::end(id, agreement, paid, burned)?;
        Self::deposit_event(Event::Disputed {
            agreement: id,
            progress,
            paid,
            refunded,
            burned,
            forfeited,
        });
        Ok(())
    }

    /// Divides the escrow: `paid` to the worker, `burned` to nobody, the rest, which is returned,
    /// to the payer. Removes the agreement.
    fn end(
        id: AgreementId,
        agreement: &Agreement<T::AccountId>,
        paid: Balance,
        burned: Balance,
    ) -> Result<Balance, DispatchError> {
        let reason = HoldReason::Escrow.into();
        let payer = &agreement.payer;
        let refunded = agreement.escrow.saturating_sub(paid).saturating_sub(burned);
        // Force: a freeze that the payer put on its account later must not stop what it promised
        // before.
        if paid > 0 {
            T::Currency::transfer_on_hold(
                &reason,
                payer,
                &agreement.worker,
                paid,
                Precision::Exact,
                Restriction::Free,
                Fortitude::Force,
            )?;
        }
        if burned > 0 {
            T::Currency::burn_held(&reason, payer, burned, Precision::Exact, Fortitude::Force)?;
        }
        if refunded > 0 {
            T::Currency::release(&reason, payer, refunded, Precision::Exact)?;
        }
        Self::book_end(paid, refunded, burned);
        Self::remove(id, agreement);
        Ok(refunded)
    }

    /// Burns the worker's forfeit; returns what its stake really lost.
    fn forfeit(id: AgreementId, agreement: &Agreement<T::AccountId>) -> Balance {
        let forfeit = agreement.terms.forfeit().unwrap_or_default();
        T::SlashWorker::slash(&agreement.worker, forfeit, Self::offence(id), None).total()
    }

    /// Removes every trace of an agreement.
    fn remove(id: AgreementId, agreement: &Agreement<T::AccountId>) {
        Self::unschedule(id, agreement.state.until());
        Agreements::<T>::remove(id);
        ByAccount::<T>::remove(&agreement.payer, id);
        ByAccount::<T>::remove(&agreement.worker, id);
        PayerLoad::<T>::mutate_exists(&agreement.payer, |count| {
            *count = count.map(|count| count.saturating_sub(1)).filter(|count| *count > 0);
        });
        if agreement.state.is_open() {
            let forfeit = agreement.terms.forfeit().unwrap_or_default();
            WorkerLoads::<T>::mutate_exists(&agreement.worker, |slot| {
                *slot = slot.take().and_then(|mut load| {
                    load.open = load.open.saturating_sub(1);
                    load.at_risk = load.at_risk.saturating_sub(forfeit);
                    (load.open > 0).then_some(load)
                });
            });
        }
    }

    /// The name under which failing this agreement is punished once.
    fn offence(id: AgreementId) -> Offence {
        Offence(sp_io::hashing::blake2_256(&signing_bytes("breach", &Self::genesis(), &id)))
    }
}

/// Price of `tokens`, never above the escrow.
fn price_of<AccountId>(agreement: &Agreement<AccountId>, tokens: u32) -> Balance {
    agreement.terms.price_of(tokens).unwrap_or(agreement.escrow).min(agreement.escrow)
}
