//! The Mica runtime: composes the pallets into a proof-of-stake chain.
//!
//! Consensus is BABE (who authors a block) and GRANDPA (what is final), staked and slashed by
//! `pallet_staking`. On top of it stand the pallets of the market: who serves which layers, who
//! owes whom, what was agreed and what was computed. The runtime itself holds no logic beyond the
//! composition:
//!
//! * [`constants`]: every number that users meet, and the relations between them;
//! * [`configs`]: how each pallet is configured, one file per pallet;
//! * [`origins`]: who decides besides root;
//! * [`genesis`]: the presets `development`, `local_testnet` and `staging`, and what a network of
//!   other people's starts with;
//! * [`apis`]: what nodes and clients may ask without a transaction;
//! * [`Migrations`]: what an upgrade to this version changes in what is stored.
//!
//! The pallet of the module [`next`] is in no runtime that is shipped: it is what a test upgrades
//! to.
//!
//! **Architecture invariant:** no floating point runs here, and nothing reads a clock other than
//! the block's timestamp.
#![cfg_attr(not(feature = "std"), no_std)]
#![recursion_limit = "256"]
#![allow(
    missing_docs,
    reason = "the macros that compose a runtime make items without documentation"
)]

extern crate alloc;

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
pub mod configs;
pub mod constants;
pub mod genesis;
pub mod next;
pub mod origins;

use alloc::{borrow::Cow, vec::Vec};

use sp_runtime::{
    MultiAddress, MultiSignature, generic,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
};
use sp_version::{RuntimeVersion, runtime_version};

use next::pallet_next;
use origins::pallet_origins;

pub use configs::session::SessionKeys;
pub use mica_primitives::{Balance, BlockNumber};

/// Number of transactions that an account has sent.
pub type Nonce = u32;
/// A blake2-256 hash of the chain.
pub type Hash = sp_core::H256;
/// Signature of a transaction.
pub type Signature = MultiSignature;
/// Public key of an account; for sr25519 and ed25519 the key itself.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// How a transaction names an account.
pub type Address = MultiAddress<AccountId, ()>;
/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;

/// Checks around every transaction, in the order in which they run.
pub type TxExtension = (
    frame_system::AuthorizeCall<Runtime>,
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckEra<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
    frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
    frame_system::WeightReclaim<Runtime>,
);
/// A transaction or an inherent as it stands in a block.
pub type UncheckedExtrinsic =
    generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// Drives the pallets through a block.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

/// What the node needs to know of blocks: it never looks inside a transaction, so a runtime upgrade
/// cannot outdate it.
pub mod opaque {
    pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

    /// A block whose transactions are bytes.
    pub type Block = sp_runtime::generic::Block<super::Header, UncheckedExtrinsic>;
}

/// Changes of stored data that run in the first block of this version, in order. Each must do
/// nothing when it runs again.
#[cfg(not(feature = "next-runtime"))]
pub type Migrations = ();
/// The same of the runtime that a test upgrades to.
#[cfg(feature = "next-runtime")]
pub type Migrations = next::CountChannels;

macro_rules! version {
    ($spec_version:tt) => {
        /// Version of this runtime. `spec_version` rises with every change of behaviour,
        /// `transaction_version` when a call's bytes change.
        #[runtime_version]
        pub const VERSION: RuntimeVersion = RuntimeVersion {
            spec_name: Cow::Borrowed("mica"),
            impl_name: Cow::Borrowed("mica"),
            authoring_version: 1,
            spec_version: $spec_version,
            impl_version: 1,
            apis: apis::RUNTIME_API_VERSIONS,
            transaction_version: 2,
            system_version: 1,
        };
    };
}

// Written as numbers, because they are put into a section of the Wasm; the second is the first and
// one.
#[cfg(not(feature = "next-runtime"))]
version!(2);
#[cfg(feature = "next-runtime")]
version!(3);

#[frame_support::runtime]
mod runtime {
    /// The runtime. Pallet numbers are part of every call's bytes: never reuse one.
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    // The ground.
    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;
    // Consensus. Babe comes before Session, whose rotation asks it for the epoch's end; Authorship
    // before whoever asks for the author.
    #[runtime::pallet_index(2)]
    pub type Babe = pallet_babe;
    #[runtime::pallet_index(3)]
    pub type Authorship = pallet_authorship;
    #[runtime::pallet_index(4)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(5)]
    pub type TransactionPayment = pallet_transaction_payment;
    // Pallets are built in the order of their numbers: before Staking and Session, whose genesis
    // asks for durations.
    #[runtime::pallet_index(6)]
    pub type Timing = pallet_mica_timing;
    #[runtime::pallet_index(7)]
    pub type VoterList = pallet_bags_list;
    #[runtime::pallet_index(8)]
    pub type Staking = pallet_staking;
    #[runtime::pallet_index(9)]
    pub type Offences = pallet_offences;
    #[runtime::pallet_index(10)]
    pub type Historical = pallet_session::historical;
    #[runtime::pallet_index(11)]
    pub type Session = pallet_session;
    #[runtime::pallet_index(12)]
    pub type Grandpa = pallet_grandpa;
    #[runtime::pallet_index(13)]
    pub type AuthorityDiscovery = pallet_authority_discovery;
    #[runtime::pallet_index(17)]
    pub type Payouts = pallet_mica_payouts;

    // After Session, so that a block's author is looked up among the validators in force.
    #[runtime::pallet_index(14)]
    pub type Seats = pallet_mica_seats;
    // Before the market, whose windows it measures.
    #[runtime::pallet_index(15)]
    pub type Clock = pallet_mica_clock;

    // Ways to send calls.
    #[runtime::pallet_index(20)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(21)]
    pub type Proxy = pallet_proxy;
    #[runtime::pallet_index(22)]
    pub type Multisig = pallet_multisig;

    // Who decides, and what is decided.
    #[runtime::pallet_index(23)]
    pub type Preimage = pallet_preimage;
    #[runtime::pallet_index(24)]
    pub type Scheduler = pallet_scheduler;
    #[runtime::pallet_index(25)]
    pub type Referenda = pallet_referenda;
    #[runtime::pallet_index(26)]
    pub type ConvictionVoting = pallet_conviction_voting;
    #[runtime::pallet_index(27)]
    pub type Origins = pallet_origins;
    #[runtime::pallet_index(28)]
    pub type Treasury = pallet_treasury;
    #[runtime::pallet_index(29)]
    pub type SafeMode = pallet_safe_mode;

    // The market.
    #[runtime::pallet_index(30)]
    pub type Registry = pallet_mica_registry;
    #[runtime::pallet_index(31)]
    pub type Channels = pallet_mica_channels;
    #[runtime::pallet_index(32)]
    pub type Sla = pallet_mica_sla;
    #[runtime::pallet_index(33)]
    pub type Receipts = pallet_mica_receipts;

    // For chains on which people try things out.
    #[runtime::pallet_index(40)]
    pub type Sudo = pallet_sudo;

    // Only in the runtime that a test upgrades to.
    #[cfg(feature = "next-runtime")]
    #[runtime::pallet_index(250)]
    pub type Next = pallet_next;
}
