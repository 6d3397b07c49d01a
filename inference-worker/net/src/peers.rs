//! All peers of a node: who may connect, who has to make room, who has been banned.
//!
//! Limits: [`crate::PeerLimits`], and [`MAX_REMEMBERED`] entries of each kind that outlives its
//! peer's connection. An entry of a peer lives for as long as there is a connection, a link or a
//! session with it, each of which is bounded.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;
use libp2p::{Multiaddr, PeerId, swarm::ConnectionId};
use mica_host::lock;
use thiserror::Error;

use crate::{
    bans::{Bans, make_room},
    bounds::{
        BANNED_HOSTS_PER_PREFIX, CONNECTIONS_PER_PEER, HANDSHAKE_BURST, HANDSHAKES_PER_SECOND,
        MAX_REMEMBERED, PENDING_CONNECTIONS, PENDING_PER_PREFIX, PREFIX_HANDSHAKE_BURST,
        PREFIX_HANDSHAKES_PER_SECOND, STRIKE_MS, STRIKES,
    },
    config::{MAX_ADDRESSES, NearPeers, PeerLimits},
    counters::Counters,
    event::Key,
    near::{Host, Origin, Prefix, ip_of, is_near, is_relayed, relay_of},
    standing::{Rank, Standing},
    traffic::{Bucket, Kind, StrangersTraffic},
};

/// For how long a peer may be dialled that the owner of the node has named.
const WANTED: Duration = Duration::from_secs(60);

/// Why a connection is not taken, or a peer not dialled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum Denied {
    /// It, its host or its prefix used up its strikes.
    #[error("the peer or its network has been banned for a while")]
    Banned,
    /// Too many from there.
    #[error("too many connections from this address or its network")]
    TooManyFromThere,
    /// Too many that have not proven who they are.
    #[error("too many handshakes at once")]
    TooManyHandshakes,
    /// One peer has enough.
    #[error("the peer has enough connections")]
    TooManyOfPeer,
    /// Everybody connected has a session.
    #[error("every place is taken by a peer with a session")]
    Full,
    /// Only other peers say that it is there.
    #[error("neither the registry nor this node's owner names the peer or the address")]
    Hearsay,
    /// No ed25519 key.
    #[error("its key is not ed25519, so it can be no worker and no payer")]
    Key,
}

/// All peers.
#[derive(Debug)]
pub(crate) struct Peers {
    limits: PeerLimits,
    began: Instant,
    counters: Arc<Counters>,
    known: Mutex<Known>,
    /// Woken when there is a connection to close.
    closing: AtomicWaker,
    /// Whether addresses are learnt from other peers.
    looks_up: AtomicBool,
}

#[derive(Debug)]
struct Known {
    peers: HashMap<Key, Entry>,
    /// Connections that come in and have not proven who they are.
    pending: HashMap<ConnectionId, Option<Origin>>,
    handshakes: Bucket,
    /// The same for each prefix, so that none of them takes all.
    handshakes_of: HashMap<Prefix, Bucket>,
    strangers: StrangersTraffic,
    strikes: HashMap<Key, Strikes>,
    banned_peers: Bans<Key>,
    banned_hosts: Bans<Host>,
    closing: Vec<PeerId>,
    /// Peers of the registry.
    registered: HashSet<Key>,
    /// Peers that the operator named.
    trusted: HashSet<Key>,
    /// Peers that the owner of the node wants to reach, each until when.
    wanted: HashMap<PeerId, Instant>,
}

#[derive(Debug)]
struct Entry {
    standing: Arc<Standing>,
    connections: Vec<Connection>,
    /// Its connections are being closed.
    is_leaving: bool,
}

#[derive(Clone, Copy, Debug)]
struct Connection {
    id: ConnectionId,
    /// Where it came from; nothing for those that we dialled.
    origin: Option<Origin>,
    is_relayed: bool,
}

#[derive(Debug)]
struct Strikes {
    count: u32,
    at: Instant,
}

