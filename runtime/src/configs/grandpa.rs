//! `pallet_grandpa`: which validators finalize, with equal votes.

use frame_support::traits::ConstU32;

use crate::{
    Historical, Offences, Runtime, RuntimeEvent,
    configs::{
        consensus_weights::ConsensusWeights,
        timing::{BondingSessions, ReportLongevity},
    },
    constants::{MAX_BACKERS_PER_VALIDATOR, MAX_VALIDATORS},
};

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ConsensusWeights;
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
    type MaxNominators = ConstU32<MAX_BACKERS_PER_VALIDATOR>;
    type MaxSetIdSessionEntries = BondingSessions;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}
