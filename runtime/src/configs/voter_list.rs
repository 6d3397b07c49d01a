//! `pallet_bags_list`: voters half-sorted by stake, so that an election takes the largest first
//! without sorting all.

use frame_election_provider_support::{ScoreProvider, VoteWeight};
use frame_support::{parameter_types, traits::ConstU32};
use mica_primitives::UNIT;
use pallet_staking::{Nominators, Validators};

use crate::{AccountId, Runtime, RuntimeEvent, Staking};

/// Bags: each holds up to twice the stake of the one before.
const BAGS: usize = 24;

parameter_types! {
    pub const BagThresholds: &'static [VoteWeight] = &THRESHOLDS;
}

/// Upper ends of the bags: 1 MICA, 2 MICA, … 2^23 MICA; what is above falls into the last, open
/// bag.
///
/// A vote weighs one per base unit as long as the issuance fits 64 bits (18 million MICA) and
/// proportionally less beyond.
const THRESHOLDS: [VoteWeight; BAGS] = doubling_from(UNIT as VoteWeight);

const fn doubling_from(first: VoteWeight) -> [VoteWeight; BAGS] {
    let mut thresholds = [first; BAGS];
    let mut bag = 1;
    while bag < BAGS {
        thresholds[bag] = thresholds[bag - 1] * 2;
        bag += 1;
    }
    thresholds
}

/// The stake of who takes part in elections.
///
/// Staking itself answers for whoever has a bond. The list takes up everybody who has an answer
/// when it is asked to (`rebag`, by anybody) or goes on by itself where one has just left: it would
/// fill up with accounts that do not vote.
pub struct VotersOnly;

impl ScoreProvider<AccountId> for VotersOnly {
    type Score = VoteWeight;

    fn score(who: &AccountId) -> Option<VoteWeight> {
        let votes =
            Nominators::<Runtime>::contains_key(who) || Validators::<Runtime>::contains_key(who);
        votes.then(|| <Staking as ScoreProvider<AccountId>>::score(who)).flatten()
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_score_of(who: &AccountId, score: VoteWeight) {
        Validators::<Runtime>::insert(who, pallet_staking::ValidatorPrefs::default());
        <Staking as ScoreProvider<AccountId>>::set_score_of(who, score);
    }
}

impl pallet_bags_list::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_bags_list::weights::SubstrateWeight<Runtime>;
    type ScoreProvider = VotersOnly;
    type BagThresholds = BagThresholds;
    type MaxAutoRebagPerBlock = ConstU32<4>;
    type Score = VoteWeight;
}