impl Peers {
    pub(crate) fn new(limits: PeerLimits, counters: Arc<Counters>) -> Self {
        let now = Instant::now();
        let known = Known {
            peers: HashMap::new(),
            pending: HashMap::new(),
            handshakes: Bucket::new(HANDSHAKE_BURST, HANDSHAKES_PER_SECOND, now),
            handshakes_of: HashMap::new(),
            strangers: StrangersTraffic::new(now),
            strikes: HashMap::new(),
            banned_peers: Bans::new(),
            banned_hosts: Bans::new(),
            closing: Vec::new(),
            registered: HashSet::new(),
            trusted: HashSet::new(),
            wanted: HashMap::new(),
        };
        Self {
            limits,
            began: now,
            counters,
            known: Mutex::new(known),
            closing: AtomicWaker::new(),
            looks_up: AtomicBool::new(false),
        }
    }

    pub(crate) const fn limits(&self) -> &PeerLimits {
        &self.limits
    }

    /// The peer's standing, which lives for as long as somebody holds it.
    pub(crate) fn standing(&self, key: Key) -> Arc<Standing> {
        lock(&self.known).entry(key, self.began).standing.clone()
    }

    /// One more session depends on `key`.
    pub(crate) fn protect(&self, key: Key, frame_bytes: usize) {
        lock(&self.known).entry(key, self.began).standing.protect(frame_bytes);
    }

    /// One session fewer depends on `key`.
    pub(crate) fn unprotect(&self, key: &Key) {
        let mut known = lock(&self.known);
        if let Some(entry) = known.peers.get(key) {
            entry.standing.unprotect();
        }
        known.forget_if_gone(key);
    }

    /// Whether a stranger that has asked so many of the things that cost signatures may ask one
    /// more.
    pub(crate) fn take_from_stranger(&self, kind: Kind, words: u32, now: Instant) -> bool {
        lock(&self.known).strangers.take(kind, words, now)
    }

