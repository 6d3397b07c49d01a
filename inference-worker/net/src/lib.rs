//! Peers, and the one long-lived stream between each pair of them.
//!
//! [`Net::start`] listens and dials over TCP and QUIC (libp2p: noise, yamux, identify, ping,
//! Kademlia; mDNS on request). [`Net::send`] puts a message on the link to a peer, which is opened
//! on demand and reopened after it breaks; what happens is reported as [`NetEvent`]s. A peer is its
//! ed25519 public key, the same key that the registry lists for a worker and that signs its
//! receipts, so a link needs no further proof of identity.
//!
//! One stream carries everything between two peers, in order: a substream per message costs a round
//! trip each. If both peers open one at the same moment, both streams stay, each used by its
//! opener, so that nothing written is lost.
//!
//! [`Net::listening`] says where the node listens, [`publishable`] and [`announced`] which of those
//! addresses to publish, and [`probe`] who answers at an address.
//!
//! This crate moves bytes. What they mean is decided in `mica-protocol`, which does no I/O.
//!
//! Limits: [`MAX_LINKS`] links, [`QUEUED_MESSAGES`] messages and [`QUEUED_BYTES`] bytes waiting per
//! link, [`EVENTS`] events waiting; a full queue makes its writer wait, and a full event queue
//! stops reading from the network.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod addresses;
mod alarm;
mod behaviour;
mod config;
mod error;
mod event;
mod link;
mod listening;
mod net;
mod peer;
mod probe;
mod publish;
mod swarm;

pub use addresses::address_texts;
pub use alarm::Alarm;
pub use config::{EVENTS, Instance, MAX_LINKS, Mdns, NetConfig, QUEUED_BYTES, QUEUED_MESSAGES};
pub use error::{SendError, StartError};
pub use event::NetEvent;
pub use listening::Listener;
pub use net::Net;
pub use peer::{KeyError, peer_id, public_key, public_key_of};
pub use probe::{ProbeError, probe};
pub use publish::{AnnounceError, Bounds, Reach, announced, may_stay, outward, publishable, reach};
