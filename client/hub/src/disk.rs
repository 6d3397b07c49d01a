//! What a hub must not forget, written ahead of what depends on it.
//!
//! Promises are on disk before they are sent, those of the hub's payers and its own. Ticks and
//! receipts wait a moment for others ([`LONGEST_WAIT`]): one write then serves all relays. A tick
//! that is lost with the process is worth less than the credit, because every promise that follows
//! on it writes everything down.

use std::collections::BTreeMap;
use std::time::Duration;

use mica_payer::store::{Change, Store, StoreError};
use mica_primitives::{ChannelId, Hash32, LaneId};
use mica_protocol::channel::{Durability, PayeeLaneRecord, PayerLaneRecord};
use tokio::time::Instant;

/// How long ticks and receipts may wait to be written.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// Which way money goes on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    In,
    Out,
}

/// Records that are not on disk yet: the newest of each lane.
#[derive(Debug)]
pub(crate) struct Pending {
    genesis: Hash32,
    lanes: BTreeMap<(Way, ChannelId, LaneId), Change>,
    others: Vec<Change>,
    is_urgent: bool,
    /// When they must be written at the latest.
    due: Option<Instant>,
}

impl Pending {
    pub(crate) fn new(genesis: Hash32) -> Self {
        Self { genesis, lanes: BTreeMap::new(), others: Vec::new(), is_urgent: false, due: None }
    }

    pub(crate) fn incoming(&mut self, record: Box<PayeeLaneRecord>, durability: Durability) {
        let key = (Way::In, record.facts.channel, record.lane);
        let change = Change::Incoming { genesis: self.genesis, record };
        self.note(key, change, durability);
    }

    pub(crate) fn outgoing(&mut self, record: Box<PayerLaneRecord>, durability: Durability) {
        let key = (Way::Out, record.channel, record.lane);
        self.note(key, Change::Lane(record), durability);
    }

    /// Something that must be on disk before anything else happens.
    pub(crate) fn other(&mut self, change: Change) {
        self.others.push(change);
        self.is_urgent = true;
    }

    fn note(&mut self, key: (Way, ChannelId, LaneId), change: Change, durability: Durability) {
        self.lanes.insert(key, change);
        self.is_urgent |= durability == Durability::Disk;
        self.due.get_or_insert_with(|| Instant::now() + LONGEST_WAIT);
    }

    /// Whether nothing may be sent before this is written.
    pub(crate) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// When it must be written at the latest; nothing if there is nothing.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes everything.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing that depends on it may be sent.
    pub(crate) fn write(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.lanes).into_values().collect();
        changes.append(&mut self.others);
        (self.is_urgent, self.due) = (false, None);
        tokio::task::block_in_place(|| store.apply(&changes))
    }
}
