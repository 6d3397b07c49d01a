//! The handle to a running node.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use mica_host::lock;
use mica_protocol::{Message, wire::encode_frame};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::{Addresses, multiaddress, multiaddresses},
    behaviour::swarm,
    bounds::{MAX_REMEMBERED, QUEUED_BYTES, QUEUED_MESSAGES, STRANGER_QUEUED_BYTES},
    config::{CONNECT_TIMEOUT, DRAIN, LOOKUP_TIMEOUT, MAX_ADDRESSES, NetConfig},
    counters::{Counters, NetCounters},
    error::{SendError, StartError},
    event::{Key, NetEvent},
    link::{Item, Link},
    listening::{self, Listener, Listeners},
    offence::Offence,
    peer::{self, display, public_key},
    peers::Peers,
    queue::{EventSender, Events, lines},
    reachability::Reachability,
    reader::Reader,
    room::Rooms,
    standing::{Rank, Standing},
    streams::{LinkStream, Opener, WeightsTaker},
    swarm::{Command, Driver, Known, Reaching},
};

/// Commands waiting for the swarm.
const COMMANDS: usize = 256;
/// Incoming streams waiting for their link.
const INCOMING: usize = 2;
/// Incoming streams of all peers waiting to be sorted to their links.
const ALL_INCOMING: usize = 64;
/// A link that closes while a message is put on it is opened anew so many times.
const SEND_ATTEMPTS: usize = 3;

/// A running node. Cloning is cheap and shares it; it runs until [`Net::stop`] or until the last
/// clone is dropped.
#[derive(Clone)]
pub struct Net {
    shared: Arc<Shared>,
}

struct Shared {
    key: Key,
    links: Mutex<HashMap<Key, Handle>>,
    events: EventSender,
    peers: Arc<Peers>,
    rooms: Rooms,
    counters: Arc<Counters>,
    listens: bool,
    commands: mpsc::Sender<Command>,
    opener: Opener,
    weights: WeightsTaker,
    listening: watch::Receiver<Vec<Listener>>,
    reachability: watch::Receiver<Reachability>,
    stop: CancellationToken,
    /// The links' tasks, which stop first.
    tasks: TaskTracker,
    /// The swarm's task, which stops last: links write through it.
    driving: TaskTracker,
}

/// What the node keeps of a link.
#[derive(Clone)]
struct Handle {
    queue: mpsc::Sender<Item>,
    incoming: mpsc::Sender<LinkStream>,
    room: Arc<Semaphore>,
    addresses: Addresses,
    standing: Arc<Standing>,
    /// Cancelled when it has to make room for another.
    leave: CancellationToken,
}

