//! `pallet_skip_feeless_payment`: lets calls that a pallet declares feeless, such as a heartbeat
//! that is due, pass without a fee.

use crate::{Runtime, RuntimeEvent};

impl pallet_skip_feeless_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
}
