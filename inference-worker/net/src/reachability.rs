//! Whether others reach this node: what is known of each of its addresses, and what follows.

use std::{collections::BTreeMap, time::Instant};

use libp2p::{Multiaddr, multiaddr::Protocol};
use serde::Serialize;

use crate::{
    bounds::MAX_TESTED,
    config::NearPeers,
    far::is_far,
    listening::Listener,
    near::{ip_of, is_relayed},
    publish::{Reach, reach},
};

/// How others reach a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReachStatus {
    /// Nobody was there yet who could say.
    #[default]
    Unknown,
    /// Directly, at one of its addresses at least.
    Directly,
    /// Through a relay only.
    ViaRelay,
    /// Not from outside its own network.
    Unreachable,
}

/// Where an address comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AddressSource {
    /// Of an interface of this machine.
    Interface,
    /// The operator named it.
    Announced,
    /// Other peers see the node there.
    Observed,
    /// The router lets others in there.
    Mapped,
    /// Of a place at a relay.
    Relay,
}

/// What is known of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Somebody came in there, or the router or a relay has said that it lets others in.
    Reachable,
    /// Somebody was asked to come in there and could not.
    Unreachable,
    /// Nobody tried.
    Untested,
}

/// One address of a node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct AddressReach {
    /// As a multiaddress without the node's own peer id.
    pub address: String,
    /// Whether only peers of the same private network or machine can use it.
    pub is_private: bool,
    /// Where it comes from.
    pub source: AddressSource,
    /// What is known of it.
    pub verdict: Verdict,
    /// Why it is not reachable, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether others reach a node. Programs show it as JSON under these names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Reachability {
    /// How.
    pub status: ReachStatus,
    /// How that is known, and what would change it, for people.
    pub why: String,
    /// All its addresses, with what is known of each.
    pub addresses: Vec<AddressReach>,
    /// Relays that have a place for it, as peer ids.
    pub relays: Vec<String>,
    /// Peers that are known to relay.
    pub known_relays: usize,
    /// Peers outside its network that it is connected with.
    pub outside_peers: usize,
    /// Whether it relays for others.
    pub relays_for_others: bool,
    /// Connections that it relays now.
    pub relayed_connections: usize,
    /// Peers that keep its signed address record.
    pub record_holders: usize,
    /// What the router says of letting others in; nothing if it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
}

impl Reachability {
    /// Where others reach the node, the best first: what was seen to work from outside, then its
    /// interfaces, then relays. At interfaces and at relays it can be found by whoever is near, or
    /// if all else fails.
    pub fn external(&self) -> impl Iterator<Item = &AddressReach> {
        self.addresses.iter().filter(|address| {
            address.source != AddressSource::Interface && address.verdict == Verdict::Reachable
        })
    }
}

/// What came of a test of one address.
#[derive(Clone, Debug)]
struct Tested {
    /// Why it failed, if it did.
    failed: Option<String>,
    at: Instant,
    source: AddressSource,
}

/// What is known of a node's addresses.
#[derive(Debug)]
pub(crate) struct ReachTracker {
    near: NearPeers,
    announced: Vec<Multiaddr>,
    tested: BTreeMap<Multiaddr, Tested>,
    router: Option<&'static str>,
    /// What is counted elsewhere.
    pub(crate) counts: Counts,
}

/// What is counted elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) outside_peers: usize,
    pub(crate) known_relays: usize,
    pub(crate) relays: Vec<String>,
    pub(crate) relayed: Vec<Multiaddr>,
    pub(crate) relays_for_others: bool,
    pub(crate) relayed_connections: usize,
    pub(crate) record_holders: usize,
}

impl ReachTracker {
    pub(crate) fn new(near: NearPeers, announced: Vec<Multiaddr>) -> Self {
        let (tested, counts) = (BTreeMap::new(), Counts::default());
        Self { near, announced, tested, router: None, counts }
    }

    /// Somebody was asked to come in at `address`, with this error.
    pub(crate) fn tested(&mut self, address: Multiaddr, failed: Option<String>, now: Instant) {
        let known = self.tested.get(&address);
        let source = known.map_or(AddressSource::Observed, |known| known.source);
        if failed.is_some() && source == AddressSource::Mapped {
            // One peer that cannot get through is outweighed by the router's word.
            return;
        }
        self.put(address, Tested { failed, at: now, source });
    }

