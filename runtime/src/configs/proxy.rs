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

/// What a call does, as far as proxies are concerned.
///
/// Every call has exactly one class, and [`CallClass::of`] has no catch-all: a new pallet, or a new
/// extrinsic of the market, does not compile until somebody has decided who may make it. The table
/// in `tests/proxy.rs` says the same by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallClass {
    /// Moves money out of the account.
    Transfer,
    /// Staking, and the session keys that go with it.
    Staking,
    /// Daily work of a worker.
    Worker,
    /// Everything else: up to the account itself, and to proxies for nearly everything.
    Owner,
}

impl CallClass {
    /// The class of a call.
    pub fn of(call: &RuntimeCall) -> Self {
        match call {
            RuntimeCall::Balances(_) => Self::Transfer,
            RuntimeCall::Staking(_) | RuntimeCall::Session(_) => Self::Staking,
            RuntimeCall::Registry(call) => Self::of_registry(call),
            RuntimeCall::Channels(call) => Self::of_channels(call),
            RuntimeCall::Sla(call) => Self::of_sla(call),
            RuntimeCall::Utility(call) => Self::of_utility(call),
            RuntimeCall::System(_)
            | RuntimeCall::Timestamp(_)
            | RuntimeCall::Babe(_)
            | RuntimeCall::VoterList(_)
            | RuntimeCall::Grandpa(_)
            | RuntimeCall::Clock(_)
            | RuntimeCall::Proxy(_) => Self::Owner,
        }
    }

    fn of_registry(call: &RegistryCall<Runtime>) -> Self {
        match call {
            RegistryCall::heartbeat { .. }
            | RegistryCall::set_price { .. }
            | RegistryCall::set_cost { .. }
            | RegistryCall::set_range { .. }
            | RegistryCall::set_addresses { .. } => Self::Worker,
            RegistryCall::register_model { .. }
            | RegistryCall::remove_model { .. }
            | RegistryCall::register { .. }
            | RegistryCall::top_up_stake { .. }
            | RegistryCall::unregister { .. }
            | RegistryCall::withdraw { .. } => Self::Owner,
            RegistryCall::__Ignore(_, never) => match *never {},
        }
    }

    fn of_channels(call: &ChannelsCall<Runtime>) -> Self {
        match call {
            ChannelsCall::redeem { .. } | ChannelsCall::close { .. } => Self::Worker,
            ChannelsCall::open { .. }
            | ChannelsCall::open_many { .. }
            | ChannelsCall::top_up_to { .. }
            | ChannelsCall::close_cooperatively { .. }
            | ChannelsCall::finish { .. } => Self::Owner,
            ChannelsCall::__Ignore(_, never) => match *never {},
        }
    }

    fn of_sla(call: &SlaCall<Runtime>) -> Self {
        match call {
            SlaCall::accept { .. } | SlaCall::complete { .. } | SlaCall::claim { .. } => {
                Self::Worker
            }
            SlaCall::propose { .. }
            | SlaCall::cancel { .. }
            | SlaCall::object { .. }
            | SlaCall::acknowledge { .. }
            | SlaCall::settle { .. } => Self::Owner,
            SlaCall::__Ignore(_, never) => match *never {},
        }
    }

    /// Each call inside a batch passes the filter by itself.
    fn of_utility(call: &UtilityCall<Runtime>) -> Self {
        match call {
            UtilityCall::batch_all { .. } => Self::Worker,
            UtilityCall::batch { .. }
            | UtilityCall::as_derivative { .. }
            | UtilityCall::dispatch_as { .. }
            | UtilityCall::force_batch { .. }
            | UtilityCall::with_weight { .. }
            | UtilityCall::if_else { .. }
            | UtilityCall::dispatch_as_fallible { .. } => Self::Owner,
            UtilityCall::__Ignore(_, never) => match *never {},
        }
    }
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        let class = CallClass::of(call);
        match self {
            Self::Any => true,
            Self::NonTransfer => class != CallClass::Transfer,
            Self::Staking => class == CallClass::Staking,
            Self::Worker => class == CallClass::Worker,
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
