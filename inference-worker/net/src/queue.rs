//! What happens on the network, on its way to whoever takes it.
//!
//! Events of peers with a session do not wait behind those of strangers: there is a line for each,
//! bounded in number and bytes, and the first has precedence, though not for ever. What one peer
//! says stays in order: see [`Standing::line`].

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
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
    _place: Option<Place>,
}

/// Counts an event among those of its peer that wait in one line.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
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
        let place = Place(waiting);
        let room = match bytes {
            0 => None,
            bytes => Some(self.room.take(rank, bytes).await.ok_or(Closed)?),
        };
        let item = Item { event, _room: room, _place: Some(place) };
        self.line(rank).send(item).await.map_err(|_| Closed)
    }

    /// Puts an event of the node itself at the end of the first line, if there is room.
    pub(crate) fn try_send(&self, event: NetEvent) -> Result<(), Closed> {
        let item = Item { event, _room: None, _place: None };
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
            let item = if strangers { &mut self.strangers } else { &mut self.sessions };
            item.try_recv().ok().map(|item| self.taken(strangers, item))
        })
    }

    fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<NetEvent>> {
        let strangers_first = self.strangers_first();
        let mut ended = 0;
        for strangers in [strangers_first, !strangers_first] {
            let line = if strangers { &mut self.strangers } else { &mut self.sessions };
            match line.poll_recv(context) {
                Poll::Ready(Some(item)) => return Poll::Ready(Some(self.taken(strangers, item))),
                Poll::Ready(None) => ended += 1,
                Poll::Pending => {}
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