    /// The router lets others in at `address`.
    pub(crate) fn mapped(&mut self, address: Multiaddr, now: Instant) {
        self.router = Some("it lets others in");
        self.put(address, Tested { failed: None, at: now, source: AddressSource::Mapped });
    }

    /// The router said something else.
    pub(crate) fn router_says(&mut self, text: &'static str) {
        self.router = Some(text);
    }

    /// The address is not ours any more.
    pub(crate) fn forget(&mut self, address: &Multiaddr) {
        self.tested.remove(address);
    }

    /// Addresses that worked and that `address`, which works now, takes the place of: same
    /// transport and family, another host. A router with a new address does not say that the old
    /// one is gone. Those of `listeners` end by themselves.
    pub(crate) fn replaced(&self, address: &Multiaddr, listeners: &[Listener]) -> Vec<Multiaddr> {
        let is_old = |(other, tested): (&Multiaddr, &Tested)| {
            let is_other = tested.source == AddressSource::Observed
                && tested.failed.is_none()
                && kind(other) == kind(address)
                && ip_of(other) != ip_of(address);
            (is_other && !listens_at(listeners, other)).then(|| other.clone())
        };
        self.tested.iter().filter_map(is_old).collect()
    }

    fn put(&mut self, address: Multiaddr, tested: Tested) {
        if self.tested.len() >= MAX_TESTED && !self.tested.contains_key(&address) {
            // What failed first, and of that the oldest.
            let least = self
                .tested
                .iter()
                .min_by_key(|(_, tested)| (tested.failed.is_none(), tested.at))
                .map(|(address, _)| address.clone());
            if let Some(least) = least {
                self.tested.remove(&least);
            }
        }
        self.tested.insert(address, tested);
    }

    /// Whether others reach the node directly.
    pub(crate) fn is_direct(&self) -> bool {
        let announced = self.announced.iter();
        let mut unrefuted =
            announced.filter(|at| self.tested.get(at).is_none_or(|tested| tested.failed.is_none()));
        unrefuted.next().is_some() || self.tested.values().any(|tested| tested.failed.is_none())
    }

    /// Whether somebody outside has tried and could not.
    pub(crate) fn is_refuted(&self) -> bool {
        !self.is_direct() && self.tested.values().any(|tested| tested.failed.is_some())
    }

    /// What follows from all that.
    pub(crate) fn assess(&self, listeners: &[Listener]) -> Reachability {
        let counts = self.counts.clone();
        let status = if self.is_direct() {
            ReachStatus::Directly
        } else if !counts.relayed.is_empty() {
            ReachStatus::ViaRelay
        } else if self.is_refuted() {
            ReachStatus::Unreachable
        } else {
            ReachStatus::Unknown
        };
        Reachability {
            status,
            why: self.why(status),
            addresses: self.addresses(listeners),
            relays: counts.relays,
            known_relays: counts.known_relays,
            outside_peers: counts.outside_peers,
            relays_for_others: counts.relays_for_others,
            relayed_connections: counts.relayed_connections,
            record_holders: counts.record_holders,
            router: self.router.map(str::to_owned),
        }
    }

    fn addresses(&self, listeners: &[Listener]) -> Vec<AddressReach> {
        let entry = |address: &Multiaddr, source, verdict, why| {
            let address = address.to_string();
            let is_private =
                source != AddressSource::Relay && reach(&address) != Some(Reach::World);
            AddressReach { address, is_private, source, verdict, why }
        };
        let of = |address: &Multiaddr, source, untested| {
            let tested = self.tested.get(address);
            let failed = tested.and_then(|tested| tested.failed.clone());
            let verdict = match tested {
                None => untested,
                Some(_) if failed.is_none() => Verdict::Reachable,
                Some(_) => Verdict::Unreachable,
            };
            entry(address, source, verdict, failed)
        };
        let mut all: Vec<AddressReach> = Vec::new();
        let announced = self
            .announced
            .iter()
            .map(|address| of(address, AddressSource::Announced, Verdict::Reachable));
        let tested = self.tested.iter().filter(|(address, _)| !listens_at(listeners, address));
        let tested = tested.map(|(address, tested)| of(address, tested.source, Verdict::Untested));
        let told = listeners.iter().flat_map(|listener| &listener.addresses);
        let told = told.filter_map(|text| text.parse::<Multiaddr>().ok());
        let told = told.map(|address| of(&address, AddressSource::Interface, Verdict::Untested));
        let relayed = self
            .counts
            .relayed
            .iter()
            .map(|address| entry(address, AddressSource::Relay, Verdict::Reachable, None));
        for address in announced.chain(tested).chain(told).chain(relayed) {
            if all.iter().all(|other| other.address != address.address) {
                all.push(address);
            }
        }
        all
    }

