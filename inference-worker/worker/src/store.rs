//! What a restart must not lose: the newest promise on every lane, the receipts issued for it, and
//! which accounts did not pay.
//!
//! Records go to an append-only [`journal`] first, which costs one write per token. Where money
//! depends on it they must reach the disk before the worker goes on: a thread of its own waits for
//! that ([`DiskThread`]). When the journal has grown it is put aside and a new one begun; the
//! thread moves what it holds to the database (redb) in one transaction and deletes it. Opening the
//! store replays both journals, the older one first, so a record counts from the moment its write
//! returned.
//!
//! A write that fails (a full disk) leaves the store as it was: the caller stops taking on work and
//! redeems what it holds.

mod aside;
mod database;
mod disk;
mod journal;
mod snapshot;
mod version1;
mod version2;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::PathBuf,
    sync::Arc,
};

use codec::{Decode, Encode};
use mica_chain::ChainOrigin;
use mica_primitives::{BlockNumber, ChannelId, Hash32, LaneId, Receipt};
use mica_protocol::{channel::PayeeLaneRecord, stage::ScoreRecord};
use thiserror::Error;

use crate::data_dir::DataDir;
use database::Database;
use journal::Journal;

pub(crate) use aside::{put_aside, take_back};
pub(crate) use disk::{DiskThread, Done};
pub(crate) use snapshot::{Snapshot, Stamp, copy_records, snapshot};

/// Bytes of journal after which it is moved to the database.
const CHECKPOINT_BYTES: u64 = 4 << 20;

/// Why the store cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "{path} is in use: another mica-worker runs with this folder; stop it or choose another \
         --data-dir"
    )]
    InUse {
        /// The file.
        path: String,
    },
    /// It cannot be opened.
    #[error(
        "cannot open {path}: {reason}; check permissions and free space, or restore the folder \
         from a backup"
    )]
    Open {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// It cannot be written.
    #[error(
        "cannot write {path}: {reason}; free some space or repair the disk, then start the worker \
         again"
    )]
    Write {
        /// The file.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// The system gives no thread.
    #[error("the system gives no thread that waits for the disk: {reason}")]
    Thread {
        /// What it said.
        reason: String,
    },
    /// It holds something else than this program writes.
    #[error("{path} is damaged: {reason}; restore the folder from a backup")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// Name of a lane: the channel and its number.
pub(crate) type LaneKey = (ChannelId, LaneId);

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
enum Entry {
    /// The newest record of a lane, as it was before it named the payer and the window. Read, and
    /// never written.
    #[codec(index = 0)]
    Version1(version1::LaneRecord),
    /// The `index`-th receipt of a lane.
    #[codec(index = 1)]
    Receipt { channel: ChannelId, lane: LaneId, index: u64, receipt: Receipt },
    /// The chain that the records are of.
    #[codec(index = 2)]
    Mark(ChainMark),
    /// The newest record of a lane, as it was before vouchers had locks and bounties. Read, and
    /// never written.
    #[codec(index = 3)]
    Version2(version2::LaneRecord),
    /// The newest record of a lane.
    #[codec(index = 5)]
    Lane(PayeeLaneRecord),
    /// What an account left unpaid: the newest, in the first version of its form.
    #[codec(index = 4)]
    Score(ScoreRecord),
}

/// The chain that the records are of, and how far it was seen: by these a chain that starts anew is
/// told from a node that is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ChainMark {
    /// Hash of block 0.
    pub genesis: Hash32,
    /// Hash of block 1, once it was known.
    pub first_block: Option<Hash32>,
    /// A final block that was seen.
    pub height: BlockNumber,
}

impl ChainMark {
    /// A chain with this origin, seen final up to `height`.
    pub(crate) const fn new(origin: ChainOrigin, height: BlockNumber) -> Self {
        Self { genesis: origin.genesis, first_block: origin.first_block, height }
    }

    /// Where the chain begins.
    pub(crate) const fn origin(&self) -> ChainOrigin {
        ChainOrigin { genesis: self.genesis, first_block: self.first_block }
    }
}

/// The worker's store. One process has it at a time.
pub(crate) struct Store {
    database: Arc<Database>,
    journal: Journal,
    folder: DataDir,
    /// What the journal holds and the database does not.
    lanes: BTreeMap<LaneKey, PayeeLaneRecord>,
    receipts: BTreeMap<(ChannelId, LaneId, u64), Receipt>,
    mark: Option<ChainMark>,
    scores: BTreeMap<[u8; 32], ScoreRecord>,
    /// Channels whose records are to be dropped with the next move.
    forgotten: BTreeSet<ChannelId>,
    /// What the old journal holds, on its way to the database.
    moving: Option<Moving>,
}

/// What the old journal holds.
#[derive(Clone)]
struct Moving {
    batch: Arc<Batch>,
    journal: Arc<File>,
}

