//! The database tables behind the journal.

use std::{collections::BTreeMap, path::Path};

use codec::{Decode, DecodeAll, Encode};
use mica_primitives::{ChannelId, LaneId, Receipt};
use mica_protocol::{channel::PayeeLaneRecord, stage::ScoreRecord};
use redb::{DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError};

use super::{ChainMark, LaneKey, StoreError, version1, version2};

/// (channel ‖ lane) → SCALE of the lane's record.
const LANES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("lanes-3");
/// The same as it was before vouchers had locks and bounties: moved to [`LANES`] when the database
/// is opened.
const LANES_2: TableDefinition<&[u8], &[u8]> = TableDefinition::new("lanes-2");
/// The same as it was before records named the payer and the window: moved like [`LANES_2`].
const LANES_1: TableDefinition<&[u8], &[u8]> = TableDefinition::new("lanes");
/// (channel ‖ lane ‖ index) → SCALE of the receipt. Numbers are big-endian, so that the order of
/// keys is theirs.
const RECEIPTS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("receipts");

/// One entry → SCALE of the chain that the records are of.
const CHAIN: TableDefinition<&[u8], &[u8]> = TableDefinition::new("chain");
/// Its key.
const MARK: &[u8] = b"mark";

/// Account → SCALE of what it left unpaid.
const SCORES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("scores");

/// Key and value as they are stored.
#[cfg(test)]
type Stored = (Vec<u8>, Vec<u8>);

