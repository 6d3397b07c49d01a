//! `pallet_proxy`: a cold account lets a hot one act for it, within limits.
//!
//! An operator keeps the account that holds the stake offline and runs the worker with a
//! [`ProxyType::Worker`] proxy..

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
    parameter_types,
    traits::{ConstU32, InstanceFilter},
};
use pallet_conviction_voting::Call as ConvictionVotingCall;
use pallet_mica_channels::Call as ChannelsCall;
use pallet_mica_registry::Call as RegistryCall;
use pallet_mica_sla::Call as SlaCall;
use pallet_preimage::Call as PreimageCall;
use pallet_referenda::Call as ReferendaCall;
use pallet_staking::Call as StakingCall;
use pallet_utility::Call as UtilityCall;
use scale_info::TypeInfo;
use sp_runtime::traits::BlakeTwo256;

use crate::{
    Balance, Balances, Runtime, RuntimeCall, RuntimeEvent, System, constants::storage_deposit,
};

/// What a proxy may do. Each kind is a list of calls, and what is not on it is refused.
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
    /// What cannot move money out of the account, nor promise any, nor put stake at risk, nor give
    /// up what the account is owed.
    NonTransfer,
    /// Staking, and the session keys that go with it. It can send the rewards, not the bond,
    /// to somebody else.
    Staking,
    /// What running a worker takes: beat, price, move, redeem, acknowledge, and claim what
    /// agreements owe. Not accept or dispute one, not leave, and not touch the stake. It can give
    /// up what is not redeemed or claimed yet: close a channel that owes, redeem a newer voucher
    /// over less from a payer that it is in league with, claim less than an agreement owes and so
    /// lose the stake that is bound to it.
    Worker,
    /// The same, and accepting and disputing agreements. Each acceptance puts a part of the stake
    /// at risk, up to half of it.
    WorkerWithAgreements,
    /// Propose and vote. Deposits of proposals come from the account, and can be lost.
    Governance,
}

/// Kinds that may make a call, besides [`ProxyType::Any`].
type Kinds = &'static [ProxyType];

/// Only the account itself, and a proxy for everything.
const OWNER: Kinds = &[];
/// Brings the account what it is owed, or changes nothing that is worth money.
const HARMLESS: Kinds = &[ProxyType::NonTransfer];
/// Says what a worker offers, and moves nothing that it is owed.
const OFFER: Kinds = &[ProxyType::NonTransfer, ProxyType::Worker, ProxyType::WorkerWithAgreements];
/// Brings a worker what it is owed, and can give some of it up.
const COLLECT: Kinds = &[ProxyType::Worker, ProxyType::WorkerWithAgreements];
/// Puts a worker's stake at risk.
const RISK: Kinds = &[ProxyType::WorkerWithAgreements];
/// Staking that leaves the bond and its rewards with their owner.
const STAKE: Kinds = &[ProxyType::NonTransfer, ProxyType::Staking];
/// Staking that decides what is at stake, for whom, and where rewards go.
const REWARDS: Kinds = &[ProxyType::Staking];
/// Votes, each of which locks money for a time that its conviction says.
const VOTE: Kinds = &[ProxyType::NonTransfer, ProxyType::Governance];
/// Proposals, whose deposits can be lost, and all votes to come in another's hands.
const PROPOSE: Kinds = &[ProxyType::Governance];
/// Batches: each call inside passes the filter by itself.
const BATCH: Kinds = &[
    ProxyType::NonTransfer,
    ProxyType::Staking,
    ProxyType::Worker,
    ProxyType::WorkerWithAgreements,
    ProxyType::Governance,
];

/// The kinds of proxies that may make `call`, besides [`ProxyType::Any`].
///
/// The matches over our own pallets have no catch-all: a new call of ours does not compile until
/// somebody has decided who may make it. Of the SDK's pallets the calls that are allowed are named,
/// so that one that comes with an update is the owner's. The table in `tests/proxy.rs` says the
/// same by name.
pub fn kinds(call: &RuntimeCall) -> Kinds {
    match call {
        RuntimeCall::Registry(call) => of_registry(call),
        RuntimeCall::Channels(call) => of_channels(call),
        RuntimeCall::Sla(call) => of_sla(call),
        RuntimeCall::Staking(call) => of_staking(call),
        RuntimeCall::Session(_) => REWARDS,
        RuntimeCall::ConvictionVoting(call) => of_voting(call),
        RuntimeCall::Referenda(call) => of_referenda(call),
        RuntimeCall::Preimage(call) => match call {
            PreimageCall::note_preimage { .. } | PreimageCall::unnote_preimage { .. } => PROPOSE,
            _ => OWNER,
        },
        RuntimeCall::Utility(call) => match call {
            UtilityCall::batch { .. }
            | UtilityCall::batch_all { .. }
            | UtilityCall::force_batch { .. } => BATCH,
            _ => OWNER,
        },
        RuntimeCall::System(_)
        | RuntimeCall::Timestamp(_)
        | RuntimeCall::Babe(_)
        | RuntimeCall::Balances(_)
        | RuntimeCall::VoterList(_)
        | RuntimeCall::Grandpa(_)
        | RuntimeCall::Seats(_)
        | RuntimeCall::Clock(_)
        | RuntimeCall::Proxy(_)
        | RuntimeCall::Multisig(_)
        | RuntimeCall::Scheduler(_)
        | RuntimeCall::Treasury(_)
        | RuntimeCall::SafeMode(_)
        | RuntimeCall::Sudo(_) => OWNER,
        #[cfg(feature = "next-runtime")]
        RuntimeCall::Next(_) => OWNER,
    }
}

