//! `pallet_mica_channels`: unidirectional payment channels. The registry knows the payees' peer
//! keys; the receipts pallet hears of every redeemed voucher.

use frame_support::traits::{ConstU32, ConstU128};

use crate::{
    Balances, Clock, Receipts, Registry, Runtime, RuntimeHoldReason,
    constants::{
        MAX_CHANNEL_WINDOW, MAX_CHANNELS_PER_PAYER, MIN_CHANNEL_DEPOSIT, MIN_CHANNEL_WINDOW,
    },
};

impl pallet_mica_channels::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Clock = Clock;
    type PeerKeys = Registry;
    type OnRedeem = Receipts;
    type MinDeposit = ConstU128<MIN_CHANNEL_DEPOSIT>;
    type MinWindow = ConstU32<MIN_CHANNEL_WINDOW>;
    type MaxWindow = ConstU32<MAX_CHANNEL_WINDOW>;
    type MaxChannelsPerPayer = ConstU32<MAX_CHANNELS_PER_PAYER>;
    type WeightInfo = pallet_mica_channels::weights::SubstrateWeight<Runtime>;
}
