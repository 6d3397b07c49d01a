//! Which of a node's addresses to publish where a change costs a fee, and when a change is worth
//! it.

use std::net::IpAddr;

use crate::{
    listening::Listener,
    publish::{self, Bounds, Reach, publishable, reach},
    reachability::{AddressSource, ReachStatus, Reachability},
};

/// All the ways to a node.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// What the operator wants to be published; none to publish what is found.
    pub announced: &'a [String],
    /// Where it listens.
    pub listeners: &'a [Listener],
    /// What is known of it from outside.
    pub reach: &'a Reachability,
    /// See [`crate::outward`].
    pub outward: &'a [IpAddr],
    /// What the place of publication takes.
    pub bounds: Bounds,
}

/// Whether published addresses may stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stay {
    /// They lead here.
    Yes,
    /// They do not, and peers find the node by its signed record: for a while that is enough.
    ForNow,
    /// Peers that know nothing else do not find the node.
    No,
}

impl Ways<'_> {
    /// The addresses to publish: those that work from outside first, with one place left for peers
    /// of the same network.
    pub fn to_publish(&self) -> Vec<String> {
        if !self.announced.is_empty() && !self.is_announcement_wrong() {
            return self.announced.to_vec();
        }
        let Bounds { addresses, bytes } = self.bounds;
        let near = publishable(self.listeners, self.outward, self.bounds);
        let places = if near.is_empty() { addresses } else { addresses.saturating_sub(1).max(1) };
        let fits = |text: &&String| text.len() <= bytes;
        let mut all: Vec<String> = self.external().filter(fits).take(places).cloned().collect();
        for text in near {
            if all.len() < addresses && !all.contains(&text) {
                all.push(text);
            }
        }
        all
    }

    /// Whether these addresses may stay where they are published: a change is not worth a fee for
    /// another order, or for a worse address that comes besides.
    pub fn may_stay(&self, published: &[String]) -> Stay {
        if !self.announced.is_empty() && !self.is_announcement_wrong() {
            let same = published.iter().all(|text| self.announced.contains(text))
                && self.announced.iter().all(|text| published.contains(text));
            return if same { Stay::Yes } else { Stay::No };
        }
        let is_true = if self.external().next().is_none() {
            let most = publishable(self.listeners, self.outward, self.bounds).len();
            published.len() >= most
                && publish::may_stay(published, self.listeners, self.outward, self.bounds)
        } else {
            published.iter().all(|text| self.leads_here(text)) && self.leads_in(published)
        };
        if is_true {
            return Stay::Yes;
        }
        if self.reach.record_holders == 0 || published.is_empty() {
            return Stay::No;
        }
        if !published.iter().any(|text| self.leads_here(text)) {
            return Stay::ForNow;
        }
        if self.leads_in(published) { Stay::Yes } else { Stay::No }
    }

    /// Whether somebody outside gets in by one of them, if there is any way in.
    fn leads_in(&self, published: &[String]) -> bool {
        let is_way_in = |text: &String| self.external().any(|external| external == text);
        let listens = |text: &String| {
            reach(text) == Some(Reach::World)
                && self.listeners.iter().any(|listener| listener.addresses.contains(text))
        };
        let has_none = self.external().next().is_none();
        has_none || published.iter().any(|text| is_way_in(text) || listens(text))
    }

    fn leads_here(&self, text: &String) -> bool {
        self.external().any(|external| external == text)
            || self.listeners.iter().any(|listener| listener.addresses.contains(text))
    }

    /// What was seen to work from outside, directly before through relays.
    fn external(&self) -> impl Iterator<Item = &String> {
        let of = |is_relay: bool| {
            let external = self.reach.external();
            external.filter(move |address| (address.source == AddressSource::Relay) == is_relay)
        };
        of(false).chain(of(true)).map(|address| &address.address)
    }

    /// Whether others cannot come in at what the operator announces, and come through relays.
    fn is_announcement_wrong(&self) -> bool {
        self.reach.status == ReachStatus::ViaRelay
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{config::NearPeers, reachability::ReachTracker};

    const BOUNDS: Bounds = Bounds { addresses: 4, bytes: 128 };
    const LAN: &str = "/ip4/192.168.1.2/tcp/4001";
    const SEEN: &str = "/ip4/203.0.113.7/tcp/4001";

    fn listeners(addresses: &[&str]) -> Vec<Listener> {
        let addresses = addresses.iter().map(|&text| text.to_owned()).collect();
        vec![Listener { asked: "/ip4/0.0.0.0/tcp/4001".to_owned(), addresses, closed: None }]
    }

    fn relayed() -> String {
        let relay = libp2p::PeerId::random();
        format!("/ip4/203.0.113.9/tcp/1/p2p/{relay}/p2p-circuit")
    }

    fn reach_of(relayed: &[&str], holders: usize) -> Reachability {
        let mut tracker = ReachTracker::new(NearPeers::Unlimited, Vec::new());
        let seen = SEEN.parse().expect("a multiaddress");
        tracker.tested(seen, Some("EDialError".to_owned()), Instant::now());
        tracker.counts.relayed =
            relayed.iter().map(|text| text.parse().expect("a multiaddress")).collect();
        tracker.counts.record_holders = holders;
        tracker.assess(&listeners(&[LAN]))
    }

    fn ways<'a>(listeners: &'a [Listener], reach: &'a Reachability) -> Ways<'a> {
        Ways { announced: &[], listeners, reach, outward: &[], bounds: BOUNDS }
    }

    #[test]
    fn ways_through_relays_come_before_those_of_the_own_network() {
        let (here, place) = (listeners(&[LAN]), relayed());
        let reach = reach_of(&[&place], 0);
        let ways = ways(&here, &reach);
        assert_eq!(ways.to_publish(), [place.clone(), LAN.to_owned()]);
        assert_eq!(ways.may_stay(&[place, LAN.to_owned()]), Stay::Yes);
        assert_eq!(ways.may_stay(&[LAN.to_owned()]), Stay::No, "nobody outside gets in");
        assert_eq!(ways.may_stay(&[relayed(), LAN.to_owned()]), Stay::No, "another relay");
    }

    #[test]
    fn the_registry_is_changed_only_if_the_record_does_not_do() {
        let (here, reach) = (listeners(&[LAN]), reach_of(&[], 3));
        let found = ways(&here, &reach);
        let old = "/ip4/192.168.1.9/tcp/4001".to_owned();
        assert_eq!(found.may_stay(std::slice::from_ref(&old)), Stay::ForNow, "its record is known");
        assert_eq!(found.may_stay(&[old.clone(), LAN.to_owned()]), Stay::Yes, "one leads here");
        let nobody_keeps = reach_of(&[], 0);
        assert_eq!(ways(&here, &nobody_keeps).may_stay(&[old]), Stay::No);
        let place = relayed();
        let reach = reach_of(&[&place], 3);
        let found = ways(&here, &reach);
        assert_eq!(found.may_stay(&[LAN.to_owned()]), Stay::No, "those who know nobody");
        let two = [place.clone(), relayed(), LAN.to_owned()];
        assert_eq!(found.may_stay(&two), Stay::Yes, "one of two relays is gone");
    }

    #[test]
    fn an_announcement_counts_unless_relays_have_to_help() {
        let (here, place, announced) = (listeners(&[LAN]), relayed(), [SEEN.to_owned()]);
        let good = Reachability::default();
        let found = Ways { announced: &announced, ..ways(&here, &good) };
        assert_eq!(
            (found.to_publish(), found.may_stay(&announced)),
            (announced.to_vec(), Stay::Yes)
        );
        let bad = reach_of(&[&place], 0);
        let found = Ways { announced: &announced, ..ways(&here, &bad) };
        assert_eq!(found.to_publish(), [place, LAN.to_owned()]);
    }
}
