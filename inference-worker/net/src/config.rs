//! What a node is told, and the limits that it keeps.

use std::time::Duration;

/// Most peers with a link at one time.
pub const MAX_LINKS: usize = 512;
/// Most messages waiting to be written to one peer.
pub const QUEUED_MESSAGES: usize = 256;
/// Most bytes waiting to be written to one peer.
pub const QUEUED_BYTES: usize = 32 << 20;
/// Most events waiting to be taken.
pub const EVENTS: usize = 1024;
/// Most addresses of one peer that are remembered or dialled.
pub(crate) const MAX_ADDRESSES: usize = 16;
/// Longest wait for a connection and a stream on it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an address from other peers.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a peer to take one frame.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A link without traffic or stream is forgotten after this.
pub(crate) const IDLE: Duration = Duration::from_secs(120);
/// Time that queued messages get when the node stops.
pub(crate) const DRAIN: Duration = Duration::from_secs(2);

/// Whether peers on the same LAN find one another by multicast.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mdns {
    /// They do.
    On,
    /// They do not.
    #[default]
    Off,
}

/// How to start a node.
#[derive(Clone)]
pub struct NetConfig {
    /// ed25519 secret of the peer identity.
    pub secret: [u8; 32],
    /// Multiaddresses to listen on, for example `/ip4/0.0.0.0/tcp/4001` or `/ip4/0.0.0.0/udp/4001/quic-v1`. Empty: only dial.
    pub listen: Vec<String>,
    /// Peers to learn others' addresses from: multiaddresses that end in `/p2p/<peer id>`.
    pub bootstrap: Vec<String>,
    /// Multicast discovery.
    pub mdns: Mdns,
}

impl NetConfig {
    /// Only dials, knows nobody.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, listen: Vec::new(), bootstrap: Vec::new(), mdns: Mdns::Off }
    }

    /// Listens on `addresses` besides.
    #[must_use]
    pub fn listen(mut self, addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.listen.extend(addresses.into_iter().map(Into::into));
        self
    }
}

impl std::fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { secret: _, listen, bootstrap, mdns } = self;
        f.debug_struct("NetConfig")
            .field("listen", listen)
            .field("bootstrap", bootstrap)
            .field("mdns", mdns)
            .finish_non_exhaustive()
    }
}
