//! Typed access to the Mica chain, and the only crate that names subxt.
//!
//! A [`Chain`] is a connection that restores itself. [`Chain::at_finalized`] or [`Chain::at_best`]
//! gives a [`View`]: all reads of one view are from the same block, so they are consistent.
//! [`Chain::submit`] signs a [`Call`], sends it, waits, and returns its cost and the
//! [`ChainEvent`]s it emitted.
//!
//! No code is generated from metadata: calls are found by name at run time and their arguments are
//! the SCALE bytes of `mica-primitives`, the very types that the pallets decode. A runtime upgrade
//! that keeps names and arguments needs no rebuild, and no restart: the runtime is looked up anew
//! with every block.
//!
//! An extrinsic is followed into its block or, on request, until that block is final; if the node
//! stops reporting on it too early, [`Chain::fate`] finds it by its hash. [`Account`] says how much
//! of an account's balance can be spent.
//!
//! Limits: every request has a deadline ([`REQUEST_TIMEOUT`]), a submission waits at most
//! [`SUBMIT_TIMEOUT`] by default, lists are read in pages.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod account;
pub mod address;
pub mod amount;
mod call;
mod connection;
mod dispatch;
mod error;
mod event;
mod fate;
mod heads;
mod node_state;
mod origin;
mod redeems;
mod signer;
mod staking;
mod submit;
mod upgrade;
mod view;
mod window;

pub use account::Account;
pub use call::{Call, ProxyKind, derivative};
pub use connection::{Chain, REQUEST_TIMEOUT};
pub use dispatch::{DispatchFailure, Party};
pub use error::{ConnectError, ReadError, SubmitError};
pub use event::{ChainEvent, MicaEvent};
pub use fate::{Fate, Included, MAX_BLOCKS_SEARCHED};
pub use heads::{Head, Heads};
pub use node_state::NodeState;
pub use origin::ChainOrigin;
pub use signer::{DerivationPath, PathError, Signer, SignerError, verify};
pub use staking::{Rewards, SessionKeys, UnpaidReward, ValidatorState};
pub use submit::{Reached, SUBMIT_TIMEOUT, Submitted, Until};
pub use view::{PAGE, View};

/// An account of the chain: a 32-byte sr25519 public key. Displays as SS58 with prefix 42; what
/// people write is read by [`address::parse`], because its own parser takes addresses of every
/// network.
pub type AccountId = subxt::utils::AccountId32;