impl Net {
    /// Starts a node on the current tokio runtime.
    ///
    /// The receiver must be emptied for as long as the node runs: when it is full, nothing more is
    /// read from the network.
    ///
    /// # Errors
    /// [`StartError`] if the key or an address is wrong, or an address cannot be listened on.
    pub fn start(config: NetConfig) -> Result<(Self, Events), StartError> {
        let keypair = peer::keypair(&config.secret)?;
        let key = peer::public_key_of(&config.secret)?;
        let counters = Arc::new(Counters::default());
        let peers = Arc::new(Peers::new(config.limits.clone(), counters.clone()));
        if config.learns_addresses() {
            peers.learn_addresses();
        }
        let (streams, incoming) = mpsc::channel(ALL_INCOMING);
        let mut swarm = swarm(&config, keypair.clone(), peers.clone(), streams)?;
        let mut asked = Vec::with_capacity(config.listen.len());
        for text in &config.listen {
            let address = multiaddress(text)
                .map_err(|reason| StartError::Address { address: text.clone(), reason })?;
            let listening = is_free(&address)
                .and_then(|()| swarm.listen_on(address).map_err(|error| error.to_string()));
            let id =
                listening.map_err(|reason| StartError::Listen { address: text.clone(), reason })?;
            asked.push((id, text.clone()));
        }
        let mut announced = Vec::new();
        for text in &config.announce {
            let address = multiaddress(text)
                .map_err(|reason| StartError::Address { address: text.clone(), reason })?;
            swarm.add_external_address(address.clone());
            announced.push(address);
        }
        let mut bootstrap = HashSet::new();
        for text in &config.bootstrap {
            let address = multiaddress(text)
                .map_err(|reason| StartError::Address { address: text.clone(), reason })?;
            let Some(Protocol::P2p(peer)) = address.iter().last() else {
                return Err(StartError::Nameless { address: text.clone() });
            };
            swarm.behaviour_mut().kad.add_address(&peer, address);
            bootstrap.insert(peer);
        }
        peers.trust(bootstrap.iter().filter_map(public_key));
        let opener = swarm.behaviour().link.opener();
        let weights = swarm.behaviour().link.weights();
        let rooms = Rooms::new();
        let (events, receiver) = lines(rooms.events.clone());
        let (commands, commanded) = mpsc::channel(COMMANDS);
        let (stop, tasks, driving) =
            (CancellationToken::new(), TaskTracker::new(), TaskTracker::new());
        let (listeners, listening) = Listeners::new(asked);
        let (reach, reachability) = Reaching::new(&config, keypair, announced, listening.clone());
        let driver = Driver {
            swarm,
            commands: commanded,
            events: events.clone(),
            peers: peers.clone(),
            counters: counters.clone(),
            listeners,
            stop: stop.clone(),
            links: tasks.clone(),
            dials: HashMap::new(),
            bootstrap,
            told: HashMap::new(),
            lookups: HashMap::new(),
            reach,
        };
        driving.spawn(driver.run());
        let shared = Shared {
            key,
            links: Mutex::default(),
            events,
            peers,
            rooms,
            counters,
            listens: !config.listen.is_empty(),
            commands,
            opener,
            weights,
            listening,
            reachability,
            stop,
            tasks,
            driving,
        };
        let net = Self { shared: Arc::new(shared) };
        net.shared.tasks.spawn(accept(
            Arc::downgrade(&net.shared),
            incoming,
            net.shared.stop.clone(),
        ));
        Ok((net, receiver))
    }

    /// The node's own public key.
    pub fn key(&self) -> Key {
        self.shared.key
    }

    /// Where the node can be heard, now and whenever that changes.
    pub fn listening(&self) -> watch::Receiver<Vec<Listener>> {
        self.shared.listening.clone()
    }

    /// Waits a few seconds at most until every listener has told all its addresses.
    ///
    /// # Errors
    /// [`StartError::Listen`] if one of them has closed already.
    pub async fn settled(&self) -> Result<Vec<Listener>, StartError> {
        let listeners = listening::settled(&mut self.listening()).await;
        let closed = listeners.iter().find_map(|listener| {
            listener.closed.clone().map(|reason| (listener.asked.clone(), reason))
        });
        closed
            .map_or(Ok(listeners), |(address, reason)| Err(StartError::Listen { address, reason }))
    }

    /// Whether others reach the node, now and whenever that changes.
    pub fn reachability(&self) -> watch::Receiver<Reachability> {
        self.shared.reachability.clone()
    }

    /// The peers of the registry with their addresses, in place of those that were told before: the
    /// node finds others through them, is tested by them, takes places at relays of theirs, keeps
    /// their address records, and dials nobody else whom only hearsay names. At most
    /// [`crate::MAX_REMEMBERED`].
    ///
    /// What is no address is left out: whoever registers may write anything.
    pub async fn know(&self, peers: impl IntoIterator<Item = (Key, Vec<String>)>) {
        let known: Vec<Known> = peers
            .into_iter()
            .filter(|(key, _)| *key != self.shared.key)
            .take(MAX_REMEMBERED)
            .filter_map(|(key, texts)| {
                let parsed =
                    texts.iter().take(MAX_ADDRESSES).filter_map(|text| multiaddress(text).ok());
                Some(Known { key, peer: peer::peer_id(&key).ok()?, addresses: parsed.collect() })
            })
            .collect();
        if known.is_empty() {
            return;
        }
        self.shared.peers.know(known.iter().map(|known| known.key));
        self.shared.peers.learn_addresses();
        // A stopped node knows nobody.
        let _ = self.shared.commands.send(Command::Know { peers: known }).await;
    }

