//! Reads that a payer, a worker or an auditor needs in one round trip.

use codec::Codec;
use mica_primitives::{BlockNumber, ChannelId, LaneId, ReceiptRoot};

sp_api::decl_runtime_apis! {
    /// Roots of receipts, read-only.
    pub trait ReceiptsApi<AccountId> where AccountId: Codec {
        /// The root that the last redeem on a lane fixed, while its audit window is open.
        fn root(channel: ChannelId, lane: LaneId) -> Option<ReceiptRoot<AccountId>>;

        /// Blocks that a root is kept after it was fixed.
        fn audit_window() -> BlockNumber;
    }
}
