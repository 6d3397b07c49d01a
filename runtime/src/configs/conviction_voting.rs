//! `pallet_conviction_voting`: who votes with money that it locks for longer counts for more.

use frame_support::traits::{ConstU32, tokens::currency::ActiveIssuanceOf};

use crate::{
    AccountId, Balances, Referenda, Runtime, RuntimeEvent, System, configs::timing::VoteLock,
};

impl pallet_conviction_voting::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_conviction_voting::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type Polls = Referenda;
    type MaxTurnout = ActiveIssuanceOf<Balances, AccountId>;
    type MaxVotes = ConstU32<64>;
    type VoteLockingPeriod = VoteLock;
    type BlockNumberProvider = System;
    type VotingHooks = ();
}
