//! Where a chain began, and what happens to its records when it is restarted.
//!
//! A development chain that is restarted has the same genesis as before, and channels on it get the
//! ids of the old ones: what was promised on those would count against the new deposits.
//! Its first block differs, so that is kept, and when it changes everything of the old chain is
//! moved into a file beside this one. The file is a payer's database like any other: nothing is
//! lost. Returning to a chain that was left brings its records back from there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mica_primitives::{Balance, Hash32, LaneId};
use mica_protocol::channel::PayerLaneRecord;
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};

use super::{
    CHANNELS, ChannelRecord, HUB_BANS, HUB_CHAINS, INCOMING, LANES, ORIGINS, RECEIPTS, RETIRED,
    SESSIONS, SessionRecord, Store, StoreError, db, decode,
};

/// Most files with records of chains with the same first block.
const MAX_FILES: u32 = 1_000;

/// Records that were moved away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Channels.
    pub channels: usize,
    /// Sessions.
    pub sessions: usize,
    /// Where they lie now.
    pub path: PathBuf,
}

/// Keys of everything that belongs to one chain.
struct Belongings {
    genesis: Hash32,
    channels: BTreeSet<Hash32>,
    sessions: BTreeSet<(u64, Hash32)>,
}

impl Store {
    /// Hash of the first block of the chain with this genesis, as it was seen before.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn first_block(&self, genesis: Hash32) -> Result<Option<Hash32>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(ORIGINS).map_err(db)?;
        Ok(table.get(genesis).map_err(db)?.map(|hash| hash.value()))
    }

    /// Genesis hashes of all chains with channels on record.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn chains(&self) -> Result<BTreeSet<Hash32>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(CHANNELS).map_err(db)?;
        let record =
            |bytes: &[u8]| decode::<ChannelRecord>("channels", bytes).map(|record| record.genesis);
        table.iter().map_err(db)?.map(|entry| record(entry.map_err(db)?.1.value())).collect()
    }

    /// Notes the first block of a chain.
    ///
    /// # Errors
    /// [`StoreError`] if it is not on disk.
    pub fn set_first_block(&self, genesis: Hash32, first_block: Hash32) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction
                .open_table(ORIGINS)
                .map_err(db)?
                .insert(genesis, first_block)
                .map_err(db)?;
            Ok(())
        })
    }

    /// Moves all records of the chain with this genesis into a file of their own, because that
    /// chain has another first block now. Cut short by a power cut it is done again from the start,
    /// into another file. What was put aside of the chain that is there now comes back in the same
    /// write. What was spent on each day stays: caps hold across chains.
    ///
    /// # Errors
    /// [`StoreError`] if the file cannot be made or written; then nothing is moved.
    pub fn archive(
        &self,
        genesis: Hash32,
        old_first_block: Hash32,
        first_block: Hash32,
    ) -> Result<Archive, StoreError> {
        let own = self.belongings(genesis)?;
        let path = self.free_name(&old_first_block)?;
        Self::open(&path)?.write(|writing| self.copy(&own, writing))?;
        let earlier: Vec<Self> =
            self.names(&first_block).filter(|path| path.exists()).filter_map(opened).collect();
        self.write(|transaction| {
            transaction
                .open_table(ORIGINS)
                .map_err(db)?
                .insert(genesis, first_block)
                .map_err(db)?;
            let is_own = |channel: Hash32| own.channels.contains(&channel);
            transaction
                .open_table(CHANNELS)
                .map_err(db)?
                .retain(|channel, _| !is_own(channel))
                .map_err(db)?;
            transaction
                .open_table(LANES)
                .map_err(db)?
                .retain(|(channel, _), _| !is_own(channel))
                .map_err(db)?;
            transaction
                .open_table(RETIRED)
                .map_err(db)?
                .retain(|(channel, _), ()| !is_own(channel))
                .map_err(db)?;
            transaction
                .open_table(INCOMING)
                .map_err(db)?
                .retain(|(of, _, _), _| of != genesis)
                .map_err(db)?;
            // Nobody can be paid on a chain that is gone.
            transaction
                .open_table(HUB_CHAINS)
                .map_err(db)?
                .retain(|(of, ..), _| of != genesis)
                .map_err(db)?;
            transaction
                .open_table(HUB_BANS)
                .map_err(db)?
                .retain(|(of, _), _| of != genesis)
                .map_err(db)?;
            transaction
                .open_table(RECEIPTS)
                .map_err(db)?
                .retain(|(channel, _, _), _| !is_own(channel))
                .map_err(db)?;
            transaction
                .open_table(SESSIONS)
                .map_err(db)?
                .retain(|key, _| !own.sessions.contains(&key))
                .map_err(db)?;
            earlier.iter().try_for_each(|file| file.copy(&file.belongings(genesis)?, transaction))
        })?;
        Ok(Archive { channels: own.channels.len(), sessions: own.sessions.len(), path })
    }

    /// The name of a file that is not there yet: going back and forth between two chains overwrites
    /// nothing.
    fn free_name(&self, first_block: &Hash32) -> Result<PathBuf, StoreError> {
        self.names(first_block)
            .find(|path| !path.exists())
            .ok_or_else(|| StoreError::TooManyArchives(self.path.clone()))
    }

    /// Where the records of a chain are put aside: the first time, the second time, and so on.
    fn names(&self, first_block: &Hash32) -> impl Iterator<Item = PathBuf> + '_ {
        let chain = hex::encode(&first_block[..8]);
        (1..=MAX_FILES).map(move |number| match number {
            1 => self.path.with_file_name(format!("state-{chain}.redb")),
            _ => self.path.with_file_name(format!("state-{chain}-{number}.redb")),
        })
    }

    fn belongings(&self, genesis: Hash32) -> Result<Belongings, StoreError> {
        let reading = self.database.begin_read().map_err(db)?;
        let (mut channels, mut sessions) = (BTreeSet::new(), BTreeSet::new());
        for entry in reading.open_table(CHANNELS).map_err(db)?.iter().map_err(db)? {
            let (channel, record) = entry.map_err(db)?;
            if decode::<ChannelRecord>("channels", record.value())?.genesis == genesis {
                channels.insert(channel.value());
            }
        }
        for entry in reading.open_table(SESSIONS).map_err(db)?.iter().map_err(db)? {
            let (key, record) = entry.map_err(db)?;
            if decode::<SessionRecord>("sessions", record.value())?.genesis == genesis {
                sessions.insert(key.value());
            }
        }
        Ok(Belongings { genesis, channels, sessions })
    }

    /// Writes everything that belongs to `own` into another database. A lane of which that knows
    /// more stays.
    fn copy(&self, own: &Belongings, writing: &WriteTransaction) -> Result<(), StoreError> {
        let reading = self.database.begin_read().map_err(db)?;
        let (channels, lanes) =
            (reading.open_table(CHANNELS).map_err(db)?, reading.open_table(LANES).map_err(db)?);
        let (retired, receipts) =
            (reading.open_table(RETIRED).map_err(db)?, reading.open_table(RECEIPTS).map_err(db)?);
        let sessions = reading.open_table(SESSIONS).map_err(db)?;
        for channel in &own.channels {
            if let Some(record) = channels.get(channel).map_err(db)? {
                writing
                    .open_table(CHANNELS)
                    .map_err(db)?
                    .insert(channel, record.value())
                    .map_err(db)?;
            }
            let all = (*channel, LaneId::MIN)..=(*channel, LaneId::MAX);
            let mut table = writing.open_table(LANES).map_err(db)?;
            for entry in lanes.range(all.clone()).map_err(db)? {
                let (key, record) = entry.map_err(db)?;
                let known = table
                    .get(key.value())
                    .map_err(db)?
                    .map(|known| progress(known.value()))
                    .transpose()?;
                let found = progress(record.value())?;
                if known.is_none_or(|known| known <= found) {
                    table.insert(key.value(), record.value()).map_err(db)?;
                }
            }
            let mut table = writing.open_table(RETIRED).map_err(db)?;
            for entry in retired.range(all).map_err(db)? {
                table.insert(entry.map_err(db)?.0.value(), ()).map_err(db)?;
            }
            let mut table = writing.open_table(RECEIPTS).map_err(db)?;
            let all = (*channel, LaneId::MIN, u64::MIN)..=(*channel, LaneId::MAX, u64::MAX);
            for entry in receipts.range(all).map_err(db)? {
                let (key, receipt) = entry.map_err(db)?;
                table.insert(key.value(), receipt.value()).map_err(db)?;
            }
        }
        let mut table = writing.open_table(INCOMING).map_err(db)?;
        let all = (own.genesis, [0; 32], LaneId::MIN)..=(own.genesis, [u8::MAX; 32], LaneId::MAX);
        for entry in reading.open_table(INCOMING).map_err(db)?.range(all).map_err(db)? {
            let (key, record) = entry.map_err(db)?;
            table.insert(key.value(), record.value()).map_err(db)?;
        }
        drop(table);
        let mut table = writing.open_table(SESSIONS).map_err(db)?;
        for key in &own.sessions {
            if let Some(record) = sessions.get(key).map_err(db)? {
                table.insert(key, record.value()).map_err(db)?;
            }
        }
        Ok(())
    }
}

/// How far a lane's record goes: a later one promises as much at least and has a number as high.
fn progress(record: &[u8]) -> Result<(Balance, u64), StoreError> {
    decode::<PayerLaneRecord>("lanes", record).map(|record| (record.promised(), record.seq))
}

/// A file of records that were put aside. One that cannot be read stays where it is: what it says
/// is learnt from the workers.
fn opened(path: PathBuf) -> Option<Store> {
    Store::open(&path)
        .inspect_err(|error| tracing::warn!(%error, "records that were put aside do not come back"))
        .ok()
}
