//! What a hub tells whoever runs it.

use mica_chain::AccountId;
use mica_primitives::{Balance, BlockNumber, ChannelId};
use mica_protocol::hub::RelayEnd;

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HubEvent<'a> {
    /// It listens: payers name one of these addresses with `--hub`.
    Listening {
        /// Multiaddresses that end with the hub's peer id.
        addresses: &'a [String],
        /// The hub's account.
        account: AccountId,
    },
    /// An extrinsic of its own is final.
    Sent(&'a Sent),
    /// A relay is over.
    Ended(&'a RelayEnd),
    /// How it stands, with each final block.
    Status(&'a HubStatus),
    /// Something that its operator should know.
    Warning(&'a str),
}

/// What an extrinsic of a hub did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Channels of its own that were opened.
    pub opened: usize,
    /// Channels of its own that were topped up.
    pub topped_up: usize,
    /// Channels to it that were closed.
    pub closed: usize,
    /// Base units that it was paid.
    pub redeemed: Balance,
    /// What it cost, base units.
    pub fee: Balance,
    /// The block.
    pub block: BlockNumber,
}

/// A channel of a hub's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidChannel {
    /// The channel.
    pub channel: ChannelId,
    /// Who is paid.
    pub payee: AccountId,
    /// Base units that were put in.
    pub deposit: Balance,
    /// Base units of it that nobody was promised.
    pub free: Balance,
}

/// How a hub stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubStatus {
    /// The last final block.
    pub block: BlockNumber,
    /// Relays that run.
    pub relays: usize,
    /// Channels to the hub on which it was promised something.
    pub incoming: usize,
    /// Base units that it could redeem now.
    pub redeemable: Balance,
    /// Lanes on which it could.
    pub redeems: usize,
    /// Base units that it has promised and nobody has claimed from the chain yet.
    pub owed_out: Balance,
    /// Lanes of its own that are not used again.
    pub lost_lanes: usize,
    /// Accounts that have kept ticks from it, and are promised nothing more.
    pub banned: usize,
    /// Its own channels.
    pub channels: Vec<PaidChannel>,
    /// Relays that have ended since it started.
    pub ended: u64,
    /// Those of them that ended without an exact sum.
    pub unsettled: u64,
    /// Base units that it was promised in them.
    pub earned: Balance,
    /// Base units of those that it promised on.
    pub passed_on: Balance,
    /// Base units that the chain has paid it since it started.
    pub redeemed: Balance,
    /// Base units of fees of its extrinsics since it started.
    pub chain_fees: Balance,
    /// Extrinsics that have failed since it started, and are tried again.
    pub failures: u64,
}
