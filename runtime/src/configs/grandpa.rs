//! `pallet_grandpa`: which validators finalize, with equal votes.

use frame_support::traits::ConstU32;

use crate::{
    Historical, Offences, Runtime, RuntimeEvent,
    configs::timing::{BondingSessions, ReportLongevity},
    constants::{MAX_NOMINATORS_PER_PAGE, MAX_VALIDATORS},
};

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
    type MaxNominators = ConstU32<MAX_NOMINATORS_PER_PAGE>;
    type MaxSetIdSessionEntries = BondingSessions;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}