    /// Puts a message on the link to `peer` and returns when it is queued; waits while the queue is
    /// full.
    ///
    /// A link that is not up is opened, at `addresses` or where the peer was said to be before. If
    /// that fails, [`NetEvent::Unreachable`] tells so.
    ///
    /// # Errors
    /// [`SendError`] if the key, an address or the message is wrong, or the node has stopped.
    pub async fn send(
        &self,
        peer: Key,
        addresses: &[String],
        message: &Message,
    ) -> Result<(), SendError> {
        let bytes = frame(message)?;
        for _ in 0..SEND_ATTEMPTS {
            let link = self.link(peer, addresses)?;
            let (rank, places) = link.places(bytes.len());
            let own = link.room.clone().acquire_many_owned(places).await;
            let all = self.shared.rooms.outbound.take(rank, bytes.len()).await;
            let room = [own.map_err(|_| SendError::Stopped)?, all.ok_or(SendError::Stopped)?];
            match link.queue.reserve().await {
                Ok(place) => {
                    place.send(Item::Frame { bytes, _room: room });
                    return Ok(());
                }
                Err(_) => self.forget(peer, &link),
            }
        }
        Err(SendError::Stopped)
    }

    /// Like [`Net::send`], but never waits: for those who must not be held up by one slow peer.
    ///
    /// # Errors
    /// [`SendError::Full`] if the queue is full; otherwise as [`Net::send`].
    pub fn try_send(
        &self,
        peer: Key,
        addresses: &[String],
        message: &Message,
    ) -> Result<(), SendError> {
        for _ in 0..SEND_ATTEMPTS {
            let link = self.link(peer, addresses)?;
            match self.queue(peer, &link, frame(message)?) {
                Ok(()) => return Ok(()),
                Err(SendError::Stopped) => self.forget(peer, &link),
                Err(error) => return Err(error),
            }
        }
        Err(SendError::Stopped)
    }

    /// Like [`Net::try_send`], but dials nobody: for answers, which go to those who are connected.
    ///
    /// # Errors
    /// [`SendError::NotConnected`] if there is no link; otherwise as [`Net::try_send`].
    pub fn try_answer(&self, peer: Key, message: &Message) -> Result<(), SendError> {
        let gone = || SendError::NotConnected { peer: display(&peer) };
        let bytes = frame(message)?;
        let link = self.shared.open_link(&peer)?.ok_or_else(gone)?;
        self.queue(peer, &link, bytes).map_err(|error| match error {
            SendError::Stopped => gone(),
            other => other,
        })
    }

    /// # Errors
    /// [`SendError::Full`], or [`SendError::Stopped`] if the link has closed.
    fn queue(&self, peer: Key, link: &Handle, bytes: Vec<u8>) -> Result<(), SendError> {
        let full = || SendError::Full { peer: display(&peer) };
        let (rank, places) = link.places(bytes.len());
        // Who does not keep up leaves as much to the others as it holds: however many they are,
        // there is room for one that does.
        if link.queued_bytes(rank) > self.shared.rooms.outbound.free(rank) {
            return Err(full());
        }
        let own = link.room.clone().try_acquire_many_owned(places).map_err(|_| full())?;
        let all = self.shared.rooms.outbound.try_take(rank, bytes.len()).ok_or_else(full)?;
        match link.queue.try_reserve() {
            Ok(place) => {
                place.send(Item::Frame { bytes, _room: [own, all] });
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(())) => Err(full()),
            Err(mpsc::error::TrySendError::Closed(())) => Err(SendError::Stopped),
        }
    }

    /// A session depends on `peer` from now on: it is no stranger any more. Its place is not taken
    /// from it, its messages do not wait behind those of strangers, and its frames may have
    /// `frame_bytes`. Each call is undone by one of [`Net::unprotect`].
    pub fn protect(&self, peer: Key, frame_bytes: usize) {
        self.shared.peers.protect(peer, frame_bytes);
    }

    /// A session that depended on `peer` is over. What was under way still has the larger frames
    /// for a while.
    pub fn unprotect(&self, peer: Key) {
        self.shared.peers.unprotect(&peer);
    }

    /// `peer` did what it may not. When it has used up its strikes its connections are closed, what
    /// it said and nobody has taken yet is dropped, and it and its address are refused for a while,
    /// which is longer if that was so a moment ago.
    pub fn strike(&self, peer: Key, offence: Offence) {
        self.shared.peers.strike(&peer, offence.weight());
    }

    /// What the node did about its peers, and what it holds for them.
    pub fn counters(&self) -> NetCounters {
        let (peers, strangers) = self.shared.peers.count();
        let rooms = &self.shared.rooms;
        NetCounters {
            peers: peers as u64,
            strangers: strangers as u64,
            assembling_bytes: rooms.assembly.taken(),
            event_bytes: rooms.events.taken(),
            outbound_bytes: rooms.outbound.taken(),
            ..self.shared.counters.read()
        }
    }

