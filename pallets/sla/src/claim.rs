//! What one side says alone: the worker claims, the payer objects or shows what the worker
//! admitted.

use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};
use mica_primitives::{Acknowledgement, AgreementId, AgreementState, Claim, Progress, Signature};

use crate::{Agreements, Config, Error, Event, Pallet};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_claim(
        worker: &T::AccountId,
        id: AgreementId,
        claim: Claim,
        progress: Option<Signature>,
    ) -> DispatchResult {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.worker == *worker, Error::<T>::NotWorker);
        let AgreementState::Active { acknowledged, .. } = agreement.state else {
            return Err(Error::<T>::WrongState.into());
        };
        Self::ensure_in_time(&agreement)?;
        let terms = &agreement.terms;
        ensure!(
            claim.signed <= claim.tokens && claim.tokens <= terms.tokens,
            Error::<T>::TooManyTokens
        );
        if let Some(signature) = progress {
            let progress = Progress { agreement: id, tokens: claim.signed };
            Self::check_signature(
                &signature,
                &progress.signing_bytes(&Self::genesis()),
                &terms.signer,
            )?;
        }
        ensure!(
            claim.tokens <= Claim::reach(terms.tokens, claim.signed),
            Error::<T>::TooManyUnsigned
        );
        ensure!(acknowledged.is_none() || !claim.is_short_of(terms), Error::<T>::ShortClaim);
        let until = Self::now().saturating_add(T::ChallengePeriod::get());
        Self::transition(id, agreement, AgreementState::Claimed { until, claim });
        Self::deposit_event(Event::Claimed { agreement: id, claim, until });
        Ok(())
    }

    pub(crate) fn do_object(payer: &T::AccountId, id: AgreementId) -> DispatchResult {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.payer == *payer, Error::<T>::NotPayer);
        let AgreementState::Claimed { claim, .. } = agreement.state else {
            return Err(Error::<T>::WrongState.into());
        };
        Self::ensure_in_time(&agreement)?;
        // Without something at stake for the payer an objection would cost only the worker.
        ensure!(claim.tokens > claim.signed, Error::<T>::NothingToObject);
        let until = Self::now().saturating_add(T::DisputePeriod::get());
        Self::transition(id, agreement, AgreementState::Disputed { until, claim });
        Self::deposit_event(Event::Objected { agreement: id, until });
        Ok(())
    }

    pub(crate) fn do_acknowledge(
        payer: &T::AccountId,
        acknowledgement: &Acknowledgement,
        signature: &Signature,
    ) -> DispatchResult {
        let id = acknowledgement.agreement;
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.payer == *payer, Error::<T>::NotPayer);
        Self::ensure_in_time(&agreement)?;
        ensure!(acknowledgement.anchor <= Self::now(), Error::<T>::BadAcknowledgement);
        let bytes = acknowledgement.signing_bytes(&Self::genesis());
        Self::check_signature(signature, &bytes, &Self::peer_key(&agreement)?)?;
        match agreement.state {
            AgreementState::Active { deadline, acknowledged: None } => {
                let request_hash = acknowledgement.request_hash;
                Self::transition(
                    id,
                    agreement,
                    AgreementState::Active { deadline, acknowledged: Some(request_hash) },
                );
                Self::deposit_event(Event::Acknowledged { agreement: id, request_hash });
                Ok(())
            }
            AgreementState::Claimed { claim, .. } | AgreementState::Disputed { claim, .. }
                if claim.is_short_of(&agreement.terms) =>
            {
                Self::end_in_breach(id, &agreement)
            }
            _ => Err(Error::<T>::WrongState.into()),
        }
    }
}
