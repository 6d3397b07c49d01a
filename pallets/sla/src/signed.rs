//! Who says what: the worker's account, the payer's key, and the time in which their words count.

use frame_support::{ensure, pallet_prelude::DispatchResult};
use mica_primitives::{Agreement, AgreementId, Hash32, Progress, Signature};
use sp_core::ed25519;
use sp_runtime::traits::Zero;

use crate::{Agreements, Config, Error, Pallet};

impl<T: Config> Pallet<T> {
    /// The genesis hash: binds signatures to this chain. The system never prunes it.
    pub(crate) fn genesis() -> Hash32 {
        frame_system::Pallet::<T>::block_hash(
            frame_system::pallet_prelude::BlockNumberFor::<T>::zero(),
        )
        .0
    }

    /// The agreement, if its worker is `who`, is bound, and the time is not over.
    pub(crate) fn bound(
        who: &T::AccountId,
        id: AgreementId,
    ) -> Result<Agreement<T::AccountId>, Error<T>> {
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.worker == *who, Error::<T>::NotWorker);
        Self::ensure_in_time(&agreement)?;
        Ok(agreement)
    }

    /// Whether the agreement is open and its time is not over.
    pub(crate) fn ensure_in_time(agreement: &Agreement<T::AccountId>) -> Result<(), Error<T>> {
        ensure!(agreement.state.is_open(), Error::<T>::WrongState);
        ensure!(Self::now() < agreement.state.until(), Error::<T>::TooLate);
        Ok(())
    }

    /// That the payer's key signed `progress`, and for no more tokens than were agreed on.
    pub(crate) fn check_progress(
        agreement: &Agreement<T::AccountId>,
        progress: &Progress,
        signature: &Signature,
    ) -> DispatchResult {
        ensure!(progress.tokens <= agreement.terms.tokens, Error::<T>::TooManyTokens);
        let bytes = progress.signing_bytes(&Self::genesis());
        let signature = ed25519::Signature::from_raw(*signature);
        let key = ed25519::Public::from_raw(agreement.terms.signer);
        ensure!(sp_io::crypto::ed25519_verify(&signature, &bytes, &key), Error::<T>::BadSignature);
        Ok(())
    }
}