    /// Counts strikes against `key`; whether it is banned now. Its connections are closed then.
    pub(crate) fn strike(&self, key: &Key, weight: u32) -> bool {
        self.counters.strikes(weight);
        let now = Instant::now();
        let mut known = lock(&self.known);
        make_room(&mut known.strikes, key, |strikes| strikes.at);
        let strikes = known.strikes.entry(*key).or_insert(Strikes { count: 0, at: now });
        let forgotten = now.saturating_duration_since(strikes.at).as_millis() as u64 / STRIKE_MS;
        if forgotten > 0 {
            strikes.at = now;
        }
        strikes.count = strikes
            .count
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX))
            .saturating_add(weight);
        if strikes.count < STRIKES {
            return false;
        }
        known.strikes.remove(key);
        known.ban(key, now, &self.limits);
        drop(known);
        self.counters.ban();
        self.closing.wake();
        true
    }

    /// Whether `key` has been banned.
    pub(crate) fn is_banned(&self, key: &Key) -> bool {
        lock(&self.known).is_banned(key, Instant::now())
    }

    /// Whether a connection from there may prove who it is.
    ///
    /// # Errors
    /// [`Denied`].
    pub(crate) fn knock(&self, id: ConnectionId, origin: Option<Origin>) -> Result<(), Denied> {
        let mut known = lock(&self.known);
        let now = Instant::now();
        known.check_knock(origin, now, &self.limits).inspect_err(|_| self.counters.refusal())?;
        known.pending.insert(id, origin);
        Ok(())
    }

    /// The connection is no longer one that has not proven who it is.
    pub(crate) fn knocked(&self, id: ConnectionId) {
        lock(&self.known).pending.remove(&id);
    }

    /// Whether `key` may have one more connection; the stranger that is worth least makes room for
    /// it if need be.
    ///
    /// # Errors
    /// [`Denied`].
    pub(crate) fn admit(&self, key: Option<Key>) -> Result<(), Denied> {
        let mut known = lock(&self.known);
        let admitted = known.admit(key, self);
        drop(known);
        match admitted {
            Ok(Some(_)) => {
                self.counters.eviction();
                self.closing.wake();
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(denied) => {
                self.counters.refusal();
                Err(denied)
            }
        }
    }

    /// A connection is up. `origin` is where it came from, if it came in.
    pub(crate) fn connected(
        &self,
        key: Key,
        id: ConnectionId,
        origin: Option<Origin>,
        is_relayed: bool,
    ) {
        let mut known = lock(&self.known);
        let entry = known.entry(key, self.began);
        let had_relayed = entry.connections.iter().any(|connection| connection.is_relayed);
        entry.connections.push(Connection { id, origin, is_relayed });
        entry.is_leaving = false;
        // One that is banned is not let in, so what it was banned for is over.
        entry.standing.set_banned(false);
        if had_relayed && !is_relayed {
            entry.standing.way_opened();
        }
    }

    /// Peers of the registry. With any, only these, those that the owner of the node names and
    /// those that are connected already are dialled.
    pub(crate) fn know(&self, keys: impl IntoIterator<Item = Key>) {
        lock(&self.known).registered = keys.into_iter().take(MAX_REMEMBERED).collect();
    }

    /// From now on addresses are learnt from other peers.
    pub(crate) fn learn_addresses(&self) {
        self.looks_up.store(true, Relaxed);
    }

    /// Whether addresses are learnt from other peers.
    pub(crate) fn looks_up(&self) -> bool {
        self.looks_up.load(Relaxed)
    }

    /// The operator named these peers.
    pub(crate) fn trust(&self, keys: impl IntoIterator<Item = Key>) {
        lock(&self.known).trusted = keys.into_iter().take(MAX_REMEMBERED).collect();
    }

    /// Whether `key` is of the registry, or nobody has said who is.
    pub(crate) fn is_registered(&self, key: &Key) -> bool {
        let known = lock(&self.known);
        known.registered.is_empty() || known.registered.contains(key) || known.trusted.contains(key)
    }

    /// The owner of the node wants to reach the peer at these addresses: it, and the relays on the
    /// way to it, may be dialled for a while.
    pub(crate) fn want(&self, peer: PeerId, addresses: &[Multiaddr]) {
        let (mut known, now) = (lock(&self.known), Instant::now());
        known.wanted.retain(|_, until| *until > now);
        for peer in addresses.iter().filter_map(relay_of).chain([peer]) {
            make_room(&mut known.wanted, &peer, |until| *until);
            known.wanted.insert(peer, now + WANTED);
        }
    }

    /// Whether the node may dial `peer` there.
    ///
    /// A connected peer is dialled again for two reasons only, and in both it is the peer that says
    /// where: to look whether it can be reached from outside, for which its own address will do,
    /// and to meet it half way once it has come through a relay, for which the addresses must at
    /// least not lie in this node's own network. A peer that is not connected is one that the
    /// owner of the node named, or one of the registry: others are hearsay.
    ///
    /// # Errors
    /// [`Denied::Hearsay`].
    pub(crate) fn may_dial(&self, peer: Option<PeerId>, to: &[Multiaddr]) -> Result<(), Denied> {
        let denied = || {
            self.counters.refusal();
            Denied::Hearsay
        };
        let peer = peer.ok_or_else(denied)?;
        let key = crate::peer::public_key(&peer).ok_or_else(denied)?;
        let (known, now) = (lock(&self.known), Instant::now());
        let connections = known.peers.get(&key).map_or(&[][..], |entry| &entry.connections);
        let may = if connections.iter().any(|connection| !connection.is_relayed) {
            let is_its_own = |address: &Multiaddr| {
                connections.iter().any(|connection| match connection.origin {
                    Some(Origin::Ip(ip)) => ip_of(address) == Some(ip.to_canonical()),
                    _ => false,
                })
            };
            connections.iter().all(|connection| connection.origin.is_none())
                || to.iter().all(is_its_own)
        } else if !connections.is_empty() {
            let is_outside = |address: &Multiaddr| {
                let ip = ip_of(address);
                !is_relayed(address) && ip.is_some_and(|ip| is_limited_ip(ip, self.limits.near))
            };
            to.len() <= 2 * MAX_ADDRESSES && to.iter().all(is_outside)
        } else {
            known.registered.is_empty()
                || known.registered.contains(&key)
                || known.trusted.contains(&key)
                || known.wanted.get(&peer).is_some_and(|until| *until > now)
        };
        drop(known);
        if may { Ok(()) } else { Err(denied()) }
    }

    /// A connection is down.
    pub(crate) fn disconnected(&self, key: &Key, id: ConnectionId) {
        let mut known = lock(&self.known);
        if let Some(entry) = known.peers.get_mut(key) {
            entry.connections.retain(|connection| connection.id != id);
        }
        known.forget_if_gone(key);
    }

    /// We closed the last connection to `key`.
    pub(crate) fn hung_up(&self, key: &Key) {
        if let Some(entry) = lock(&self.known).peers.get(key) {
            entry.standing.hung_up();
        }
    }

    /// The next peer whose connections are to be closed.
    pub(crate) fn poll_closing(&self, context: &mut Context<'_>) -> Poll<PeerId> {
        self.closing.register(context.waker());
        lock(&self.known).closing.pop().map_or(Poll::Pending, Poll::Ready)
    }

    /// Peers with a connection, and those of them without a session.
    pub(crate) fn count(&self) -> (usize, usize) {
        lock(&self.known).count(Instant::now())
    }
}

