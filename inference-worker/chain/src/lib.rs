//! Typed access to the Mica chain, and the only crate that names subxt.
//!
//! A [`Chain`] is a connection that mends itself. [`Chain::at_finalized`] or [`Chain::at_best`] gives a [`View`]: every read of one
//! view is of one block, so that what it says belongs together. [`Chain::submit`] signs a [`Call`], sends it, waits, and returns what
//! it cost and which [`ChainEvent`]s it left.
//!
//! No code is generated from metadata: calls are found by name at run time and their arguments are the SCALE bytes of
//! `mica-primitives`, the very types that the pallets decode. A runtime upgrade that keeps names and arguments needs no new build.
//!
//! Limits: every request has a deadline ([`REQUEST_TIMEOUT`]), a submission waits at most [`SUBMIT_TIMEOUT`], lists are read in pages.
#![forbid(unsafe_code)]

pub mod amount;
mod call;
mod connection;
mod dispatch;
mod error;
mod event;
mod heads;
mod node_state;
mod origin;
mod signer;
mod staking;
mod submit;
mod view;

pub use call::Call;
pub use connection::{Chain, REQUEST_TIMEOUT};
pub use dispatch::DispatchFailure;
pub use error::{ConnectError, ReadError, SubmitError};
pub use event::{ChainEvent, MicaEvent};
pub use heads::{Head, Heads};
pub use node_state::NodeState;
pub use origin::ChainOrigin;
pub use signer::{DerivationPath, PathError, Signer, SignerError, verify};
pub use staking::{Rewards, SessionKeys, UnpaidReward, ValidatorState};
pub use submit::{Reached, SUBMIT_TIMEOUT, Submitted, Until};
pub use view::{Account, PAGE, View};

/// An account of the chain: a 32-byte sr25519 public key. Displays and parses as SS58 with prefix 42.
pub type AccountId = subxt::utils::AccountId32;
