//! How the worker ends an agreement: by what the payer signed, or by saying that the payer kept it
//! from finishing.

use frame_support::{ensure, pallet_prelude::DispatchResult};
use mica_primitives::{AgreementId, AgreementState, Progress, Signature};

use crate::{Config, Error, Pallet};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_claim(
        worker: &T::AccountId,
        progress: &Progress,
        signature: &Signature,
    ) -> DispatchResult {
        let id = progress.agreement;
        let agreement = Self::bound(worker, id)?;
        Self::check_progress(&agreement, progress, signature)?;
        if agreement.terms.are_met_by(progress) {
            Self::end_paid(id, &agreement, progress)
        } else {
            Self::end_failed(id, &agreement, Some(progress))
        }
    }

    pub(crate) fn do_dispute(
        worker: &T::AccountId,
        id: AgreementId,
        progress: Option<(Progress, Signature)>,
    ) -> DispatchResult {
        let agreement = Self::bound(worker, id)?;
        // Before the request is on chain nothing is owed that the payer could keep from it.
        let is_active = matches!(agreement.state, AgreementState::Active { .. });
        ensure!(!is_active, Error::<T>::WrongState);
        if let Some((progress, signature)) = &progress {
            ensure!(progress.agreement == id, Error::<T>::BadProgress);
            Self::check_progress(&agreement, progress, signature)?;
        }
        Self::end_disputed(id, &agreement, progress.map(|(progress, _)| progress))
    }
}