    fn why(&self, status: ReachStatus) -> String {
        let failed = self.tested.iter().find_map(|(address, tested)| {
            let reason = tested.failed.as_deref()?;
            Some(format!("peers outside see it at {address} and cannot come in there ({reason})"))
        });
        let router = self.router.map_or_else(String::new, |text| format!("; the router: {text}"));
        const REMEDY: &str = "forward the port on the router to this machine, or turn UPnP on \
                              there; `announce` names an address that others can use";
        match status {
            ReachStatus::Directly if self.tested.values().any(|tested| tested.failed.is_none()) => {
                "peers outside came in".to_owned()
            }
            ReachStatus::Directly => {
                "the operator announces it; nobody outside has tried".to_owned()
            }
            ReachStatus::ViaRelay => {
                let failed = failed.unwrap_or_else(|| "nobody came in directly".to_owned());
                format!("{failed}{router}: others come through a relay until {REMEDY}")
            }
            ReachStatus::Unreachable => {
                let failed = failed.unwrap_or_default();
                let relays = match self.counts.known_relays {
                    0 => "no peer is known that relays".to_owned(),
                    known => format!("none of {known} relays has given it a place yet"),
                };
                format!("{failed}{router}, and {relays}: {REMEDY}")
            }
            ReachStatus::Unknown if self.counts.outside_peers == 0 => format!(
                "it is connected with no peer outside its own network that could come in{router}"
            ),
            ReachStatus::Unknown => format!("no peer outside has tried to come in yet{router}"),
        }
    }

    /// Whether the address is one of the world.
    pub(crate) fn is_far(&self, address: &Multiaddr) -> bool {
        is_far(address, self.near)
    }
}

/// Transport and family: addresses of one kind take the place of one another.
fn kind(address: &Multiaddr) -> (bool, bool) {
    let is_quic = address.iter().any(|part| part == Protocol::QuicV1);
    (is_quic, ip_of(address).is_some_and(|ip| ip.is_ipv4()))
}

fn listens_at(listeners: &[Listener], address: &Multiaddr) -> bool {
    let text = address.to_string();
    listeners.iter().any(|listener| listener.addresses.contains(&text))
}

