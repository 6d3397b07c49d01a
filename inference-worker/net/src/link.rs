//! The link to one peer: a task that owns the streams, connects when there is something to send,
//! and writes in order.
//!
//! Reading is a task of its own per stream, so that a peer that writes slowly does not keep us from
//! writing to it.

use libp2p::PeerId;
use mica_protocol::wire::{WireError, encode_frame};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::Addresses,
    config::{CONNECT_TIMEOUT, DRAIN, IDLE},
    event::NetEvent,
    offence::Offence,
    reader::{CLOSED, Ended, Reader},
    standing::Standing,
    streams::{LinkStream, Opener},
    swarm::Command,
};

mod connect;
mod open;

use connect::Connector;
use open::Open;

/// Frames are written together up to so many bytes, and the frame that exceeds them.
const WRITE_BYTES: usize = 64 * 1024;
/// Why a link ended that had to make room.
const LEFT: &str = "it was silent for longest and made room for another peer";

/// Why a link ended whose connection we closed.
const HUNG_UP: &str = "its connection was closed here: it was silent, or had to make room";

/// Something for the link's task to do.
pub(crate) enum Item {
    /// Write this frame. The permits count its bytes until they are written, for this link and for
    /// all.
    Frame { bytes: Vec<u8>, _room: [OwnedSemaphorePermit; 2] },
    /// Be connected, and say so.
    Connect { done: oneshot::Sender<Result<(), String>> },
}

