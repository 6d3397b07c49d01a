//! `pallet_mica_channels`: unidirectional payment channels. The registry knows the payees' peer
//! keys; the receipts pallet hears of every redeemed voucher.

use frame_support::traits::{ConstU32, ConstU128};

use crate::{
    Balances, Clock, Receipts, Registry, Runtime, RuntimeHoldReason,
    configs::timing::{MaxChannelWindow, MinChannelWindow},
    constants::{MAX_CHANNELS_PER_PAYER, MIN_CHANNEL_DEPOSIT},
};

impl pallet_mica_channels::Config for Runtime {
    type Currency = Balances;
    type RuntimeHoldReason = RuntimeHoldReason;
    type Clock = Clock;
    type PeerKeys = Registry;
    type OnRedeem = Receipts;
    type MinDeposit = ConstU128<MIN_CHANNEL_DEPOSIT>;
    type MinWindow = MinChannelWindow;
    type MaxWindow = MaxChannelWindow;
    type MaxChannelsPerPayer = ConstU32<MAX_CHANNELS_PER_PAYER>;
    type WeightInfo = pallet_mica_channels::weights::SubstrateWeight<Runtime>;
}