/// Records that reach the database together.
#[derive(Debug)]
struct Batch {
    lanes: BTreeMap<LaneKey, PayeeLaneRecord>,
    receipts: BTreeMap<(ChannelId, LaneId, u64), Receipt>,
    mark: Option<ChainMark>,
    scores: BTreeMap<[u8; 32], ScoreRecord>,
    forgotten: BTreeSet<ChannelId>,
}

impl Batch {
    fn write(&self, database: &Database) -> Result<(), StoreError> {
        if !self.lanes.is_empty() || !self.receipts.is_empty() || self.mark.is_some() {
            database.write(&self.lanes, &self.receipts, self.mark.as_ref())?;
        }
        if !self.scores.is_empty() {
            database.write_scores(&self.scores)?;
        }
        self.forgotten.iter().try_for_each(|channel| database.forget(*channel))
    }
}

impl Store {
    /// Opens the store of `folder`, made if there is none, and replays its journals.
    ///
    /// # Errors
    /// [`StoreError`] if it is in use, damaged or not accessible.
    pub(crate) fn open(folder: &DataDir) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(&folder.store())?);
        // Older than everything in the other one.
        let old = match folder.old_journal() {
            path if path.exists() => Journal::open(&path)?.1,
            _ => Vec::new(),
        };
        let (journal, entries) = Journal::open(&folder.journal())?;
        let mut store = Self {
            database,
            journal,
            folder: folder.clone(),
            lanes: BTreeMap::new(),
            receipts: BTreeMap::new(),
            mark: None,
            scores: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            moving: None,
        };
        old.into_iter().chain(entries).for_each(|entry| store.hold(entry));
        store.checkpoint()?;
        // A journal that was begun just now, or by a process that died, may be lost with its name.
        sync_folder(folder.path())?;
        Ok(store)
    }

    /// Keeps a lane's record in place of its last one: safe from a crash of this process now, from
    /// one of the system when [`Store::unsynced`] has reached the disk.
    ///
    /// # Errors
    /// [`StoreError::Write`]; the last record stands.
    pub(crate) fn put_lane(&mut self, record: PayeeLaneRecord) -> Result<(), StoreError> {
        self.append(Entry::Lane(record))
    }

    /// Keeps a receipt, as safely as a record.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub(crate) fn put_receipt(
        &mut self,
        channel: ChannelId,
        lane: LaneId,
        index: u64,
        receipt: Receipt,
    ) -> Result<(), StoreError> {
        self.append(Entry::Receipt { channel, lane, index, receipt })
    }

    /// Keeps which chain the records are of, as safely as a record.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub(crate) fn put_mark(&mut self, mark: ChainMark) -> Result<(), StoreError> {
        self.append(Entry::Mark(mark))
    }

    /// Which chain the records are of; nothing in a store that no chain was seen with.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub(crate) fn mark(&self) -> Result<Option<ChainMark>, StoreError> {
        self.mark.map_or_else(|| self.database.mark(), |mark| Ok(Some(mark)))
    }

    /// Keeps what an account left unpaid, as safely as a receipt; one without mishaps is dropped.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub(crate) fn put_score(&mut self, record: ScoreRecord) -> Result<(), StoreError> {
        self.append(Entry::Score(record))
    }

    /// What every account left unpaid.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub(crate) fn scores(&self) -> Result<Vec<ScoreRecord>, StoreError> {
        let mut scores = self.database.scores()?;
        let moving = self.moving.iter().flat_map(|moving| &moving.batch.scores);
        scores.extend(moving.map(|(account, record)| (*account, *record)));
        scores.extend(self.scores.iter().map(|(account, record)| (*account, *record)));
        Ok(scores.into_values().filter(|record| record.mishaps > 0).collect())
    }

    /// Waits on this thread until all that was kept is on the disk.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.unsynced().wait()
    }

    /// The files that must reach the disk so that all that was kept is there.
    fn unsynced(&self) -> Unsynced {
        Unsynced {
            files: self
                .moving
                .iter()
                .map(|moving| moving.journal.clone())
                .chain([self.journal.file()])
                .collect(),
            // A file that was begun may be lost with its name.
            folder: self.moving.as_ref().map(|_| self.folder.path().to_owned()),
            path: self.folder.journal(),
        }
    }

    /// Puts the journal aside if it has grown, or channels are to be forgotten, and what was put
    /// aside last is in the database: what is to be moved there now.
    ///
    /// # Errors
    /// [`StoreError::Write`]; the journal stays as it was.
    fn begin_move(&mut self) -> Result<Option<Arc<Batch>>, StoreError> {
        let is_due = self.journal.bytes() > CHECKPOINT_BYTES || !self.forgotten.is_empty();
        if !is_due || self.moving.is_some() {
            return Ok(None);
        }
        let journal = self.journal.rotate(&self.folder.old_journal())?;
        let batch = Arc::new(Batch {
            lanes: std::mem::take(&mut self.lanes),
            receipts: std::mem::take(&mut self.receipts),
            mark: self.mark.take(),
            scores: std::mem::take(&mut self.scores),
            forgotten: std::mem::take(&mut self.forgotten),
        });
        self.moving = Some(Moving { batch: batch.clone(), journal });
        Ok(Some(batch))
    }

    /// What was put aside is in the database.
    fn moved(&mut self) {
        self.moving = None;
    }

    /// The record of every lane.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    pub(crate) fn lanes(&self) -> Result<Vec<PayeeLaneRecord>, StoreError> {
        let mut lanes = self.database.lanes()?;
        let moving = self.moving.iter().flat_map(|moving| &moving.batch.lanes);
        for (key, record) in moving.chain(&self.lanes) {
            lanes.insert(*key, record.clone());
        }
        Ok(lanes.into_values().collect())
    }

    /// The receipts of a lane, in order: kept for audits, and read by tests only so far.
    ///
    /// # Errors
    /// [`StoreError`] if the database cannot be read.
    #[cfg(test)]
    pub(crate) fn receipts(
        &self,
        channel: ChannelId,
        lane: LaneId,
    ) -> Result<Vec<Receipt>, StoreError> {
        let mut receipts = self.database.receipts(channel, lane)?;
        for ((_, _, index), receipt) in
            self.receipts.range((channel, lane, 0)..=(channel, lane, u64::MAX))
        {
            receipts.insert(*index, *receipt);
        }
        Ok(receipts.into_values().collect())
    }

    /// Drops everything about a channel that is closed for good, with the next move to the
    /// database.
    pub(crate) fn forget(&mut self, channel: ChannelId) {
        self.forgotten.insert(channel);
    }

    /// Moves the journals to the database, and waits for it. Not while a [`DiskThread`] does the
    /// same.
    ///
    /// # Errors
    /// [`StoreError::Write`]; the journals stay as they were.
    pub(crate) fn checkpoint(&mut self) -> Result<(), StoreError> {
        if let Some(moving) = &self.moving {
            moving.batch.write(&self.database)?;
        }
        let batch = Batch {
            lanes: std::mem::take(&mut self.lanes),
            receipts: std::mem::take(&mut self.receipts),
            mark: self.mark.take(),
            scores: std::mem::take(&mut self.scores),
            forgotten: std::mem::take(&mut self.forgotten),
        };
        if let Err(error) = batch.write(&self.database) {
            let Batch { lanes, receipts, mark, scores, forgotten } = batch;
            (self.lanes, self.receipts, self.mark, self.forgotten) =
                (lanes, receipts, mark, forgotten);
            self.scores = scores;
            return Err(error);
        }
        self.moving = None;
        remove(&self.folder.old_journal())?;
        self.journal.clear()
    }

    fn append(&mut self, entry: Entry) -> Result<(), StoreError> {
        self.journal.append(&entry)?;
        self.hold(entry);
        Ok(())
    }

    fn hold(&mut self, entry: Entry) {
        match entry {
            Entry::Version1(record) => self.hold(Entry::Lane(record.into())),
            Entry::Version2(record) => self.hold(Entry::Lane(record.into())),
            Entry::Lane(record) => {
                // A move writes the records first and forgets then: a channel that is promised on
                // anew would lose this one.
                self.forgotten.remove(&record.facts.channel);
                self.lanes.insert((record.facts.channel, record.lane), record);
            }
            Entry::Receipt { channel, lane, index, receipt } => {
                self.receipts.insert((channel, lane, index), receipt);
            }
            Entry::Mark(mark) => self.mark = Some(mark),
            Entry::Score(record) => {
                self.scores.insert(record.account, record);
            }
        }
    }
}

/// Files that have to reach the disk.
#[derive(Debug)]
struct Unsynced {
    /// The old journal, if its records are not in the database yet, and the journal.
    files: Vec<Arc<File>>,
    /// Their folder, if the journal was begun a moment ago.
    folder: Option<PathBuf>,
    path: PathBuf,
}

impl Unsynced {
    fn wait(&self) -> Result<(), StoreError> {
        let wait = || -> io::Result<()> {
            self.files.iter().try_for_each(|file| file.sync_data())?;
            self.folder.iter().try_for_each(|folder| File::open(folder)?.sync_all())
        };
        wait().map_err(|error| StoreError::Write {
            path: self.path.display().to_string(),
            reason: error.to_string(),
        })
    }
}

/// Waits until the names of a folder's files are on the disk.
fn sync_folder(folder: &std::path::Path) -> Result<(), StoreError> {
    if cfg!(windows) {
        // It opens no folder as a file, and writes names down itself.
        return Ok(());
    }
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| StoreError::Write {
        path: folder.display().to_string(),
        reason: error.to_string(),
    })
}

/// Removes a file if it is there.
fn remove(path: &std::path::Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::Write { path: path.display().to_string(), reason: error.to_string() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
