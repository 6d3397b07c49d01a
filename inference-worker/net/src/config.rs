//! A node's configuration, and its limits.

use std::time::Duration;

use crate::{
    bounds::MAX_LINKS,
    publish::{Reach, reach},
};

/// Most addresses of one peer that are remembered or dialled.
pub(crate) const MAX_ADDRESSES: usize = 16;
/// Longest wait for a connection and a stream on it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an address from other peers.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// A link without traffic or stream is forgotten after this.
pub(crate) const IDLE: Duration = Duration::from_secs(120);
/// Longest wait for the next bytes of a frame that has begun: what it takes of the room for
/// unfinished frames others wait for.
const FRAME_STALL: Duration = Duration::from_secs(5);
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

/// When a node is reached through relays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Relaying {
    /// While others cannot reach it directly.
    #[default]
    IfUnreachable,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether the limits per IP address and per prefix count peers on this machine and on private
/// networks (RFC 1918, carrier NAT, unique local IPv6).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NearPeers {
    /// They do not: a home network and a test have many peers at one address.
    #[default]
    Unlimited,
    /// They do: everybody beyond this machine may be a stranger, as in a data centre's network.
    /// Such an address counts as one of the world then, at which the node is reachable from
    /// outside.
    Limited,
}

/// What strangers may take of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerLimits {
    /// Most peers with a connection at one time; at most [`MAX_LINKS`].
    pub links: usize,
    /// Of them, places that strangers never take: see [`crate::Net::protect`].
    pub reserved_links: usize,
    /// Most connections from one IP address.
    pub links_per_ip: usize,
    /// Most connections from one /24 of IPv4 or /56 of IPv6.
    pub links_per_prefix: usize,
    /// Most connections from one IP address that have not proven who they are.
    pub pending_per_ip: usize,
    /// Whether this machine and private networks are counted as well.
    pub near: NearPeers,
    /// For how long a peer that used up its strikes is refused, and whoever comes from its address;
    /// longer if it was banned a moment ago: see [`crate::MAX_BAN_DOUBLINGS`].
    pub ban: Duration,
    /// Pause between two pings.
    pub ping_interval: Duration,
    /// Longest wait for the answer to a ping; then the connection is closed.
    pub ping_timeout: Duration,
    /// Longest wait for a peer to take what is written at once.
    pub write_timeout: Duration,
    /// Longest wait for the rest of a frame that has begun.
    pub frame_timeout: Duration,
    /// Longest wait for the next bytes of a frame that has begun.
    pub frame_stall: Duration,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self {
            links: MAX_LINKS,
            reserved_links: MAX_LINKS / 4,
            // A gateway with 128 sessions comes with 22 keys from one address, and several of its
            // connections may be under way or dying at once.
            links_per_ip: 64,
            links_per_prefix: 128,
            pending_per_ip: 32,
            near: NearPeers::default(),
            ban: Duration::from_secs(600),
            ping_interval: Duration::from_secs(15),
            ping_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
            frame_timeout: Duration::from_secs(30),
            frame_stall: FRAME_STALL,
        }
    }
}

impl PeerLimits {
    /// Most peers with a connection.
    pub(crate) fn all(&self) -> usize {
        self.links.min(MAX_LINKS)
    }

    /// Most strangers with a connection: at least one, or nobody could begin a session.
    pub(crate) fn strangers(&self) -> usize {
        self.all().saturating_sub(self.reserved_links).max(1)
    }
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
    /// Addresses at which the operator says that it can be reached from outside.
    pub announce: Vec<String>,
    /// When it is reached through relays. Only a node that listens is, or one that always is.
    pub relaying: Relaying,
    /// Whether it relays for peers of the registry while it can be reached from outside.
    pub relays_for_others: bool,
    /// Whether it asks its router to let others in (UPnP).
    pub maps_ports: bool,
    /// Told to those who connect, so that a copy with the same key is found out; nothing for a node
    /// that has no need of it.
    pub instance: Option<Instance>,
    /// What strangers may take.
    pub limits: PeerLimits,
}

impl NetConfig {
    /// Only dials, knows nobody.
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            listen: Vec::new(),
            bootstrap: Vec::new(),
            mdns: Mdns::Off,
            announce: Vec::new(),
            relaying: Relaying::default(),
            relays_for_others: false,
            maps_ports: false,
            instance: None,
            limits: PeerLimits::default(),
        }
    }

    /// Whether the operator wants addresses to be learnt from other peers. Without that only those
    /// are dialled that a user of the node names: nobody can make it dial a third one.
    pub(crate) fn learns_addresses(&self) -> bool {
        !self.bootstrap.is_empty() || self.mdns == Mdns::On
    }

    /// Whether others than this machine's programs may want to reach it: only then it finds out
    /// whether they can.
    pub(crate) fn faces_outside(&self) -> bool {
        let leads_out = |text: &String| reach(text).is_some_and(|reach| reach != Reach::Machine);
        self.relaying == Relaying::Always
            || !self.announce.is_empty()
            || self.listen.iter().any(leads_out)
            || (self.limits.near == NearPeers::Limited && !self.listen.is_empty())
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
        let Self {
            secret: _,
            listen,
            bootstrap,
            mdns,
            announce,
            relaying,
            relays_for_others,
            maps_ports,
            instance,
            limits,
        } = self;
        f.debug_struct("NetConfig")
            .field("listen", listen)
            .field("bootstrap", bootstrap)
            .field("mdns", mdns)
            .field("announce", announce)
            .field("relaying", relaying)
            .field("relays_for_others", relays_for_others)
            .field("maps_ports", maps_ports)
            .field("instance", instance)
            .field("limits", limits)
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
