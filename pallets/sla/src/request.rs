//! How the work begins on chain, where the two need the chain for it: the payer asks, the worker's
//! acknowledgement is shown.

use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};
use mica_primitives::{
    Acknowledgement, AgreementId, AgreementState, BlockNumber, Hash32, Signature,
};

use crate::{Agreements, Config, Error, Event, Pallet};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_request(
        payer: &T::AccountId,
        id: AgreementId,
        request_hash: Hash32,
    ) -> DispatchResult {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.payer == *payer, Error::<T>::NotPayer);
        Self::ensure_in_time(&agreement)?;
        let AgreementState::Active { since, .. } = agreement.state else {
            return Err(Error::<T>::WrongState.into());
        };
        let now = Self::now();
        let latest = since.saturating_add(agreement.terms.start_blocks);
        ensure!(now <= latest, Error::<T>::TooLate);
        let until = now.saturating_add(T::AnswerPeriod::get());
        Self::transition(id, agreement, AgreementState::Requested { since, request_hash, until });
        Self::deposit_event(Event::Requested { agreement: id, request_hash, until });
        Ok(())
    }

    pub(crate) fn do_acknowledge(
        who: &T::AccountId,
        acknowledgement: &Acknowledgement,
        signature: &Signature,
    ) -> DispatchResult {
        let Acknowledgement { agreement: id, request_hash, anchor } = *acknowledgement;
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.payer == *who || agreement.worker == *who, Error::<T>::NotParty);
        Self::ensure_in_time(&agreement)?;
        let (since, latest) = match agreement.state {
            AgreementState::Active { since, .. } => {
                (since, since.saturating_add(agreement.terms.start_blocks))
            }
            AgreementState::Requested { since, request_hash: asked, .. } => {
                ensure!(asked == request_hash, Error::<T>::BadAcknowledgement);
                (since, BlockNumber::MAX)
            }
            AgreementState::Proposed { .. } | AgreementState::Working { .. } => {
                return Err(Error::<T>::WrongState.into());
            }
        };
        let now = Self::now();
        ensure!((since..=now.min(latest)).contains(&anchor), Error::<T>::BadAcknowledgement);
        // An acknowledgement that was kept back until the time is over would leave the worker none
        // to answer in.
        let over = anchor.saturating_add(agreement.terms.blocks_for(agreement.terms.tokens));
        ensure!(now <= over, Error::<T>::TooLate);
        let bytes = acknowledgement.signing_bytes(&Self::genesis());
        Self::check_signature(signature, &bytes, &Self::peer_key(&agreement)?)?;
        let until = over.saturating_add(T::AnswerPeriod::get());
        Self::transition(id, agreement, AgreementState::Working { anchor, until });
        Self::deposit_event(Event::Acknowledged { agreement: id, request_hash, anchor, until });
        Ok(())
    }
}