impl Known {
    fn entry(&mut self, key: Key, began: Instant) -> &mut Entry {
        self.peers.entry(key).or_insert_with(|| Entry {
            standing: Arc::new(Standing::new(began)),
            connections: Vec::new(),
            is_leaving: false,
        })
    }

    fn forget_if_gone(&mut self, key: &Key) {
        let is_gone = |entry: &Entry| {
            entry.connections.is_empty()
                && !entry.standing.has_session()
                && Arc::strong_count(&entry.standing) == 1
        };
        if self.peers.get(key).is_some_and(is_gone) {
            self.peers.remove(key);
        }
        // Those whose link was the last to let go of them.
        if self.peers.len() > MAX_REMEMBERED {
            self.peers.retain(|_, entry| !is_gone(entry));
        }
    }

    fn check_knock(
        &mut self,
        origin: Option<Origin>,
        now: Instant,
        limits: &PeerLimits,
    ) -> Result<(), Denied> {
        // First what its own network has left: one that has used that up must not take of what
        // everybody shares.
        if let Some(origin) = origin.filter(|origin| is_limited(*origin, limits.near)) {
            self.check_network(origin, now, limits)?;
        }
        if self.pending.len() >= PENDING_CONNECTIONS {
            return Err(Denied::TooManyHandshakes);
        }
        self.handshakes.take(now).map_err(|_| Denied::TooManyHandshakes)
    }

    /// Whether the network of `origin` may have one more handshake. A relay has as many as one
    /// address has, however many peers there are beyond it: else it would be a way round the limit.
    fn check_network(
        &mut self,
        origin: Origin,
        now: Instant,
        limits: &PeerLimits,
    ) -> Result<(), Denied> {
        let (prefix, host) = (Prefix::of(origin), Host::of(origin));
        if self.banned_hosts.contains(&host, now) || self.is_prefix_banned(prefix, now) {
            return Err(Denied::Banned);
        }
        let (links, most_pending) = match origin {
            Origin::Ip(_) => (
                [limits.links_per_ip, limits.links_per_prefix],
                [limits.pending_per_ip, PENDING_PER_PREFIX],
            ),
            Origin::Relay { .. } => (
                [CONNECTIONS_PER_PEER, limits.links_per_ip],
                [CONNECTIONS_PER_PEER, limits.pending_per_ip],
            ),
        };
        let count = |(there, in_prefix): (usize, usize), other: Origin| {
            let is_in_prefix = Prefix::of(other) == prefix;
            (there + usize::from(other == origin), in_prefix + usize::from(is_in_prefix))
        };
        // By prefix as well: whoever has IPv6 has as many addresses as it likes.
        let pending = self.pending.values().copied().flatten().fold((0, 0), count);
        if pending.0 >= most_pending[0] || pending.1 >= most_pending[1] {
            return Err(Denied::TooManyHandshakes);
        }
        let established = self.peers.values().flat_map(|entry| &entry.connections);
        let (there, in_prefix) =
            established.filter_map(|connection| connection.origin).fold(pending, count);
        if there >= links[0] || in_prefix >= links[1] {
            return Err(Denied::TooManyFromThere);
        }
        make_room(&mut self.handshakes_of, &prefix, Bucket::asked);
        let fresh = || Bucket::new(PREFIX_HANDSHAKE_BURST, PREFIX_HANDSHAKES_PER_SECOND, now);
        let bucket = self.handshakes_of.entry(prefix).or_insert_with(fresh);
        bucket.take(now).map_err(|_| Denied::TooManyHandshakes)
    }

