//! The end that both signed: measured tokens and time decide between paid and breach.

use frame_support::{ensure, pallet_prelude::DispatchResult};
use mica_primitives::{Agreement, Completion, PublicKey, Signature, hooks::Workers};
use sp_core::ed25519;

use crate::{Agreements, Config, Error, Pallet};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_complete(
        who: &T::AccountId,
        completion: &Completion,
        signature: &Signature,
    ) -> DispatchResult {
        let id = completion.agreement;
        let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NoAgreement)?;
        ensure!(agreement.payer == *who || agreement.worker == *who, Error::<T>::NotParty);
        Self::ensure_in_time(&agreement)?;
        ensure!(completion.tokens <= agreement.terms.tokens, Error::<T>::TooManyTokens);
        // The submitter consents by submitting, so the other side's signature is the one that is
        // missing.
        let key = if agreement.worker == *who {
            agreement.terms.signer
        } else {
            Self::peer_key(&agreement)?
        };
        Self::check_signature(signature, &completion.signing_bytes(&Self::genesis()), &key)?;
        if completion.breaches(&agreement.terms) {
            Self::end_in_breach(id, &agreement)
        } else {
            Self::end_paid(id, &agreement, completion.tokens)
        }
    }

    /// Whether the agreement is open and its time is not over.
    pub(crate) fn ensure_in_time(agreement: &Agreement<T::AccountId>) -> Result<(), Error<T>> {
        ensure!(agreement.state.is_open(), Error::<T>::WrongState);
        ensure!(Self::now() < agreement.state.ends(), Error::<T>::TooLate);
        Ok(())
    }

    /// The key with which the worker signs. A worker cannot leave while it is bound, so it has one.
    pub(crate) fn peer_key(agreement: &Agreement<T::AccountId>) -> Result<PublicKey, Error<T>> {
        T::Workers::worker(&agreement.worker).map(|record| record.peer).ok_or(Error::<T>::NotServed)
    }

    pub(crate) fn check_signature(
        signature: &Signature,
        bytes: &[u8],
        key: &PublicKey,
    ) -> DispatchResult {
        let (signature, key) =
            (ed25519::Signature::from_raw(*signature), ed25519::Public::from_raw(*key));
        ensure!(sp_io::crypto::ed25519_verify(&signature, bytes, &key), Error::<T>::BadSignature);
        Ok(())
    }
}
