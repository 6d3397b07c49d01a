//! Links between peers: in order and without loss while they last, with delays of their own.
//!
//! A broken link is noticed by each end at a time of its own. Until then what it sends vanishes;
//! afterwards it may dial again. Only workers can be dialled. A process that starts again is
//! connected to nobody.

use mica_primitives::PublicKey;
use std::collections::{BTreeMap, BTreeSet};

use crate::{chance::Chance, process::Node};

/// A peer key's place in the directory. A payer's program has a new one each time it starts.
pub type Peer = usize;

/// What became of something that was sent.
#[derive(Clone, Copy, Debug)]
pub enum Sent {
    /// It arrives then, if the link with this number still stands.
    Arrives {
        /// World time, ms.
        at_ms: u64,
        /// The link.
        link: u64,
        /// Whether the other end must first be told that its old link is gone.
        replaces: bool,
    },
    /// It is lost, and the sender does not know yet.
    Vanishes,
    /// The peer cannot be reached; the sender learns it then.
    Unreachable {
        /// World time, ms.
        at_ms: u64,
    },
}

struct Entry {
    key: PublicKey,
    node: Node,
}

struct Link {
    number: u64,
    /// Latest arrival at the lower and at the higher peer.
    arrivals_ms: [u64; 2],
}

/// All peers and links.
#[derive(Default)]
pub struct Network {
    peers: Vec<Entry>,
    by_key: BTreeMap<PublicKey, Peer>,
    /// The peer that a running process is known by.
    current: BTreeMap<Node, Peer>,
    links: BTreeMap<(Peer, Peer), Link>,
    /// Links that are broken, of which this end (the first) does not know.
    unnoticed: BTreeSet<(Peer, Peer)>,
    /// Nodes that cannot reach each other, lower one first.
    cut: BTreeSet<(Node, Node)>,
    next_link: u64,
    /// Longest delay of a frame, ms.
    max_delay_ms: u64,
}

const fn pair(one: Peer, other: Peer) -> (Peer, Peer) {
    if one < other { (one, other) } else { (other, one) }
}

impl Network {
    /// A network on which a frame takes up to so long.
    pub fn new(max_delay_ms: u64) -> Self {
        Self { max_delay_ms, ..Self::default() }
    }

    /// A process of `node` starts and is known by `key`.
    pub fn start(&mut self, node: Node, key: PublicKey) -> Peer {
        let peer = *self.by_key.entry(key).or_insert_with(|| {
            self.peers.push(Entry { key, node });
            self.peers.len() - 1
        });
        self.current.insert(node, peer);
        peer
    }

    /// The peer with this key, if there ever was one.
    pub fn peer_of(&self, key: &PublicKey) -> Option<Peer> {
        self.by_key.get(key).copied()
    }

    /// The key of a peer.
    pub fn key(&self, peer: Peer) -> PublicKey {
        self.peers[peer].key
    }

    /// Whose peer it is.
    pub fn node(&self, peer: Peer) -> Node {
        self.peers[peer].node
    }

    /// Whether a process runs that is known by `peer`.
    pub fn is_running(&self, peer: Peer) -> bool {
        self.current.get(&self.node(peer)) == Some(&peer)
    }

    /// Sends something from a running process.
    pub fn send(&mut self, chance: &mut Chance, now_ms: u64, from: Peer, to: Peer) -> Sent {
        if self.unnoticed.contains(&(from, to)) {
            return Sent::Vanishes;
        }
        let pair = pair(from, to);
        let mut replaces = false;
        if !self.links.contains_key(&pair) {
            let nodes = ordered(self.node(from), self.node(to));
            let can_dial = matches!(self.node(to), Node::Worker(_))
                && self.is_running(to)
                && !self.cut.contains(&nodes);
            if !can_dial {
                return Sent::Unreachable { at_ms: now_ms + chance.below(2_000) };
            }
            replaces = self.unnoticed.contains(&(to, from));
            let arrivals_ms = [now_ms + chance.below(1 + self.max_delay_ms); 2];
            self.links.insert(pair, Link { number: self.next_link, arrivals_ms });
            self.next_link += 1;
        }
        let delay_ms = chance.below(1 + self.max_delay_ms);
        let Some(link) = self.links.get_mut(&pair) else { return Sent::Vanishes };
        let arrival_ms = &mut link.arrivals_ms[usize::from(to == pair.1)];
        *arrival_ms = (*arrival_ms).max(now_ms + delay_ms);
        Sent::Arrives { at_ms: *arrival_ms, link: link.number, replaces }
    }

    /// Whether the link with this number still stands between the two.
    pub fn stands(&self, from: Peer, to: Peer, link: u64) -> bool {
        self.links.get(&pair(from, to)).is_some_and(|found| found.number == link)
    }

    /// Breaks a link. Returns the ends that have to notice it.
    pub fn break_link(&mut self, one: Peer, other: Peer) -> Vec<(Peer, Peer)> {
        if self.links.remove(&pair(one, other)).is_none() {
            return Vec::new();
        }
        let mut ends = vec![(one, other), (other, one)];
        ends.retain(|(end, _)| self.is_running(*end));
        self.unnoticed.extend(ends.iter().copied());
        ends
    }

    /// An end notices that its link is gone. Returns whether there is something to notice.
    pub fn notice(&mut self, end: Peer, other: Peer) -> bool {
        self.unnoticed.remove(&(end, other))
    }

    /// A process ends. Returns the other ends that have to notice it.
    pub fn stop(&mut self, node: Node) -> Vec<(Peer, Peer)> {
        let Some(peer) = self.current.remove(&node) else { return Vec::new() };
        self.unnoticed.retain(|(end, _)| *end != peer);
        let links: Vec<(Peer, Peer)> = self
            .links
            .keys()
            .filter(|(one, other)| *one == peer || *other == peer)
            .copied()
            .collect();
        links.into_iter().flat_map(|(one, other)| self.break_link(one, other)).collect()
    }

    /// All links, for something that breaks one of them.
    pub fn links(&self) -> Vec<(Peer, Peer)> {
        self.links.keys().copied().collect()
    }

    /// Cuts two nodes off from each other. Returns the ends that have to notice it.
    pub fn cut(&mut self, one: Node, other: Node) -> Vec<(Peer, Peer)> {
        self.cut.insert(ordered(one, other));
        let (Some(one), Some(other)) =
            (self.current.get(&one).copied(), self.current.get(&other).copied())
        else {
            return Vec::new();
        };
        self.break_link(one, other)
    }

    /// Lets two nodes reach each other again.
    pub fn join(&mut self, one: Node, other: Node) {
        self.cut.remove(&ordered(one, other));
    }

    /// Lets everybody reach everybody.
    pub fn heal(&mut self) {
        self.cut.clear();
    }
}

fn ordered(one: Node, other: Node) -> (Node, Node) {
    (one.min(other), one.max(other))
}
