//! `pallet_balances`: MICA. Money that is spoken for is on hold, with a reason per purpose.

use frame_support::traits::{ConstU32, ConstU128, VariantCountOf};

use crate::{
    Balance, Runtime, RuntimeEvent, RuntimeFreezeReason, RuntimeHoldReason, System,
    constants::EXISTENTIAL_DEPOSIT,
};

impl pallet_balances::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeHoldReason = RuntimeHoldReason;
    type RuntimeFreezeReason = RuntimeFreezeReason;
    type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
    type Balance = Balance;
    /// Dust is burned.
    type DustRemoval = ();
    type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
    type AccountStore = System;
    /// Only `pallet_proxy` still reserves.
    type ReserveIdentifier = [u8; 8];
    type FreezeIdentifier = RuntimeFreezeReason;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
    type DoneSlashHandler = ();
}
