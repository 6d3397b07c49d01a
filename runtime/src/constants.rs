//! Every number that users of the chain meet, in one place, with the relations between them checked
//! at compile time.
//!
//! All chains share these. What differs between a network for tests and one with money is how long
//! things take: [`durations`] has a table for each, and the genesis block of a chain chooses.
//!
//! The slot duration is part of the runtime's code; changing it on a running chain stops its block
//! production.

use mica_primitives::{Balance, BlockNumber, UNIT};

pub mod durations;

/// Milliseconds from one block to the next.
pub const MILLISECS_PER_BLOCK: u64 = 3_000;
/// BABE's slot, equal to the block time because secondary slots fill every slot that no validator
/// won.
pub const SLOT_DURATION_MS: u64 = MILLISECS_PER_BLOCK;
/// Blocks per minute.
pub const MINUTES: BlockNumber = 60_000 / MILLISECS_PER_BLOCK as BlockNumber;
/// Blocks per hour.
pub const HOURS: BlockNumber = 60 * MINUTES;
/// Blocks per day.
pub const DAYS: BlockNumber = 24 * HOURS;

/// Most validators at one time.
pub const MAX_VALIDATORS: u32 = 100;
/// Most nominators that stand behind one validator in an era, those with the most stake; a slash
/// touches them all.
pub const MAX_BACKERS_PER_VALIDATOR: u32 = 512;
/// Most accounts that may offer to validate at one time. An election looks at few of them, by
/// stake; this only bounds the list.
pub const MAX_VALIDATOR_CANDIDATES: u32 = 10_000;
/// Slots of its own that a validator may miss in a row before it is reported and chilled. Not
/// on a chain for drills: [`durations::DRILL`].
pub const IDLE_AFTER_MISSED_SLOTS: u32 = 8;
/// Windows of votes in a row, each a session or longer, in which a validator may author and not
/// vote before it is reported and chilled.
pub const IDLE_AFTER_SILENT_WINDOWS: u32 = 2;
/// Slots in a row without a block beyond which nobody is blamed for them.
pub const MAX_BLAMED_GAP_SLOTS: u32 = 8;
/// Most idle validators that one session's end slashes.
pub const MAX_IDLE_REPORTS: u32 = 4;
/// Blocks that the best block may be ahead of finality, beside one per validator, before the
/// market's clock stands still. Not on a chain for drills.
pub const STALL_BOUND: BlockNumber = 40;
/// Most nominators of one validator that share its rewards in one page.
pub const MAX_NOMINATORS_PER_PAGE: u32 = 64;

/// Probability that a slot has a validator chosen by lot, `(numerator, denominator)`; the others go
/// to the secondary validator.
pub const PRIMARY_PROBABILITY: (u64, u64) = (1, 4);

/// A thousandth of one MICA.
pub const MILLI: Balance = UNIT / 1_000;
/// A millionth of one MICA.
pub const MICRO: Balance = UNIT / 1_000_000;
/// An account with less than this is removed.
pub const EXISTENTIAL_DEPOSIT: Balance = MILLI;
/// Fee per byte of a transaction.
pub const FEE_PER_BYTE: Balance = MICRO;

/// Deposit for storage that `items` entries with `bytes` bytes together occupy.
pub const fn storage_deposit(items: u32, bytes: u32) -> Balance {
    items as Balance * 100 * MILLI + bytes as Balance * MILLI
}

/// Held from the owner of a model.
pub const MODEL_DEPOSIT: Balance = 10 * UNIT;
/// Least stake of a worker per layer that it serves.
pub const MIN_STAKE_PER_LAYER: Balance = 10 * UNIT;
/// Blocks from one heartbeat of a worker until the next is due, and free.
pub const HEARTBEAT_INTERVAL: BlockNumber = MINUTES;
/// Blocks of silence after which a worker counts as offline: two heartbeats and a half.
pub const OFFLINE_AFTER: BlockNumber = 5 * HEARTBEAT_INTERVAL / 2;
/// Blocks of silence after which a worker is jailed.
pub const JAIL_AFTER: BlockNumber = 10 * HEARTBEAT_INTERVAL;
/// Least blocks between two changes of a worker's list price.
pub const PRICE_INTERVAL: BlockNumber = MINUTES / 4;

/// Least deposit of a channel.
pub const MIN_CHANNEL_DEPOSIT: Balance = 10 * MILLI;
/// Held from a payer beside the deposit while its channel exists, for the channel and its two index
/// entries: at most 1.8 KB.
pub const CHANNEL_STORAGE_DEPOSIT: Balance = storage_deposit(1, 0);
/// Most channels that one account pays from.
pub const MAX_CHANNELS_PER_PAYER: u32 = 256;

/// Least escrow of an agreement.
pub const MIN_ESCROW: Balance = 10 * MILLI;
/// Most blocks that an agreement may give for its request and its work together.
pub const MAX_AGREEMENT_DURATION: BlockNumber = 24 * HOURS;

// A worker beats, is missed, is jailed: in this order.
const _: () = {
    assert!(HEARTBEAT_INTERVAL < OFFLINE_AFTER);
    assert!(OFFLINE_AFTER < JAIL_AFTER);
};

// What creates an account must be enough to keep it.
const _: () = {
    assert!(MIN_CHANNEL_DEPOSIT >= EXISTENTIAL_DEPOSIT);
    assert!(MIN_ESCROW >= EXISTENTIAL_DEPOSIT);
};

// Consensus.
const _: () = {
    assert!(MILLISECS_PER_BLOCK.is_multiple_of(2), "the timestamp's least step is half a slot");
    assert!(MINUTES > 0);
    assert!(PRIMARY_PROBABILITY.0 < PRIMARY_PROBABILITY.1);
};
