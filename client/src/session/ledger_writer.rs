//! Writes the payer's promises ahead of sending them, without a disk flush per token.
//!
//! A voucher is written as it is. For ticks the record on disk promises a few more than were revealed ([`AHEAD`]): only when they
//! are used up the disk is touched again. What is on disk is thus never below what a worker may hold; after a crash the payer
//! counts at most [`AHEAD`] ticks as promised that it never sent, and the next session settles the difference.

use std::collections::BTreeMap;

use mica_primitives::{Balance, ChannelId, LaneId};
use mica_protocol::channel::{Durability, PayerLaneRecord};

use crate::store::Change;

/// Ticks that are written ahead of their use.
const AHEAD: u16 = 16;

/// What the disk knows of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OnDisk {
    seq: u64,
    revealed: u16,
    receipts: u64,
}

/// Decides which records must reach the disk.
#[derive(Debug, Default)]
pub struct LedgerWriter {
    on_disk: BTreeMap<(ChannelId, LaneId), OnDisk>,
    limits: BTreeMap<(ChannelId, LaneId), Balance>,
}

impl LedgerWriter {
    /// Notes the most that a lane may promise, so that writing ahead never goes beyond it.
    pub fn limit(&mut self, channel: ChannelId, lane: LaneId, limit: Balance) {
        self.limits.insert((channel, lane), limit);
    }

    /// What must be written before `record` may be acted upon; nothing if the disk covers it already.
    pub fn persist(&mut self, mut record: Box<PayerLaneRecord>, durability: Durability) -> Option<Change> {
        let key = (record.channel, record.lane);
        let receipts = record.receipts.count();
        if durability == Durability::Process {
            let covered = self
                .on_disk
                .get(&key)
                .is_some_and(|disk| disk.seq == record.seq && disk.revealed >= record.revealed && disk.receipts == receipts);
            if covered {
                return None;
            }
            record.revealed = self.ahead(&record);
        }
        self.on_disk.insert(key, OnDisk { seq: record.seq, revealed: record.revealed, receipts });
        Some(Change::Lane(record))
    }

    /// Ticks to write: some more than revealed, within the chain and the lane's limit.
    fn ahead(&self, record: &PayerLaneRecord) -> u16 {
        let Some(tick) = record.tick else { return record.revealed };
        let limit = self.limits.get(&(record.channel, record.lane)).copied().unwrap_or(0);
        let affordable = limit.saturating_sub(record.cumulative).checked_div(tick.unit).unwrap_or(0);
        let affordable = u16::try_from(affordable).unwrap_or(u16::MAX);
        record.revealed.saturating_add(AHEAD).min(tick.max).min(affordable).max(record.revealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_primitives::Tick;

    fn record(seq: u64, revealed: u16) -> Box<PayerLaneRecord> {
        let tick = Some(Tick { anchor: [0; 32], unit: 10, max: 100 });
        Box::new(PayerLaneRecord { seq, cumulative: 50, tick, revealed, ..PayerLaneRecord::unused(ChannelId([1; 32]), 0) })
    }

    fn revealed(change: Option<Change>) -> Option<u16> {
        match change {
            Some(Change::Lane(record)) => Some(record.revealed),
            None => None,
            Some(other) => panic!("not a lane: {other:?}"),
        }
    }

    fn writer(limit: Balance) -> LedgerWriter {
        let mut writer = LedgerWriter::default();
        writer.limit(ChannelId([1; 32]), 0, limit);
        writer
    }

    #[test]
    fn the_disk_is_always_ahead_and_rarely_touched() {
        let mut writer = writer(10_000);
        assert_eq!(revealed(writer.persist(record(1, 0), Durability::Disk)), Some(0));
        let (mut disk, mut writes) = (0, 0);
        for n in 1..=100 {
            if let Some(written) = revealed(writer.persist(record(1, n), Durability::Process)) {
                disk = written;
                writes += 1;
            }
            assert!(disk >= n && disk <= 100, "tick {n} would be sent with {disk} on disk");
        }
        assert_eq!(writes, 6);
    }

    #[test]
    fn a_new_voucher_and_a_new_receipt_are_written() {
        let mut writer = writer(10_000);
        assert_eq!(revealed(writer.persist(record(1, 3), Durability::Process)), Some(19));
        assert_eq!(revealed(writer.persist(record(2, 0), Durability::Disk)), Some(0));
        assert_eq!(revealed(writer.persist(record(2, 0), Durability::Process)), None);
        let mut with_receipt = record(2, 0);
        with_receipt.receipts.push([1; 32]);
        assert_eq!(revealed(writer.persist(with_receipt, Durability::Process)), Some(16));
    }

    #[test]
    fn the_limit_is_kept_but_what_was_revealed_is_never_lowered() {
        assert_eq!(revealed(writer(50 + 70).persist(record(1, 5), Durability::Process)), Some(7));
        assert_eq!(revealed(writer(0).persist(record(1, 5), Durability::Process)), Some(5));
        assert_eq!(revealed(LedgerWriter::default().persist(record(1, 95), Durability::Process)), Some(95));
        assert_eq!(revealed(writer(10_000).persist(record(1, 95), Durability::Process)), Some(100));
    }
}
