//! The election of validators: which candidates it looks at, who wins, and who of them gets a seat.
//!
//! Sequential Phragmén, on chain, in the last session of an era. Two things are added to the SDK's:
//!
//! * **Candidates are chosen by stake.** Staking answers with an error when there are more
//!   candidates than an election may look at, and the old set then stays for ever, so whoever can
//!   pay the least bond often enough could freeze elections. Here the proven validators stand
//!   always, and beside them as many others as may get seats, those with the most stake behind
//!   them; how many offer to validate does not matter.
//! * **Winners need a seat.** The rules of `pallet_mica_seats` drop those with little backing and
//!   newcomers beyond a third.

use alloc::{collections::BTreeSet, vec::Vec};

use frame_election_provider_support::{
    BoundedSupportsOf, ElectionDataProvider, ElectionProvider, InstantElectionProvider, PageIndex,
    SequentialPhragmen, Weight,
    bounds::{ElectionBounds, ElectionBoundsBuilder},
    onchain::{self, Error, OnChainExecution},
};
use frame_support::{
    dispatch::DispatchClass,
    parameter_types,
    traits::{ConstBool, ConstU32},
};
use pallet_mica_seats::{WeightInfo as _, rules};
use pallet_session::NextKeys;
use pallet_staking::Validators;
use sp_runtime::Perbill;

use crate::{
    AccountId, BlockNumber, Runtime, Seats, Staking, System,
    constants::{MAX_BACKERS_PER_VALIDATOR, MAX_VALIDATORS},
};

/// Most voters that an election looks at, those with the most stake.
pub const MAX_ELECTING_VOTERS: u32 = 2_000;
/// Most candidates that an election looks at.
pub const MAX_CANDIDATES: u32 = 500;

type SeatWeights = pallet_mica_seats::weights::SubstrateWeight<Runtime>;

parameter_types! {
    pub ElectionLimits: ElectionBounds = ElectionBoundsBuilder::default()
        .voters_count(MAX_ELECTING_VOTERS.into())
        .targets_count(MAX_CANDIDATES.into())
        .build();
}

/// Sequential Phragmén, on chain.
pub struct Phragmen;

impl onchain::Config for Phragmen {
    type Sort = ConstBool<true>;
    type System = Runtime;
    type Solver = SequentialPhragmen<AccountId, Perbill>;
    type MaxBackersPerWinner = ConstU32<MAX_BACKERS_PER_VALIDATOR>;
    type MaxWinnersPerPage = ConstU32<MAX_VALIDATORS>;
    type DataProvider = Staking;
    type WeightInfo = frame_election_provider_support::weights::SubstrateWeight<Runtime>;
    type Bounds = ElectionLimits;
}

/// The election of the genesis, where nobody can have proven anything.
pub type FirstElection = OnChainExecution<Phragmen>;

/// The election of every later era.
pub struct SeatedElection;

impl ElectionProvider for SeatedElection {
    type AccountId = AccountId;
    type BlockNumber = BlockNumber;
    type Error = Error;
    type MaxWinnersPerPage = ConstU32<MAX_VALIDATORS>;
    type MaxBackersPerWinner = ConstU32<MAX_BACKERS_PER_VALIDATOR>;
    type MaxBackersPerWinnerFinal = ConstU32<MAX_BACKERS_PER_VALIDATOR>;
    type Pages = ConstU32<1>;
    type DataProvider = Staking;

    fn elect(page: PageIndex) -> Result<BoundedSupportsOf<Self>, Error> {
        let voters = Staking::electing_voters(ElectionLimits::get().voters, page)
            .map_err(Error::DataProvider)?;
        let seats = Staking::desired_targets().map_err(Error::DataProvider)?.min(MAX_VALIDATORS);
        let proven = Seats::proven();
        let targets = rules::candidates(
            &voters,
            seats,
            MAX_CANDIDATES,
            |name| proven.contains(name),
            is_electable,
        );
        register(SeatWeights::candidates(voters.len() as u32));
        let mut elected = FirstElection::instant_elect(voters, targets, seats)?;
        seat(&mut elected, &proven);
        Ok(elected)
    }

    fn start() -> Result<(), Error> {
        Ok(())
    }

    fn duration() -> BlockNumber {
        0
    }

    fn status() -> Result<Option<Weight>, ()> {
        Ok(Some(Weight::zero()))
    }
}

/// Whether `account` stands for election, with the keys that a seat needs.
fn is_electable(account: &AccountId) -> bool {
    Validators::<Runtime>::contains_key(account) && NextKeys::<Runtime>::contains_key(account)
}

/// Drops the winners that get no seat.
fn seat(elected: &mut BoundedSupportsOf<SeatedElection>, proven: &BTreeSet<AccountId>) {
    let winners: Vec<rules::Winner<AccountId>> = elected
        .0
        .iter()
        .map(|(account, support)| rules::Winner {
            account: account.clone(),
            backing: support.total,
            proven: proven.contains(account),
        })
        .collect();
    let count = winners.len();
    let seated = rules::seated(winners);
    elected.0.retain(|(account, _)| seated.contains(account));
    Seats::elected(count, &seated);
    register(SeatWeights::seated(count as u32));
}

/// Counts `weight` against the block, whatever else is in it.
fn register(weight: Weight) {
    System::register_extra_weight_unchecked(weight, DispatchClass::Mandatory);
}
