//! What a process has written: all of it outlives the process, and what was flushed outlives a
//! power cut as well.

use mica_primitives::{ChannelId, LaneId};
use mica_protocol::channel::Durability;
use std::collections::BTreeMap;

use crate::chance::Chance;

/// Name of a lane's record.
pub type LaneKey = (ChannelId, LaneId);

/// An append-only journal of lanes' records. A flush makes everything before it safe.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    flushed: BTreeMap<LaneKey, Vec<u8>>,
    recent: Vec<(LaneKey, Vec<u8>)>,
}

impl Disk {
    /// Writes a record in place of the lane's earlier one.
    pub fn write(&mut self, key: LaneKey, record: Vec<u8>, durability: Durability) {
        self.recent.push((key, record));
        if durability == Durability::Disk {
            self.flushed.extend(self.recent.drain(..));
        }
    }

    /// The power fails: of what was not flushed, the first so many writes happen to be there.
    pub fn cut_power(&mut self, chance: &mut Chance) {
        let kept = chance.index(self.recent.len() + 1);
        self.recent.truncate(kept);
        self.flushed.extend(self.recent.drain(..));
    }

    /// The newest record of each lane.
    pub fn records(&self) -> BTreeMap<LaneKey, Vec<u8>> {
        let mut records = self.flushed.clone();
        records.extend(self.recent.iter().cloned());
        records
    }

    /// Removes what is known of a channel.
    pub fn forget(&mut self, channel: ChannelId) {
        self.flushed.retain(|(of, _), _| *of != channel);
        self.recent.retain(|((of, _), _)| *of != channel);
    }
}
