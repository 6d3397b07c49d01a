//! What clients read in one round trip; the runtime's API forwards to these.

use alloc::vec::Vec;
use frame_support::traits::Get;
use mica_primitives::{Agreement, AgreementId, SlaParameters};

use crate::{Agreements, ByAccount, Config, MAX_PAGE, Pallet};

impl<T: Config> Pallet<T> {
    /// The agreement, if it is not over.
    pub fn agreement(id: AgreementId) -> Option<Agreement<T::AccountId>> {
        Agreements::<T>::get(id)
    }

    /// A page of the agreements of `account`, as payer or as worker: those after `from` in the
    /// order of storage keys, at most `limit` and [`MAX_PAGE`].
    pub fn agreements_of(
        account: &T::AccountId,
        from: Option<AgreementId>,
        limit: u32,
    ) -> Vec<(AgreementId, Agreement<T::AccountId>)> {
        let ids = match from {
            Some(id) => ByAccount::<T>::iter_key_prefix_from(
                account,
                ByAccount::<T>::hashed_key_for(account, id),
            ),
            None => ByAccount::<T>::iter_key_prefix(account),
        };
        ids.take(limit.min(MAX_PAGE) as usize)
            .filter_map(|id| Some((id, Agreements::<T>::get(id)?)))
            .collect()
    }

    /// The constants that a payer must know before it proposes, and a worker before it accepts.
    pub fn sla_parameters() -> SlaParameters {
        SlaParameters {
            min_escrow: T::MinEscrow::get(),
            proposal_period: T::ProposalPeriod::get(),
            max_duration: T::MaxDuration::get(),
            answer_period: T::AnswerPeriod::get(),
            max_per_payer: T::MaxPerPayer::get(),
            max_per_worker: T::MaxPerWorker::get(),
        }
    }
}
