//! What happens on the network, on its way to whoever takes it.
//!
//! Events of peers with a session do not wait behind those of strangers: there is a line for each,
//! bounded in number and bytes, and the first has precedence, though not for ever. What one peer
//! says stays in order: see [`Standing::line`]. What a peer said before it was banned is dropped.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{
    bounds::{EVENTS, EVENTS_IN_A_ROW},
    event::NetEvent,
    room::Room,
    standing::{Rank, Standing},
};

/// An event that waits.
struct Item {
    event: NetEvent,
    /// Its bytes, given back when it is taken.
    _room: Option<OwnedSemaphorePermit>,
    place: Option<Place>,
}

impl Item {
    /// Whether it is the word of a peer that was banned since: it may have sent hundreds before
    /// that, and each would cost as much as those that it was banned for.
    fn is_void(&self) -> bool {
        matches!(self.event, NetEvent::Message { .. })
            && self.place.as_ref().is_some_and(|place| place.is_banned.load(Relaxed))
    }
}

/// Counts an event among those of its peer that wait in one line.
struct Place {
    waiting: Arc<AtomicUsize>,
    is_banned: Arc<AtomicBool>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Relaxed);
    }
}

/// Where events go in.
#[derive(Clone)]
pub(crate) struct EventSender {
    sessions: mpsc::Sender<Item>,
    strangers: mpsc::Sender<Item>,
    room: Room,
}

/// Nobody takes events any more.
pub(crate) struct Closed;

impl EventSender {
    /// Puts an event of a peer, with `bytes` that it holds, at the end of its line; waits while
    /// that is full.
    pub(crate) async fn send(
        &self,
        standing: &Standing,
        bytes: usize,
        event: NetEvent,
    ) -> Result<(), Closed> {
        let (rank, waiting) = standing.line();
        // Before the wait: what the peer says meanwhile must stay behind this.
        waiting.fetch_add(1, Relaxed);
        let place = Place { waiting, is_banned: standing.ban_flag() };
        let room = match bytes {
            0 => None,
            bytes => Some(self.room.take(rank, bytes).await.ok_or(Closed)?),
        };
        let item = Item { event, _room: room, place: Some(place) };
        self.line(rank).send(item).await.map_err(|_| Closed)
    }

    /// Puts an event of the node itself at the end of the first line, if there is room.
    pub(crate) fn try_send(&self, event: NetEvent) -> Result<(), Closed> {
        let item = Item { event, _room: None, place: None };
        self.sessions.try_send(item).map_err(|_| Closed)
    }

    const fn line(&self, rank: Rank) -> &mpsc::Sender<Item> {
        match rank {
            Rank::Session => &self.sessions,
            Rank::Stranger => &self.strangers,
        }
    }
}

/// Where events come out. It must be emptied for as long as the node runs: when a line is full,
/// nothing more is read from the peers whose events wait in it.
#[derive(Debug)]
pub struct Events {
    sessions: mpsc::Receiver<Item>,
    strangers: mpsc::Receiver<Item>,
    /// Events of peers with a session that were taken since one of a stranger.
    in_a_row: u32,
}

/// Two lines of a node.
pub(crate) fn lines(room: Room) -> (EventSender, Events) {
    let ((sessions, first), (strangers, second)) = (mpsc::channel(EVENTS), mpsc::channel(EVENTS));
    (
        EventSender { sessions, strangers, room },
        Events { sessions: first, strangers: second, in_a_row: 0 },
    )
}

