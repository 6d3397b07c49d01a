//! Many sessions over few peers: each event of the network goes to the session that it concerns.
//!
//! A worker takes at most [`MAX_SESSIONS_PER_PEER`] sessions of one peer, so a router has several
//! peers of its own and puts a new subscription on the one with the fewest. Messages are told apart
//! by their session; what has no session (quotes) and what concerns a whole peer (a broken link)
//! goes to every subscription that speaks with it.
//!
//! Limits: [`MAX_PEERS`] peers of our own, [`MAX_WAITING_EVENTS`] events waiting per subscription.
//! A session has far fewer under way, because both sides stop at the credit window; a subscription
//! that is full all the same is cut, so that no session can hold up the others.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use mica_net::{MAX_REMEMBERED, Mdns, Net, NetConfig, NetEvent, StartError};
use mica_primitives::PublicKey;
use mica_protocol::{SessionId, limits::MAX_SESSIONS_PER_PEER};
use rand::{RngCore, rngs::OsRng};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Most peers of one router.
pub const MAX_PEERS: usize = 32;
/// Most events that wait for one subscription.
pub const MAX_WAITING_EVENTS: usize = 1024;
/// Workers that are asked where another one is.
const MAX_ASKED_OF_OTHERS: usize = 64;
/// Sessions that are meant to run on one peer at once: below [`MAX_SESSIONS_PER_PEER`], because a
/// worker may still be settling sessions that are over for us.
const SESSIONS_PER_PEER: usize = MAX_SESSIONS_PER_PEER - 2;

/// Peers of our own and the subscriptions that share them.
pub struct Router {
    peers: Vec<Peer>,
    /// What was told of the registry last.
    known: tokio::sync::Mutex<Vec<(PublicKey, Vec<String>)>>,
}

struct Peer {
    net: Net,
    subscriptions: Arc<Mutex<Table>>,
    _dispatch: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
}

struct Entry {
    session: Option<SessionId>,
    peers: BTreeSet<PublicKey>,
    events: mpsc::Sender<NetEvent>,
}

impl Router {
    /// Starts enough peers for `sessions` sessions at once, each with a name drawn at random.
    ///
    /// # Errors
    /// [`StartError`] if the network cannot be started.
    pub fn start(sessions: usize) -> Result<Self, StartError> {
        let count = sessions.div_ceil(SESSIONS_PER_PEER).clamp(1, MAX_PEERS);
        let peers = (0..count).map(|_| Peer::start()).collect::<Result<_, _>>()?;
        Ok(Self { peers, known: tokio::sync::Mutex::default() })
    }

    /// Who is in the registry, and where it says that they are, those to ask first first: through
    /// them a worker is found that has moved. At most [`MAX_REMEMBERED`].
    pub async fn know(&self, workers: impl IntoIterator<Item = (PublicKey, Vec<String>)>) {
        let mut workers: Vec<_> = workers.into_iter().take(MAX_REMEMBERED).collect();
        workers.iter_mut().skip(MAX_ASKED_OF_OTHERS).for_each(|(_, addresses)| addresses.clear());
        let mut known = self.known.lock().await;
        if *known == workers {
            return;
        }
        for peer in &self.peers {
            peer.net.know(workers.iter().cloned()).await;
        }
        *known = workers;
    }

    /// A subscription of one session or one round of quotes. It hears nothing before
    /// [`Subscription::listen`].
    pub fn subscribe(&self) -> Option<Subscription> {
        let peer = self.peers.iter().min_by_key(|peer| lock(&peer.subscriptions).open.len())?;
        let (events, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
        let mut subscriptions = lock(&peer.subscriptions);
        let number = subscriptions.next;
        subscriptions.next += 1;
        subscriptions.open.insert(number, Entry { session: None, peers: BTreeSet::new(), events });
        drop(subscriptions);
        Some(Subscription {
            net: peer.net.clone(),
            events: receiver,
            number,
            subscriptions: peer.subscriptions.clone(),
        })
    }

    /// Stops the network; sessions that still run lose everybody.
    pub async fn stop(&self) {
        futures::future::join_all(self.peers.iter().map(|peer| peer.net.stop())).await;
    }
}

impl Peer {
    fn start() -> Result<Self, StartError> {
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        OsRng.fill_bytes(secret.as_mut_slice());
        let config = NetConfig { mdns: Mdns::On, ..NetConfig::new(*secret) };
        let (net, mut events) = Net::start(config)?;
        let subscriptions = Arc::new(Mutex::new(Table::default()));
        let table = subscriptions.clone();
        let dispatch = tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                lock(&table).dispatch(event);
            }
            // The network has stopped: closed subscriptions tell their sessions so.
            lock(&table).open.clear();
        });
        Ok(Self { net, subscriptions, _dispatch: AbortOnDropHandle::new(dispatch) })
    }
}

impl Table {
    fn dispatch(&mut self, event: NetEvent) {
        match event {
            NetEvent::Message { peer, message } => {
                let session = message.session();
                let concerned = |entry: &Entry| {
                    entry.peers.contains(&peer) && (session.is_none() || entry.session == session)
                };
                let mut numbers = self
                    .open
                    .iter()
                    .filter(|(_, entry)| concerned(entry))
                    .map(|(number, _)| *number);
                if session.is_some() {
                    let number = numbers.next();
                    return self.deliver(number, NetEvent::Message { peer, message });
                }
                for number in numbers.collect::<Vec<_>>() {
                    self.deliver(
                        Some(number),
                        NetEvent::Message { peer, message: message.clone() },
                    );
                }
            }
            NetEvent::Disconnected { peer, .. } | NetEvent::Refused { peer: Some(peer), .. } => {
                self.deliver_to_all(peer, || NetEvent::Disconnected {
                    peer,
                    reason: "the link is down".into(),
                });
            }
            NetEvent::Unreachable { peer, reason, dropped } => {
                self.deliver_to_all(peer, || NetEvent::Unreachable {
                    peer,
                    reason: reason.clone(),
                    dropped,
                });
            }
            _ => {}
        }
    }

