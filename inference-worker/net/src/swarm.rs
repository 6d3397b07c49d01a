//! The task that owns the swarm: it listens, dials, disconnects and looks up addresses on command.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify, kad, mdns, ping,
    swarm::{
        ConnectionId, DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    behaviour::{Behaviour, BehaviourEvent, KAD},
    bounds::MAX_REMEMBERED,
    config::{DRAIN, MAX_ADDRESSES},
    counters::Counters,
    event::{Key, NetEvent},
    listening::Listeners,
    peer::public_key,
    peers::Peers,
    queue::EventSender,
};

mod reach;
mod table;

pub(crate) use reach::Reaching;
pub(crate) use table::Lookup;

/// Pause between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Longest address that is remembered.
const MAX_ADDRESS_BYTES: usize = 256;

/// What links ask of the swarm.
pub(crate) enum Command {
    /// Connects to a peer at these addresses and those learnt from others.
    Dial {
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        /// Whether it is dialled even if it is being dialled elsewhere.
        besides: bool,
        done: oneshot::Sender<Result<(), String>>,
    },
    /// Asks other peers for a peer's addresses.
    LookUp { peer: PeerId, done: oneshot::Sender<Vec<Multiaddr>> },
    /// Closes all connections to a peer.
    Disconnect { peer: PeerId },
    /// Takes note of the peers of the registry.
    Know { peers: Vec<Known> },
}

/// A peer of the registry.
pub(crate) struct Known {
    pub(crate) key: Key,
    pub(crate) peer: PeerId,
    pub(crate) addresses: Vec<Multiaddr>,
}

/// Who waits for a peer to be connected, and which dial it is; nothing if somebody else dials.
type Dial = (Option<ConnectionId>, oneshot::Sender<Result<(), String>>);

/// The swarm's task.
pub(crate) struct Driver {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) events: EventSender,
    pub(crate) peers: Arc<Peers>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) listeners: Listeners,
    pub(crate) stop: CancellationToken,
    /// The tasks of the links.
    pub(crate) links: TaskTracker,
    pub(crate) dials: HashMap<PeerId, Vec<Dial>>,
    /// Peers that the operator named to learn addresses from: they are never forgotten.
    pub(crate) bootstrap: HashSet<PeerId>,
    /// Where peers said last that they are, as the look-up table has it.
    pub(crate) told: HashMap<PeerId, Vec<Multiaddr>>,
    pub(crate) lookups: HashMap<kad::QueryId, Lookup>,
    pub(crate) reach: Reaching,
}

