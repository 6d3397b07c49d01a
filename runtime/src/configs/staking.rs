//! `pallet_staking`: validators and nominators put money behind consensus, are elected each era,
//! paid for work and slashed for offences.
//!
//! The election runs on chain in one block, which its bounds keep small: see [`super::election`].
//! Where money is at stake slashes wait for some eras, in which root can cancel one that is wrong:
//! most of the authors together can make a validator look idle, by building on none of its blocks.

use frame_support::{
    parameter_types,
    traits::{ConstU32, Nothing},
};
use frame_system::EnsureRoot;
use pallet_staking::{FixedNominationsQuota, UseValidatorsMap};
use sp_runtime::curve::PiecewiseLinear;
use sp_staking::currency_to_vote::U128CurrencyToVote;

use crate::{
    AccountId, Balance, Balances, Runtime, RuntimeEvent, RuntimeHoldReason, Session, Timestamp,
    VoterList,
    configs::{
        election::{FirstElection, MAX_ELECTING_VOTERS, SeatedElection},
        timing::{BondingEras, SessionsPerEra, SlashDeferEras},
    },
    constants::{MAX_NOMINATORS_PER_PAGE, MAX_VALIDATORS},
};

/// Most validators that one nominator may name.
const MAX_NOMINATIONS: u32 = 16;

pallet_staking_reward_curve::build! {
    const REWARD_CURVE: PiecewiseLinear<'static> = curve!(
        min_inflation: 0_025_000,
        max_inflation: 0_100_000,
        // Half of all money at stake is the aim: enough to be safe, the rest free to pay for
        // inference.
        ideal_stake: 0_500_000,
        falloff: 0_050_000,
        max_piece_count: 40,
        test_precision: 0_005_000,
    );
}

parameter_types! {
    pub const RewardCurve: &'static PiecewiseLinear<'static> = &REWARD_CURVE;
}

impl pallet_staking::Config for Runtime {
    type OldCurrency = Balances;
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type CurrencyBalance = Balance;
    type UnixTime = Timestamp;
    type CurrencyToVote = U128CurrencyToVote;
    type ElectionProvider = SeatedElection;
    type GenesisElectionProvider = FirstElection;
    type NominationsQuota = FixedNominationsQuota<MAX_NOMINATIONS>;
    type HistoryDepth = ConstU32<84>;
    /// What the curve does not pay to validators is not minted.
    type RewardRemainder = ();
    type RuntimeEvent = RuntimeEvent;
    /// Slashed money is burned.
    type Slash = ();
    type Reward = ();
    type SessionsPerEra = SessionsPerEra;
    type BondingDuration = BondingEras;
    type SlashDeferDuration = SlashDeferEras;
    type AdminOrigin = EnsureRoot<AccountId>;
    type SessionInterface = Self;
    type EraPayout = pallet_staking::ConvertCurve<RewardCurve>;
    type NextNewSession = Session;
    type MaxExposurePageSize = ConstU32<MAX_NOMINATORS_PER_PAGE>;
    type MaxValidatorSet = ConstU32<MAX_VALIDATORS>;
    type VoterList = VoterList;
    type TargetList = UseValidatorsMap<Self>;
    type MaxUnlockingChunks = ConstU32<32>;
    type MaxControllersInDeprecationBatch = ConstU32<64>;
    type EventListeners = ();
    type Filter = Nothing;
    type BenchmarkingConfig = ElectionBenchmarks;
    type WeightInfo = pallet_staking::weights::SubstrateWeight<Runtime>;
}

/// Sizes that the staking benchmarks measure.
pub struct ElectionBenchmarks;

impl pallet_staking::BenchmarkingConfig for ElectionBenchmarks {
    type MaxValidators = ConstU32<{ MAX_VALIDATORS }>;
    type MaxNominators = ConstU32<{ MAX_ELECTING_VOTERS / 2 }>;
}
