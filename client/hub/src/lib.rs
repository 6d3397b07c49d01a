//! A hub: payers have one channel to it, it has channels to many workers, and what a payer promises
//! it, it promises on.
//!
//! [`mica_protocol::hub::HubTable`] decides; this crate moves bytes between it, the network, the
//! chain and the payer's database, in the order in which it is told. The modules follow that: the
//! [`config`]; what the chain says ([`chain`]), and shows of others ([`looks`]); what is kept on
//! [`disk`]; what is sent to the chain
//! ([`keeper`]); what operators read ([`metrics`]); and the [`daemon`] that drives all of it.
//!
//! A hub is a wallet like a payer's: its channels to workers are signed by the wallet's hot key and
//! lie in the wallet's database, where `mica channel` finds them when the hub does not run.
//!
//! Architecture invariants: what is promised is on disk before it is sent; every wait has a
//! deadline; nothing here prints.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod config;

mod event;

mod chain;

mod disk;

mod looks;

mod keeper;

mod metrics;

mod daemon;

mod error;

mod peer_key;

pub use config::HubConfig;
pub use daemon::{Listener, Parts, run};
pub use error::HubError;
pub use event::{HubEvent, HubStatus, PaidChannel, Sent};
pub use peer_key::{PeerKeyError, peer_key};
