//! Which addresses a node should publish, and which it must not.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket},
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use thiserror::Error;

use crate::{
    event::Key,
    listening::Listener,
    peer::{display, public_key},
};

/// From where an address can be dialled. Ordered: the further, the better to publish.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reach {
    /// From everywhere, as far as its form tells; names count as such.
    World,
    /// From the same private network.
    Lan,
    /// From the same link only.
    Link,
    /// From the same machine only.
    Machine,
    /// From nowhere: it stands for all interfaces.
    Unspecified,
}

/// How an address is dialled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Transport {
    Tcp,
    Quic,
}

/// Why an address must not be announced.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnnounceError {
    /// Not a multiaddress.
    #[error(
        "cannot announce `{address}`: it is no multiaddress ({reason}); write it like \
         /ip4/203.0.113.7/tcp/4001"
    )]
    Malformed {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not the form of an address that payers can dial.
    #[error(
        "cannot announce `{address}`: payers dial /ip4, /ip6 or /dns with /tcp/PORT or \
         /udp/PORT/quic-v1; write it like /ip4/203.0.113.7/tcp/4001 or \
         /dns4/worker.example.org/udp/4001/quic-v1"
    )]
    Form {
        /// As it was given.
        address: String,
    },
    /// It stands for all interfaces, or for nobody, or means something only together with an
    /// interface of whoever dials it.
    #[error(
        "cannot announce `{address}`: nobody can dial {ip}; name the address under which others \
         reach this machine"
    )]
    NotDialable {
        /// As it was given.
        address: String,
        /// The part that is wrong.
        ip: IpAddr,
    },
    /// Port 0.
    #[error(
        "cannot announce `{address}`: port 0 is no port; name the one that leads here, and listen \
         on a fixed one"
    )]
    NoPort {
        /// As it was given.
        address: String,
    },
    /// It ends in somebody else's peer id.
    #[error(
        "cannot announce `{address}`: it names another peer than this worker, which is {own}; \
         leave /p2p/… out or correct it"
    )]
    OtherPeer {
        /// As it was given.
        address: String,
        /// Our peer id.
        own: String,
    },
    /// Too long.
    #[error(
        "cannot announce `{address}`: it has {bytes} bytes and the registry takes {limit}; use a \
         shorter name"
    )]
    TooLong {
        /// As it was given.
        address: String,
        /// Its length.
        bytes: usize,
        /// The registry's bound.
        limit: usize,
    },
    /// Too many.
    #[error("cannot announce {count} addresses: the registry takes {limit}; leave some out")]
    TooMany {
        /// How many were given.
        count: usize,
        /// The registry's bound.
        limit: usize,
    },
}

/// What the place of publication takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Most addresses.
    pub addresses: usize,
    /// Most bytes of one.
    pub bytes: usize,
}

/// Checks the addresses that an operator wants to announce for the node with public key `own`;
/// returns them without repetitions.
///
/// # Errors
/// [`AnnounceError`] for the first that nobody could dial, or that does not fit `bounds`.
pub fn announced(
    texts: &[String],
    own: &Key,
    bounds: Bounds,
) -> Result<Vec<String>, AnnounceError> {
    let mut checked: Vec<String> = Vec::new();
    for text in texts {
        check(text, own, bounds)?;
        if !checked.contains(text) {
            checked.push(text.clone());
        }
    }
    match checked.len() > bounds.addresses {
        true => Err(AnnounceError::TooMany { count: checked.len(), limit: bounds.addresses }),
        false => Ok(checked),
    }
}

fn check(text: &str, own: &Key, bounds: Bounds) -> Result<(), AnnounceError> {
    let address = text.to_owned();
    let parsed: Multiaddr = match text.parse() {
        Ok(parsed) => parsed,
        Err(error) => return Err(AnnounceError::Malformed { address, reason: format!("{error}") }),
    };
    let mut parts = parsed.iter().peekable();
    let ip: Option<IpAddr> = match parts.next() {
        Some(Protocol::Ip4(ip)) => Some(ip.into()),
        Some(Protocol::Ip6(ip)) => Some(ip.into()),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => None,
        _ => return Err(AnnounceError::Form { address }),
    };
    let port = match (parts.next(), parts.peek()) {
        (Some(Protocol::Tcp(port)), _) => port,
        (Some(Protocol::Udp(port)), Some(Protocol::QuicV1)) => {
            parts.next();
            port
        }
        _ => return Err(AnnounceError::Form { address }),
    };
    let is_nobody = |ip: &IpAddr| {
        ip.is_unspecified()
            || ip.is_multicast()
            || *ip == IpAddr::V4(Ipv4Addr::BROADCAST)
            || is_v6_of_link(*ip)
    };
    if let Some(ip) = ip.filter(is_nobody) {
        return Err(AnnounceError::NotDialable { address, ip });
    }
    if port == 0 {
        return Err(AnnounceError::NoPort { address });
    }
    match (parts.next(), parts.next()) {
        (None, _) => {}
        (Some(Protocol::P2p(peer)), None) => {
            if public_key(&peer) != Some(*own) {
                return Err(AnnounceError::OtherPeer { address, own: display(own) });
            }
        }
        _ => return Err(AnnounceError::Form { address }),
    }
    match text.len() > bounds.bytes {
        true => Err(AnnounceError::TooLong { address, bytes: text.len(), limit: bounds.bytes }),
        false => Ok(()),
    }
}

