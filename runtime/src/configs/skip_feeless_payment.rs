//! `pallet_skip_feeless_payment`: lets calls that a pallet declares feeless pass without a fee. No
//! call is one at present: a heartbeat carries no account's signature, so no fee is asked of it.

use crate::{Runtime, RuntimeEvent};

impl pallet_skip_feeless_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
}
