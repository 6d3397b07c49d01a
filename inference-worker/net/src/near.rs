//! Which peers count as neighbours on the network: by IP address and by prefix.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::{Multiaddr, multiaddr::Protocol};

/// A /24 of IPv4 or a /56 of IPv6: what one customer of a provider has at most, as a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Prefix(IpAddr);

impl Prefix {
    /// The prefix of an address.
    pub(crate) fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                Ipv4Addr::new(a, b, c, 0).into()
            }
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - 56))).into(),
        })
    }
}

/// An address of IPv4 or a /64 of IPv6: what one machine has, as a rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Host(IpAddr);

impl Host {
    /// The host at an address.
    pub(crate) fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
        })
    }

    /// The prefix that it is in.
    pub(crate) fn prefix(self) -> Prefix {
        Prefix::of(self.0)
    }
}

/// The IP address in a multiaddress; nothing in one by name or through a relay.
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
        let same = |a: &str, b: &str| Prefix::of(ip(a)) == Prefix::of(ip(b));
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
        let same = |a: &str, b: &str| Host::of(ip(a)) == Host::of(ip(b));
        assert!(!same("203.0.113.1", "203.0.113.2") && same("::ffff:203.0.113.1", "203.0.113.1"));
        assert!(same("2001:db8::1", "2001:db8::9:1") && !same("2001:db8::1", "2001:db8:0:1::1"));
        assert_eq!(Host::of(ip("2001:db8:0:1::1")).prefix(), Prefix::of(ip("2001:db8::1")));
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
}
