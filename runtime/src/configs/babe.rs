//! `pallet_babe`: who may author which slot, drawn by a verifiable random function.

use frame_support::traits::{ConstU32, ConstU64};
use sp_consensus_babe::{AllowedSlots, BabeEpochConfiguration};

use crate::{
    Historical, Offences, Runtime, Session,
    configs::{
        consensus_weights::ConsensusWeights,
        timing::{ReportLongevity, SessionSlots},
    },
    constants::{
        MAX_BACKERS_PER_VALIDATOR, MAX_VALIDATORS, MILLISECS_PER_BLOCK, PRIMARY_PROBABILITY,
    },
};

/// Secondary slots carry a VRF too, so that every block adds to the epoch's randomness.
pub const GENESIS_EPOCH: BabeEpochConfiguration = BabeEpochConfiguration {
    c: PRIMARY_PROBABILITY,
    allowed_slots: AllowedSlots::PrimaryAndSecondaryVRFSlots,
};

impl pallet_babe::Config for Runtime {
    type EpochDuration = SessionSlots;
    type ExpectedBlockTime = ConstU64<MILLISECS_PER_BLOCK>;
    type EpochChangeTrigger = pallet_babe::ExternalTrigger;
    type DisabledValidators = Session;
    type WeightInfo = ConsensusWeights;
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
    /// All that a slash can touch, not one page of rewards.
    type MaxNominators = ConstU32<MAX_BACKERS_PER_VALIDATOR>;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_babe::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}
