//! `pallet_mica_sla`: agreements with escrow. The registry knows the workers and burns forfeits
//! from their stake.

use frame_support::{
    parameter_types,
    traits::{ConstU32, ConstU128},
};
use sp_runtime::Percent;

use crate::{
    Balances, Clock, Registry, Runtime, RuntimeHoldReason,
    configs::timing::{AnswerPeriod, ProposalPeriod},
    constants::{MAX_AGREEMENT_DURATION, MIN_ESCROW},
};

parameter_types! {
    /// The other half of a worker's stake stays free to answer for receipts.
    pub const MaxStakeAtRisk: Percent = Percent::from_percent(50);
}

impl pallet_mica_sla::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Clock = Clock;
    type Workers = Registry;
    type SlashWorker = Registry;
    type MinEscrow = ConstU128<MIN_ESCROW>;
    type ProposalPeriod = ProposalPeriod;
    type MaxDuration = ConstU32<MAX_AGREEMENT_DURATION>;
    type AnswerPeriod = AnswerPeriod;
    type MaxPerPayer = ConstU32<64>;
    type MaxPerWorker = ConstU32<32>;
    type MaxStakeAtRisk = MaxStakeAtRisk;
    type MaxSettlementsPerBlock = ConstU32<16>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkWorkers = Registry;
    type WeightInfo = pallet_mica_sla::weights::SubstrateWeight<Runtime>;
}
