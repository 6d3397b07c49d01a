//! The genesis block decides, and its silence means the careful table.

use frame_support::{derive_impl, traits::BuildGenesisConfig};
use sp_io::TestExternalities;

use crate::{self as pallet_mica_timing, Timing};

type Block = frame_system::mocking::MockBlock<Runtime>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Times = pallet_mica_timing;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
}

impl pallet_mica_timing::Config for Runtime {}

#[test]
fn the_genesis_block_decides() {
    for timing in [Timing::Test, Timing::Public, Timing::Drill] {
        TestExternalities::default().execute_with(|| {
            let config = crate::GenesisConfig::<Runtime> { timing, ..Default::default() };
            config.build();
            assert_eq!(Times::timing(), timing);
        });
    }
}

#[test]
fn a_genesis_that_says_nothing_gets_long_windows() {
    TestExternalities::default().execute_with(|| {
        crate::GenesisConfig::<Runtime>::default().build();
        assert_eq!(Times::timing(), Timing::Public);
    });
}
