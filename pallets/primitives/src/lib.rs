//! What crosses the boundary between the chain and the peers around it.
//!
//! Pallets store these types, workers and payers exchange and sign them, and both sides must agree
//! on every byte. The crate is `no_std`, does no I/O, reads no clock and holds no logic beyond the
//! arithmetic and hashing that both sides must share: what a redeem pays and how a channel ends is
//! in [`settlement`].
//!
//! The modules follow the life of a paid prompt: a [`model`] is named, a [`worker`] serves a
//! [`layers::LayerRange`] of it, a payer opens a [`channel`] to each worker, every chunk of work
//! leaves a [`receipt`], and an [`agreement`] may bind price and time.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod agreement;
pub mod channel;
pub mod clock;
pub mod domain;
pub mod hooks;
pub mod layers;
pub mod model;
pub mod parameters;
pub mod receipt;
pub mod settlement;
pub mod shard;
pub mod worker;

pub use agreement::{Agreement, AgreementId, AgreementState, Progress, Terms};
pub use channel::{
    Channel, ChannelId, ChannelOpening, ChannelState, Closing, CooperativeClose, Lane, LaneId,
    Lock, MAX_LANES, MAX_TICKS, Redeem, Tick, TickProof, Voucher,
};
pub use clock::ClockState;
pub use domain::domain;
pub use layers::LayerRange;
pub use model::{MarketUnits, ModelId, ModelManifest, ModelRecord};
pub use parameters::{ChannelParameters, ReceiptRoot, RegistryParameters, SlaParameters};
pub use receipt::{Leaf, Receipt, ReceiptTree};
pub use shard::{SHARD_LAYERS, Shard};
pub use worker::{
    Heartbeat, MAX_ADDRESSES, PeerClaim, WorkerAddresses, WorkerRecord, WorkerStatus,
};

/// Money on chain and off: base units, twelve decimals to one MICA. Never a float.
pub type Balance = u128;
/// Height of a block.
pub type BlockNumber = u32;
/// One MICA in base units.
pub const UNIT: Balance = 1_000_000_000_000;
/// A blake2-256 or blake3 digest; the field's name says which.
pub type Hash32 = [u8; 32];
/// Public half of an ed25519 key.
pub type PublicKey = [u8; 32];
/// An ed25519 signature.
pub type Signature = [u8; 64];
