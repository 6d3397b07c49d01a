//! Typed reads of agreements for workers and payers: one call each.

use alloc::vec::Vec;
use codec::Codec;
use mica_primitives::{Agreement, AgreementId, SlaParameters};

sp_api::decl_runtime_apis! {
    /// Reads of service-level agreements. On the wire: `SlaApi_<function>`.
    pub trait SlaApi<AccountId>
    where
        AccountId: Codec,
    {
        /// The agreement, if it is not over.
        fn agreement(id: AgreementId) -> Option<Agreement<AccountId>>;
        /// A page of the agreements of `account`, as payer or as worker: those after `from` in the
        /// order of storage keys, at most `limit` and 256.
        fn agreements_of(account: AccountId, from: Option<AgreementId>, limit: u32) -> Vec<(AgreementId, Agreement<AccountId>)>;
        /// The constants that a payer must know before it proposes, and a worker before it accepts.
        fn sla_parameters() -> SlaParameters;
    }
}
