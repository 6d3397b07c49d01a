//! Reads that a payer, a worker or an auditor needs in one round trip.

use codec::Codec;
use mica_primitives::{BlockNumber, ChannelId, LaneId, ReceiptRoot};

sp_api::decl_runtime_apis! {
    /// Roots of receipts, read-only.
    pub trait ReceiptsApi<AccountId> where AccountId: Codec {
        /// The root that the payee's last redeem on a lane fixed, or else the one that somebody
        /// else's did, while its audit window is open.
        fn root(channel: ChannelId, lane: LaneId) -> Option<ReceiptRoot<AccountId>>;

        /// The root of the last voucher on a lane that somebody else redeemed than the payee, while
        /// its audit window is open.
        fn shown_root(channel: ChannelId, lane: LaneId) -> Option<ReceiptRoot<AccountId>>;

        /// Blocks that a root is kept after it was fixed.
        fn audit_window() -> BlockNumber;
    }
}
