//! The relays through which a node is reached that others cannot reach otherwise.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, core::transport::ListenerId, multiaddr::Protocol};

use crate::{
    bans::make_room,
    bounds::{MAX_REMEMBERED, RELAYS},
    config::MAX_ADDRESSES,
};

/// Pause before a relay is asked again that had no place; twice as long after each refusal.
const PAUSE: Duration = Duration::from_secs(15);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1_800);

/// A peer that says that it relays.
#[derive(Debug)]
struct Candidate {
    addresses: Vec<Multiaddr>,
    heard: Instant,
    /// Not asked before.
    next: Instant,
    refusals: u32,
}

/// A place at a relay, or one that was asked for.
#[derive(Debug)]
struct Place {
    relay: PeerId,
    listener: ListenerId,
    /// Where we are reached through it; none before it says so.
    addresses: Vec<Multiaddr>,
}

/// Peers that relay, and the places that we have with them.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    candidates: HashMap<PeerId, Candidate>,
    places: Vec<Place>,
}

impl Relays {
    /// A peer says that it relays, and where it is; no address if it does not relay any more.
    pub(crate) fn heard(&mut self, relay: PeerId, addresses: Vec<Multiaddr>, now: Instant) {
        if addresses.is_empty() {
            self.candidates.remove(&relay);
            return;
        }
        if self.candidates.len() >= MAX_REMEMBERED {
            make_room(&mut self.candidates, &relay, |candidate| candidate.heard);
        }
        let candidate = self.candidates.entry(relay).or_insert_with(|| Candidate {
            addresses: Vec::new(),
            heard: now,
            next: now,
            refusals: 0,
        });
        candidate.addresses = addresses;
        candidate.addresses.truncate(MAX_ADDRESSES);
        candidate.heard = now;
    }

    /// The address of the next relay to ask for a place, as one to listen on.
    pub(crate) fn to_ask(&self, now: Instant) -> Option<(PeerId, Multiaddr)> {
        if self.places.len() >= RELAYS {
            return None;
        }
        let is_asked = |relay: &PeerId| self.places.iter().any(|place| place.relay == *relay);
        let free = self.candidates.iter().filter(|(relay, candidate)| {
            candidate.next <= now && !is_asked(relay) && !candidate.addresses.is_empty()
        });
        let (relay, candidate) =
            free.min_by_key(|(relay, candidate)| (candidate.refusals, relay.to_bytes()))?;
        // Over QUIC from the port that others see: whoever comes through it can be met half way.
        let is_quic = |address: &&Multiaddr| address.iter().any(|part| part == Protocol::QuicV1);
        let best = candidate.addresses.iter().find(is_quic).or(candidate.addresses.first())?;
        Some((*relay, through(best, *relay)))
    }

    /// A place was asked for.
    pub(crate) fn asked(&mut self, relay: PeerId, listener: ListenerId) {
        self.places.push(Place { relay, listener, addresses: Vec::new() });
    }

    /// A relay's listener has one more address; false if it is no relay's.
    pub(crate) fn address_added(&mut self, listener: ListenerId, address: &Multiaddr) -> bool {
        let Some(place) = self.places.iter_mut().find(|place| place.listener == listener) else {
            return false;
        };
        let address = without_own(address);
        if !place.addresses.contains(&address) && place.addresses.len() < MAX_ADDRESSES {
            place.addresses.push(address);
        }
        if let Some(candidate) = self.candidates.get_mut(&place.relay) {
            candidate.refusals = 0;
        }
        true
    }

    /// A relay's listener has one address fewer; false if it is no relay's.
    pub(crate) fn address_removed(&mut self, listener: ListenerId, address: &Multiaddr) -> bool {
        let Some(place) = self.places.iter_mut().find(|place| place.listener == listener) else {
            return false;
        };
        let address = without_own(address);
        place.addresses.retain(|known| *known != address);
        true
    }