    /// Waits until there is a link to `peer`.
    ///
    /// # Errors
    /// [`SendError::Unreachable`] with the reason if there is none in the end; otherwise as
    /// [`Net::send`].
    pub async fn connect(&self, peer: Key, addresses: &[String]) -> Result<(), SendError> {
        let unreachable = |reason: String| SendError::Unreachable { peer: display(&peer), reason };
        for _ in 0..SEND_ATTEMPTS {
            let link = self.link(peer, addresses)?;
            let (done, connected) = oneshot::channel();
            if link.queue.send(Item::Connect { done }).await.is_err() {
                self.forget(peer, &link);
                continue;
            }
            // Two attempts to dial and one to look up, each with its own limit.
            let outcome = timeout(4 * CONNECT_TIMEOUT + LOOKUP_TIMEOUT, connected).await;
            let outcome = outcome.map_err(|_| unreachable("no answer".to_owned()))?;
            return outcome.map_err(|_| SendError::Stopped)?.map_err(unreachable);
        }
        Err(SendError::Stopped)
    }

    /// Closes the connections to `peer`. What is queued is written if there is a link when it comes
    /// to it.
    pub async fn disconnect(&self, peer: Key) {
        if let Ok(peer) = peer::peer_id(&peer) {
            // A stopped node has no connections.
            let _ = self.shared.commands.send(Command::Disconnect { peer }).await;
        }
    }

    /// Writes what is queued, for a short time, closes everything and waits for it.
    pub async fn stop(&self) {
        self.shared.start_stopping();
        self.shared.driving.close();
        // Everything has its own limit; this one only keeps a bug from hanging the program.
        let _ = timeout(4 * DRAIN, self.shared.driving.wait()).await;
    }

    /// Opens streams.
    pub(crate) fn opener(&self) -> &Opener {
        &self.shared.opener
    }

    /// Where the streams of weights go that peers open.
    pub(crate) fn weights_taker(&self) -> &WeightsTaker {
        &self.shared.weights
    }

    /// Where the swarm is told what to do.
    pub(crate) fn commands(&self) -> &mpsc::Sender<Command> {
        &self.shared.commands
    }

    /// Whether addresses are learnt from other peers.
    pub(crate) fn looks_up(&self) -> bool {
        self.shared.peers.looks_up()
    }

    /// The link to `peer`, made if there is none. What is the same for message after message is
    /// looked at once: to check that a key is a point of the curve takes as long as to encrypt a
    /// small message.
    fn link(&self, peer: Key, texts: &[String]) -> Result<Handle, SendError> {
        if let Some(link) = self.shared.open_link(&peer)?
            && link.addresses.were_told(texts)
        {
            return Ok(link);
        }
        let (id, addresses) = (peer::peer_id(&peer)?, multiaddresses(texts)?);
        let link = self.shared.link(peer, id)?;
        link.addresses.tell(texts, addresses);
        Ok(link)
    }

    /// Forgets a link whose task has ended, unless it has been replaced already.
    fn forget(&self, peer: Key, ended: &Handle) {
        let mut links = lock(&self.shared.links);
        if links.get(&peer).is_some_and(|link| link.queue.same_channel(&ended.queue)) {
            links.remove(&peer);
        }
    }
}

impl Handle {
    /// Whose bounds hold for what is written to the peer, and how many places `bytes` take in the
    /// link's room: a stranger's bytes take as many as leave it with its own bound.
    fn places(&self, bytes: usize) -> (Rank, u32) {
        let rank = self.standing.rank();
        // Far below 2³². What is larger than all of the room waits for all of it.
        (rank, bytes.saturating_mul(places_per_byte(rank)).min(QUEUED_BYTES) as u32)
    }

    /// Bytes that wait to be written to the peer.
    fn queued_bytes(&self, rank: Rank) -> usize {
        QUEUED_BYTES.saturating_sub(self.room.available_permits()) / places_per_byte(rank)
    }
}

const fn places_per_byte(rank: Rank) -> usize {
    match rank {
        Rank::Session => 1,
        Rank::Stranger => QUEUED_BYTES / STRANGER_QUEUED_BYTES,
    }
}