pub(super) struct Database {
    path: String,
    database: redb::Database,
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let database = redb::Database::create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: name.clone() },
            other => StoreError::Open { path: name.clone(), reason: other.to_string() },
        })?;
        let opened = Self { path: name, database };
        // Reading a table that was never written is an error in redb: make all.
        opened.write(&BTreeMap::new(), &BTreeMap::new(), None)?;
        opened.write_scores(&BTreeMap::new())?;
        opened.migrate::<version1::LaneRecord>(LANES_1)?;
        opened.migrate::<version2::LaneRecord>(LANES_2)?;
        Ok(opened)
    }

    /// Moves records of an earlier version from their table to that of today's: all of them, or
    /// none.
    fn migrate<Old: Decode>(
        &self,
        from: TableDefinition<'_, &'static [u8], &'static [u8]>,
    ) -> Result<(), StoreError>
    where
        PayeeLaneRecord: From<Old>,
    {
        let read = || -> Result<Vec<Vec<u8>>, redb::Error> {
            let table = match self.database.begin_read()?.open_table(from) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error.into()),
            };
            table.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        };
        let old = read().map_err(|error| self.damaged(&error))?;
        if old.is_empty() {
            return Ok(());
        }
        let records = old.iter().map(|bytes| self.decode::<Old>(bytes).map(PayeeLaneRecord::from));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut table = transaction.open_table(LANES)?;
                for record in &records {
                    let key = lane_key(&record.facts.channel, record.lane);
                    table.insert(key.as_slice(), record.encode().as_slice())?;
                }
                transaction.delete_table(from)?;
            }
            Ok(transaction.commit()?)
        };
        write().map_err(|error| self.refused(&error))
    }

    /// Writes records as the first version did.
    #[cfg(test)]
    pub(super) fn write_version1(&self, records: &[version1::LaneRecord]) {
        let records = records.iter().map(|record| (record.facts.channel, record.lane, record));
        self.write_old(LANES_1, records);
    }

    /// Writes records as the second version did.
    #[cfg(test)]
    pub(super) fn write_version2(&self, records: &[version2::LaneRecord]) {
        let records = records.iter().map(|record| (record.facts.channel, record.lane, record));
        self.write_old(LANES_2, records);
    }

    #[cfg(test)]
    fn write_old<'a, Old: Encode + 'a>(
        &self,
        table: TableDefinition<'_, &'static [u8], &'static [u8]>,
        records: impl Iterator<Item = (ChannelId, LaneId, &'a Old)>,
    ) {
        let transaction = self.database.begin_write().expect("a transaction");
        {
            let mut table = transaction.open_table(table).expect("the table");
            for (channel, lane, record) in records {
                let key = lane_key(&channel, lane);
                table.insert(key.as_slice(), record.encode().as_slice()).expect("written");
            }
        }
        transaction.commit().expect("written");
    }

    /// Writes all of it, or nothing.
    pub(super) fn write(
        &self,
        lanes: &BTreeMap<LaneKey, PayeeLaneRecord>,
        receipts: &BTreeMap<(ChannelId, LaneId, u64), Receipt>,
        mark: Option<&ChainMark>,
    ) -> Result<(), StoreError> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut table = transaction.open_table(LANES)?;
                for ((channel, lane), record) in lanes {
                    table
                        .insert(lane_key(channel, *lane).as_slice(), record.encode().as_slice())?;
                }
                let mut table = transaction.open_table(RECEIPTS)?;
                for ((channel, lane, index), receipt) in receipts {
                    table.insert(
                        receipt_key(channel, *lane, *index).as_slice(),
                        receipt.encode().as_slice(),
                    )?;
                }
                let mut table = transaction.open_table(CHAIN)?;
                if let Some(mark) = mark {
                    table.insert(MARK, mark.encode().as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        };
        write().map_err(|error| self.refused(&error))
    }

    /// Writes all of them, or none; drops those without mishaps.
    pub(super) fn write_scores(
        &self,
        scores: &BTreeMap<[u8; 32], ScoreRecord>,
    ) -> Result<(), StoreError> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut table = transaction.open_table(SCORES)?;
                for (account, record) in scores {
                    if record.mishaps == 0 {
                        table.remove(account.as_slice())?;
                    } else {
                        table.insert(account.as_slice(), record.encode().as_slice())?;
                    }
                }
            }
            Ok(transaction.commit()?)
        };
        write().map_err(|error| self.refused(&error))
    }

    pub(super) fn scores(&self) -> Result<BTreeMap<[u8; 32], ScoreRecord>, StoreError> {
        let read = || -> Result<Vec<Vec<u8>>, redb::Error> {
            let table = self.database.begin_read()?.open_table(SCORES)?;
            table.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        };
        let records = read().map_err(|error| self.damaged(&error))?;
        let records = records.iter().map(|bytes| self.decode::<ScoreRecord>(bytes));
        records.map(|record| record.map(|record| (record.account, record))).collect()
    }

    pub(super) fn lanes(&self) -> Result<BTreeMap<LaneKey, PayeeLaneRecord>, StoreError> {
        let read = || -> Result<Vec<Vec<u8>>, redb::Error> {
            let table = self.database.begin_read()?.open_table(LANES)?;
            table.iter()?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
        };
        let records = read().map_err(|error| self.damaged(&error))?;
        let records = records.iter().map(|bytes| self.decode::<PayeeLaneRecord>(bytes));
        records
            .map(|record| record.map(|record| ((record.facts.channel, record.lane), record)))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn receipts(
        &self,
        channel: ChannelId,
        lane: LaneId,
    ) -> Result<BTreeMap<u64, Receipt>, StoreError> {
        let (first, last) = (receipt_key(&channel, lane, 0), receipt_key(&channel, lane, u64::MAX));
        let read = || -> Result<Vec<Stored>, redb::Error> {
            let table = self.database.begin_read()?.open_table(RECEIPTS)?;
            let range = table.range(first.as_slice()..=last.as_slice())?;
            range
                .map(|entry| {
                    entry
                        .map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
                        .map_err(Into::into)
                })
                .collect()
        };
        let entries = read().map_err(|error| self.damaged(&error))?;
        let index = |key: &[u8]| key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        entries.iter().map(|(key, value)| Ok((index(key), self.decode(value)?))).collect()
    }

    pub(super) fn mark(&self) -> Result<Option<ChainMark>, StoreError> {
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let table = self.database.begin_read()?.open_table(CHAIN)?;
            Ok(table.get(MARK)?.map(|value| value.value().to_vec()))
        };
        let bytes = read().map_err(|error| self.damaged(&error))?;
        bytes.map(|bytes| self.decode(&bytes)).transpose()
    }

    pub(super) fn forget(&self, channel: ChannelId) -> Result<(), StoreError> {
        let forget = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let lanes = lane_key(&channel, 0)..=lane_key(&channel, LaneId::MAX);
                let mut table = transaction.open_table(LANES)?;
                table.retain_in(lanes.start().as_slice()..=lanes.end().as_slice(), |_, _| false)?;
                let receipts =
                    receipt_key(&channel, 0, 0)..=receipt_key(&channel, LaneId::MAX, u64::MAX);
                let mut table = transaction.open_table(RECEIPTS)?;
                table.retain_in(
                    receipts.start().as_slice()..=receipts.end().as_slice(),
                    |_, _| false,
                )?;
            }
            Ok(transaction.commit()?)
        };
        forget().map_err(|error| self.refused(&error))
    }

    fn decode<T: Decode>(&self, mut bytes: &[u8]) -> Result<T, StoreError> {
        T::decode_all(&mut bytes).map_err(|error| self.damaged(&error))
    }

    fn refused(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Write { path: self.path.clone(), reason: error.to_string() }
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), reason: error.to_string() }
    }
}

fn lane_key(channel: &ChannelId, lane: LaneId) -> Vec<u8> {
    [&channel.0[..], &lane.to_be_bytes()].concat()
}

fn receipt_key(channel: &ChannelId, lane: LaneId, index: u64) -> Vec<u8> {
    [&channel.0[..], &lane.to_be_bytes(), &index.to_be_bytes()].concat()
}
