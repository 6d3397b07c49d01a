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

/// The stake of who votes, as a nominator or for itself; nothing for anybody else.
///
/// Staking alone would answer for everybody who has bonded. The list, which goes round its members
/// a few a block, then takes one up again that was chilled between two blocks, and anybody could
/// have a bond that votes for nobody put on it.
pub struct Voters;

impl ScoreProvider<AccountId> for Voters {
    type Score = VoteWeight;

    fn score(who: &AccountId) -> Option<VoteWeight> {
        // The benchmarks rank accounts that do not vote.
        let votes = cfg!(feature = "runtime-benchmarks")
            || Validators::<Runtime>::contains_key(who)
            || Nominators::<Runtime>::contains_key(who);
        votes.then(|| <Staking as ScoreProvider<AccountId>>::score(who)).flatten()
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn set_score_of(who: &AccountId, score: VoteWeight) {
        <Staking as ScoreProvider<AccountId>>::set_score_of(who, score);
    }
}

impl pallet_bags_list::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_bags_list::weights::SubstrateWeight<Runtime>;
    type ScoreProvider = Voters;
    type BagThresholds = BagThresholds;
    type MaxAutoRebagPerBlock = ConstU32<4>;
    type Score = VoteWeight;
}
