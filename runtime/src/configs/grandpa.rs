//! `pallet_grandpa`: which validators finalize, with equal votes.

use frame_support::traits::{ConstU32, ConstU64};

use crate::{
    Historical, Offences, Runtime, RuntimeEvent,
    configs::babe::ReportLongevity,
    constants::{BONDING_DURATION_ERAS, MAX_NOMINATORS_PER_PAGE, MAX_VALIDATORS, SESSIONS_PER_ERA},
};

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<MAX_VALIDATORS>;
    type MaxNominators = ConstU32<MAX_NOMINATORS_PER_PAGE>;
    /// Sets that a report may refer to: one per session while bonds are locked.
    type MaxSetIdSessionEntries =
        ConstU64<{ BONDING_DURATION_ERAS as u64 * SESSIONS_PER_ERA as u64 }>;
    type KeyOwnerProof = sp_session::MembershipProof;
    type EquivocationReportSystem =
        pallet_grandpa::EquivocationReportSystem<Self, Offences, Historical, ReportLongevity>;
}
