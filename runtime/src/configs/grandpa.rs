//! `pallet_grandpa`: which validators finalize, with equal votes.

use frame_support::traits::{ConstU32, ConstU64};

use crate::{
    Historical, Offences, Runtime, RuntimeEvent,
    configs::{babe::ReportLongevity, consensus_weights::ConsensusWeights},
    constants::{
        BONDING_DURATION_ERAS, MAX_BACKERS_PER_VALIDATOR, MAX_VALIDATORS, SESSIONS_PER_ERA,
    },
};

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ConsensusWeights;
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
    type MaxNominators = ConstU32<MAX_BACKERS_PER_VALIDATOR>;
    /// Sets that a report may refer to: one per session while bonds are locked.
    type MaxSetIdSessionEntries =
        ConstU64<{ BONDING_DURATION_ERAS as u64 * SESSIONS_PER_ERA as u64 }>;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}
