//! Room in bytes: every queue of a node has a bound, and strangers one of their own.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    bounds::{
        SESSION_ASSEMBLY_BYTES, SESSION_EVENT_BYTES, SESSION_OUTBOUND_BYTES,
        STRANGER_ASSEMBLY_BYTES, STRANGER_EVENT_BYTES, STRANGER_OUTBOUND_BYTES,
    },
    standing::Rank,
};

/// Bytes of one use, for peers with a session and for strangers.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    sessions: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    bytes: [usize; 2],
}

impl Room {
    fn new(sessions: usize, strangers: usize) -> Self {
        Self {
            sessions: Arc::new(Semaphore::new(sessions)),
            strangers: Arc::new(Semaphore::new(strangers)),
            bytes: [sessions, strangers],
        }
    }

    fn of(&self, rank: Rank) -> &Arc<Semaphore> {
        match rank {
            Rank::Session => &self.sessions,
            Rank::Stranger => &self.strangers,
        }
    }

    /// Waits for room. What is larger than all of it gets all of it; nothing if the node has been
    /// dropped.
    pub(crate) async fn take(&self, rank: Rank, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.of(rank).clone().acquire_many_owned(self.clamped(rank, bytes)).await.ok()
    }

    /// Room, if there is any.
    pub(crate) fn try_take(&self, rank: Rank, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.of(rank).clone().try_acquire_many_owned(self.clamped(rank, bytes)).ok()
    }

    /// Bytes that are free.
    pub(crate) fn free(&self, rank: Rank) -> usize {
        self.of(rank).available_permits()
    }

    /// Bytes that are taken.
    pub(crate) fn taken(&self) -> u64 {
        let free = self.sessions.available_permits() + self.strangers.available_permits();
        (self.bytes.iter().sum::<usize>().saturating_sub(free)) as u64
    }

    fn clamped(&self, rank: Rank, bytes: usize) -> u32 {
        let [sessions, strangers] = self.bytes;
        let most = if rank == Rank::Session { sessions } else { strangers };
        // The bounds are far below 2³².
        bytes.min(most) as u32
    }
}

/// The room of a node.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    /// Unfinished frames.
    pub(crate) assembly: Room,
    /// Messages that wait to be taken.
    pub(crate) events: Room,
    /// What waits to be written.
    pub(crate) outbound: Room,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        Self {
            assembly: Room::new(SESSION_ASSEMBLY_BYTES, STRANGER_ASSEMBLY_BYTES),
            events: Room::new(SESSION_EVENT_BYTES, STRANGER_EVENT_BYTES),
            outbound: Room::new(SESSION_OUTBOUND_BYTES, STRANGER_OUTBOUND_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_use_up_their_own_room_only() {
        let room = Rooms::new().assembly;
        let bytes = STRANGER_ASSEMBLY_BYTES / 4;
        let taken: Vec<_> = (0..5).map(|_| room.try_take(Rank::Stranger, bytes)).collect();
        assert!(taken[..4].iter().all(Option::is_some) && taken[4].is_none());
        assert_eq!(room.taken(), STRANGER_ASSEMBLY_BYTES as u64);
        assert!(room.try_take(Rank::Session, SESSION_ASSEMBLY_BYTES).is_some());
        drop(taken);
        assert_eq!(room.taken(), 0);
    }
}
