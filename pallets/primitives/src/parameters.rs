//! Constants of the chain that a worker or a payer must know before it acts, read with one runtime
//! call each.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

use crate::{Balance, BlockNumber, Hash32, settlement::Submitter};

/// Constants of the registry.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct RegistryParameters {
    /// Least stake per layer served, base units.
    pub min_stake_per_layer: Balance,
    /// Blocks after which a heartbeat is due; an earlier one is refused.
    pub heartbeat_interval: BlockNumber,
    /// Blocks without a heartbeat after which a worker counts as offline.
    pub offline_after: BlockNumber,
    /// Blocks without a heartbeat after which a worker is jailed.
    pub jail_after: BlockNumber,
    /// Blocks from `unregister` to `withdraw`.
    pub unbonding: BlockNumber,
    /// Least blocks between two changes of the list price.
    pub price_interval: BlockNumber,
    /// Held from the owner of a model, base units.
    pub model_deposit: Balance,
}

/// Constants of payment channels.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ChannelParameters {
    /// Least deposit of a channel, base units.
    pub min_deposit: Balance,
    /// Least close window, blocks.
    pub min_window: BlockNumber,
    /// Most close window, blocks.
    pub max_window: BlockNumber,
    /// Most channels that an account may pay from at one time. How many it may be paid from has no
    /// limit.
    pub max_channels_per_account: u32,
    /// Held from the payer beside the deposit for as long as a channel exists, base units.
    pub storage_deposit: Balance,
}

/// Constants of agreements.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct SlaParameters {
    /// Least escrow of an agreement, base units.
    pub min_escrow: Balance,
    /// Blocks in which a worker may accept a proposal, and most blocks that terms may give for the
    /// request.
    pub proposal_period: BlockNumber,
    /// Most blocks that terms may give for the request and the work together.
    pub max_duration: BlockNumber,
    /// Blocks that a worker has to answer a request, and to claim or dispute after its time.
    pub answer_period: BlockNumber,
    /// Most agreements that a payer may have at one time, proposals included.
    pub max_per_payer: u32,
    /// Most agreements that a worker may be bound by at one time.
    pub max_per_worker: u32,
}

/// A root of receipts that a redeemed voucher fixed.
#[derive(
    Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ReceiptRoot<AccountId> {
    /// Number of the voucher on its lane.
    pub seq: u64,
    /// Root of the lane's receipts.
    pub root: Hash32,
    /// Number of receipts under the root.
    pub count: u64,
    /// Who paid.
    pub payer: AccountId,
    /// Who computed and signed the receipts.
    pub worker: AccountId,
    /// Who submitted the voucher. A root that the worker did not submit may be made up by the
    /// payer, so it counts only for receipts that the worker signed.
    pub by: Submitter,
    /// Block in which the voucher was redeemed.
    pub block: BlockNumber,
}
