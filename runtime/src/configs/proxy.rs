//! `pallet_proxy`: a cold account lets a hot one act for it, within limits.
//!
//! An operator keeps the account that holds the stake offline and runs the worker with a
//! [`ProxyType::Worker`] proxy.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    parameter_types,
    traits::{ConstU32, InstanceFilter},
};
use pallet_mica_channels::Call as ChannelsCall;
use pallet_mica_registry::Call as RegistryCall;
use pallet_mica_sla::Call as SlaCall;
use pallet_utility::Call as UtilityCall;
use scale_info::TypeInfo;
use sp_runtime::traits::BlakeTwo256;

use crate::{
    Balance, Balances, Runtime, RuntimeCall, RuntimeEvent, System, constants::storage_deposit,
};

/// What a proxy may do.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum ProxyType {
    /// Everything.
    #[default]
    Any,
    /// Everything but moving money out of the account.
    NonTransfer,
    /// Staking, and the session keys that go with it.
    Staking,
    /// What running a worker takes: beat, price, move, redeem, accept and settle agreements. Not
    /// leave, and not touch the stake.
    Worker,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        match self {
            Self::Any => true,
            Self::NonTransfer => !matches!(call, RuntimeCall::Balances(_)),
            Self::Staking => matches!(call, RuntimeCall::Staking(_) | RuntimeCall::Session(_)),
            Self::Worker => match call {
                RuntimeCall::Registry(call) => matches!(
                    call,
                    RegistryCall::heartbeat { .. }
                        | RegistryCall::set_price { .. }
                        | RegistryCall::set_cost { .. }
                        | RegistryCall::set_range { .. }
                        | RegistryCall::set_addresses { .. }
                ),
                RuntimeCall::Channels(call) => {
                    matches!(call, ChannelsCall::redeem { .. } | ChannelsCall::close { .. })
                }
                RuntimeCall::Sla(call) => {
                    matches!(
                        call,
                        SlaCall::accept { .. } | SlaCall::complete { .. } | SlaCall::claim { .. }
                    )
                }
                RuntimeCall::Utility(call) => matches!(call, UtilityCall::batch_all { .. }),
                _ => false,
            },
        }
    }

    fn is_superset(&self, other: &Self) -> bool {
        self == other
            || matches!(self, Self::Any)
            || matches!((self, other), (Self::NonTransfer, Self::Staking | Self::Worker))
    }
}

parameter_types! {
    pub const ProxyDepositBase: Balance = storage_deposit(1, 8);
    pub const ProxyDepositFactor: Balance = storage_deposit(0, 33);
    pub const AnnouncementDepositBase: Balance = storage_deposit(1, 8);
    pub const AnnouncementDepositFactor: Balance = storage_deposit(0, 66);
}

impl pallet_proxy::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type Currency = Balances;
    type ProxyType = ProxyType;
    type ProxyDepositBase = ProxyDepositBase;
    type ProxyDepositFactor = ProxyDepositFactor;
    type MaxProxies = ConstU32<16>;
    type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
    type MaxPending = ConstU32<16>;
    type CallHasher = BlakeTwo256;
    type AnnouncementDepositBase = AnnouncementDepositBase;
    type AnnouncementDepositFactor = AnnouncementDepositFactor;
    type BlockNumberProvider = System;
}