    /// A place is lost, or was not given; false if it was no relay's.
    pub(crate) fn closed(&mut self, listener: ListenerId, now: Instant) -> bool {
        let Some(at) = self.places.iter().position(|place| place.listener == listener) else {
            return false;
        };
        let place = self.places.swap_remove(at);
        if let Some(candidate) = self.candidates.get_mut(&place.relay) {
            let pause = PAUSE.saturating_mul(1 << candidate.refusals.min(10));
            candidate.next = now + pause.min(LONGEST_PAUSE);
            candidate.refusals = candidate.refusals.saturating_add(1);
        }
        true
    }

    /// Gives all places up; their listeners are to be removed.
    pub(crate) fn give_up(&mut self) -> Vec<ListenerId> {
        self.places.drain(..).map(|place| place.listener).collect()
    }

    /// Relays that have a place for us.
    pub(crate) fn held(&self) -> impl Iterator<Item = PeerId> {
        self.places.iter().filter(|place| !place.addresses.is_empty()).map(|place| place.relay)
    }

    /// Where we are reached through them: the best of each relay first.
    pub(crate) fn addresses(&self) -> Vec<Multiaddr> {
        let longest = self.places.iter().map(|place| place.addresses.len()).max().unwrap_or(0);
        let nth = |at| self.places.iter().filter_map(move |place| place.addresses.get(at));
        (0..longest).flat_map(nth).cloned().collect()
    }

    /// How many peers are known to relay.
    pub(crate) fn known(&self) -> usize {
        self.candidates.len()
    }
}

/// The address of a place at the relay at `address`.
fn through(address: &Multiaddr, relay: PeerId) -> Multiaddr {
    let direct = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    direct.chain([Protocol::P2p(relay), Protocol::P2pCircuit]).collect()
}

/// The address without the id of the peer that it leads to, which whoever dials it knows.
fn without_own(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    if matches!(address.iter().last(), Some(Protocol::P2p(_))) {
        address.pop();
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Vec<Multiaddr> {
        vec![text.parse().expect("a multiaddress")]
    }

    #[test]
    fn two_relays_are_asked_and_one_that_refuses_only_after_a_pause() {
        let (mut relays, now) = (Relays::default(), Instant::now());
        let peers: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
        for peer in &peers {
            relays.heard(*peer, at("/ip4/203.0.113.1/udp/1/quic-v1"), now);
        }
        let mut asked = Vec::new();
        while let Some((relay, address)) = relays.to_ask(now) {
            assert!(address.to_string().ends_with(&format!("/p2p/{relay}/p2p-circuit")));
            asked.push((relay, ListenerId::next()));
            relays.asked(relay, asked[asked.len() - 1].1);
        }
        assert_eq!(asked.len(), RELAYS);
        assert_eq!(relays.held().count(), 0, "nobody has said yes");
        assert!(relays.closed(asked[0].1, now) && !relays.closed(asked[0].1, now));
        let (third, _) = relays.to_ask(now).expect("another one");
        assert!(asked.iter().all(|(relay, _)| *relay != third));
        relays.heard(third, Vec::new(), now);
        assert!(relays.to_ask(now).is_none(), "it does not relay any more");
        assert_eq!(relays.to_ask(now + PAUSE).map(|(relay, _)| relay), Some(asked[0].0));
    }

    #[test]
    fn a_place_has_the_addresses_that_its_relay_says() {
        let (mut relays, now) = (Relays::default(), Instant::now());
        let (relay, own, listener) = (PeerId::random(), PeerId::random(), ListenerId::next());
        relays.heard(relay, at("/ip4/203.0.113.1/tcp/1"), now);
        relays.asked(relay, listener);
        let place: Multiaddr = format!("/ip4/203.0.113.1/tcp/1/p2p/{relay}/p2p-circuit")
            .parse()
            .expect("a multiaddress");
        let whole = place.clone().with(Protocol::P2p(own));
        assert!(relays.address_added(listener, &whole));
        assert!(!relays.address_added(ListenerId::next(), &whole));
        assert_eq!((relays.addresses(), relays.held().count()), (vec![place], 1));
        assert!(relays.address_removed(listener, &whole));
        assert_eq!(relays.give_up(), [listener]);
        assert!(relays.addresses().is_empty());
    }
}
