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
//! [`Net::listening`] says where the node listens, [`Net::reachability`] whether others can come in
//! there, [`Ways`], [`publishable`] and [`announced`] which of those addresses to publish, and
//! [`probe`] who answers at an address. [`Net::open_weights`] and [`Net::accept_weights`] give
//! streams beside the link, for what is large and has no hurry.
//!
//! A node that faces outside has its addresses tested (AutoNAT v2), asks its router to let others
//! in (UPnP), and takes places at relays while nobody can come in (circuit relay v2). What comes
//! through a relay is met half way (DCUtR), and links go over to the direct connection between two
//! frames. Who can be reached relays for peers of the registry, within bounds. Where a node is it
//! signs, and other peers of the registry keep that for those who look for it: [`Net::know`] tells
//! who they are.
//!
//! This crate moves bytes. What they mean is decided in `mica-protocol`, which does no I/O.
//!
//! Everybody can connect, and nobody is trusted before it pays. A peer that a session depends on is
//! named by [`Net::protect`]; all others are strangers, with small frames, budgets of their own and
//! no right to their place. What peers can make a node hold is bounded in bytes: the constants of
//! this crate, and [`PeerLimits`]. [`Net::strike`] counts what a peer did wrong until it is banned.
//! [`Net::counters`] tells what came of it.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod addresses;
mod alarm;
mod bans;
mod behaviour;
mod bounds;
mod config;
mod counters;
mod error;
mod event;
mod far;
mod gate;
mod link;
mod listening;
mod near;
mod net;
mod offence;
mod peer;
mod peers;
mod probe;
mod publish;
mod queue;
mod reachability;
mod reader;
mod records;
mod relays;
mod room;
mod standing;
mod streams;
mod swarm;
mod traffic;
mod ways;
mod weights;

pub use addresses::{address_texts, split_peer};
pub use alarm::Alarm;
pub use bounds::{
    CONNECTIONS_PER_PEER, EVENTS, MAX_BAN_DOUBLINGS, MAX_LINKS, MAX_RECORD_BYTES, MAX_RECORDS,
    MAX_REMEMBERED, MAX_STREAMS_PER_CONNECTION, PENDING_CONNECTIONS, QUEUED_BYTES, QUEUED_MESSAGES,
    RECORD_ADDRESSES, RELAY_CIRCUIT_BYTES, RELAY_CIRCUIT_SECONDS, RELAY_CIRCUITS,
    RELAY_RESERVATIONS, SESSION_ASSEMBLY_BYTES, SESSION_EVENT_BYTES, SESSION_OUTBOUND_BYTES,
    STRANGER_ASSEMBLY_BYTES, STRANGER_EVENT_BYTES, STRANGER_FRAME_BYTES, STRANGER_OUTBOUND_BYTES,
    STRANGER_QUEUED_BYTES, STRIKES,
};
pub use config::{Instance, Mdns, NearPeers, NetConfig, PeerLimits, Relaying};
pub use counters::NetCounters;
pub use error::{SendError, StartError};
pub use event::NetEvent;
pub use listening::Listener;
pub use net::Net;
pub use offence::Offence;
pub use peer::{KeyError, peer_id, public_key, public_key_of};
pub use probe::{ProbeError, probe};
pub use publish::{AnnounceError, Bounds, Reach, announced, outward, publishable, reach};
pub use queue::Events;
pub use reachability::{AddressReach, AddressSource, ReachStatus, Reachability, Verdict};
pub use ways::{Stay, Ways};
pub use weights::{WeightsStream, WeightsStreams};
