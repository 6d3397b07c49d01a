//! How the swarm's task sees to it that others reach the node: it has its addresses tested, takes
//! places at relays and relays itself, and publishes its address record.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, transport::ListenerId},
    identify,
    identity::Keypair,
    kad, relay,
    swarm::{
        ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
    upnp,
};
use tokio::sync::watch;

use super::{Driver, Known};
use crate::{
    behaviour::BehaviourEvent,
    bounds::RECORD_ADDRESSES,
    config::{MAX_ADDRESSES, NetConfig, Relaying},
    event::NetEvent,
    far::is_far,
    listening::Listener,
    near::is_relayed,
    peer::public_key,
    publish::{Reach, reach as reach_of},
    reachability::{AddressSource, ReachStatus, ReachTracker, Reachability, heard_at},
    records::{self, Kept, record_key},
    relays::Relays,
};

/// Peers of the registry that a node stays connected with, to be tested and found by them.
const ACQUAINTANCES: usize = 3;
/// Pause before one of them is dialled again.
const DIAL_PAUSE: Duration = Duration::from_secs(60);
/// Pause between two address records that say the same.
const RECORD_PAUSE: Duration = Duration::from_secs(300);
/// The same while nobody keeps it.
const UNKEPT_PAUSE: Duration = Duration::from_secs(10);
/// For how long a node waits for somebody to come in before it takes a place at a relay.
const TEST_TIME: Duration = Duration::from_secs(20);

/// A connection, as far as it tells something of the node's reach.
struct Way {
    peer: PeerId,
    is_relayed: bool,
    is_outside: bool,
}

/// What the swarm's task knows of the node's reach.
pub(crate) struct Reaching {
    pub(super) tracker: ReachTracker,
    pub(super) relays: Relays,
    /// Address records that are kept for others.
    pub(super) kept: Kept,
    faces_outside: bool,
    listens: bool,
    relaying: Relaying,
    keypair: Keypair,
    listening: watch::Receiver<Vec<Listener>>,
    told: watch::Sender<Reachability>,
    ways: HashMap<ConnectionId, Way>,
    /// Since when it has been connected with somebody outside.
    outside_since: Option<Instant>,
    known: Vec<(Known, Option<Instant>)>,
    /// The search that counts who keeps our record, and how many do so far.
    pub(super) check: Option<(kad::QueryId, usize)>,
    /// The record that was published last.
    record: Option<(Vec<Multiaddr>, Instant)>,
    is_server: bool,
}

impl Reaching {
    pub(crate) fn new(
        config: &NetConfig,
        keypair: Keypair,
        announced: Vec<Multiaddr>,
        listening: watch::Receiver<Vec<Listener>>,
    ) -> (Self, watch::Receiver<Reachability>) {
        let tracker = ReachTracker::new(config.limits.near, announced);
        let (told, heard) = watch::channel(tracker.assess(&[]));
        let reaching = Self {
            tracker,
            relays: Relays::default(),
            kept: Kept::default(),
            faces_outside: config.faces_outside(),
            listens: !config.listen.is_empty(),
            relaying: config.relaying,
            keypair,
            listening,
            told,
            ways: HashMap::new(),
            outside_since: None,
            known: Vec::new(),
            check: None,
            record: None,
            is_server: !config.listen.is_empty(),
        };
        (reaching, heard)
    }

    /// So many peers keep our record.
    pub(super) fn record_kept(&mut self, holders: usize) {
        self.tracker.counts.record_holders = holders;
    }

    /// Whether a place at a relay is needed now.
    fn needs_relay(&self, now: Instant) -> bool {
        let has_waited = self
            .outside_since
            .is_some_and(|since| now.saturating_duration_since(since) >= TEST_TIME);
        match self.relaying {
            Relaying::Always => true,
            Relaying::Never => false,
            Relaying::IfUnreachable => {
                self.listens
                    && !self.tracker.is_direct()
                    && (self.tracker.is_refuted() || has_waited)
            }
        }
    }

