//! Reads one stream of a link: frames within their bound, messages within their rate.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{AsyncRead, AsyncReadExt};
use mica_protocol::{
    Message,
    wire::{FrameDecoder, WireError},
};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use crate::{
    bounds::{LARGE_READ_BYTES, SMALL_READ_BYTES},
    counters::Counters,
    event::{Key, NetEvent},
    offence::Offence,
    peers::Peers,
    queue::EventSender,
    room::Rooms,
    standing::{Rank, Standing},
    traffic::Kind,
};

/// Why a stream ended that the peer closed.
pub(crate) const CLOSED: &str = "the peer closed the link";
const STOPPED: &str = "the network has been stopped";
/// The longest that a message of a peer with a session is kept waiting for its bucket.
const LONGEST_THROTTLE: Duration = Duration::from_secs(1);

/// Why a stream ended.
pub(crate) enum Ended {
    /// It closed or broke.
    Closed(String),
    /// The peer broke the protocol.
    Refused(WireError),
}

/// Reads the streams of one peer.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) key: Key,
    pub(crate) standing: Arc<Standing>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) rooms: Rooms,
    pub(crate) events: EventSender,
    pub(crate) counters: Arc<Counters>,
}

/// The frame that is coming in.
#[derive(Default)]
struct Incoming {
    /// When its first byte came, or when there was room for a long one.
    since: Option<Instant>,
    /// Its peer's turn and its bytes, if it is too long to be free.
    room: Option<[OwnedSemaphorePermit; 2]>,
}

impl Reader {
    /// Reads messages until the stream ends or breaks the protocol. A full line of events stops the
    /// reading.
    pub(crate) async fn run(&self, half: &mut (impl AsyncRead + Unpin)) -> Ended {
        let (mut decoder, mut incoming) = (FrameDecoder::new(), Incoming::default());
        let mut buffer = vec![0; SMALL_READ_BYTES];
        loop {
            if let Err(ended) = self.make_room(&decoder, &mut incoming).await {
                return ended;
            }
            let at_once = if incoming.room.is_some() { LARGE_READ_BYTES } else { SMALL_READ_BYTES };
            resize(&mut buffer, at_once);
            match self.read(half, &mut buffer, &incoming).await {
                Ok(count) => decoder.push(&buffer[..count]),
                Err(ended) => return ended,
            }
            if let Err(ended) = self.take_messages(&mut decoder, &mut incoming).await {
                return ended;
            }
        }
    }

    /// Sees to it that the rest of the frame that has begun has room.
    async fn make_room(
        &self,
        decoder: &FrameDecoder,
        incoming: &mut Incoming,
    ) -> Result<(), Ended> {
        if decoder.buffered_bytes() == 0 {
            *incoming = Incoming::default();
            return Ok(());
        }
        incoming.since.get_or_insert_with(Instant::now);
        let Some(bytes) = decoder.announced_bytes().filter(|bytes| *bytes > SMALL_READ_BYTES)
        else {
            return Ok(());
        };
        if incoming.room.is_none() {
            let room = timeout(self.peers.limits().frame_timeout, self.room(bytes)).await;
            let none = || Ended::Closed("there was no room for its frame".to_owned());
            incoming.room = Some(room.ok().flatten().ok_or_else(none)?);
            // It was we who did not read until now.
            incoming.since = Some(Instant::now());
        }
        Ok(())
    }

    /// The peer's turn first: what waits for that must not keep room from others.
    async fn room(&self, bytes: usize) -> Option<[OwnedSemaphorePermit; 2]> {
        let turn = self.standing.assembly_turn().await?;
        let room = self.rooms.assembly.take(self.standing.rank(), bytes).await?;
        Some([turn, room])
    }

    async fn read(
        &self,
        half: &mut (impl AsyncRead + Unpin),
        buffer: &mut [u8],
        incoming: &Incoming,
    ) -> Result<usize, Ended> {
        let read = match incoming.since {
            None => Ok(half.read(buffer).await),
            Some(since) => {
                let limits = self.peers.limits();
                let left = limits.frame_timeout.saturating_sub(since.elapsed());
                timeout(left.min(limits.frame_stall), half.read(buffer)).await
            }
        };
        match read {
            Ok(Ok(0)) => Err(Ended::Closed(CLOSED.to_owned())),
            Ok(Ok(count)) => Ok(count),
            Ok(Err(error)) => Err(Ended::Closed(error.to_string())),
            Err(_) => {
                self.strike(Offence::UnfinishedFrame);
                Err(Ended::Closed("it left a frame unfinished".to_owned()))
            }
        }
    }

