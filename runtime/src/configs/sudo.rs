//! `pallet_sudo`: one account that may do everything, for chains on which people try things out.
//!
//! Only the presets `dev` and `local` name a key. On any other chain there is none, so no call of
//! this pallet succeeds, and only root could set one.

use crate::{Runtime, RuntimeCall, RuntimeEvent};

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}
