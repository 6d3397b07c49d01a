//! What is known of one peer while there is a connection, a link or a session with it. It is read
//! with every message, so nothing here takes a lock but the count of messages.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use mica_host::lock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{
    bounds::{LINGER_SECONDS, STRANGER_FRAME_BYTES},
    traffic::{Kind, Traffic},
};

/// Whose bounds hold for a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rank {
    /// It has a session with us, or had one a moment ago.
    Session,
    /// It has none.
    Stranger,
}

/// One peer's standing.
#[derive(Debug)]
pub(crate) struct Standing {
    began: Instant,
    sessions: AtomicU32,
    frame_bytes: AtomicUsize,
    /// Milliseconds since `began` until which it counts as one with a session.
    lingers_until_ms: AtomicU64,
    /// Milliseconds since `began` at which it last said something.
    active_ms: AtomicU64,
    /// Messages that cost signatures which it sent as a stranger.
    words: AtomicU32,
    /// Its events that wait among those of peers with a session, and among those of strangers.
    waiting: [Arc<AtomicUsize>; 2],
    traffic: Mutex<Traffic>,
    /// For its one long frame that may come in at a time.
    assembly: Arc<Semaphore>,
    /// Whether it used up its strikes: what it said before is not heard any more.
    is_banned: Arc<AtomicBool>,
    /// How often we hung up on it.
    hang_ups: watch::Sender<u64>,
    /// How often a direct connection came up beside one through a relay.
    ways: watch::Sender<u64>,
}

impl Standing {
    /// A stranger. `began` is the same for all peers of a node.
    pub(crate) fn new(began: Instant) -> Self {
        let now = Instant::now();
        let standing = Self {
            began,
            sessions: AtomicU32::new(0),
            frame_bytes: AtomicUsize::new(STRANGER_FRAME_BYTES),
            lingers_until_ms: AtomicU64::new(0),
            active_ms: AtomicU64::new(0),
            words: AtomicU32::new(0),
            waiting: Default::default(),
            traffic: Mutex::new(Traffic::new(now)),
            assembly: Arc::new(Semaphore::new(1)),
            is_banned: Arc::default(),
            hang_ups: watch::Sender::new(0),
            ways: watch::Sender::new(0),
        };
        standing.active(now);
        standing
    }

    /// One more session depends on it; its frames may have `frame_bytes` from now on, or what they
    /// may have already if that is more.
    pub(crate) fn protect(&self, frame_bytes: usize) {
        if self.rank() == Rank::Stranger {
            // What an earlier session needed does not count any more.
            self.frame_bytes.store(STRANGER_FRAME_BYTES, Relaxed);
        }
        self.sessions.fetch_add(1, Relaxed);
        self.frame_bytes.fetch_max(frame_bytes, Relaxed);
    }

    /// One session fewer depends on it.
    pub(crate) fn unprotect(&self) {
        let lingers = self.ms(Instant::now() + Duration::from_secs(LINGER_SECONDS));
        self.lingers_until_ms.store(lingers, Relaxed);
        // One call too many must not make it a peer with four thousand million sessions.
        let fewer = |sessions: u32| sessions.checked_sub(1);
        let _ = self.sessions.fetch_update(Relaxed, Relaxed, fewer);
    }

    /// Whether a session depends on it now.
    pub(crate) fn has_session(&self) -> bool {
        self.sessions.load(Relaxed) > 0
    }

    /// Whose bounds hold for it.
    pub(crate) fn rank(&self) -> Rank {
        if self.has_session() { Rank::Session } else { self.rank_at(Instant::now()) }
    }

    /// Whose bounds hold for it at this moment: the clock is read once for many peers.
    pub(crate) fn rank_at(&self, now: Instant) -> Rank {
        if self.has_session() || self.lingers_until_ms.load(Relaxed) > self.ms(now) {
            Rank::Session
        } else {
            Rank::Stranger
        }
    }

    /// Most bytes of a frame that is taken from it now.
    pub(crate) fn frame_bytes(&self) -> usize {
        match self.rank() {
            Rank::Session => self.frame_bytes.load(Relaxed),
            Rank::Stranger => STRANGER_FRAME_BYTES,
        }
    }

