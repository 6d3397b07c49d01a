//! `pallet_preimage`: the calls that referenda decide on, against a deposit for their bytes.

use frame_support::{
    parameter_types,
    traits::{LinearStoragePrice, fungible::HoldConsideration},
};
use frame_system::EnsureRoot;

use crate::{
    AccountId, Balance, Balances, Runtime, RuntimeEvent, RuntimeHoldReason,
    constants::storage_deposit,
};

parameter_types! {
    pub const PreimageHold: RuntimeHoldReason =
        RuntimeHoldReason::Preimage(pallet_preimage::HoldReason::Preimage);
    pub const PreimageBaseDeposit: Balance = storage_deposit(2, 64);
    pub const PreimageByteDeposit: Balance = storage_deposit(0, 1);
}

impl pallet_preimage::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = pallet_preimage::weights::SubstrateWeight<Runtime>;
    type Currency = Balances;
    type ManagerOrigin = EnsureRoot<AccountId>;
    type Consideration = HoldConsideration<
        AccountId,
        Balances,
        PreimageHold,
        LinearStoragePrice<PreimageBaseDeposit, PreimageByteDeposit, Balance>,
    >;
}
