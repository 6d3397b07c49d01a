//! The task that owns the swarm: it listens, dials, disconnects and looks up addresses on command.

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::Arc,
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify, kad, mdns, ping,
    swarm::{
        DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    behaviour::{Behaviour, BehaviourEvent, KAD},
    bounds::MAX_REMEMBERED,
    config::{DRAIN, MAX_ADDRESSES},
    counters::Counters,
    event::NetEvent,
    listening::Listeners,
    peer::public_key,
    peers::Peers,
    queue::EventSender,
};

/// Longest address that is remembered.
const MAX_ADDRESS_BYTES: usize = 256;

/// What links ask of the swarm.
pub(crate) enum Command {
    /// Connects to a peer at these addresses and those learnt from others.
    Dial { peer: PeerId, addresses: Vec<Multiaddr>, done: oneshot::Sender<Result<(), String>> },
    /// Asks other peers for a peer's addresses.
    LookUp { peer: PeerId, done: oneshot::Sender<Vec<Multiaddr>> },
    /// Closes all connections to a peer.
    Disconnect { peer: PeerId },
}

/// The swarm's task.
pub(crate) struct Driver {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) events: EventSender,
    pub(crate) peers: Arc<Peers>,
    pub(crate) counters: Arc<Counters>,
    /// Whether addresses are learnt from other peers.
    pub(crate) looks_up: bool,
    pub(crate) listeners: Listeners,
    pub(crate) stop: CancellationToken,
    /// The tasks of the links.
    pub(crate) links: TaskTracker,
    pub(crate) dials: HashMap<PeerId, Vec<oneshot::Sender<Result<(), String>>>>,
    /// Peers that the operator named to learn addresses from: they are never forgotten.
    pub(crate) bootstrap: HashSet<PeerId>,
    /// Where peers said last that they are, as the look-up table has it.
    pub(crate) told: HashMap<PeerId, Vec<Multiaddr>>,
    pub(crate) lookups: HashMap<kad::QueryId, (PeerId, oneshot::Sender<Vec<Multiaddr>>)>,
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
        loop {
            tokio::select! {
                _ = &mut end => return,
                Some(command) = self.commands.recv() => self.execute(command),
                event = self.swarm.select_next_some() => self.handle_event(event),
            }
        }
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Dial { peer, addresses, done } => self.dial(peer, addresses, done),
            Command::LookUp { peer, done } => {
                let query = self.swarm.behaviour_mut().kad.get_closest_peers(peer);
                self.lookups.insert(query, (peer, done));
            }
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
        done: oneshot::Sender<Result<(), String>>,
    ) {
        if self.swarm.is_connected(&peer) {
            // Nobody waiting any more is no harm here and below.
            let _ = done.send(Ok(()));
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses);
        let options = if self.looks_up {
            options.extend_addresses_through_behaviour().build()
        } else {
            options.build()
        };
        match self.swarm.dial(options) {
            Ok(()) | Err(DialError::DialPeerConditionFalse(_)) => {
                self.dials.entry(peer).or_default().push(done)
            }
            Err(error) => {
                let _ = done.send(Err(error.to_string()));
            }
        }
    }

    fn dialled(&mut self, peer: &PeerId, result: &Result<(), String>) {
        for waiting in self.dials.remove(peer).into_iter().flatten() {
            let _ = waiting.send(result.clone());
        }
    }

    fn handle_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                self.listeners.address_added(listener_id, &address);
                self.tell(NetEvent::Listening { address: address.to_string() });
            }
            SwarmEvent::ExpiredListenAddr { listener_id, address } => {
                self.listeners.address_removed(listener_id, &address)
            }
            SwarmEvent::ConnectionEstablished { peer_id, .. } => self.dialled(&peer_id, &Ok(())),
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause: None, .. } => {
                if let Some(key) = public_key(&peer_id) {
                    self.peers.hung_up(&key);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. }
                if !matches!(error, DialError::DialPeerConditionFalse(_)) =>
            {
                self.dialled(&peer, &Err(error.to_string()));
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
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
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. })
                if info.protocols.contains(&KAD) =>
            {
                self.learn_addresses(peer_id, info.listen_addrs);
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
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::GetClosestPeers(result),
                step,
                ..
            }) => {
                let found = match result {
                    Ok(found) => found.peers,
                    Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
                };
                let wanted = self.lookups.get(&id).map(|(peer, _)| *peer);
                let peer = found.into_iter().find(|found| Some(found.peer_id) == wanted);
                if (peer.is_some() || step.last)
                    && let Some((_, done)) = self.lookups.remove(&id)
                {
                    let addresses = peer.map(|peer| peer.addrs).unwrap_or_default();
                    let _ = done.send(addresses.into_iter().take(MAX_ADDRESSES).collect());
                }
            }
            _ => {}
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
