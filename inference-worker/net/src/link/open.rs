//! The open streams of a link: the first is written to, all are read.

use futures::{
    AsyncReadExt, AsyncWrite, AsyncWriteExt,
    io::{WriteHalf, copy, sink},
};
use libp2p::Stream;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::DRAIN,
    reader::{CLOSED, Ended, Reader},
    streams::LinkStream,
};

/// Streams of one link: one that we opened and one that the peer opened at the same moment, or that
/// replaces one that is dying.
const MAX_STREAMS: usize = 3;
/// Longest wait for the peer to take note that a link goes on over another connection.
const MOVE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// The write half of a live stream; messages go to the first, for as long as it lives.
struct Writer {
    stream: u64,
    half: WriteHalf<Stream>,
    /// Ends the reading of the stream.
    reading: CancellationToken,
    is_relayed: bool,
    /// Whether we opened it.
    is_ours: bool,
}

/// A link that goes over from a stream through a relay to a direct one.
///
/// What was written on the first must be read before what is written on the second. So the opener
/// ends the first, and writes nothing more until the peer has ended it too: then the peer has read
/// all of it. It reads the second no sooner, because the peer may write there as soon as it has
/// ended the first.
struct Move {
    from: u64,
    to: LinkStream,
    until: Instant,
}

/// All streams of a link.
pub(super) struct Open {
    writers: Vec<Writer>,
    moving: Option<Move>,
    count: u64,
    ended: mpsc::Sender<(u64, Ended)>,
    /// Not a child of the node's stop: readers go on until the peer has hung up as well.
    readers: CancellationToken,
    reader: Reader,
    tasks: TaskTracker,
}

impl Open {
    /// None yet. What became of the reading of each comes through the receiver.
    pub(super) fn new(reader: Reader, tasks: TaskTracker) -> (Self, mpsc::Receiver<(u64, Ended)>) {
        let (ended, ends) = mpsc::channel(MAX_STREAMS + 1);
        let open = Self {
            writers: Vec::new(),
            moving: None,
            count: 0,
            ended,
            readers: CancellationToken::new(),
            reader,
            tasks,
        };
        (open, ends)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writers.is_empty()
    }

    /// Whether nothing may be written now: see [`Move`].
    pub(super) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Starts to read a stream, and writes to it if there is no other. Whether it is the first.
    pub(super) fn attach(&mut self, stream: LinkStream, is_ours: bool) -> bool {
        if self.writers.len() == MAX_STREAMS {
            // The oldest is the one that the peer has given up on.
            self.writers.remove(0).reading.cancel();
        }
        let writer = self.read(stream, is_ours);
        self.writers.push(writer);
        self.writers.len() == 1
    }

    fn read(&mut self, stream: LinkStream, is_ours: bool) -> Writer {
        self.count += 1;
        let id = self.count;
        let LinkStream { stream, is_relayed } = stream;
        let (mut read, half) = stream.split();
        let reading = self.readers.child_token();
        let writer = Writer { stream: id, half, reading: reading.clone(), is_relayed, is_ours };
        let (reader, ended) = (self.reader.clone(), self.ended.clone());
        let work = async move {
            let why = reader.run(&mut read).await;
            let was_refused = matches!(why, Ended::Refused(_));
            // The link's task ends the reading when it ends itself.
            let _ = ended.send((id, why)).await;
            if was_refused {
                // What comes now is not looked at, but taken: see `close_all`.
                let reason = copy(&mut read, &mut sink())
                    .await
                    .map_or_else(|error| error.to_string(), |_| CLOSED.to_owned());
                let _ = ended.send((id, Ended::Closed(reason))).await;
            }
        };
        self.tasks.spawn(async move { reading.run_until_cancelled(work).await });
        writer
    }

    /// Whether the link would be better off on a direct connection: it is written to a stream of
    /// ours through a relay. What the peer opened it moves itself.
    pub(super) fn wants_to_move(&self) -> bool {
        let first = self.writers.first();
        !self.is_moving() && first.is_some_and(|first| first.is_relayed && first.is_ours)
    }

    /// Begins to go over to `to`.
    pub(super) async fn start_move(&mut self, to: LinkStream) {
        let Some(first) = self.writers.first_mut() else { return };
        // One that is broken is found out by its reader.
        let _ = timeout(DRAIN, first.half.close()).await;
        let (from, until) = (first.stream, Instant::now() + MOVE_TIMEOUT);
        self.moving = Some(Move { from, to, until });
    }

    /// Waits until the peer had time enough to end the stream that is left; then it is over.
    pub(super) async fn give_up_moving(&mut self) {
        let Some((from, until)) = self.moving.as_ref().map(|moving| (moving.from, moving.until))
        else {
            return std::future::pending().await;
        };
        tokio::time::sleep_until(until).await;
        self.finish_move(from);
        self.remove(from, false).await;
    }

    /// Goes over if `ended` is what was waited for.
    fn finish_move(&mut self, ended: u64) {
        if let Some(moving) = self.moving.take_if(|moving| moving.from == ended) {
            let writer = self.read(moving.to, true);
            self.writers.insert(0, writer);
        }
    }

    /// A stream has ended; with `is_clean` because the peer ended it. Whether it was the last.
    pub(super) async fn remove(&mut self, stream: u64, is_clean: bool) -> bool {
        self.finish_move(stream);
        let Some(at) = self.writers.iter().position(|writer| writer.stream == stream) else {
            return false;
        };
        let mut writer = self.writers.remove(at);
        if is_clean {
            // The peer may wait for it, to go over to another connection.
            let _ = timeout(DRAIN, writer.half.close()).await;
        }
        writer.reading.cancel();
        self.writers.is_empty()
    }

    /// Forgets all of them, and whether there were any.
    pub(super) fn clear(&mut self) -> bool {
        let were_any = !self.writers.is_empty();
        self.moving = None;
        self.writers.drain(..).for_each(|writer| writer.reading.cancel());
        were_any
    }

    /// Writes frames to the first stream, and flushes it; the stream's number with the error if
    /// that fails. Nothing if there is no stream.
    pub(super) async fn write(
        &mut self,
        bytes: &[u8],
    ) -> Option<Result<(), (u64, std::io::Error)>> {
        let writer = self.writers.first_mut()?;
        let stream = writer.stream;
        Some(write(&mut writer.half, bytes).await.map_err(|error| (stream, error)))
    }

    /// The number of the stream that is written to.
    pub(super) fn first(&self) -> Option<u64> {
        self.writers.first().map(|writer| writer.stream)
    }

    /// Writes a farewell to the stream with this number.
    pub(super) async fn answer(&mut self, stream: u64, bytes: &[u8]) {
        if let Some(writer) = self.writers.iter_mut().find(|writer| writer.stream == stream) {
            // A peer that does not listen either is closed all the same.
            let _ = timeout(DRAIN, write(&mut writer.half, bytes)).await;
        }
    }

    /// Closes the streams, and waits a short time for the peer to close them too.
    ///
    /// Whoever cuts a connection on which something is still coming in resets it, and the peer that
    /// writes into it loses what it has not read yet: of all things the last, which says why.
    pub(super) async fn close_all(&mut self, ended: &mut mpsc::Receiver<(u64, Ended)>) {
        self.moving = None;
        let writers = &mut self.writers;
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
        self.writers.clear();
    }

    /// Ends all reading.
    pub(super) fn end(self) {
        self.readers.cancel();
    }
}

/// Writes one frame and flushes it.
async fn write(half: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> std::io::Result<()> {
    half.write_all(frame).await?;
    half.flush().await
}
