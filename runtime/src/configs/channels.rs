//! `pallet_mica_channels`: unidirectional payment channels. The registry knows the payees' peer
//! keys and which of them leave; it and the receipts pallet hear of every voucher that fixes
//! receipts.

use frame_support::traits::{ConstU32, ConstU128};

use crate::{
    Balances, Clock, Receipts, Registry, Runtime, RuntimeHoldReason,
    configs::timing::{MaxChannelWindow, MinChannelWindow},
    constants::{CHANNEL_STORAGE_DEPOSIT, MAX_CHANNELS_PER_PAYER, MIN_CHANNEL_DEPOSIT},
};

impl pallet_mica_channels::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Clock = Clock;
    type PeerKeys = Registry;
    type Payees = Registry;
    type OnRedeem = (Receipts, Registry);
    type StorageDeposit = ConstU128<CHANNEL_STORAGE_DEPOSIT>;
    type MinDeposit = ConstU128<MIN_CHANNEL_DEPOSIT>;
    type MinWindow = MinChannelWindow;
    type MaxWindow = MaxChannelWindow;
    type MaxChannelsPerPayer = ConstU32<MAX_CHANNELS_PER_PAYER>;
    type WeightInfo = pallet_mica_channels::weights::SubstrateWeight<Runtime>;
}
