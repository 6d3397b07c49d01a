//! The link to one peer: a task that owns the streams, connects when there is something to send,
//! and writes in order.
//!
//! Reading is a task of its own per stream, so that a peer that writes slowly does not keep us from
//! writing to it.

use std::future::Future;

use futures::{
    AsyncReadExt, AsyncWrite, AsyncWriteExt,
    io::{WriteHalf, copy, sink},
};
use libp2p::{Multiaddr, PeerId, Stream};
use mica_protocol::wire::{WireError, encode_frame};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    addresses::Addresses,
    behaviour::LINK,
    config::{CONNECT_TIMEOUT, DRAIN, IDLE, LOOKUP_TIMEOUT},
    event::NetEvent,
    offence::Offence,
    reader::{CLOSED, Ended, Reader},
    standing::Standing,
    swarm::Command,
};

/// Streams of one link: one that we opened and one that the peer opened at the same moment, or that
/// replaces one that is dying.
const MAX_STREAMS: usize = 3;
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
    pub(crate) incoming: mpsc::Receiver<Stream>,
    /// Who it is, and what reads its streams.
    pub(crate) reader: Reader,
    /// Cancelled when it has to make room for another.
    pub(crate) leave: CancellationToken,
    /// Whether addresses are learnt from other peers.
    pub(crate) looks_up: bool,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) control: libp2p_stream::Control,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// The write half of a live stream; messages go to the first, for as long as it lives.
struct Writer {
    stream: u64,
    half: WriteHalf<Stream>,
    /// Ends the reading of the stream.
    reading: CancellationToken,
}

