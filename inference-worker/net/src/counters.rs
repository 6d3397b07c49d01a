//! What a node did about its peers, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Counted since the node was started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    evictions: AtomicU64,
    refusals: AtomicU64,
    strikes: AtomicU64,
    bans: AtomicU64,
    dropped: AtomicU64,
    silent: AtomicU64,
    met: AtomicU64,
    missed: AtomicU64,
}

impl Counters {
    /// A stranger made room for somebody else.
    pub(crate) fn eviction(&self) {
        self.evictions.fetch_add(1, Relaxed);
    }

    /// A connection was not taken.
    pub(crate) fn refusal(&self) {
        self.refusals.fetch_add(1, Relaxed);
    }

    /// A peer did what it may not.
    pub(crate) fn strikes(&self, weight: u32) {
        self.strikes.fetch_add(weight.into(), Relaxed);
    }

    /// A peer was banned.
    pub(crate) fn ban(&self) {
        self.bans.fetch_add(1, Relaxed);
    }

    /// A message came too soon and was dropped.
    pub(crate) fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// A connection was closed because nobody answered on it.
    pub(crate) fn silent(&self) {
        self.silent.fetch_add(1, Relaxed);
    }

    /// A peer that came through a relay was met half way, or could not be.
    pub(crate) fn met(&self, is_met: bool) {
        let counter = if is_met { &self.met } else { &self.missed };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> NetCounters {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        NetCounters {
            evictions: read(&self.evictions),
            refusals: read(&self.refusals),
            strikes: read(&self.strikes),
            bans: read(&self.bans),
            dropped_messages: read(&self.dropped),
            silent_connections: read(&self.silent),
            upgrades: read(&self.met),
            failed_upgrades: read(&self.missed),
            ..NetCounters::default()
        }
    }
}

/// What a node did about its peers since it was started, and what it holds for them now. Programs
/// show it as JSON under these names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct NetCounters {
    /// Peers with a connection.
    pub peers: u64,
    /// Of them, those without a session.
    pub strangers: u64,
    /// Strangers that had to make room.
    pub evictions: u64,
    /// Connections that were not taken.
    pub refusals: u64,
    /// Strikes counted against peers.
    pub strikes: u64,
    /// Peers that used up their strikes.
    pub bans: u64,
    /// Messages that came too soon and were dropped.
    pub dropped_messages: u64,
    /// Connections that were closed because pings were not answered.
    pub silent_connections: u64,
    /// Connections through a relay that a direct one replaced.
    pub upgrades: u64,
    /// Connections through a relay for which there was no direct one.
    pub failed_upgrades: u64,
    /// Bytes of unfinished frames that have room of their own.
    pub assembling_bytes: u64,
    /// Bytes of messages that wait to be taken.
    pub event_bytes: u64,
    /// Bytes that wait to be written.
    pub outbound_bytes: u64,
}
