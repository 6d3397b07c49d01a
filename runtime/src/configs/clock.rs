//! `pallet_mica_clock`: the time that the market's windows are measured in.

use frame_support::traits::{ConstU32, Get};
use frame_system::RawOrigin;
use pallet_mica_clock::RecoverFinality;
use sp_runtime::DispatchResult;

use crate::{
    Babe, BlockNumber, Grandpa, Historical, Runtime, SafeMode, Seats, Session,
    configs::{origins::RootOrSafety, timing::StallBound},
    constants::MAX_VALIDATORS,
};

/// GRANDPA's own way to replace its voters by force.
pub struct ForcedChange;

impl RecoverFinality for ForcedChange {
    fn next_voters() -> (u32, u32) {
        let next = Session::queued_keys();
        let working = Seats::working();
        let counted = next.iter().filter(|(account, _)| working.contains(account)).count();
        (next.len() as u32, counted as u32)
    }

    fn recover(delay: BlockNumber, last_final: BlockNumber) -> DispatchResult {
        Grandpa::note_stalled(RawOrigin::Root.into(), delay, last_final)
    }
}

/// Windows stand while safe mode holds: most calls that they give time for are refused.
pub struct InSafeMode;

impl Get<bool> for InSafeMode {
    fn get() -> bool {
        SafeMode::is_entered()
    }
}

impl pallet_mica_clock::Config for Runtime {
    type Authors = Historical;
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
    type Halted = InSafeMode;
    type RecoverFinality = ForcedChange;
    type RecoverOrigin = RootOrSafety;
    type StallBound = StallBound;
    type MaxAuthors = ConstU32<MAX_VALIDATORS>;
    type WeightInfo = pallet_mica_clock::weights::SubstrateWeight<Runtime>;
}
