//! Writes the payer's promises ahead of sending them, without a disk flush per token.
//!
//! A voucher is written as it is. For ticks the record on disk promises a few more than were
//! revealed ([`AHEAD`]): only when they are used up the disk is touched again. What is on disk is
//! thus never below what a worker may hold; after a crash the payer counts at most [`AHEAD`] ticks
//! as promised that it never sent, and the next session settles the difference. Receipts promise
//! nothing by themselves: they are written with the next promise, and at the end of the session.

use std::collections::{BTreeMap, BTreeSet};

use mica_primitives::{Balance, ChannelId, LaneId};
use mica_protocol::{
    channel::{Durability, PayerLaneRecord},
    limits::LEAF_POSITIONS,
};

use crate::store::Change;

/// Ticks that are written ahead of their use: as many as a receipt covers. After a crash the payer
/// pays them without having had them, so they may be no more than it risks anyway.
const AHEAD: u16 = LEAF_POSITIONS as u16;

/// What the disk knows of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OnDisk {
    seq: u64,
    cumulative: Balance,
    has_chain: bool,
    revealed: u16,
    receipts: u64,
}

/// Decides which records must reach the disk.
#[derive(Debug, Default)]
pub(crate) struct LedgerWriter {
    on_disk: BTreeMap<(ChannelId, LaneId), OnDisk>,
    limits: BTreeMap<(ChannelId, LaneId), Balance>,
    /// Lanes whose payees hold more than this session knows of: what was written of them stands.
    adopted: BTreeSet<(ChannelId, LaneId)>,
}

impl LedgerWriter {
    /// Notes the most that a lane may promise, so that writing ahead never goes beyond it.
    pub(crate) fn limit(&mut self, channel: ChannelId, lane: LaneId, limit: Balance) {
        self.limits.insert((channel, lane), limit);
    }

    /// What must be written before `record` may be acted upon; nothing if the disk covers its
    /// promise already.
    pub(crate) fn persist(
        &mut self,
        mut record: Box<PayerLaneRecord>,
        durability: Durability,
    ) -> Option<Change> {
        if durability == Durability::Process {
            if self.disk(&record).is_some_and(|disk| disk.revealed >= record.revealed) {
                return None;
            }
            record.revealed = self.ahead(&record);
        }
        Some(self.write(record))
    }

    /// Notes that a higher promise was written for a lane than this session's.
    pub(crate) fn adopted(&mut self, channel: ChannelId, lane: LaneId) {
        self.adopted.insert((channel, lane));
    }

    /// What is to be written when nothing more will be promised on the lane: the disk may know
    /// fewer receipts than there are, or a prepayment that the worker has refused. Without a chain
    /// no tick of it counts.
    pub(crate) fn close(&mut self, mut record: Box<PayerLaneRecord>) -> Option<Change> {
        if self.adopted.contains(&(record.channel, record.lane)) {
            return None;
        }
        if let Some(disk) = self.disk(&record) {
            if disk.receipts == record.receipts.count()
                && disk.cumulative == record.cumulative
                && disk.has_chain == record.tick.is_some()
                && disk.revealed >= record.revealed
            {
                return None;
            }
            record.revealed = record.revealed.max(disk.revealed);
        }
        Some(self.write(record))
    }

    /// What the disk knows of the voucher that `record` holds.
    fn disk(&self, record: &PayerLaneRecord) -> Option<OnDisk> {
        self.on_disk
            .get(&(record.channel, record.lane))
            .copied()
            .filter(|disk| disk.seq == record.seq)
    }

    fn write(&mut self, record: Box<PayerLaneRecord>) -> Change {
        let disk = OnDisk {
            seq: record.seq,
            cumulative: record.cumulative,
            has_chain: record.tick.is_some(),
            revealed: record.revealed,
            receipts: record.receipts.count(),
        };
        self.on_disk.insert((record.channel, record.lane), disk);
        Change::Lane(record)
    }

    /// Ticks to write: some more than revealed, within the chain and the lane's limit.
    fn ahead(&self, record: &PayerLaneRecord) -> u16 {
        let Some(tick) = record.tick else { return record.revealed };
        let limit = self.limits.get(&(record.channel, record.lane)).copied().unwrap_or(0);
        let affordable =
            limit.saturating_sub(record.cumulative).checked_div(tick.unit).unwrap_or(0);
        let affordable = u16::try_from(affordable).unwrap_or(u16::MAX);
        record.revealed.saturating_add(AHEAD).min(tick.max).min(affordable).max(record.revealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mica_primitives::Tick;

    fn record(seq: u64, revealed: u16) -> Box<PayerLaneRecord> {
        let tick = Some(Tick { anchor: [0; 32], unit: 10, max: 4 * AHEAD });
        Box::new(PayerLaneRecord {
            seq,
            cumulative: 50,
            tick,
            revealed,
            ..PayerLaneRecord::unused(ChannelId([1; 32]), 0)
        })
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
        for n in 1..=4 * AHEAD {
            if let Some(written) = revealed(writer.persist(record(1, n), Durability::Process)) {
                disk = written;
                writes += 1;
            }
            assert!(disk >= n && disk <= 4 * AHEAD, "tick {n} would be sent with {disk} on disk");
        }
        assert_eq!(writes, 4);
    }

    #[test]
    fn a_new_voucher_is_written_at_once_and_a_receipt_at_the_end() {
        let mut writer = writer(10_000);
        assert_eq!(revealed(writer.persist(record(1, 3), Durability::Process)), Some(3 + AHEAD));
        assert_eq!(revealed(writer.persist(record(2, 0), Durability::Disk)), Some(0));
        assert_eq!(revealed(writer.persist(record(2, 0), Durability::Process)), None);
        assert_eq!(revealed(writer.persist(record(2, 4), Durability::Process)), Some(4 + AHEAD));
        let with_receipt = || {
            let mut record = record(2, 5);
            record.receipts.push([1; 32]);
            record
        };
        assert_eq!(revealed(writer.persist(with_receipt(), Durability::Process)), None);
        assert_eq!(revealed(writer.close(with_receipt())), Some(4 + AHEAD), "never lowered");
        assert_eq!(revealed(writer.close(with_receipt())), None);
        writer.adopted(ChannelId([1; 32]), 0);
        assert_eq!(revealed(writer.close(record(3, 0))), None, "what the payee showed stands");
    }

    #[test]
    fn a_prepayment_that_was_refused_is_taken_back_on_disk() {
        let mut writer = writer(10_000);
        assert_eq!(revealed(writer.persist(record(1, 0), Durability::Disk)), Some(0));
        let mut refused = record(1, 0);
        refused.cumulative = 20;
        match writer.close(refused) {
            Some(Change::Lane(written)) => assert_eq!(written.cumulative, 20),
            other => panic!("not written: {other:?}"),
        }
    }

    #[test]
    fn the_limit_is_kept_but_what_was_revealed_is_never_lowered() {
        assert_eq!(revealed(writer(50 + 70).persist(record(1, 5), Durability::Process)), Some(7));
        assert_eq!(revealed(writer(0).persist(record(1, 5), Durability::Process)), Some(5));
        assert_eq!(
            revealed(LedgerWriter::default().persist(record(1, 95), Durability::Process)),
            Some(95)
        );
        let end = 4 * AHEAD;
        assert_eq!(
            revealed(writer(10_000).persist(record(1, end - 5), Durability::Process)),
            Some(end)
        );
    }
}