/// The addresses of `listeners` that others can use, as many as fit `bounds`.
///
/// Those of other machines come first; loopback counts only if there is nothing else, and so do
/// addresses that are only valid on their link. Of those with the same reach the ones on `outward`
/// come first, because bridges of containers look like any private network. If there are more than
/// fit, every transport has its turn, with its best address first.
pub fn publishable(listeners: &[Listener], outward: &[IpAddr], bounds: Bounds) -> Vec<String> {
    let mut turns: BTreeMap<Transport, usize> = BTreeMap::new();
    let mut ordered: Vec<(usize, &String)> = Vec::new();
    for (transport, text) in usable(listeners, outward, bounds) {
        let turn = turns.entry(transport).or_default();
        ordered.push((*turn, text));
        *turn += 1;
    }
    ordered.sort_by_key(|(turn, _)| *turn);
    ordered.into_iter().take(bounds.addresses).map(|(_, text)| text.clone()).collect()
}

/// Whether addresses that were published may stay as they are: all of them still lead here, and the
/// best of each transport is among them.
pub(crate) fn may_stay(
    published: &[String],
    listeners: &[Listener],
    outward: &[IpAddr],
    bounds: Bounds,
) -> bool {
    let usable = usable(listeners, outward, bounds);
    let leads_here = |text: &String| usable.iter().any(|(_, usable)| *usable == text);
    let best = |transport: Transport| {
        usable.iter().find(|(other, _)| *other == transport).map(|(_, text)| *text)
    };
    let has_best =
        |transport: Transport| best(transport).is_none_or(|best| published.contains(best));
    !published.is_empty()
        && published.iter().all(leads_here)
        && has_best(Transport::Tcp)
        && has_best(Transport::Quic)
}

