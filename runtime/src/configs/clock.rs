//! `pallet_mica_clock`: the time that the market's windows are measured in.

use frame_support::traits::{ConstBool, ConstU32};
use frame_system::{EnsureRoot, RawOrigin};
use pallet_mica_clock::RecoverFinality;
use sp_runtime::DispatchResult;

use crate::{
    AccountId, Babe, BlockNumber, Grandpa, Historical, Runtime,
    constants::{MAX_VALIDATORS, STALL_BOUND},
};

/// GRANDPA's own way to replace its voters by force.
pub struct ForcedChange;

impl RecoverFinality for ForcedChange {
    fn recover(delay: BlockNumber, last_final: BlockNumber) -> DispatchResult {
        Grandpa::note_stalled(RawOrigin::Root.into(), delay, last_final)
    }
}

impl pallet_mica_clock::Config for Runtime {
    type Authors = Historical;
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
    type Halted = ConstBool<false>;
    type RecoverFinality = ForcedChange;
    type RecoverOrigin = EnsureRoot<AccountId>;
    type StallBound = ConstU32<STALL_BOUND>;
    type MaxAuthors = ConstU32<MAX_VALIDATORS>;
    type WeightInfo = pallet_mica_clock::weights::SubstrateWeight<Runtime>;
}
