//! `pallet_mica_channels`: unidirectional payment channels. The registry knows the payees' peer
//! keys and which of them leave; it and the receipts pallet hear of every voucher that fixes
//! receipts.

use frame_support::traits::{ConstU32, ConstU128};

use crate::{
    Balances, Receipts, Registry, Runtime, RuntimeHoldReason, System,
    constants::{
        CHANNEL_STORAGE_DEPOSIT, MAX_CHANNEL_WINDOW, MAX_CHANNELS_PER_PAYER, MIN_CHANNEL_DEPOSIT,
        MIN_CHANNEL_WINDOW,
    },
};

impl pallet_mica_channels::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Clock = System;
    type PeerKeys = Registry;
    type Payees = Registry;
    type OnRedeem = (Receipts, Registry);
    type StorageDeposit = ConstU128<CHANNEL_STORAGE_DEPOSIT>;
    type MinDeposit = ConstU128<MIN_CHANNEL_DEPOSIT>;
    type MinWindow = ConstU32<MIN_CHANNEL_WINDOW>;
    type MaxWindow = ConstU32<MAX_CHANNEL_WINDOW>;
    type MaxChannelsPerPayer = ConstU32<MAX_CHANNELS_PER_PAYER>;
    type WeightInfo = pallet_mica_channels::weights::SubstrateWeight<Runtime>;
}
