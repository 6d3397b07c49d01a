//! A node's configuration, and its limits.

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

/// One start of a node. It tells a node from a copy of itself that runs with the same key somewhere
/// else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instance(pub [u8; 8]);

impl Instance {
    /// What stands before it in the name that a node tells to those who connect.
    const PREFIX: &'static str = "mica-net/";

    /// The name that a node tells.
    pub(crate) fn agent(instance: Option<Self>) -> String {
        let hex: String = instance
            .iter()
            .flat_map(|instance| instance.0)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}{hex}", Self::PREFIX)
    }

    /// The instance in a name that a node told.
    pub(crate) fn read(agent: &str) -> Option<Self> {
        let hex = agent
            .strip_prefix(Self::PREFIX)
            .filter(|hex| hex.len() == 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u64::from_str_radix(hex, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

/// How to start a node.
#[derive(Clone)]
pub struct NetConfig {
    /// ed25519 secret of the peer identity.
    pub secret: [u8; 32],
    /// Multiaddresses to listen on, for example `/ip4/0.0.0.0/tcp/4001` or
    /// `/ip4/0.0.0.0/udp/4001/quic-v1`. Empty: only dial.
    pub listen: Vec<String>,
    /// Peers to learn others' addresses from: multiaddresses that end in `/p2p/<peer id>`.
    pub bootstrap: Vec<String>,
    /// Multicast discovery.
    pub mdns: Mdns,
    /// Told to those who connect, so that a copy with the same key is found out; nothing for a node
    /// that has no need of it.
    pub instance: Option<Instance>,
}

impl NetConfig {
    /// Only dials, knows nobody.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, listen: Vec::new(), bootstrap: Vec::new(), mdns: Mdns::Off, instance: None }
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
        let Self { secret: _, listen, bootstrap, mdns, instance } = self;
        f.debug_struct("NetConfig")
            .field("listen", listen)
            .field("bootstrap", bootstrap)
            .field("mdns", mdns)
            .field("instance", instance)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_told_and_read_back() {
        let instance = Instance([0, 1, 2, 3, 4, 5, 6, 255]);
        assert_eq!(Instance::read(&Instance::agent(Some(instance))), Some(instance));
        for other in [
            Instance::agent(None),
            "rust-libp2p/0.48".to_owned(),
            "mica-net/+0010203040506ff".to_owned(),
        ] {
            assert_eq!(Instance::read(&other), None, "{other}");
        }
    }
}