impl Link {
    /// Runs until the node stops, the peer breaks the protocol or nothing has happened for long;
    /// then closes the queue and writes what is still in it.
    pub(crate) async fn run(mut self) {
        let (ended_tx, mut ended) = mpsc::channel(MAX_STREAMS + 1);
        // Not a child of `stop`: readers go on until the peer has hung up as well.
        let readers = CancellationToken::new();
        let mut writers: Vec<Writer> = Vec::new();
        let mut streams = 0;
        let mut hang_ups = self.reader.standing.hang_ups();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = self.leave.cancelled() => {
                    if !writers.is_empty() {
                        let (peer, reason) = (self.reader.key, LEFT.to_owned());
                        self.tell(NetEvent::Disconnected { peer, reason }).await;
                    }
                    // The swarm may have stopped.
                    let _ = self.commands.send(Command::Disconnect { peer: self.peer }).await;
                    break;
                }
                Ok(()) = hang_ups.changed() => {
                    self.hung_up(&mut writers).await;
                    if self.is_forgotten(&writers) {
                        break;
                    }
                }
                Some(stream) = self.incoming.recv() => {
                    if hang_ups.has_changed().unwrap_or(false) {
                        // It came back: the old streams must go first.
                        hang_ups.mark_unchanged();
                        self.hung_up(&mut writers).await;
                    }
                    self.attach(stream, &mut writers, &mut streams, &ended_tx, &readers).await;
                }
                Some((stream, why)) = ended.recv() => match why {
                    Ended::Closed(reason) => {
                        self.detach(stream, reason, &mut writers).await;
                        if self.is_forgotten(&writers) {
                            break;
                        }
                    }
                    Ended::Refused(error) => {
                        self.refuse(stream, error, &mut writers, &mut ended).await;
                        break;
                    }
                },
                item = self.queue.recv() => match item {
                    Some(item) => self.serve(item, &mut writers, &mut streams, &ended_tx, &readers).await,
                    None => break,
                },
                () = tokio::time::sleep(IDLE), if writers.is_empty() => break,
            }
        }
        self.queue.close();
        self.drain(&mut writers).await;
        close_writers(&mut writers, &mut ended).await;
        readers.cancel();
    }

    /// Starts to read `stream`, and writes to it if there is no other.
    async fn attach(
        &mut self,
        stream: Stream,
        writers: &mut Vec<Writer>,
        streams: &mut u64,
        ended: &mpsc::Sender<(u64, Ended)>,
        readers: &CancellationToken,
    ) {
        *streams += 1;
        let id = *streams;
        let (mut read, half) = stream.split();
        if writers.len() == MAX_STREAMS {
            // The oldest is the one that the peer has given up on.
            writers.remove(0).reading.cancel();
        }
        let reading = readers.child_token();
        writers.push(Writer { stream: id, half, reading: reading.clone() });
        let (reader, ended) = (self.reader.clone(), ended.clone());
        let work = async move {
            let why = reader.run(&mut read).await;
            let was_refused = matches!(why, Ended::Refused(_));
            // The link's task ends the reading when it ends itself.
            let _ = ended.send((id, why)).await;
            if was_refused {
                // What comes now is not looked at, but taken: see `close_writers`.
                let reason = copy(&mut read, &mut sink())
                    .await
                    .map_or_else(|error| error.to_string(), |_| CLOSED.to_owned());
                let _ = ended.send((id, Ended::Closed(reason))).await;
            }
        };
        self.tasks.spawn(async move { reading.run_until_cancelled(work).await });
        if writers.len() == 1 {
            self.tell(NetEvent::Connected { peer: self.reader.key }).await;
        }
    }

    /// Whether nothing is left of a link that nobody could open again: where to dial one that came
    /// by itself is not known.
    fn is_forgotten(&self, writers: &[Writer]) -> bool {
        writers.is_empty() && self.addresses.is_empty() && self.incoming.is_empty()
    }

    /// We closed the connections: the streams do not find out by themselves.
    async fn hung_up(&self, writers: &mut Vec<Writer>) {
        let was_up = !writers.is_empty();
        writers.drain(..).for_each(|writer| writer.reading.cancel());
        if was_up {
            self.tell_disconnected(HUNG_UP.to_owned()).await;
        }
    }

    async fn detach(&mut self, stream: u64, reason: String, writers: &mut Vec<Writer>) {
        let before = writers.len();
        writers.retain(|writer| writer.stream != stream);
        if before > 0 && writers.is_empty() {
            self.tell_disconnected(reason).await;
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
        writers: &mut Vec<Writer>,
        ended: &mut mpsc::Receiver<(u64, Ended)>,
    ) {
        if let (Some(writer), Ok(fault)) = (
            writers.iter_mut().find(|writer| writer.stream == stream),
            encode_frame(&error.to_fault()),
        ) {
            // A peer that does not listen either is closed all the same.
            let _ = timeout(DRAIN, write(&mut writer.half, &fault)).await;
        }
        let was_up = !writers.is_empty();
        let (peer, reason) = (self.reader.key, error.to_string());
        self.tell(NetEvent::Refused { peer: Some(peer), reason: reason.clone() }).await;
        if was_up {
            self.tell(NetEvent::Disconnected { peer, reason }).await;
        }
        close_writers(writers, ended).await;
        // The swarm may have stopped.
        let _ = self.commands.send(Command::Disconnect { peer: self.peer }).await;
    }

    async fn serve(
        &mut self,
        item: Item,
        writers: &mut Vec<Writer>,
        streams: &mut u64,
        ended: &mpsc::Sender<(u64, Ended)>,
        readers: &CancellationToken,
    ) {
        if writers.is_empty() {
            match self.connect().await {
                Ok(stream) => self.attach(stream, writers, streams, ended, readers).await,
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
                let patience = self.reader.peers.limits().write_timeout;
                while let Some(writer) = writers.first_mut() {
                    let stream = writer.stream;
                    match timeout(patience, write(&mut writer.half, &bytes)).await {
                        Ok(Ok(())) => return,
                        Ok(Err(error)) => self.detach(stream, error.to_string(), writers).await,
                        Err(_) => {
                            let reason = format!("took no bytes for {} s", patience.as_secs());
                            self.detach(stream, reason, writers).await;
                            // It may keep the connection open for as long as it likes, and what
                            // it was sent with it.
                            let gone = Command::Disconnect { peer: self.peer };
                            let _ = self.commands.send(gone).await;
                        }
                    }
                }
            }
        }
    }

    /// Dials where the peer was said to be; if nobody is there, asks other peers.
    async fn connect(&mut self) -> Result<Stream, String> {
        let known = self.addresses.all();
        let mut reason = match self.dial_and_open(known).await {
            Ok(stream) => return Ok(stream),
            Err(reason) => reason,
        };
        let found = self.look_up().await;
        if !found.is_empty() {
            match self.dial_and_open(found.clone()).await {
                Ok(stream) => {
                    self.addresses.learn(found);
                    return Ok(stream);
                }
                Err(again) => reason = again,
            }
        }
        Err(reason)
    }

    async fn dial_and_open(&mut self, addresses: Vec<Multiaddr>) -> Result<Stream, String> {
        let (done, dialled) = oneshot::channel();
        let late = || format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
        let stopped = || "the network has been stopped".to_owned();
        self.commands
            .send(Command::Dial { peer: self.peer, addresses, done })
            .await
            .map_err(|_| stopped())?;
        self.unless_stopped(timeout(CONNECT_TIMEOUT, dialled))
            .await
            .ok_or_else(stopped)?
            .map_err(|_| late())?
            .map_err(|_| stopped())??;
        let mut control = self.control.clone();
        let opened = timeout(CONNECT_TIMEOUT, control.open_stream(self.peer, LINK));
        self.unless_stopped(opened)
            .await
            .ok_or_else(stopped)?
            .map_err(|_| late())?
            .map_err(|error| error.to_string())
    }

    async fn look_up(&self) -> Vec<Multiaddr> {
        if !self.looks_up {
            return Vec::new();
        }
        let (done, found) = oneshot::channel();
        if self.commands.send(Command::LookUp { peer: self.peer, done }).await.is_err() {
            return Vec::new();
        }
        match self.unless_stopped(timeout(LOOKUP_TIMEOUT, found)).await {
            Some(Ok(Ok(addresses))) => addresses,
            _ => Vec::new(),
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
    async fn drain(&mut self, writers: &mut [Writer]) {
        let Some(writer) = writers.first_mut() else {
            return self.give_up_rest().await;
        };
        let queue = &mut self.queue;
        let _ = timeout(DRAIN, async {
            while let Some(item) = queue.recv().await {
                match item {
                    Item::Frame { bytes, _room } => write(&mut writer.half, &bytes).await?,
                    Item::Connect { done } => {
                        let _ = done.send(Ok(()));
                    }
                }
            }
            Ok::<(), std::io::Error>(())
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

/// Closes the streams, and waits a short time for the peer to close them too.
///
/// Whoever cuts a connection on which something is still coming in resets it, and the peer that
/// writes into it loses what it has not read yet: of all things the last, which says why.
async fn close_writers(writers: &mut Vec<Writer>, ended: &mut mpsc::Receiver<(u64, Ended)>) {
    let _ = timeout(DRAIN, async {
        for writer in writers.iter_mut() {
            // The peer may be gone already.
            let _ = writer.half.close().await;
        }
        while !writers.is_empty()
            && let Some((stream, why)) = ended.recv().await
        {
            if matches!(why, Ended::Closed(_)) {
                writers.retain(|writer| writer.stream != stream);
            }
        }
    })
    .await;
    writers.clear();
}

/// Writes one frame and flushes it.
async fn write(half: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> std::io::Result<()> {
    half.write_all(frame).await?;
    half.flush().await
}
