//! `pallet_mica_registry`: who serves which layers of which model, and with what stake.

use frame_support::{
    parameter_types,
    traits::{ConstU32, ConstU128},
};
use sp_runtime::Perbill;

use crate::{
    Balances, Channels, Clock, Runtime, RuntimeHoldReason, Sla,
    configs::timing::{LongestClose, LongestDispute, WorkerUnbonding},
    constants::{
        HEARTBEAT_INTERVAL, JAIL_AFTER, MIN_STAKE_PER_LAYER, MODEL_DEPOSIT, OFFLINE_AFTER,
        PRICE_INTERVAL,
    },
};

parameter_types! {
    /// A reporter's part of a slash; the rest is burned.
    pub const SlashReward: Perbill = Perbill::from_percent(25);
}

impl pallet_mica_registry::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type BlockNumberProvider = Clock;
    type OpenAgreements = Sla;
    type OpenChannels = Channels;
    type ModelDeposit = ConstU128<MODEL_DEPOSIT>;
    type MinStakePerLayer = ConstU128<MIN_STAKE_PER_LAYER>;
    type HeartbeatInterval = ConstU32<HEARTBEAT_INTERVAL>;
    type OfflineAfter = ConstU32<OFFLINE_AFTER>;
    type JailAfter = ConstU32<JAIL_AFTER>;
    type Unbonding = WorkerUnbonding;
    type LongestDispute = LongestDispute;
    type LongestClose = LongestClose;
    type PriceInterval = ConstU32<PRICE_INTERVAL>;
    type SlashReward = SlashReward;
    type WeightInfo = pallet_mica_registry::weights::SubstrateWeight<Runtime>;
}