impl Shared {
    fn start_stopping(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// The link to `peer`, if there is one.
    fn open_link(&self, peer: &Key) -> Result<Option<Handle>, SendError> {
        if self.stop.is_cancelled() {
            return Err(SendError::Stopped);
        }
        let links = lock(&self.links);
        Ok(links.get(peer).filter(|link| !link.queue.is_closed()).cloned())
    }

    fn link(&self, peer: Key, id: PeerId) -> Result<Handle, SendError> {
        if self.stop.is_cancelled() {
            return Err(SendError::Stopped);
        }
        let mut links = lock(&self.links);
        if let Some(link) = links.get(&peer).filter(|link| !link.queue.is_closed()) {
            return Ok(link.clone());
        }
        links.retain(|_, link| !link.queue.is_closed());
        let most = self.peers.limits().all();
        if links.len() >= most {
            self.make_room(&mut links)?;
        }
        let (queue, queued) = mpsc::channel(QUEUED_MESSAGES);
        let (incoming, coming) = mpsc::channel(INCOMING);
        let (addresses, leave) = (Addresses::default(), CancellationToken::new());
        let standing = self.peers.standing(peer);
        let reader = Reader {
            key: peer,
            standing: standing.clone(),
            peers: self.peers.clone(),
            rooms: self.rooms.clone(),
            events: self.events.clone(),
            counters: self.counters.clone(),
        };
        let task = Link {
            peer: id,
            addresses: addresses.clone(),
            queue: queued,
            incoming: coming,
            reader,
            leave: leave.clone(),
            listens: self.listens,
            commands: self.commands.clone(),
            opener: self.opener.clone(),
            stop: self.stop.clone(),
            tasks: self.tasks.clone(),
        };
        self.tasks.spawn(task.run());
        let room = Arc::new(Semaphore::new(QUEUED_BYTES));
        let link = Handle { queue, incoming, room, addresses, standing, leave };
        links.insert(peer, link.clone());
        Ok(link)
    }

    /// Ends the link to the stranger that is worth least: see [`Standing::worth`].
    fn make_room(&self, links: &mut HashMap<Key, Handle>) -> Result<(), SendError> {
        let strangers = links.iter().filter(|(_, link)| link.standing.rank() == Rank::Stranger);
        let least = strangers.min_by_key(|(_, link)| link.standing.worth());
        let key = least.map(|(key, _)| *key);
        let link = key.and_then(|key| links.remove(&key));
        let limit = self.peers.limits().all();
        link.ok_or(SendError::TooManyLinks { limit })?.leave.cancel();
        self.counters.eviction();
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.start_stopping();
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Net({})", display(&self.shared.key))
    }
}

/// Gives incoming streams to their links. It holds the node weakly: it must not keep alive what
/// nobody uses.
async fn accept(
    shared: std::sync::Weak<Shared>,
    mut incoming: mpsc::Receiver<(PeerId, LinkStream)>,
    stop: CancellationToken,
) {
    while let Some(Some((id, stream))) = stop.run_until_cancelled(incoming.recv()).await {
        let Some(shared) = shared.upgrade() else { return };
        let Some(peer) = public_key(&id) else {
            let reason = "its key is not ed25519, so it can be no worker and no payer".to_owned();
            // A full queue of events is no reason to let it in.
            let _ = shared.events.try_send(NetEvent::Refused { peer: None, reason });
            continue;
        };
        // A stream that finds no place is dropped, which closes it: its opener tries again when it
        // next sends.
        if let Ok(link) = shared.link(peer, id)
            && link.incoming.try_send(stream).is_err()
        {
            tracing::debug!(peer = %id, "no place for one more stream");
        }
    }
}

/// Whether nobody listens on this TCP port. The transport shares ports, so that two programs could
/// listen on one and each get some of the connections; a plain socket does not.
fn is_free(address: &Multiaddr) -> Result<(), String> {
    let mut parts = address.iter();
    let ip: std::net::IpAddr = match parts.next() {
        Some(Protocol::Ip4(ip)) => ip.into(),
        Some(Protocol::Ip6(ip)) => ip.into(),
        _ => return Ok(()),
    };
    match parts.next() {
        Some(Protocol::Tcp(port)) => {
            std::net::TcpListener::bind((ip, port)).map(drop).map_err(|error| error.to_string())
        }
        _ => Ok(()),
    }
}

fn frame(message: &Message) -> Result<Vec<u8>, SendError> {
    encode_frame(message).map_err(|error| SendError::Message(error.to_string()))
}