    /// It said something.
    pub(crate) fn active(&self, now: Instant) {
        self.active_ms.store(self.ms(now), Relaxed);
    }

    /// Of two strangers the one with the lower value makes room: whoever has asked for nothing yet,
    /// then whoever was silent for longest.
    pub(crate) fn worth(&self) -> (bool, u64) {
        (self.words.load(Relaxed) > 0, self.active_ms.load(Relaxed))
    }

    /// We closed its last connection. Whoever reads its streams is not told so by them: only what
    /// the other side closes ends by itself.
    pub(crate) fn hung_up(&self) {
        self.hang_ups.send_modify(|times| *times += 1);
    }

    /// There is a direct connection beside one through a relay.
    pub(crate) fn way_opened(&self) {
        self.ways.send_modify(|times| *times += 1);
    }

    /// Changes whenever there is a direct connection beside one through a relay.
    pub(crate) fn ways(&self) -> watch::Receiver<u64> {
        self.ways.subscribe()
    }

    /// Changes whenever we hang up.
    pub(crate) fn hang_ups(&self) -> watch::Receiver<u64> {
        self.hang_ups.subscribe()
    }

    /// Counts a message of this kind.
    ///
    /// # Errors
    /// How long to wait until one more may come.
    pub(crate) fn take(&self, kind: Kind, now: Instant) -> Result<(), Duration> {
        lock(&self.traffic).take(kind, now)
    }

    /// How many messages that cost signatures it had sent as a stranger before this one.
    pub(crate) fn words(&self, kind: Kind) -> u32 {
        match kind {
            // Far fewer than 2³² come before its connection ends.
            Kind::FirstQuote | Kind::FirstOpen => self.words.fetch_add(1, Relaxed),
            _ => self.words.load(Relaxed),
        }
    }

    /// Waits until none of its long frames comes in on any of its streams: one peer must not fill
    /// the room that all share. An honest one writes to one stream at a time.
    pub(crate) async fn assembly_turn(&self) -> Option<OwnedSemaphorePermit> {
        self.assembly.clone().acquire_owned().await.ok()
    }

    /// It used up its strikes, or it was let in again after that.
    pub(crate) fn set_banned(&self, is_banned: bool) {
        self.is_banned.store(is_banned, Relaxed);
    }

    /// Says at any later time whether it has used up its strikes.
    pub(crate) fn ban_flag(&self) -> Arc<AtomicBool> {
        self.is_banned.clone()
    }

    /// The line in which its next event has to wait. What it said before must be taken first, so
    /// it stays in the line in which something of it waits.
    pub(crate) fn line(&self) -> (Rank, Arc<AtomicUsize>) {
        let [sessions, strangers] = &self.waiting;
        let rank = if sessions.load(Relaxed) > 0 {
            Rank::Session
        } else if strangers.load(Relaxed) > 0 {
            Rank::Stranger
        } else {
            self.rank()
        };
        let waiting = if rank == Rank::Session { sessions } else { strangers };
        (rank, waiting.clone())
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_small_until_a_session_and_for_a_while_after_it() {
        let standing = Standing::new(Instant::now());
        assert_eq!((standing.rank(), standing.frame_bytes()), (Rank::Stranger, 16 << 10));
        standing.protect(1 << 20);
        standing.protect(1 << 18);
        assert_eq!((standing.rank(), standing.frame_bytes()), (Rank::Session, 1 << 20));
        standing.unprotect();
        assert!(standing.has_session());
        standing.unprotect();
        standing.unprotect();
        assert!(!standing.has_session());
        assert_eq!(standing.rank(), Rank::Session, "it lingers");
        let later = Instant::now() + Duration::from_secs(LINGER_SECONDS + 1);
        assert_eq!(standing.rank_at(later), Rank::Stranger);
    }

    #[test]
    fn what_a_peer_says_stays_in_one_line_for_as_long_as_something_waits_there() {
        let standing = Standing::new(Instant::now());
        let (rank, waiting) = standing.line();
        assert_eq!(rank, Rank::Stranger);
        waiting.fetch_add(1, Relaxed);
        standing.protect(1);
        assert_eq!(standing.line().0, Rank::Stranger, "the opening waits there still");
        waiting.fetch_sub(1, Relaxed);
        assert_eq!(standing.line().0, Rank::Session);
    }
}
