//! Reads that a payer, a worker or an auditor needs in one round trip.

use alloc::vec::Vec;
use codec::Codec;
use mica_primitives::{BlockNumber, ChannelId, LaneId, ReceiptRoot};

sp_api::decl_runtime_apis! {
    /// Roots of receipts, read-only.
    pub trait ReceiptsApi<AccountId> where AccountId: Codec {
        /// The roots of a lane whose audit windows are open, at most two: the one that the payee's
        /// redeems have fixed, then the one that somebody else's have. Either may cover the newer
        /// receipts.
        fn roots(channel: ChannelId, lane: LaneId) -> Vec<ReceiptRoot<AccountId>>;

        /// Blocks that a root is kept after it was fixed.
        fn audit_window() -> BlockNumber;
    }
}