    /// Where the node can be dialled, the best first, as many as a record has room for.
    fn own_addresses(&self, found: &Reachability) -> Vec<Multiaddr> {
        let near = found.addresses.iter().filter(|address| {
            let is_far = |at: Multiaddr| self.tracker.is_far(&at);
            address.source == AddressSource::Interface
                && (matches!(reach_of(&address.address), Some(Reach::World | Reach::Lan))
                    || address.address.parse().is_ok_and(is_far))
        });
        let mut own: Vec<Multiaddr> = Vec::new();
        for address in found.external().chain(near) {
            if let Ok(address) = address.address.parse()
                && !own.contains(&address)
            {
                own.push(address);
            }
        }
        own.truncate(RECORD_ADDRESSES);
        own
    }
}

impl Driver {
    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        self.answer_lookups(now);
        if !self.reach.faces_outside {
            return;
        }
        self.keep_acquaintances(now);
        self.keep_places(now);
        let found = self.assess();
        self.keep_roles(found.status);
        self.publish_record(&found, now);
        self.reach.told.send_if_modified(|told| {
            let has_changed = *told != found;
            *told = found;
            has_changed
        });
    }

    fn assess(&mut self) -> Reachability {
        let reach = &mut self.reach;
        let outside: HashSet<PeerId> =
            reach.ways.values().filter(|way| way.is_outside).map(|way| way.peer).collect();
        let counts = &mut reach.tracker.counts;
        counts.outside_peers = outside.len();
        counts.known_relays = reach.relays.known();
        counts.relays = reach.relays.held().map(|relay| relay.to_string()).collect();
        counts.relayed = reach.relays.addresses();
        let listeners = reach.listening.borrow();
        reach.tracker.assess(&listeners)
    }

    /// Relays, and keeps records for others, only while others can come in.
    fn keep_roles(&mut self, status: ReachStatus) {
        let is_direct = status == ReachStatus::Directly;
        let is_shut = matches!(status, ReachStatus::ViaRelay | ReachStatus::Unreachable);
        let behaviour = self.swarm.behaviour_mut();
        if let Some(relay) = behaviour.relay.as_mut()
            && self.reach.tracker.counts.relays_for_others != is_direct
        {
            relay.set_status(Some(match is_direct {
                true => relay::Status::Enable,
                false => relay::Status::Disable,
            }));
            self.reach.tracker.counts.relays_for_others = is_direct;
        }
        let is_server = self.reach.listens && !is_shut;
        if std::mem::replace(&mut self.reach.is_server, is_server) != is_server {
            let mode = if is_server { kad::Mode::Server } else { kad::Mode::Client };
            behaviour.kad.set_mode(Some(mode));
        }
    }

    /// Stays connected with some peers of the registry.
    fn keep_acquaintances(&mut self, now: Instant) {
        let reach = &mut self.reach;
        let connected: HashSet<PeerId> = reach.ways.values().map(|way| way.peer).collect();
        let here = reach.known.iter().filter(|(known, _)| connected.contains(&known.peer)).count();
        let mut missing = ACQUAINTANCES.saturating_sub(here);
        let near = self.peers.limits().near;
        for (known, next) in &mut reach.known {
            if missing == 0 {
                break;
            }
            if connected.contains(&known.peer) || next.is_some_and(|next| next > now) {
                continue;
            }
            let is_elsewhere = |address: &&Multiaddr| {
                let reach = || reach_of(&address.to_string());
                !is_relayed(address) && (is_far(address, near) || reach() != Some(Reach::Machine))
            };
            let addresses: Vec<Multiaddr> =
                known.addresses.iter().filter(is_elsewhere).cloned().collect();
            *next = Some(now + DIAL_PAUSE);
            if addresses.is_empty() {
                continue;
            }
            missing -= 1;
            self.peers.want(known.peer, &addresses);
            let options = DialOpts::peer_id(known.peer)
                .condition(PeerCondition::DisconnectedAndNotDialing)
                .addresses(addresses);
            // What came of it is seen in who is connected.
            let _ = self.swarm.dial(options.build());
        }
    }

    /// Takes places at relays while others cannot come in, and gives them up when they can.
    fn keep_places(&mut self, now: Instant) {
        if self.reach.needs_relay(now) {
            let Some((relay, address)) = self.reach.relays.to_ask(now) else { return };
            self.peers.want(relay, std::slice::from_ref(&address));
            match self.swarm.listen_on(address) {
                Ok(listener) => self.reach.relays.asked(relay, listener),
                Err(error) => {
                    tracing::debug!(%relay, %error, "the relay cannot be asked");
                    self.reach.relays.heard(relay, Vec::new(), now);
                }
            }
        } else if self.reach.tracker.is_direct() {
            for listener in self.reach.relays.give_up() {
                self.swarm.remove_listener(listener);
            }
        }
    }

    /// Publishes where we are when that has changed, and now and then.
    fn publish_record(&mut self, found: &Reachability, now: Instant) {
        let own = self.reach.own_addresses(found);
        let pause = match found.record_holders {
            0 => UNKEPT_PAUSE,
            _ => RECORD_PAUSE,
        };
        let is_due =
            self.reach.record.as_ref().is_none_or(|(last, at)| {
                *last != own || now.saturating_duration_since(*at) >= pause
            });
        if own.is_empty() || !is_due || self.reach.known.is_empty() {
            return;
        }
        let Some(value) = records::sign(&self.reach.keypair, &own) else { return };
        let key = record_key(self.swarm.local_peer_id());
        let record = kad::Record::new(key, value);
        // As many as there are, up to the bound: what counts is told by the answer.
        if let Err(error) = self.swarm.behaviour_mut().kad.put_record(record, kad::Quorum::All) {
            tracing::debug!(?error, "the address record is not published");
        }
        self.reach.record = Some((own, now));
    }

    /// Takes note of the peers of the registry.
    pub(super) fn know(&mut self, peers: Vec<Known>) {
        let mut pauses: HashMap<PeerId, Option<Instant>> =
            self.reach.known.drain(..).map(|(known, next)| (known.peer, next)).collect();
        let kad = &mut self.swarm.behaviour_mut().kad;
        // Those of private networks and beyond relays answer nobody's questions, and to dial them
        // takes long. They are asked only if there are no others.
        let near = self.peers.limits().near;
        let far = |address: &Multiaddr| is_far(address, near);
        let has_far = peers.iter().flat_map(|known| &known.addresses).any(far);
        for known in peers {
            let asked = known.addresses.iter();
            let asked = asked.filter(|at| far(at) || (!has_far && !is_relayed(at)));
            for address in asked {
                kad.add_address(&known.peer, address.clone());
            }
            let next = pauses.remove(&known.peer).flatten();
            self.reach.known.push((known, next));
        }
        // Else all nodes would stay connected with the first of them.
        let own = self.swarm.local_peer_id().to_bytes();
        let distance = |peer: &PeerId| -> Vec<u8> {
            peer.to_bytes().iter().zip(&own).map(|(theirs, ours)| theirs ^ ours).collect()
        };
        self.reach.known.sort_by_cached_key(|(known, _)| distance(&known.peer));
    }

    /// The node listens at one more address: of its own, or of a place at a relay.
    pub(super) fn listen_address_added(&mut self, listener: ListenerId, address: &Multiaddr) {
        if self.reach.relays.address_added(listener, address) {
            return;
        }
        self.listeners.address_added(listener, address);
        self.tell(NetEvent::Listening { address: address.to_string() });
    }

    pub(super) fn listen_address_removed(&mut self, listener: ListenerId, address: &Multiaddr) {
        if !self.reach.relays.address_removed(listener, address) {
            self.listeners.address_removed(listener, address);
            self.swarm.remove_external_address(address);
            self.reach.tracker.forget(address);
        }
    }

    /// A connection is up: whoever comes in from outside at one of our interfaces shows that others
    /// can. Not one that came to meet us half way.
    pub(super) fn connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let is_relayed = endpoint.is_relayed();
        let is_outside = !is_relayed && self.reach.tracker.is_far(endpoint.get_remote_address());
        let met = self.reach.ways.values().any(|way| way.peer == peer && way.is_relayed);
        self.reach.ways.insert(id, Way { peer, is_relayed, is_outside });
        let now = Instant::now();
        if is_outside {
            self.reach.outside_since.get_or_insert(now);
        }
        let ConnectedPoint::Listener { local_addr, .. } = endpoint else { return };
        if !is_outside || met {
            return;
        }
        let mut proven = heard_at(&self.reach.listening.borrow(), local_addr);
        proven.retain(|address| self.reach.tracker.is_far(address));
        for address in proven {
            self.swarm.add_external_address(address.clone());
            self.reach.tracker.tested(address, None, now);
        }
    }

    pub(super) fn disconnected(&mut self, id: ConnectionId) {
        self.reach.ways.remove(&id);
        if !self.reach.ways.values().any(|way| way.is_outside) {
            self.reach.outside_since = None;
        }
    }

    /// Somebody came in at the address, or the router lets others in there.
    pub(super) fn address_confirmed(&mut self, address: &Multiaddr) {
        if !self.reach.tracker.is_far(address) {
            return;
        }
        self.reach.tracker.tested(address.clone(), None, Instant::now());
        let replaced = self.reach.tracker.replaced(address, &self.reach.listening.borrow());
        for old in replaced {
            self.swarm.remove_external_address(&old);
            self.reach.tracker.forget(&old);
        }
    }

    /// What a peer says of itself: whether it relays, and where.
    pub(super) fn heard_of_relay(&mut self, peer: PeerId, info: &identify::Info) {
        let is_registered = public_key(&peer).is_some_and(|key| self.peers.is_registered(&key));
        let relays = is_registered && info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        let near = self.peers.limits().near;
        let far = info.listen_addrs.iter().filter(|address| relays && is_far(address, near));
        let far: Vec<Multiaddr> = far.take(MAX_ADDRESSES).cloned().collect();
        self.reach.relays.heard(peer, far, Instant::now());
    }

    pub(super) fn heard_of_reach(&mut self, event: BehaviourEvent) {
        let now = Instant::now();
        match event {
            BehaviourEvent::Tests(event) => {
                let failed = event.result.err().map(|error| error.to_string());
                tracing::debug!(address = %event.tested_addr, ?failed, "an address was tested");
                self.reach.tracker.tested(event.tested_addr, failed, now);
            }
            BehaviourEvent::Router(event) => match event {
                upnp::Event::NewExternalAddr { external_addr, .. } => {
                    self.reach.tracker.mapped(external_addr, now);
                }
                upnp::Event::ExpiredExternalAddr { external_addr, .. } => {
                    self.reach.tracker.forget(&external_addr);
                    self.reach.tracker.router_says("it has stopped letting others in");
                }
                upnp::Event::GatewayNotFound => {
                    self.reach.tracker.router_says("none answers to UPnP");
                }
                upnp::Event::NonRoutableGateway => {
                    let text = "it has no public address itself: another router is before it";
                    self.reach.tracker.router_says(text);
                }
            },
            BehaviourEvent::Relay(event) => self.relayed(&event),
            BehaviourEvent::RelayClient(event) => tracing::debug!(?event, "a relay"),
            BehaviourEvent::Meet(event) => {
                let is_met = event.result.is_ok();
                tracing::debug!(peer = %event.remote_peer_id, is_met, "met half way");
                self.counters.met(is_met);
            }
            _ => {}
        }
    }

    fn relayed(&mut self, event: &relay::Event) {
        tracing::debug!(?event, "relaying");
        let count = &mut self.reach.tracker.counts.relayed_connections;
        match event {
            relay::Event::CircuitReqAccepted { .. } => *count += 1,
            relay::Event::CircuitClosed { .. } => *count = count.saturating_sub(1),
            _ => {}
        }
    }
}