    /// Whether all of a prefix is refused: so many of its hosts are banned at once that they are
    /// one owner's. Not over a peer with a session, which may have to connect again.
    fn is_prefix_banned(&self, prefix: Prefix, now: Instant) -> bool {
        let hosts = self.banned_hosts.at(now).filter(|host| host.prefix() == prefix).count();
        hosts >= BANNED_HOSTS_PER_PREFIX && !self.has_session_from(prefix)
    }

    /// Whether a peer with a session is connected from there.
    fn has_session_from(&self, prefix: Prefix) -> bool {
        self.peers.values().any(|entry| {
            let mut from = entry.connections.iter().filter_map(|connection| connection.origin);
            !entry.is_leaving
                && entry.standing.rank() == Rank::Session
                && from.any(|origin| Prefix::of(origin) == prefix)
        })
    }

    /// The peer that has to make room, if somebody must.
    fn admit(&mut self, key: Option<Key>, peers: &Peers) -> Result<Option<PeerId>, Denied> {
        let (key, now) = (key.ok_or(Denied::Key)?, Instant::now());
        if self.is_banned(&key, now) {
            return Err(Denied::Banned);
        }
        let entry = self.peers.get(&key);
        let connections = entry.map_or(0, |entry| entry.connections.len());
        if connections >= CONNECTIONS_PER_PEER {
            return Err(Denied::TooManyOfPeer);
        }
        if connections > 0 {
            return Ok(None);
        }
        let is_stranger = entry.is_none_or(|entry| entry.standing.rank_at(now) == Rank::Stranger);
        let (all, strangers) = self.count(now);
        let is_full =
            all >= peers.limits.all() || (is_stranger && strangers >= peers.limits.strangers());
        if is_full { self.evict(now).map(Some) } else { Ok(None) }
    }

    /// Has the connections closed of the stranger that is worth least: see [`Standing::worth`].
    fn evict(&mut self, now: Instant) -> Result<PeerId, Denied> {
        let strangers = self.peers.iter_mut().filter(|(_, entry)| {
            !entry.connections.is_empty()
                && !entry.is_leaving
                && entry.standing.rank_at(now) == Rank::Stranger
        });
        let (key, entry) =
            strangers.min_by_key(|(_, entry)| entry.standing.worth()).ok_or(Denied::Full)?;
        // It has proven that it has the key of this id.
        let id = crate::peer::peer_id(key).map_err(|_| Denied::Key)?;
        entry.is_leaving = true;
        self.closing.push(id);
        Ok(id)
    }

    fn count(&self, now: Instant) -> (usize, usize) {
        let here =
            self.peers.values().filter(|entry| !entry.connections.is_empty() && !entry.is_leaving);
        here.fold((0, 0), |(all, strangers), entry| {
            (all + 1, strangers + usize::from(entry.standing.rank_at(now) == Rank::Stranger))
        })
    }

    fn is_banned(&self, key: &Key, now: Instant) -> bool {
        self.banned_peers.contains(key, now)
    }

    fn ban(&mut self, key: &Key, now: Instant, limits: &PeerLimits) {
        self.banned_peers.ban(*key, now, limits.ban);
        let Some(entry) = self.peers.get_mut(key) else { return };
        entry.standing.set_banned(true);
        for origin in entry.connections.iter().filter_map(|connection| connection.origin) {
            if is_limited(origin, limits.near) {
                // Its neighbours in the prefix are other people's machines, as a rule.
                self.banned_hosts.ban(Host::of(origin), now, limits.ban);
            }
        }
        if !entry.connections.is_empty()
            && let Ok(id) = crate::peer::peer_id(key)
        {
            entry.is_leaving = true;
            self.closing.push(id);
        }
    }
}

/// Whether the limits per address hold for this one.
fn is_limited(origin: Origin, near: NearPeers) -> bool {
    match origin {
        Origin::Ip(ip) => is_limited_ip(ip, near),
        // Whoever comes through it may be anywhere.
        Origin::Relay { .. } => true,
    }
}

fn is_limited_ip(ip: IpAddr, near: NearPeers) -> bool {
    near == NearPeers::Limited || !is_near(ip)
}

#[cfg(test)]
mod tests;
