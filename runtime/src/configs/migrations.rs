//! `pallet_migrations`: changes of stored data that take more than one block. While one runs,
//! blocks have no transactions besides the inherents.

use frame_support::{
    migrations::{EnterSafeModeOnFailedMigration, FreezeChainOnFailedMigration},
    parameter_types,
    traits::ConstU32,
    weights::Weight,
};
use sp_runtime::Perbill;

use crate::{Runtime, RuntimeEvent, SafeMode, configs::system::RuntimeBlockWeights};

parameter_types! {
    /// Part of a block that a migration may take.
    pub MaxMigrationWeight: Weight = Perbill::from_percent(80) * RuntimeBlockWeights::get().max_block;
}

impl pallet_migrations::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    /// None yet: the stored data are of the first version.
    #[cfg(not(feature = "runtime-benchmarks"))]
    type Migrations = ();
    #[cfg(feature = "runtime-benchmarks")]
    type Migrations = pallet_migrations::mock_helpers::MockedMigrations;
    type CursorMaxLen = ConstU32<65_536>;
    type IdentifierMaxLen = ConstU32<256>;
    type MigrationStatusHandler = ();
    type FailedMigrationHandler =
        EnterSafeModeOnFailedMigration<SafeMode, FreezeChainOnFailedMigration>;
    type MaxServiceWeight = MaxMigrationWeight;
    type WeightInfo = pallet_migrations::weights::SubstrateWeight<Runtime>;
}