/// The listeners' addresses at which somebody came in who was heard at `local`, which may stand
/// for all interfaces. None through a relay.
pub(crate) fn heard_at(listeners: &[Listener], local: &Multiaddr) -> Vec<Multiaddr> {
    if is_relayed(local) {
        return Vec::new();
    }
    let port = |address: &Multiaddr| {
        address.iter().find_map(|part| match part {
            Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
            _ => None,
        })
    };
    let is_all = ip_of(local).is_some_and(|ip| ip.is_unspecified());
    let told = listeners.iter().flat_map(|listener| &listener.addresses);
    let told = told.filter_map(|text| text.parse::<Multiaddr>().ok());
    told.filter(|address| {
        kind(address) == kind(local)
            && port(address) == port(local)
            && (is_all || ip_of(address) == ip_of(local))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("a multiaddress")
    }

    fn listener(addresses: &[&str]) -> Vec<Listener> {
        let addresses = addresses.iter().map(|&text| text.to_owned()).collect();
        vec![Listener { asked: String::new(), addresses, closed: None }]
    }

    #[test]
    fn what_peers_outside_could_do_decides() {
        let now = Instant::now();
        let listeners = listener(&["/ip4/192.168.1.2/tcp/4001"]);
        let mut tracker = ReachTracker::new(NearPeers::Unlimited, Vec::new());
        let status = |tracker: &ReachTracker| tracker.assess(&listeners).status;
        assert_eq!(status(&tracker), ReachStatus::Unknown);
        let seen = address("/ip4/203.0.113.7/tcp/4001");
        tracker.tested(seen.clone(), Some("EDialError".to_owned()), now);
        let found = tracker.assess(&listeners);
        assert_eq!(found.status, ReachStatus::Unreachable);
        assert!(
            found.why.contains("203.0.113.7") && found.why.contains("forward"),
            "{}",
            found.why
        );
        tracker.counts.relayed = vec![address("/ip4/203.0.113.9/tcp/1/p2p-circuit")];
        let found = tracker.assess(&listeners);
        assert_eq!(found.status, ReachStatus::ViaRelay);
        let sources: Vec<_> = found
            .addresses
            .iter()
            .map(|address| (address.source, address.verdict, address.is_private))
            .collect();
        let expected = [
            (AddressSource::Observed, Verdict::Unreachable, false),
            (AddressSource::Interface, Verdict::Untested, true),
            (AddressSource::Relay, Verdict::Reachable, false),
        ];
        assert_eq!(sources, expected);
        assert_eq!(found.external().count(), 1, "only through the relay");
        tracker.mapped(seen.clone(), now);
        tracker.tested(seen, Some("EDialError".to_owned()), now);
        assert_eq!(status(&tracker), ReachStatus::Directly, "the router's word counts");
    }

    #[test]
    fn what_is_announced_counts_until_it_is_refuted() {
        let seen = address("/ip4/203.0.113.7/tcp/4001");
        let mut tracker = ReachTracker::new(NearPeers::Unlimited, vec![seen.clone()]);
        assert_eq!(tracker.assess(&[]).status, ReachStatus::Directly);
        tracker.tested(seen, Some("EDialError".to_owned()), Instant::now());
        assert_eq!(tracker.assess(&[]).status, ReachStatus::Unreachable);
    }

    #[test]
    fn a_new_address_takes_the_place_of_the_old_one_of_its_kind() {
        let (now, mut tracker) =
            (Instant::now(), ReachTracker::new(NearPeers::Unlimited, Vec::new()));
        let tcp = address("/ip4/203.0.113.7/tcp/4001");
        let quic = address("/ip4/203.0.113.7/udp/4001/quic-v1");
        tracker.tested(tcp.clone(), None, now);
        tracker.tested(quic, None, now);
        let new = address("/ip4/198.51.100.7/tcp/4001");
        tracker.tested(new.clone(), None, now);
        assert_eq!(tracker.replaced(&new, &[]), std::slice::from_ref(&tcp));
        let listeners = listener(&["/ip4/203.0.113.7/tcp/4001"]);
        assert!(tracker.replaced(&new, &listeners).is_empty(), "an interface has it");
        tracker.forget(&tcp);
        assert!(tracker.replaced(&new, &[]).is_empty());
    }

    #[test]
    fn failures_are_forgotten_first() {
        let (now, mut tracker) =
            (Instant::now(), ReachTracker::new(NearPeers::Unlimited, Vec::new()));
        let at = |port: usize| address(&format!("/ip4/203.0.113.7/tcp/{port}"));
        tracker.tested(at(1), None, now);
        for port in 2..MAX_TESTED + 9 {
            tracker.tested(at(port), Some("no".to_owned()), now);
        }
        assert!(tracker.tested.len() == MAX_TESTED && tracker.is_direct());
    }

    #[test]
    fn whoever_comes_in_proves_the_interface_it_came_to() {
        let listeners = listener(&[
            "/ip4/203.0.113.7/tcp/4001",
            "/ip4/192.168.1.2/tcp/4001",
            "/ip4/203.0.113.7/udp/4001/quic-v1",
        ]);
        let heard = |text: &str| heard_at(&listeners, &address(text)).len();
        assert_eq!(heard("/ip4/203.0.113.7/tcp/4001"), 1);
        assert_eq!(heard("/ip4/0.0.0.0/tcp/4001"), 2);
        assert_eq!(heard("/ip4/203.0.113.7/tcp/4002"), 0);
        let relayed =
            format!("/ip4/203.0.113.7/tcp/4001/p2p/{}/p2p-circuit", libp2p::PeerId::random());
        assert_eq!(heard(&relayed), 0);
    }
}