    /// Takes the whole frames out of the decoder.
    async fn take_messages(
        &self,
        decoder: &mut FrameDecoder,
        incoming: &mut Incoming,
    ) -> Result<(), Ended> {
        loop {
            // A session may have begun since the last frame.
            decoder.set_max_frame_bytes(self.standing.frame_bytes());
            let before = decoder.buffered_bytes();
            match decoder.next_message() {
                Ok(Some(message)) => {
                    *incoming = Incoming::default();
                    let bytes = before - decoder.buffered_bytes();
                    self.take(bytes, message).await?;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.strike(Offence::BadFrame);
                    return Err(Ended::Refused(error));
                }
            }
        }
    }

    /// Passes a message on if it does not come too soon.
    async fn take(&self, bytes: usize, message: Message) -> Result<(), Ended> {
        let (rank, now) = (self.standing.rank(), Instant::now());
        let kind = Kind::of(&message, rank);
        self.standing.active(now);
        match (self.standing.take(kind, now), rank) {
            (Ok(()), Rank::Session) => {}
            (Ok(()), Rank::Stranger)
                if self.peers.take_from_stranger(kind, self.standing.words(kind), now) => {}
            (Ok(()), Rank::Stranger) => {
                // Not its fault: so many ask at once.
                self.counters.dropped();
                return Ok(());
            }
            (Err(_), Rank::Stranger) => {
                self.counters.dropped();
                return match self.strike(Offence::TooMany) {
                    true => Err(Ended::Closed(Offence::BANNED.to_owned())),
                    false => Ok(()),
                };
            }
            (Err(wait), Rank::Session) => self.throttle(kind, wait).await?,
        }
        let event = NetEvent::Message { peer: self.key, message };
        let sent = self.events.send(&self.standing, bytes, event).await;
        sent.map_err(|_| Ended::Closed(STOPPED.to_owned()))
    }

    /// Lets a peer with a session wait: what it sends is money and work of others, and must not be
    /// lost. It keeps its neighbours waiting only if it keeps sending too much, which ends in a
    /// ban.
    async fn throttle(&self, kind: Kind, wait: Duration) -> Result<(), Ended> {
        if self.strike(Offence::TooMany) {
            return Err(Ended::Closed(Offence::BANNED.to_owned()));
        }
        tokio::time::sleep(wait.min(LONGEST_THROTTLE)).await;
        // The wait was for this one.
        let _ = self.standing.take(kind, Instant::now());
        Ok(())
    }

    /// Whether the peer is banned now.
    fn strike(&self, offence: Offence) -> bool {
        self.peers.strike(&self.key, offence.weight())
    }
}

fn resize(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.len() != bytes {
        buffer.resize(bytes, 0);
        buffer.shrink_to(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        task::{Context, Poll},
    };

    use mica_protocol::limits::MAX_FRAME_BYTES;
    use tokio::task::{JoinSet, yield_now};

    use super::*;
    use crate::{bounds::SESSION_ASSEMBLY_BYTES, config::PeerLimits, queue::lines};

    /// A stream that gives these bytes and then nothing, and counts how often it is asked for more.
    struct Stalled {
        bytes: Vec<u8>,
        asked: Arc<AtomicUsize>,
    }

    impl AsyncRead for Stalled {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let count = buffer.len().min(self.bytes.len());
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes.drain(..count);
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            self.asked.fetch_add(1, Relaxed);
            Poll::Pending
        }
    }

    /// Waits until the streams were asked for more so often, and then some, so that any further one
    /// would have been asked too.
    async fn were_asked(asked: &AtomicUsize, times: usize) {
        let reached = async {
            while asked.load(Relaxed) < times {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), reached).await.expect("there is room for so many");
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(asked.load(Relaxed), times);
    }

    /// Attack: many peers with a session each begin a long frame and do not go on.
    #[tokio::test]
    async fn unfinished_frames_of_peers_with_a_session_have_so_much_room_together() {
        let hour = Duration::from_secs(3_600);
        let limits = PeerLimits { frame_timeout: hour, frame_stall: hour, ..PeerLimits::default() };
        let (rooms, counters) = (Rooms::new(), Arc::<Counters>::default());
        let peers = Arc::new(Peers::new(limits, counters.clone()));
        let (events, _taken) = lines(rooms.events.clone());
        let asked = Arc::<AtomicUsize>::default();
        let most = SESSION_ASSEMBLY_BYTES / MAX_FRAME_BYTES;
        let (mut reading, mut handles) = (JoinSet::new(), Vec::new());
        for number in 0..=most {
            let key = [number as u8; 32];
            peers.protect(key, MAX_FRAME_BYTES);
            let reader = Reader {
                key,
                standing: peers.standing(key),
                peers: peers.clone(),
                rooms: rooms.clone(),
                events: events.clone(),
                counters: counters.clone(),
            };
            let bytes = (MAX_FRAME_BYTES as u32).to_le_bytes().to_vec();
            let mut stream = Stalled { bytes, asked: asked.clone() };
            handles.push(reading.spawn(async move { reader.run(&mut stream).await }));
        }
        // The last one is not read from before another has ended.
        were_asked(&asked, most).await;
        handles[0].abort();
        were_asked(&asked, most + 1).await;
    }
}