impl Events {
    /// Waits for the next event; nothing when the node has stopped and all were taken. Dropping the
    /// future loses nothing.
    pub async fn recv(&mut self) -> Option<NetEvent> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// The next event, if one waits.
    pub fn try_recv(&mut self) -> Option<NetEvent> {
        let strangers_first = self.strangers_first();
        [strangers_first, !strangers_first].into_iter().find_map(|strangers| {
            let line = if strangers { &mut self.strangers } else { &mut self.sessions };
            let mut items = std::iter::from_fn(|| line.try_recv().ok());
            let item = items.find(|item| !item.is_void());
            item.map(|item| self.taken(strangers, item))
        })
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<NetEvent>> {
        let strangers_first = self.strangers_first();
        let mut ended = 0;
        for strangers in [strangers_first, !strangers_first] {
            let line = if strangers { &mut self.strangers } else { &mut self.sessions };
            loop {
                match line.poll_recv(context) {
                    Poll::Ready(Some(item)) if item.is_void() => {}
                    Poll::Ready(Some(item)) => {
                        return Poll::Ready(Some(self.taken(strangers, item)));
                    }
                    Poll::Ready(None) => {
                        ended += 1;
                        break;
                    }
                    Poll::Pending => break,
                }
            }
        }
        if ended == 2 { Poll::Ready(None) } else { Poll::Pending }
    }

    const fn strangers_first(&self) -> bool {
        self.in_a_row >= EVENTS_IN_A_ROW
    }

    fn taken(&mut self, strangers: bool, item: Item) -> NetEvent {
        self.in_a_row = if strangers { 0 } else { self.in_a_row.saturating_add(1) };
        item.event
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use mica_primitives::ModelId;
    use mica_protocol::{Message, messages::QuoteRequest};

    use super::*;
    use crate::room::Rooms;

    fn event(peer: u8) -> NetEvent {
        NetEvent::Connected { peer: [peer; 32] }
    }

    fn peer_of(event: Option<NetEvent>) -> Option<u8> {
        match event? {
            NetEvent::Connected { peer } => Some(peer[0]),
            _ => None,
        }
    }

    #[tokio::test]
    async fn peers_with_a_session_come_first_and_strangers_are_not_forgotten() {
        let (sender, mut events) = lines(Rooms::new().events);
        let (paying, stranger) = (Standing::new(Instant::now()), Standing::new(Instant::now()));
        paying.protect(0);
        for _ in 0..20 {
            assert!(sender.send(&stranger, 100, event(2)).await.is_ok());
            assert!(sender.send(&paying, 100, event(1)).await.is_ok());
        }
        let order: Vec<u8> = (0..18).filter_map(|_| peer_of(events.try_recv())).collect();
        assert_eq!(order[..16], [1; 16]);
        assert_eq!(order[16..], [2, 1]);
        for _ in 18..40 {
            assert!(events.recv().await.is_some());
        }
        assert!(events.try_recv().is_none());
        assert_eq!(sender.room.taken(), 0);
        drop(sender);
        assert!(events.recv().await.is_none());
    }

    #[tokio::test]
    async fn what_a_peer_said_before_it_was_banned_is_dropped_and_that_it_is_gone_is_told() {
        let (sender, mut events) = lines(Rooms::new().events);
        let (banned, other) = (Standing::new(Instant::now()), Standing::new(Instant::now()));
        let word = |peer: u8| NetEvent::Message {
            peer: [peer; 32],
            message: Message::QuoteRequest(QuoteRequest { model: ModelId([1; 32]), nonce: 1 }),
        };
        for _ in 0..2 {
            for _ in 0..5 {
                assert!(sender.send(&banned, 100, word(1)).await.is_ok());
            }
            assert!(sender.send(&other, 100, word(2)).await.is_ok());
        }
        assert!(sender.send(&banned, 0, event(1)).await.is_ok());
        banned.set_banned(true);
        let heard = |event: Option<NetEvent>| match event {
            Some(NetEvent::Message { peer, .. }) => peer[0],
            _ => 0,
        };
        assert_eq!(heard(events.try_recv()), 2);
        assert_eq!(heard(events.recv().await), 2);
        assert_eq!(peer_of(events.recv().await), Some(1), "no word of its own");
        assert!(events.try_recv().is_none());
        assert_eq!((sender.room.taken(), banned.line().1.load(Relaxed)), (0, 0));
        banned.set_banned(false);
        assert!(sender.send(&banned, 100, word(1)).await.is_ok());
        assert_eq!(heard(events.recv().await), 1, "it was let in again");
    }

    #[tokio::test]
    async fn what_a_peer_says_stays_in_order_when_it_gets_a_session() {
        let (sender, mut events) = lines(Rooms::new().events);
        let (peer, other) = (Standing::new(Instant::now()), Standing::new(Instant::now()));
        other.protect(0);
        assert!(sender.send(&peer, 1, event(1)).await.is_ok());
        peer.protect(0);
        assert!(sender.send(&peer, 1, event(2)).await.is_ok());
        assert!(sender.send(&other, 1, event(9)).await.is_ok());
        let order: Vec<u8> = (0..3).filter_map(|_| peer_of(events.try_recv())).collect();
        assert_eq!(order, [9, 1, 2]);
    }
}