impl Driver {
    /// Runs until the node is stopped and the links have written what was queued; then closes the
    /// connections.
    pub(crate) async fn run(mut self) {
        let (stop, links) = (self.stop.clone(), self.links.clone());
        self.drive(stop.cancelled()).await;
        // A link has a limit for what is queued and one for the farewell.
        self.drive(timeout(2 * DRAIN, links.wait())).await;
        for peer in self.swarm.connected_peers().copied().collect::<Vec<_>>() {
            self.execute(Command::Disconnect { peer });
        }
        let _ = timeout(DRAIN, async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        })
        .await;
    }

    /// Does what there is to do until `end`.
    async fn drive<T>(&mut self, end: impl Future<Output = T>) {
        let mut end = pin!(end);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = &mut end => return,
                Some(command) = self.commands.recv() => self.execute(command),
                event = self.swarm.select_next_some() => self.handle_event(event),
                _ = ticks.tick() => self.tick(),
            }
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Dial { peer, addresses, besides, done } => {
                self.dial(peer, addresses, besides, done)
            }
            Command::LookUp { peer, done } => self.look_up(peer, done),
            Command::Know { peers } => self.know(peers),
            Command::Disconnect { peer } => {
                // An error only says that there is no connection.
                let _ = self.swarm.disconnect_peer_id(peer);
            }
        }
    }

    fn dial(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        besides: bool,
        done: oneshot::Sender<Result<(), String>>,
    ) {
        if self.swarm.is_connected(&peer) {
            // Nobody waiting any more is no harm here and below.
            let _ = done.send(Ok(()));
            return;
        }
        self.peers.want(peer, &addresses);
        let condition = match besides {
            true => PeerCondition::Disconnected,
            false => PeerCondition::DisconnectedAndNotDialing,
        };
        let options = DialOpts::peer_id(peer).condition(condition).addresses(addresses);
        let options = if self.peers.looks_up() {
            options.extend_addresses_through_behaviour().build()
        } else {
            options.build()
        };
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => self.dials.entry(peer).or_default().push((Some(id), done)),
            Err(DialError::DialPeerConditionFalse(_)) => {
                self.dials.entry(peer).or_default().push((None, done))
            }
            Err(error) => {
                let _ = done.send(Err(error.to_string()));
            }
        }
    }

    /// Tells those who wait for the peer: all of them if it is connected, otherwise those who wait
    /// for the dial `id` or for somebody else's.
    fn dialled(&mut self, peer: &PeerId, id: ConnectionId, result: &Result<(), String>) {
        let Some(waiting) = self.dials.remove(peer) else { return };
        let is_told = |waits_for: Option<ConnectionId>| {
            result.is_ok() || waits_for.is_none_or(|own| own == id)
        };
        let (told, others): (Vec<Dial>, Vec<Dial>) =
            waiting.into_iter().partition(|(waits_for, _)| is_told(*waits_for));
        for (_, done) in told {
            let _ = done.send(result.clone());
        }
        if !others.is_empty() {
            self.dials.insert(*peer, others);
        }
    }

    fn handle_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.listen_address_added(listener_id, &address);
            }
            SwarmEvent::ExpiredListenAddr { listener_id, address } => {
                self.listen_address_removed(listener_id, &address);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connected(peer_id, connection_id, &endpoint);
                self.dialled(&peer_id, connection_id, &Ok(()));
            }
            SwarmEvent::ConnectionClosed {
                peer_id, connection_id, num_established, cause, ..
            } => {
                self.disconnected(connection_id);
                if num_established == 0
                    && cause.is_none()
                    && let Some(key) = public_key(&peer_id)
                {
                    self.peers.hung_up(&key);
                }
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                connection_id,
                error,
                ..
            } if !matches!(error, DialError::DialPeerConditionFalse(_)) => {
                self.dialled(&peer, connection_id, &Err(error.to_string()));
            }
            SwarmEvent::ExternalAddrConfirmed { address } => self.address_confirmed(&address),
            SwarmEvent::ExternalAddrExpired { address } => self.reach.tracker.forget(&address),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                if self.reach.relays.closed(listener_id, Instant::now()) {
                    tracing::debug!(?reason, "a place at a relay is lost, or was not given");
                    return;
                }
                let reason =
                    reason.map_or_else(|error| error.to_string(), |()| "it ended".to_owned());
                let asked = self.listeners.asked(listener_id).unwrap_or_default();
                self.listeners.closed(listener_id, reason.clone());
                self.tell(NetEvent::ListenerClosed { asked, reason });
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener is in trouble and goes on")
            }
            SwarmEvent::Behaviour(event) => self.learn(event),
            _ => {}
        }
    }

    /// A full queue of events must not stop the swarm: what is lost here is told elsewhere too.
    fn tell(&self, event: NetEvent) {
        if self.events.try_send(event).is_err() {
            tracing::warn!("nobody takes events");
        }
    }

    fn learn(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.heard_of_relay(peer_id, &info);
                if info.protocols.contains(&KAD) {
                    self.learn_addresses(peer_id, info.listen_addrs);
                }
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                let mut peers: HashMap<PeerId, Vec<Multiaddr>> = HashMap::new();
                for (peer, address) in found.into_iter().take(MAX_ADDRESSES) {
                    peers.entry(peer).or_default().push(address);
                }
                for (peer, addresses) in peers {
                    self.learn_addresses(peer, addresses);
                }
            }
            // One that does not know what a ping is does not promise to answer.
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Err(error) })
                if !matches!(error, ping::Failure::Unsupported) =>
            {
                tracing::debug!(%peer, %error, "a ping was not answered");
                self.counters.silent();
                // It may have closed meanwhile.
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Kad(event) => self.heard_of_table(event),
            event => self.heard_of_reach(event),
        }
    }

    /// Remembers where a peer is now, in place of where it was said to be before: a peer that tells
    /// new addresses for ever must not fill the memory.
    fn learn_addresses(&mut self, peer: PeerId, mut told: Vec<Multiaddr>) {
        told.retain(|address| address.to_vec().len() <= MAX_ADDRESS_BYTES);
        told.truncate(MAX_ADDRESSES);
        let kad = &mut self.swarm.behaviour_mut().kad;
        if self.told.len() >= MAX_REMEMBERED
            && !self.told.contains_key(&peer)
            && let Some(other) =
                self.told.keys().find(|other| !self.bootstrap.contains(other)).copied()
        {
            self.told.remove(&other);
            kad.remove_peer(&other);
        }
        let before = self.told.insert(peer, told.clone()).unwrap_or_default();
        for address in &told {
            kad.add_address(&peer, address.clone());
        }
        for old in before.iter().filter(|address| !told.contains(address)) {
            kad.remove_address(&peer, old);
        }
    }
}
