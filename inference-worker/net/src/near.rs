//! Which peers count as neighbours on the network: by IP address and by prefix, or by the relay
//! that they come through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// From where a connection comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// From this address.
    Ip(IpAddr),
    /// Through a relay, which is all that is known of where the peer is: the relay stands for the
    /// network and the peer for the host. Until it has proven its id, `peer` is what the relay
    /// says.
    Relay {
        /// The relay; nothing if the address does not name it.
        relay: Option<PeerId>,
        /// The peer beyond it.
        peer: Option<PeerId>,
    },
}

impl Origin {
    /// The origin of a connection that came in: where the swarm heard it, and whence. Nothing for
    /// one that came from a name.
    pub(crate) fn of(local: &Multiaddr, remote: &Multiaddr) -> Option<Self> {
        if !is_relayed(local) {
            return ip_of(remote).map(Self::Ip);
        }
        let peer = remote.iter().find_map(|part| match part {
            Protocol::P2p(peer) => Some(peer),
            _ => None,
        });
        Some(Self::Relay { relay: relay_of(local), peer })
    }

    /// The same, when the peer has proven who it is.
    pub(crate) fn proven(self, peer: PeerId) -> Self {
        match self {
            Self::Relay { relay, .. } => Self::Relay { relay, peer: Some(peer) },
            Self::Ip(_) => self,
        }
    }
}

/// Whether the address leads through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// The relay that the address leads through.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<PeerId> {
    let before = address.iter().take_while(|part| *part != Protocol::P2pCircuit);
    let relays = before.filter_map(|part| match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    });
    relays.last().filter(|_| is_relayed(address))
}

/// A /24 of IPv4 or a /56 of IPv6: what one customer of a provider has at most, as a rule. Or
/// everybody beyond one relay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Prefix {
    /// The first address of it.
    Ip(IpAddr),
    /// The relay.
    Relay(Option<PeerId>),
}

impl Prefix {
    /// The prefix of an origin.
    pub(crate) fn of(origin: Origin) -> Self {
        match origin {
            Origin::Ip(ip) => Self::of_ip(ip),
            Origin::Relay { relay, .. } => Self::Relay(relay),
        }
    }

    fn of_ip(ip: IpAddr) -> Self {
        Self::Ip(match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - 56))).into(),
        })
    }
}

/// An address of IPv4 or a /64 of IPv6: what one machine has, as a rule. Or one peer beyond a
/// relay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Host {
    /// Its address.
    Ip(IpAddr),
    /// The relay, and the peer beyond it.
    Relayed(Option<PeerId>, Option<PeerId>),
}

impl Host {
    /// The host at an origin.
    pub(crate) fn of(origin: Origin) -> Self {
        match origin {
            Origin::Ip(ip) => Self::Ip(match ip.to_canonical() {
                IpAddr::V4(ip) => ip.into(),
                IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
            }),
            Origin::Relay { relay, peer } => Self::Relayed(relay, peer),
        }
    }

    /// The prefix that it is in.
    pub(crate) fn prefix(self) -> Prefix {
        match self {
            Self::Ip(ip) => Prefix::of_ip(ip),
            Self::Relayed(relay, _) => Prefix::Relay(relay),
        }
    }
}

/// The IP address that a multiaddress begins with: of one through a relay, that of the relay.
/// Nothing in one by name.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(IpAddr::from(ip).to_canonical()),
        _ => None,
    }
}

/// Whether the address is of this machine or of a private network.
pub(crate) fn is_near(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let is_carrier_nat = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_carrier_nat
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_prefix_is_24_bits_of_ipv4_and_56_of_ipv6() {
        let of = |text: &str| Prefix::of(Origin::Ip(ip(text)));
        let same = |a: &str, b: &str| of(a) == of(b);
        assert!(same("203.0.113.1", "203.0.113.254") && !same("203.0.113.1", "203.0.114.1"));
        assert!(same("2001:db8:0:1200::1", "2001:db8:0:12ff:9::1"));
        assert!(!same("2001:db8:0:1200::1", "2001:db8:0:1300::1"));
        assert!(
            same("::ffff:203.0.113.1", "203.0.113.9"),
            "an IPv4 address written as one of IPv6"
        );
    }

    #[test]
    fn a_host_is_an_address_of_ipv4_and_64_bits_of_ipv6() {
        let of = |text: &str| Host::of(Origin::Ip(ip(text)));
        let same = |a: &str, b: &str| of(a) == of(b);
        assert!(!same("203.0.113.1", "203.0.113.2") && same("::ffff:203.0.113.1", "203.0.113.1"));
        assert!(same("2001:db8::1", "2001:db8::9:1") && !same("2001:db8::1", "2001:db8:0:1::1"));
        let prefix = Prefix::of(Origin::Ip(ip("2001:db8::1")));
        assert_eq!(of("2001:db8:0:1::1").prefix(), prefix);
    }

    #[test]
    fn this_machine_and_private_networks_are_near() {
        for near in ["127.0.0.1", "192.168.1.1", "10.1.2.3", "100.64.0.1", "fd00::1", "::1"] {
            assert!(is_near(ip(near)), "{near}");
        }
        for far in ["8.8.8.8", "100.128.0.1", "2001:db8::1", "172.32.0.1"] {
            assert!(!is_near(ip(far)), "{far}");
        }
    }

    #[test]
    fn a_multiaddress_says_its_ip() {
        let of = |text: &str| ip_of(&text.parse().expect("a multiaddress"));
        assert_eq!(of("/ip4/203.0.113.1/tcp/4001"), Some(ip("203.0.113.1")));
        assert_eq!(of("/ip6/::ffff:203.0.113.1/udp/1/quic-v1"), Some(ip("203.0.113.1")));
        assert_eq!(of("/dns4/mica.example/tcp/1"), None);
    }

    #[test]
    fn whoever_comes_through_a_relay_is_a_host_of_its_network() {
        let (relay, one, other) = (PeerId::random(), PeerId::random(), PeerId::random());
        let text = format!("/ip4/203.0.113.1/tcp/1/p2p/{relay}/p2p-circuit");
        let local: Multiaddr = text.parse().expect("a multiaddress");
        let from = |peer: PeerId| {
            Origin::of(&local, &Protocol::P2p(peer).into()).expect("through a relay")
        };
        assert_eq!(from(one), Origin::Relay { relay: Some(relay), peer: Some(one) });
        assert_ne!(Host::of(from(one)), Host::of(from(other)));
        assert_eq!(Host::of(from(one)).prefix(), Prefix::of(from(other)));
        let direct: Multiaddr = "/ip4/192.0.2.1/tcp/9".parse().expect("a multiaddress");
        assert_eq!(Origin::of(&direct, &direct), Some(Origin::Ip(ip("192.0.2.1"))));
        assert_eq!((relay_of(&direct), relay_of(&local)), (None, Some(relay)));
    }
}