/// The addresses of this machine from which packets leave for the world: those of the default
/// routes. No packet is sent.
pub fn outward() -> Vec<IpAddr> {
    // Addresses for documentation, where nobody is.
    let ways: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(198, 51, 100, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    let source = |(from, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    ways.into_iter().filter_map(source).collect()
}

/// What others can use, each once, the best first.
fn usable<'a>(
    listeners: &'a [Listener],
    outward: &[IpAddr],
    bounds: Bounds,
) -> Vec<(Transport, &'a String)> {
    let told = listeners.iter().flat_map(|listener| &listener.addresses);
    let mut usable: Vec<(Reach, Transport, &String)> = Vec::new();
    for text in told.filter(|text| text.len() <= bounds.bytes && !needs_zone(text)) {
        let Some((reach, transport)) = reach(text).zip(transport(text)) else { continue };
        if reach != Reach::Unspecified && usable.iter().all(|(.., other)| *other != text) {
            usable.push((reach, transport, text));
        }
    }
    for best in [Reach::Lan, Reach::Link] {
        if usable.iter().any(|(reach, ..)| *reach <= best) {
            usable.retain(|(reach, ..)| *reach <= best);
        }
    }
    // Stable: otherwise interfaces keep the order in which the system told them.
    usable.sort_by_key(|(reach, _, text)| {
        (*reach, !ip(text).is_some_and(|ip| outward.contains(&ip)))
    });
    usable.into_iter().map(|(_, transport, text)| (transport, text)).collect()
}

/// The IP address with which it begins.
fn ip(text: &str) -> Option<IpAddr> {
    let address: Multiaddr = text.parse().ok()?;
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Whether it is an IPv6 address of a link: others need the name of their own interface with it,
/// which nobody can publish.
fn needs_zone(text: &str) -> bool {
    ip(text).is_some_and(is_v6_of_link)
}

const fn is_v6_of_link(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// From where the address can be dialled, as far as its form tells; nothing for one that begins
/// with neither an IP address nor a name.
pub fn reach(text: &str) -> Option<Reach> {
    let address: Multiaddr = text.parse().ok()?;
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(reach_of_v4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or_else(|| reach_of_v6(ip), reach_of_v4)),
        Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) => Some(Reach::World),
        _ => None,
    }
}

fn reach_of_v4(ip: Ipv4Addr) -> Reach {
    /// Shared by providers and their customers (RFC 6598).
    fn is_shared(ip: Ipv4Addr) -> bool {
        let [a, b, ..] = ip.octets();
        a == 100 && (64..128).contains(&b)
    }
    match ip {
        ip if ip.is_unspecified() => Reach::Unspecified,
        ip if ip.is_loopback() => Reach::Machine,
        ip if ip.is_link_local() => Reach::Link,
        ip if ip.is_private() || is_shared(ip) => Reach::Lan,
        _ => Reach::World,
    }
}

fn reach_of_v6(ip: Ipv6Addr) -> Reach {
    match ip {
        ip if ip.is_unspecified() => Reach::Unspecified,
        ip if ip.is_loopback() => Reach::Machine,
        ip if ip.is_unicast_link_local() => Reach::Link,
        ip if ip.is_unique_local() => Reach::Lan,
        _ => Reach::World,
    }
}

fn transport(text: &str) -> Option<Transport> {
    let address: Multiaddr = text.parse().ok()?;
    address.iter().find_map(|part| match part {
        Protocol::Tcp(_) => Some(Transport::Tcp),
        Protocol::QuicV1 => Some(Transport::Quic),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{peer_id, public_key_of};

    const BOUNDS: Bounds = Bounds { addresses: 4, bytes: 128 };

    fn listener(asked: &str, addresses: &[&str]) -> Listener {
        Listener {
            asked: asked.to_owned(),
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
            closed: None,
        }
    }

    #[test]
    fn both_transports_and_other_machines_come_first_within_the_bound() {
        let tcp = listener(
            "/ip4/0.0.0.0/tcp/4001",
            &[
                "/ip4/127.0.0.1/tcp/4001",
                "/ip4/10.0.0.2/tcp/4001",
                "/ip4/172.17.0.1/tcp/4001",
                "/ip4/203.0.113.7/tcp/4001",
            ],
        );
        let quic = listener(
            "/ip4/0.0.0.0/udp/4001/quic-v1",
            &[
                "/ip4/127.0.0.1/udp/4001/quic-v1",
                "/ip4/10.0.0.2/udp/4001/quic-v1",
                "/ip4/172.17.0.1/udp/4001/quic-v1",
            ],
        );
        assert_eq!(
            publishable(&[tcp, quic], &[], BOUNDS),
            [
                "/ip4/203.0.113.7/tcp/4001",
                "/ip4/10.0.0.2/udp/4001/quic-v1",
                "/ip4/10.0.0.2/tcp/4001",
                "/ip4/172.17.0.1/udp/4001/quic-v1"
            ]
        );
    }

    #[test]
    fn loopback_and_links_count_only_if_there_is_nothing_else() {
        let only = listener("/ip4/127.0.0.1/tcp/0", &["/ip4/127.0.0.1/tcp/7"]);
        assert_eq!(publishable(std::slice::from_ref(&only), &[], BOUNDS), ["/ip4/127.0.0.1/tcp/7"]);
        let link = listener("/ip6/::/tcp/7", &["/ip6/::1/tcp/7", "/ip6/fe80::1/tcp/7"]);
        assert_eq!(
            publishable(&[only.clone(), link.clone()], &[], BOUNDS),
            ["/ip4/127.0.0.1/tcp/7", "/ip6/::1/tcp/7"],
            "no zone"
        );
        let auto =
            listener("/ip4/0.0.0.0/tcp/7", &["/ip4/127.0.0.1/tcp/7", "/ip4/169.254.3.4/tcp/7"]);
        assert_eq!(publishable(&[auto, link.clone()], &[], BOUNDS), ["/ip4/169.254.3.4/tcp/7"]);
        let lan = listener(
            "/ip6/::/udp/7/quic-v1",
            &["/ip6/fd00::2/udp/7/quic-v1", "/ip6/fe80::1/udp/7/quic-v1"],
        );
        assert_eq!(publishable(&[only, link, lan], &[], BOUNDS), ["/ip6/fd00::2/udp/7/quic-v1"]);
        assert!(publishable(&[], &[], BOUNDS).is_empty());
    }

    #[test]
    fn the_way_out_comes_before_bridges_and_what_is_published_stays_while_it_is_true() {
        let all = |last: &str| {
            let ips = ["172.17.0.1", "172.18.0.1", "172.19.0.1", "172.20.0.1", last];
            let texts: Vec<String> = ips.iter().map(|ip| format!("/ip4/{ip}/tcp/7")).collect();
            listener("/ip4/0.0.0.0/tcp/7", &texts.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let out: IpAddr = Ipv4Addr::new(192, 168, 1, 5).into();
        let found = publishable(&[all("192.168.1.5")], &[out], BOUNDS);
        assert_eq!(found[0], "/ip4/192.168.1.5/tcp/7");
        assert_eq!(found.len(), 4);
        let stays = |published: &[String], listener: Listener| {
            may_stay(published, &[listener], &[out], BOUNDS)
        };
        let mut turned = found.clone();
        turned.reverse();
        assert!(
            stays(&found, all("192.168.1.5"))
                && stays(&turned, all("192.168.1.5"))
                && stays(&found[..1], all("192.168.1.5"))
        );
        assert!(!stays(&found, all("192.168.1.6")), "one is gone");
        assert!(!stays(&found[1..], all("192.168.1.5")), "the best is missing");
        assert!(!stays(&[], all("192.168.1.5")));
    }

    #[test]
    fn reach_follows_the_address() {
        for (text, expected) in [
            ("/ip4/8.8.8.8/tcp/1", Some(Reach::World)),
            ("/dns4/a.example/tcp/1", Some(Reach::World)),
            ("/ip6/2001:db8::1/tcp/1", Some(Reach::World)),
            ("/ip4/192.168.1.1/tcp/1", Some(Reach::Lan)),
            ("/ip4/100.64.0.1/tcp/1", Some(Reach::Lan)),
            ("/ip4/169.254.1.1/tcp/1", Some(Reach::Link)),
            ("/ip4/127.9.9.9/tcp/1", Some(Reach::Machine)),
            ("/ip6/::ffff:127.0.0.1/tcp/1", Some(Reach::Machine)),
            ("/ip6/::/tcp/1", Some(Reach::Unspecified)),
            ("/memory/1", None),
            ("nonsense", None),
        ] {
            assert_eq!(reach(text), expected, "{text}");
        }
    }

    #[test]
    fn what_nobody_could_dial_is_not_announced() {
        let own = public_key_of(&[1; 32]).expect("a key");
        let id = peer_id(&own).expect("a peer");
        let other = peer_id(&public_key_of(&[2; 32]).expect("a key")).expect("a peer");
        let check = |text: &str| announced(&[text.to_owned()], &own, BOUNDS);
        for good in [
            "/ip4/203.0.113.7/tcp/4001".to_owned(),
            "/dns4/worker.example.org/udp/4001/quic-v1".to_owned(),
            format!("/ip6/2001:db8::1/udp/4001/quic-v1/p2p/{id}"),
        ] {
            assert_eq!(check(&good), Ok(vec![good.clone()]), "{good}");
        }
        assert!(matches!(check("203.0.113.7:4001"), Err(AnnounceError::Malformed { .. })));
        assert!(matches!(
            check("/ip4/203.0.113.7/tcp/99999"),
            Err(AnnounceError::Malformed { .. })
        ));
        for form in [
            "/ip4/203.0.113.7",
            "/ip4/203.0.113.7/udp/4001",
            "/tcp/4001",
            "/ip4/203.0.113.7/tcp/4001/ws",
            "/unix/a",
        ] {
            assert!(matches!(check(form), Err(AnnounceError::Form { .. })), "{form}");
        }
        for nobody in [
            "/ip4/0.0.0.0/tcp/4001",
            "/ip6/::/udp/4001/quic-v1",
            "/ip4/224.0.0.1/tcp/4001",
            "/ip6/fe80::1/tcp/4001",
        ] {
            assert!(matches!(check(nobody), Err(AnnounceError::NotDialable { .. })), "{nobody}");
        }
        assert!(matches!(check("/ip4/203.0.113.7/tcp/0"), Err(AnnounceError::NoPort { .. })));
        let named = format!("/ip4/203.0.113.7/tcp/4001/p2p/{other}");
        assert!(matches!(check(&named), Err(AnnounceError::OtherPeer { .. })));
        let long = format!("/dns4/{}.org/tcp/4001", "a".repeat(130));
        assert!(matches!(check(&long), Err(AnnounceError::TooLong { .. })));
        let five: Vec<String> =
            (1..=5).map(|port| format!("/ip4/203.0.113.7/tcp/{port}")).collect();
        assert_eq!(
            announced(&five, &own, BOUNDS),
            Err(AnnounceError::TooMany { count: 5, limit: 4 })
        );
        assert_eq!(
            announced(&[five[0].clone(), five[0].clone()], &own, BOUNDS).map(|all| all.len()),
            Ok(1)
        );
    }
}
