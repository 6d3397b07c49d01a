//! `pallet_timestamp`: the block's time, set by its author as an inherent.

use frame_support::traits::ConstU64;

use crate::{Babe, Runtime, constants::SLOT_DURATION_MS};

impl pallet_timestamp::Config for Runtime {
    /// Milliseconds since the Unix epoch.
    type Moment = u64;
    type OnTimestampSet = Babe;
    type MinimumPeriod = ConstU64<{ SLOT_DURATION_MS / 2 }>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}