/// A link's task.
pub(crate) struct Link {
    pub(crate) peer: PeerId,
    pub(crate) addresses: Addresses,
    pub(crate) queue: mpsc::Receiver<Item>,
    pub(crate) incoming: mpsc::Receiver<LinkStream>,
    /// Who it is, and what reads its streams.
    pub(crate) reader: Reader,
    /// Cancelled when it has to make room for another.
    pub(crate) leave: CancellationToken,
    /// Whether the node listens.
    pub(crate) listens: bool,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) opener: Opener,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Link {
    /// Runs until the node stops, the peer breaks the protocol or nothing has happened for long;
    /// then closes the queue and writes what is still in it.
    pub(crate) async fn run(mut self) {
        let (mut open, mut ended) = Open::new(self.reader.clone(), self.tasks.clone());
        let mut hang_ups = self.reader.standing.hang_ups();
        let mut ways = self.reader.standing.ways();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.leave.cancelled() => {
                    if !open.is_empty() {
                        let (peer, reason) = (self.reader.key, LEFT.to_owned());
                        self.tell(NetEvent::Disconnected { peer, reason }).await;
                    }
                    // The swarm may have stopped.
                    let _ = self.commands.send(Command::Disconnect { peer: self.peer }).await;
                    break;
                }
                Ok(()) = hang_ups.changed() => {
                    self.hung_up(&mut open).await;
                    if self.is_forgotten(&open) {
                        break;
                    }
                }
                Ok(()) = ways.changed() => self.move_if_better(&mut open).await,
                () = open.give_up_moving() => {}
                Some(stream) = self.incoming.recv() => {
                    if hang_ups.has_changed().unwrap_or(false) {
                        // It came back: the old streams must go first.
                        hang_ups.mark_unchanged();
                        self.hung_up(&mut open).await;
                    }
                    self.attach(stream, false, &mut open).await;
                }
                Some((stream, why)) = ended.recv() => match why {
                    Ended::Closed(reason) => {
                        self.detach(stream, reason, &mut open).await;
                        if self.is_forgotten(&open) {
                            break;
                        }
                    }
                    Ended::Refused(error) => {
                        self.refuse(stream, error, &mut open, &mut ended).await;
                        break;
                    }
                },
                item = self.queue.recv(), if !open.is_moving() => match item {
                    Some(item) => self.serve(item, &mut open).await,
                    None => break,
                },
                () = tokio::time::sleep(IDLE), if open.is_empty() => break,
            }
        }
        self.queue.close();
        self.drain(&mut open).await;
        open.close_all(&mut ended).await;
        open.end();
    }

    /// Starts to read `stream`, and writes to it if there is no other.
    async fn attach(&self, stream: LinkStream, is_ours: bool, open: &mut Open) {
        if open.attach(stream, is_ours) {
            self.tell(NetEvent::Connected { peer: self.reader.key }).await;
        }
        // The direct connection may have come up just before.
        self.move_if_better(open).await;
    }

    /// Goes over to a direct connection if there is one and messages go through a relay.
    async fn move_if_better(&self, open: &mut Open) {
        if !open.wants_to_move() || !self.opener.has_direct(&self.peer) {
            return;
        }
        let opened = timeout(CONNECT_TIMEOUT, self.opener.open(self.peer));
        match self.unless_stopped(opened).await {
            Some(Ok(Ok(stream))) if !stream.is_relayed => open.start_move(stream).await,
            // It stays where it is, which works too.
            _ => tracing::debug!(peer = %self.peer, "a link stays on its relay"),
        }
    }

    /// Whether nothing is left of a link that nobody could open again: where to dial one that came
    /// by itself is not known.
    fn is_forgotten(&self, open: &Open) -> bool {
        open.is_empty() && self.addresses.is_empty() && self.incoming.is_empty()
    }

    /// We closed the connections: the streams do not find out by themselves.
    async fn hung_up(&self, open: &mut Open) {
        if open.clear() {
            self.tell_disconnected(HUNG_UP.to_owned()).await;
        }
    }

    async fn detach(&mut self, stream: u64, reason: String, open: &mut Open) {
        if !open.remove(stream, reason == CLOSED).await {
            return;
        }
        // One that replaces it may be here already.
        match self.incoming.try_recv() {
            Ok(stream) => drop(open.attach(stream, false)),
            Err(_) => self.tell_disconnected(reason).await,
        }
    }

    async fn tell_disconnected(&self, reason: String) {
        let peer = self.reader.key;
        let reason = if self.reader.peers.is_banned(&peer) {
            let reason = Offence::BANNED.to_owned();
            self.tell(NetEvent::Refused { peer: Some(peer), reason: reason.clone() }).await;
            reason
        } else {
            reason
        };
        self.tell(NetEvent::Disconnected { peer, reason }).await;
    }

    /// Tells the peer what it did wrong and closes everything to it.
    async fn refuse(
        &mut self,
        stream: u64,
        error: WireError,
        open: &mut Open,
        ended: &mut mpsc::Receiver<(u64, Ended)>,
    ) {
        if let Ok(fault) = encode_frame(&error.to_fault()) {
            open.answer(stream, &fault).await;
        }
        let (peer, reason) = (self.reader.key, error.to_string());
        self.tell(NetEvent::Refused { peer: Some(peer), reason: reason.clone() }).await;
        if !open.is_empty() {
            self.tell(NetEvent::Disconnected { peer, reason }).await;
        }
        open.close_all(ended).await;
        // The swarm may have stopped.
        let _ = self.commands.send(Command::Disconnect { peer: self.peer }).await;
    }

    async fn serve(&mut self, item: Item, open: &mut Open) {
        if open.is_empty() {
            match self.connector().connect().await {
                Ok(stream) => self.attach(stream, true, open).await,
                Err(reason) => return self.give_up(item, reason).await,
            }
        }
        match item {
            Item::Connect { done } => {
                let _ = done.send(Ok(()));
            }
            Item::Frame { mut bytes, _room } => {
                // What waits behind it goes with it: one flush, one encrypted frame, one call to
                // the system for all.
                let mut rooms = vec![_room];
                while bytes.len() < WRITE_BYTES
                    && let Ok(item) = self.queue.try_recv()
                {
                    match item {
                        Item::Frame { bytes: more, _room } => {
                            bytes.extend_from_slice(&more);
                            rooms.push(_room);
                        }
                        Item::Connect { done } => drop(done.send(Ok(()))),
                    }
                }
                self.write(&bytes, open).await;
            }
        }
    }

    /// Writes frames to the first stream that takes them.
    async fn write(&mut self, bytes: &[u8], open: &mut Open) {
        let patience = self.reader.peers.limits().write_timeout;
        while let Some(stream) = open.first() {
            match timeout(patience, open.write(bytes)).await {
                Ok(None | Some(Ok(()))) => return,
                Ok(Some(Err((stream, error)))) => {
                    self.detach(stream, error.to_string(), open).await
                }
                Err(_) => {
                    let reason = format!("took no bytes for {} s", patience.as_secs());
                    self.detach(stream, reason, open).await;
                    // It may keep the connection open for as long as it likes, and what it was
                    // sent with it.
                    let gone = Command::Disconnect { peer: self.peer };
                    let _ = self.commands.send(gone).await;
                }
            }
        }
    }

    fn connector(&self) -> Connector {
        Connector {
            peer: self.peer,
            addresses: self.addresses.clone(),
            looks_up: self.reader.peers.looks_up(),
            listens: self.listens,
            commands: self.commands.clone(),
            opener: self.opener.clone(),
            stop: self.stop.clone(),
        }
    }

    /// The peer cannot be reached: drops what waits for it and says so.
    async fn give_up(&mut self, item: Item, reason: String) {
        let mut dropped = 0;
        let mut next = Some(item);
        while let Some(item) = next {
            match item {
                Item::Frame { .. } => dropped += 1,
                Item::Connect { done } => {
                    let _ = done.send(Err(reason.clone()));
                }
            }
            next = self.queue.try_recv().ok();
        }
        if dropped > 0 {
            self.tell(NetEvent::Unreachable { peer: self.reader.key, reason, dropped }).await;
        }
    }

    /// Writes what is left in the closed queue, if there is a stream; a short time for all of it.
    async fn drain(&mut self, open: &mut Open) {
        if open.is_empty() {
            return self.give_up_rest().await;
        }
        let queue = &mut self.queue;
        let _ = timeout(DRAIN, async {
            while let Some(item) = queue.recv().await {
                match item {
                    Item::Frame { bytes, _room } => {
                        if !matches!(open.write(&bytes).await, Some(Ok(()))) {
                            return;
                        }
                    }
                    Item::Connect { done } => {
                        let _ = done.send(Ok(()));
                    }
                }
            }
        })
        .await;
    }

    async fn give_up_rest(&mut self) {
        if let Some(item) = self.queue.recv().await {
            self.give_up(item, "the link was closed".to_owned()).await;
        }
    }

    async fn tell(&self, event: NetEvent) {
        let standing: &Standing = &self.reader.standing;
        // Whoever has stopped taking events has stopped caring.
        let _ = self.unless_stopped(self.reader.events.send(standing, 0, event)).await;
    }

    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(future).await
    }
}
