//! How the work begins: the worker acknowledges the request on chain; if it does not, the payer
//! asks it to.

use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get};
use mica_primitives::{AgreementId, AgreementState, Hash32};

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
        let is_active = matches!(agreement.state, AgreementState::Active { .. });
        ensure!(is_active, Error::<T>::WrongState);
        let until = Self::now().saturating_add(T::AnswerPeriod::get());
        Self::transition(id, agreement, AgreementState::Requested { request_hash, until });
        Self::deposit_event(Event::Requested { agreement: id, request_hash, until });
        Ok(())
    }

    pub(crate) fn do_acknowledge(
        worker: &T::AccountId,
        id: AgreementId,
        request_hash: Hash32,
    ) -> DispatchResult {
        let agreement = Self::bound(worker, id)?;
        match agreement.state {
            AgreementState::Active { .. } => (),
            AgreementState::Requested { request_hash: asked, .. } => {
                ensure!(asked == request_hash, Error::<T>::WrongRequest);
            }
            AgreementState::Proposed { .. } | AgreementState::Working { .. } => {
                return Err(Error::<T>::WrongState.into());
            }
        }
        let anchor = Self::now();
        let until = anchor
            .saturating_add(agreement.terms.blocks_for(agreement.terms.tokens))
            .saturating_add(T::AnswerPeriod::get());
        let state = AgreementState::Working { request_hash, anchor, until };
        Self::transition(id, agreement, state);
        Self::deposit_event(Event::Acknowledged { agreement: id, request_hash, anchor, until });
        Ok(())
    }
}
