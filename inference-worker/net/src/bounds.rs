//! Every bound on what peers can make a node hold, in one place.
//!
//! A **stranger** is a peer for which nobody has called [`crate::Net::protect`]: it has no session
//! and has paid nothing. Strangers and peers with a session have budgets of their own, so that the
//! first cannot use up what the second need. `tests/hostile.rs` crosses those that peers can reach.

/// Most peers with a link at one time.
pub const MAX_LINKS: usize = 512;

/// Most bytes of one frame from a stranger: the longest opening, with a path of 16 stages and four
/// addresses each, takes two thirds of it.
pub const STRANGER_FRAME_BYTES: usize = 16 << 10;
/// Most bytes of unfinished frames from strangers, all together. Frames of at most
/// [`SMALL_READ_BYTES`] are not counted.
pub const STRANGER_ASSEMBLY_BYTES: usize = 4 << 20;
/// Most bytes of unfinished frames from peers with a session, all together.
pub const SESSION_ASSEMBLY_BYTES: usize = 64 << 20;
/// Bytes read at once from a stranger.
pub(crate) const SMALL_READ_BYTES: usize = 4 << 10;
/// Bytes read at once while a larger frame comes in.
pub(crate) const LARGE_READ_BYTES: usize = 64 << 10;

/// Most events that wait to be taken, for strangers and for peers with a session each.
pub const EVENTS: usize = 1024;
/// Most bytes of strangers' messages that wait to be taken.
pub const STRANGER_EVENT_BYTES: usize = 4 << 20;
/// Most bytes of messages from peers with a session that wait to be taken.
pub const SESSION_EVENT_BYTES: usize = 64 << 20;
/// Events of peers with a session that are taken before one of a stranger that waits.
pub(crate) const EVENTS_IN_A_ROW: u32 = 16;

/// Most messages waiting to be written to one peer.
pub const QUEUED_MESSAGES: usize = 256;
/// Most bytes waiting to be written to one peer with a session.
pub const QUEUED_BYTES: usize = 16 << 20;
/// Most bytes waiting to be written to one stranger.
pub const STRANGER_QUEUED_BYTES: usize = 256 << 10;
/// Most bytes waiting to be written to all peers with a session; one of them has no more of it than
/// it leaves to the others.
pub const SESSION_OUTBOUND_BYTES: usize = 128 << 20;
/// Most bytes waiting to be written to all strangers, shared in the same way.
pub const STRANGER_OUTBOUND_BYTES: usize = 16 << 20;

/// Streams of one connection, of all protocols. Each can hold as much as its flow-control window,
/// 256 KiB at first, of bytes that nobody has read.
pub const MAX_STREAMS_PER_CONNECTION: usize = 32;
/// Streams of one connection that have not said yet which protocol they speak.
pub(crate) const MAX_NEGOTIATING_STREAMS: usize = 8;
/// Bytes of one QUIC stream, and of all of a connection, that nobody has read.
pub(crate) const QUIC_STREAM_BYTES: u32 = 1 << 20;
/// See [`QUIC_STREAM_BYTES`].
pub(crate) const QUIC_CONNECTION_BYTES: u32 = 2 << 20;

/// Connections per peer: each side may have dialled at the same moment, and a dead one may not be
/// known as dead yet.
pub const CONNECTIONS_PER_PEER: usize = 4;
/// Connections that come in and have not proven who they are: many networks' shares, so that no few
/// of them fill it.
pub const PENDING_CONNECTIONS: usize = 512;
/// Of them, those from one prefix.
pub(crate) const PENDING_PER_PREFIX: usize = 32;
/// Connections that we dial and that are not up yet.
pub(crate) const PENDING_DIALS: usize = 64;
/// Handshakes that a node answers per second; a handshake costs it several signatures.
pub(crate) const HANDSHAKES_PER_SECOND: u32 = 96;
/// Handshakes that it answers at once after a quiet time.
pub(crate) const HANDSHAKE_BURST: u32 = 256;
/// Handshakes of one prefix that it answers per second: whoever connects and hangs up for ever
/// must not take those of everybody else.
pub(crate) const PREFIX_HANDSHAKES_PER_SECOND: u32 = 8;
/// Handshakes of one prefix at once after a quiet time: a large gateway comes with a key for every
/// six of its sessions.
pub(crate) const PREFIX_HANDSHAKE_BURST: u32 = 64;

/// Strikes after which a peer is banned.
pub const STRIKES: u32 = 64;
/// Milliseconds after which one strike is forgotten.
pub(crate) const STRIKE_MS: u64 = 2_000;
/// How often a ban is doubled at most: each time that somebody is banned who was so a moment ago,
/// it is for twice as long.
pub const MAX_BAN_DOUBLINGS: u32 = 6;
/// Banned hosts of one prefix at which all of it is refused: fewer are some of a provider's
/// customers, whose neighbours have nothing to do with them.
pub(crate) const BANNED_HOSTS_PER_PREFIX: usize = 8;
/// Most peers whose strikes are remembered, most peers and most hosts that are banned, and most
/// prefixes whose handshakes are counted.
pub const MAX_REMEMBERED: usize = 1_024;
/// Seconds for which a peer whose last session is over keeps its frame size and its place: what it
/// sent before it knew is still under way.
pub(crate) const LINGER_SECONDS: u64 = 60;

/// Peers that may be reached through this node at one time: places at its relay.
pub const RELAY_RESERVATIONS: usize = 128;
/// Places of one peer: it may be renewing one, or have started again.
pub(crate) const RELAY_RESERVATIONS_PER_PEER: usize = 2;
/// Seconds for which a place is kept; it is renewed before.
pub(crate) const RELAY_RESERVATION_SECONDS: u64 = 3_600;
/// Connections that are relayed at one time.
pub const RELAY_CIRCUITS: usize = 64;
/// Of them, those that one peer has asked for.
pub(crate) const RELAY_CIRCUITS_PER_PEER: usize = 8;
/// Seconds after which a relayed connection is cut: most are replaced by a direct one within a few.
pub const RELAY_CIRCUIT_SECONDS: u64 = 1_800;
/// Bytes after which a relayed connection is cut, in each direction: the hidden states of some
/// thousand tokens of a large model.
pub const RELAY_CIRCUIT_BYTES: u64 = 256 << 20;
/// Places, and relayed connections, that one peer may ask for at once; one more every two minutes.
pub(crate) const RELAY_ASKS_PER_PEER: u32 = 30;
/// Those that may be asked for from one IP address at once; one more every second.
pub(crate) const RELAY_ASKS_PER_IP: u32 = 120;
/// Relays at which a node that nobody can reach takes a place.
pub(crate) const RELAYS: usize = 2;
/// Peers that tell where they see this node are believed so often: each address that one of them
/// names is tested.
pub(crate) const MAX_CANDIDATES: usize = 4_096;
/// Most addresses of this node whose tests are remembered.
pub(crate) const MAX_TESTED: usize = 32;
/// Most peers' address records that a node keeps for others.
pub const MAX_RECORDS: usize = 1_024;
/// Most bytes of one of them.
pub const MAX_RECORD_BYTES: usize = 2 << 10;
/// Most addresses in one of them.
pub const RECORD_ADDRESSES: usize = 8;

// A stranger's byte takes as many of its link's places as there are in a byte of a session.
const _: () = assert!(QUEUED_BYTES.is_multiple_of(STRANGER_QUEUED_BYTES));