fn of_registry(call: &RegistryCall<Runtime>) -> Kinds {
    match call {
        RegistryCall::heartbeat { .. }
        | RegistryCall::unjail { .. }
        | RegistryCall::set_price { .. }
        | RegistryCall::set_cost { .. }
        | RegistryCall::set_range { .. }
        | RegistryCall::set_addresses { .. } => OFFER,
        RegistryCall::register_model { .. }
        | RegistryCall::remove_model { .. }
        | RegistryCall::register { .. }
        | RegistryCall::top_up_stake { .. }
        | RegistryCall::unregister { .. }
        | RegistryCall::withdraw { .. } => OWNER,
        RegistryCall::__Ignore(_, never) => match *never {},
    }
}

fn of_channels(call: &ChannelsCall<Runtime>) -> Kinds {
    match call {
        ChannelsCall::redeem { .. } | ChannelsCall::close { .. } => COLLECT,
        ChannelsCall::finish { .. } => HARMLESS,
        ChannelsCall::open { .. }
        | ChannelsCall::open_many { .. }
        | ChannelsCall::top_up_to { .. }
        | ChannelsCall::close_cooperatively { .. } => OWNER,
        ChannelsCall::__Ignore(_, never) => match *never {},
    }
}

fn of_sla(call: &SlaCall<Runtime>) -> Kinds {
    match call {
        SlaCall::acknowledge { .. } | SlaCall::claim { .. } => COLLECT,
        SlaCall::accept { .. } | SlaCall::dispute { .. } => RISK,
        SlaCall::cancel { .. } | SlaCall::settle { .. } => HARMLESS,
        SlaCall::propose { .. } | SlaCall::request { .. } => OWNER,
        SlaCall::__Ignore(_, never) => match *never {},
    }
}

fn of_staking(call: &StakingCall<Runtime>) -> Kinds {
    match call {
        StakingCall::chill { .. }
        | StakingCall::rebond { .. }
        | StakingCall::unbond { .. }
        | StakingCall::withdraw_unbonded { .. }
        | StakingCall::payout_stakers { .. }
        | StakingCall::payout_stakers_by_page { .. } => STAKE,
        StakingCall::validate { .. }
        | StakingCall::bond { .. }
        | StakingCall::bond_extra { .. }
        | StakingCall::nominate { .. }
        | StakingCall::set_payee { .. }
        | StakingCall::update_payee { .. }
        | StakingCall::kick { .. } => REWARDS,
        _ => OWNER,
    }
}

fn of_voting(call: &ConvictionVotingCall<Runtime>) -> Kinds {
    match call {
        ConvictionVotingCall::vote { .. }
        | ConvictionVotingCall::undelegate { .. }
        | ConvictionVotingCall::unlock { .. }
        | ConvictionVotingCall::remove_vote { .. }
        | ConvictionVotingCall::remove_other_vote { .. } => VOTE,
        ConvictionVotingCall::delegate { .. } => PROPOSE,
        _ => OWNER,
    }
}

fn of_referenda(call: &ReferendaCall<Runtime>) -> Kinds {
    match call {
        ReferendaCall::submit { .. }
        | ReferendaCall::place_decision_deposit { .. }
        | ReferendaCall::refund_decision_deposit { .. }
        | ReferendaCall::refund_submission_deposit { .. } => PROPOSE,
        _ => OWNER,
    }
}

impl InstanceFilter<RuntimeCall> for ProxyType {
    fn filter(&self, call: &RuntimeCall) -> bool {
        matches!(self, Self::Any) || kinds(call).contains(self)
    }

    fn is_superset(&self, other: &Self) -> bool {
        self == other
            || matches!(self, Self::Any)
            || matches!((self, other), (Self::WorkerWithAgreements, Self::Worker))
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
