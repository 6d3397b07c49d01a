//! `pallet_multisig`: an account that several people sign for.

use frame_support::{parameter_types, traits::ConstU32};

use crate::{
    Balance, Balances, Runtime, RuntimeCall, RuntimeEvent, System, constants::storage_deposit,
};

parameter_types! {
    pub const MultisigDepositBase: Balance = storage_deposit(1, 88);
    pub const MultisigDepositFactor: Balance = storage_deposit(0, 32);
}

impl pallet_multisig::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type DepositBase = MultisigDepositBase;
    type DepositFactor = MultisigDepositFactor;
    type MaxSignatories = ConstU32<32>;
    type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
    type BlockNumberProvider = System;
}