    /// Puts an event about a peer on every subscription that listens to it.
    fn deliver_to_all(&mut self, peer: [u8; 32], event: impl Fn() -> NetEvent) {
        let numbers = self
            .open
            .iter()
            .filter(|(_, entry)| entry.peers.contains(&peer))
            .map(|(number, _)| *number);
        for number in numbers.collect::<Vec<_>>() {
            self.deliver(Some(number), event());
        }
    }

    /// Puts an event on a subscription, and cuts the subscription if it is full.
    fn deliver(&mut self, number: Option<u64>, event: NetEvent) {
        let Some(number) = number else { return };
        if self.open.get(&number).is_some_and(|entry| entry.events.try_send(event).is_err()) {
            self.open.remove(&number);
        }
    }
}

/// One session's share of the network.
pub struct Subscription {
    /// Where messages are sent.
    pub net: Net,
    /// What concerns this subscription.
    pub events: mpsc::Receiver<NetEvent>,
    number: u64,
    subscriptions: Arc<Mutex<Table>>,
}

impl Subscription {
    /// From now on the subscription hears what `peers` say about `session`, or, without one, what
    /// they say about no session.
    pub fn listen(&self, session: Option<SessionId>, peers: impl IntoIterator<Item = PublicKey>) {
        if let Some(entry) = lock(&self.subscriptions).open.get_mut(&self.number) {
            entry.session = session;
            entry.peers = peers.into_iter().collect();
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.subscriptions).open.remove(&self.number);
    }
}

/// The table is whole between any two of its operations, so a panic elsewhere leaves it usable.
fn lock(subscriptions: &Mutex<Table>) -> MutexGuard<'_, Table> {
    mica_host::lock(subscriptions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_protocol::{
        Message,
        messages::{Close, CloseWhen, QuoteRequest},
    };

    fn about(session: u8, peer: u8) -> NetEvent {
        let close = Close { session: SessionId([session; 32]), when: CloseWhen::Now };
        NetEvent::Message { peer: [peer; 32], message: Message::Close(close) }
    }

    fn entry(
        subscriptions: &mut Table,
        session: Option<u8>,
        peers: &[u8],
        room: usize,
    ) -> mpsc::Receiver<NetEvent> {
        let (events, receiver) = mpsc::channel(room);
        let number = subscriptions.next;
        subscriptions.next += 1;
        let peers = peers.iter().map(|peer| [*peer; 32]).collect();
        subscriptions.open.insert(
            number,
            Entry { session: session.map(|session| SessionId([session; 32])), peers, events },
        );
        receiver
    }

    #[test]
    fn a_message_reaches_its_own_session_only_and_only_from_the_sessions_peers() {
        let mut subscriptions = Table::default();
        let (mut one, mut two) = (
            entry(&mut subscriptions, Some(1), &[7], 4),
            entry(&mut subscriptions, Some(2), &[7], 4),
        );
        subscriptions.dispatch(about(2, 7));
        assert!(two.try_recv().is_ok() && one.try_recv().is_err());
        subscriptions.dispatch(about(2, 8));
        assert!(two.try_recv().is_err(), "a stranger speaks of the session");
        subscriptions.dispatch(about(3, 7));
        assert!(two.try_recv().is_err() && one.try_recv().is_err());
    }

    #[test]
    fn a_broken_link_and_a_message_without_a_session_reach_everybody_who_speaks_with_that_peer() {
        let mut subscriptions = Table::default();
        let (mut one, mut two) = (
            entry(&mut subscriptions, Some(1), &[7], 4),
            entry(&mut subscriptions, None, &[7, 8], 4),
        );
        let mut other = entry(&mut subscriptions, Some(3), &[8], 4);
        subscriptions.dispatch(NetEvent::Unreachable {
            peer: [7; 32],
            reason: String::new(),
            dropped: 0,
        });
        assert!(matches!(one.try_recv(), Ok(NetEvent::Unreachable { .. })), "with the reason");
        assert!(matches!(two.try_recv(), Ok(NetEvent::Unreachable { .. })));
        assert!(other.try_recv().is_err());
        subscriptions.dispatch(NetEvent::Disconnected { peer: [7; 32], reason: String::new() });
        assert!(matches!(one.try_recv(), Ok(NetEvent::Disconnected { .. })));
        assert!(matches!(two.try_recv(), Ok(NetEvent::Disconnected { .. })));
        assert!(other.try_recv().is_err());
        let request = QuoteRequest { model: mica_primitives::ModelId([0; 32]), nonce: 1 };
        subscriptions
            .dispatch(NetEvent::Message { peer: [7; 32], message: Message::QuoteRequest(request) });
        assert!(one.try_recv().is_ok() && two.try_recv().is_ok());
    }

    #[test]
    fn a_full_line_is_cut_and_the_others_go_on() {
        let mut subscriptions = Table::default();
        let (mut full, mut other) = (
            entry(&mut subscriptions, Some(1), &[7], 1),
            entry(&mut subscriptions, Some(2), &[7], 1),
        );
        subscriptions.dispatch(about(1, 7));
        subscriptions.dispatch(about(1, 7));
        subscriptions.dispatch(about(2, 7));
        assert!(full.try_recv().is_ok());
        assert!(matches!(full.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
        assert!(other.try_recv().is_ok());
    }
}
