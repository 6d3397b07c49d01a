//! What the payer must not forget: channels, promises made, receipts received.
//!
//! One redb file, opened by one process at a time. Every write is on disk when the call returns: a
//! promise is written before it is sent, so that a restart knows of every voucher and tick that a
//! worker may hold. Sessions that write at once share a transaction.
//!
//! Restoring an older copy of this file costs no money (see [`crate::channels`]): what it lacks is
//! learnt from the workers again. Records of a chain that was restarted are moved into a file of
//! their own beside it ([`Store::archive`]).
//!
//! Limits: the newest [`MAX_LISTED`] sessions are listed; a record is at most [`MAX_RECORD_BYTES`]
//! long.

mod archive;
mod group_commit;
mod records;
mod remembered;
mod uses;

pub use archive::Archive;
pub use records::{ChannelRecord, SessionRecord, StageRecord};
pub use remembered::{MAX_SNAPSHOTS, RememberedWorker};
pub use uses::was_used;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use codec::{Decode, DecodeAll, Encode};
use mica_primitives::{Balance, ChannelId, Hash32, LaneId, Receipt};
use mica_protocol::{
    channel::{PayeeLaneRecord, PayerLaneRecord},
    hub::EarlierChain,
};
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};

use group_commit::{Commit, GroupCommit};

type Bytes = &'static [u8];

const META: TableDefinition<&str, u32> = TableDefinition::new("meta");
const CHANNELS: TableDefinition<Hash32, Bytes> = TableDefinition::new("channels");
const LANES: TableDefinition<(Hash32, LaneId), Bytes> = TableDefinition::new("lanes");
const RECEIPTS: TableDefinition<(Hash32, LaneId, u64), Bytes> = TableDefinition::new("receipts");
const SESSIONS: TableDefinition<(u64, Hash32), Bytes> = TableDefinition::new("sessions");
/// Lanes that are not used any more, because receipts of them are lost here or at their worker.
const RETIRED: TableDefinition<(Hash32, LaneId), ()> = TableDefinition::new("retired");
/// (genesis, channel, lane) → what the payer was promised there itself: as a hub.
const INCOMING: TableDefinition<(Hash32, Hash32, LaneId), Bytes> = TableDefinition::new("incoming");
/// (genesis, channel, lane, anchor) → a tick chain over which the payer, as a hub, may still have
/// to pay.
const HUB_CHAINS: TableDefinition<(Hash32, Hash32, LaneId, Hash32), Bytes> =
    TableDefinition::new("hub chains");
/// (genesis, account) → last block of the ban: accounts that have cost the payer money, as a hub.
const HUB_BANS: TableDefinition<(Hash32, Hash32), u64> = TableDefinition::new("hub bans");
/// Genesis hash of a chain → hash of its first block.
const ORIGINS: TableDefinition<Hash32, Hash32> = TableDefinition::new("origins");
/// (day, budget, entry) → base units.
const SPENDING: TableDefinition<(u32, Hash32, Hash32), u128> = TableDefinition::new("spending");

/// (genesis, account of a worker) → what is remembered of it.
const WORKERS: TableDefinition<(Hash32, Hash32), Bytes> = TableDefinition::new("workers");
/// (genesis, model) → its workers at one block.
const SNAPSHOTS: TableDefinition<(Hash32, Hash32), Bytes> = TableDefinition::new("snapshots");

const VERSION: u32 = 1;
/// Most sessions that a listing returns.
pub const MAX_LISTED: usize = 10_000;
/// Sessions that are looked through for whom lanes have paid: those of half an hour or more.
pub const MAX_REMEMBERED: usize = 64;
/// Most bytes of one record.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// Why the store refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "{} is in use by another mica: wait until that one ends; a gateway holds it for as long as \
         it runs, so stop it first, or use another --home",
        .0.display()
    )]
    InUse(PathBuf),
    /// Not a database of ours.
    #[error("{} cannot be opened ({reason}): if the file is damaged, restore it from a backup or move it away; what was promised is \
             learnt from the workers again, and only receipts are lost", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// Written by another version.
    #[error("{} has format {found}; this program reads format {VERSION}: update mica", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A read or write failed.
    #[error("the payer's database failed: {0}; if the disk is full, free some space and try again")]
    Database(#[from] Box<redb::Error>),
    /// A record does not decode.
    #[error(
        "a record of {table} in the payer's database is damaged ({source}): restore the file from \
         a backup"
    )]
    Record {
        /// Where it lies.
        table: &'static str,
        /// What the decoder says.
        source: codec::Error,
    },
    /// No name is left for a file.
    #[error("there are too many files with old records beside {}: move some of the files state-….redb away", .0.display())]
    TooManyArchives(PathBuf),
    /// Too long to be kept.
    #[error("a record of {0} bytes is longer than the {MAX_RECORD_BYTES} that are kept")]
    TooLong(usize),
}

fn db(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database(Box::new(error.into()))
}

/// One thing to remember.
#[derive(Clone, Debug)]
pub enum Change {
    /// A channel.
    Channel(ChannelId, ChannelRecord),
    /// Everything that was promised on a lane.
    Lane(Box<PayerLaneRecord>),
    /// A receipt of a lane.
    Receipt {
        /// The channel.
        channel: ChannelId,
        /// The lane.
        lane: LaneId,
        /// Its number on the lane, from 0.
        index: u64,
        /// The receipt.
        receipt: Box<Receipt>,
    },
    /// A lane that is not used any more.
    Retired(ChannelId, LaneId),
    /// What this payer was promised on a lane, as a hub.
    Incoming {
        /// The chain.
        genesis: Hash32,
        /// Everything that was promised.
        record: Box<PayeeLaneRecord>,
    },
    /// A channel to this payer that is gone.
    ForgetIncoming {
        /// The chain.
        genesis: Hash32,
        /// The channel.
        channel: ChannelId,
    },
    /// A tick chain over which this payer, as a hub, may still have to pay.
    HubChain {
        /// The chain on which its channel is.
        genesis: Hash32,
        /// Everything that is known of it.
        chain: Box<EarlierChain>,
    },
    /// A tick chain of which nobody can show more.
    ForgetHubChain {
        /// The chain on which its channel is.
        genesis: Hash32,
        /// The channel to this payer.
        channel: ChannelId,
        /// Its lane.
        lane: LaneId,
        /// The tick chain's anchor.
        anchor: Hash32,
    },
    /// An account that has cost this payer money, as a hub.
    HubBan {
        /// The chain.
        genesis: Hash32,
        /// The account.
        account: Hash32,
        /// The last block in which it is promised nothing.
        last: u64,
    },
    /// An account that is not remembered any more.
    ForgetHubBan {
        /// The chain.
        genesis: Hash32,
        /// The account.
        account: Hash32,
    },
    /// A session, new or changed.
    Session(Box<SessionRecord>),
    /// A session that no worker took: another one is tried in its place.
    RemoveSession {
        /// When it began, milliseconds since 1970.
        started_unix_ms: u64,
        /// Its name.
        session: Hash32,
    },
    /// What is remembered of a worker.
    Worker {
        /// The chain.
        genesis: Hash32,
        /// The worker's account.
        account: Hash32,
        /// Everything that is remembered.
        worker: Box<RememberedWorker>,
    },
    /// A worker that is forgotten.
    ForgetWorker {
        /// The chain.
        genesis: Hash32,
        /// The worker's account.
        account: Hash32,
    },
    /// What one request may cost, and in the end what it cost.
    Spending {
        /// Days since 1970, UTC.
        day: u32,
        /// Whose budget.
        budget: Hash32,
        /// The request.
        entry: Hash32,
        /// Base units.
        amount: Balance,
    },
}

/// The payer's database.
pub struct Store {
    path: PathBuf,
    database: Database,
    commits: GroupCommit<Arc<Vec<Row>>>,
}

impl Store {
    /// Opens the file, or makes it. Its folder must exist.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Damaged`], [`StoreError::Version`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.into()),
            other => StoreError::Damaged { path: path.into(), reason: other.to_string() },
        })?;
        #[cfg(unix)]
        {
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(path, private).map_err(|error| db(redb::Error::Io(error)))?;
        }
        let store = Self { path: path.into(), database, commits: GroupCommit::default() };
        let found = store.write(|transaction| {
            let mut meta = transaction.open_table(META).map_err(db)?;
            let found = meta.get("version").map_err(db)?.map(|value| value.value());
            if found.is_none() {
                meta.insert("version", VERSION).map_err(db)?;
            }
            transaction.open_table(CHANNELS).map_err(db)?;
            transaction.open_table(LANES).map_err(db)?;
            transaction.open_table(RECEIPTS).map_err(db)?;
            transaction.open_table(SESSIONS).map_err(db)?;
            transaction.open_table(RETIRED).map_err(db)?;
            transaction.open_table(INCOMING).map_err(db)?;
            transaction.open_table(HUB_CHAINS).map_err(db)?;
            transaction.open_table(HUB_BANS).map_err(db)?;
            transaction.open_table(ORIGINS).map_err(db)?;
            transaction.open_table(SPENDING).map_err(db)?;
            transaction.open_table(WORKERS).map_err(db)?;
            transaction.open_table(SNAPSHOTS).map_err(db)?;
            Ok(found)
        })?;
        match found {
            Some(found) if found != VERSION => {
                Err(StoreError::Version { path: path.into(), found })
            }
            _ => Ok(store),
        }
    }

    /// Runs `work` in one transaction that is on disk when this returns, or not at all.
    fn write<T>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.database.begin_write().map_err(db)?;
        let value = work(&transaction)?;
        transaction.commit().map_err(db)?;
        Ok(value)
    }

    /// Writes all of `changes`, or none.
    ///
    /// # Errors
    /// [`StoreError`] if they are not on disk; what depends on them may then not be sent.
    pub fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let rows = Arc::new(changes.iter().map(Row::new).collect::<Result<Vec<_>, _>>()?);
        match self.commits.take(rows.clone()) {
            Commit::Write(writing) => {
                self.write(|transaction| {
                    writing.batch.iter().try_for_each(|(_, rows)| write_rows(transaction, rows))
                })?;
                writing.done();
                Ok(())
            }
            Commit::Written => Ok(()),
            Commit::Failed => self.write(|transaction| write_rows(transaction, &rows)),
        }
    }

    /// What is known of a channel.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn channel(&self, id: ChannelId) -> Result<Option<ChannelRecord>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(CHANNELS).map_err(db)?;
        table.get(id.0).map_err(db)?.map(|bytes| decode("channels", bytes.value())).transpose()
    }

    /// Every channel of a chain that this payer ever paid from.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn channels(&self, genesis: Hash32) -> Result<Vec<(ChannelId, ChannelRecord)>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(CHANNELS).map_err(db)?;
        let all = table.iter().map_err(db)?.map(|entry| {
            let (id, bytes) = entry.map_err(db)?;
            Ok((ChannelId(id.value()), decode::<ChannelRecord>("channels", bytes.value())?))
        });
        let all = all.collect::<Result<Vec<_>, StoreError>>()?;
        Ok(all.into_iter().filter(|(_, record)| record.genesis == genesis).collect())
    }

    /// The lanes of a channel that were ever used.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn lanes(&self, channel: ChannelId) -> Result<Vec<PayerLaneRecord>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(LANES).map_err(db)?;
        let found = table.range((channel.0, LaneId::MIN)..=(channel.0, LaneId::MAX)).map_err(db)?;
        found.map(|entry| decode("lanes", entry.map_err(db)?.1.value())).collect()
    }

    /// Lanes of a channel that are not used any more.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn retired(&self, channel: ChannelId) -> Result<Vec<LaneId>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(RETIRED).map_err(db)?;
        let found = table.range((channel.0, LaneId::MIN)..=(channel.0, LaneId::MAX)).map_err(db)?;
        found.map(|entry| Ok(entry.map_err(db)?.0.value().1)).collect()
    }

    /// What this payer was promised on the lanes of channels to it, as a hub.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn incoming(&self, genesis: Hash32) -> Result<Vec<PayeeLaneRecord>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(INCOMING).map_err(db)?;
        let all = (genesis, [0; 32], LaneId::MIN)..=(genesis, [u8::MAX; 32], LaneId::MAX);
        let found = table.range(all).map_err(db)?;
        found.map(|entry| decode("incoming", entry.map_err(db)?.1.value())).collect()
    }

    /// Tick chains over which this payer, as a hub, may still have to pay.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn hub_chains(&self, genesis: Hash32) -> Result<Vec<EarlierChain>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(HUB_CHAINS).map_err(db)?;
        let (least, most) = ([0; 32], [u8::MAX; 32]);
        let all = (genesis, least, LaneId::MIN, least)..=(genesis, most, LaneId::MAX, most);
        let found = table.range(all).map_err(db)?;
        found.map(|entry| decode("hub chains", entry.map_err(db)?.1.value())).collect()
    }

    /// Accounts that have cost this payer money, as a hub, each with the last block of its ban.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn hub_bans(&self, genesis: Hash32) -> Result<Vec<(Hash32, u64)>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(HUB_BANS).map_err(db)?;
        let found = table.range((genesis, [0; 32])..=(genesis, [u8::MAX; 32])).map_err(db)?;
        let bans = found.map(|entry| {
            let (key, last) = entry.map_err(db)?;
            Ok((key.value().1, last.value()))
        });
        bans.collect()
    }

    /// Receipts of a lane from `first` on, at most `count`, in order.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn receipts(
        &self,
        channel: ChannelId,
        lane: LaneId,
        first: u64,
        count: u64,
    ) -> Result<Vec<Receipt>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(RECEIPTS).map_err(db)?;
        let range = (channel.0, lane, first)..(channel.0, lane, first.saturating_add(count));
        let found = table.range(range).map_err(db)?;
        found.map(|entry| decode("receipts", entry.map_err(db)?.1.value())).collect()
    }

    /// The newest sessions, newest first, at most [`MAX_LISTED`].
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(SESSIONS).map_err(db)?;
        let newest = table.iter().map_err(db)?.rev().take(MAX_LISTED);
        newest.map(|entry| decode("sessions", entry.map_err(db)?.1.value())).collect()
    }

    /// The worker that was paid last on each lane, as far as the newest [`MAX_REMEMBERED`] sessions
    /// say.
    ///
    /// # Errors
    /// [`StoreError`] if they cannot be read.
    pub fn last_paid(&self) -> Result<BTreeMap<(ChannelId, LaneId), Hash32>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(SESSIONS).map_err(db)?;
        let mut paid = BTreeMap::new();
        for entry in table.iter().map_err(db)?.rev().take(MAX_REMEMBERED) {
            let session: SessionRecord = decode("sessions", entry.map_err(db)?.1.value())?;
            for stage in session.stages {
                paid.entry((stage.channel, stage.lane)).or_insert(stage.worker);
            }
        }
        Ok(paid)
    }

    /// What each budget has spent or set aside on `day`.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn spent(&self, day: u32) -> Result<BTreeMap<Hash32, Balance>, StoreError> {
        let table = self.database.begin_read().map_err(db)?.open_table(SPENDING).map_err(db)?;
        let mut budgets: BTreeMap<Hash32, Balance> = BTreeMap::new();
        for row in table
            .range((day, [0; 32], [0; 32])..=(day, [u8::MAX; 32], [u8::MAX; 32]))
            .map_err(db)?
        {
            let (key, amount) = row.map_err(db)?;
            let sum = budgets.entry(key.value().1).or_default();
            *sum = sum.saturating_add(amount.value());
        }
        Ok(budgets)
    }

    /// Forgets what was spent before `day`.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written.
    pub fn forget_spending_before(&self, day: u32) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut table = transaction.open_table(SPENDING).map_err(db)?;
            table.retain_in(..(day, [0; 32], [0; 32]), |_, _| false).map_err(db)
        })
    }
}

/// A change as the tables take it, encoded and measured before it joins others.
enum Row {
    Channel(Hash32, Vec<u8>),
    Lane((Hash32, LaneId), Vec<u8>),
    Receipt((Hash32, LaneId, u64), Vec<u8>),
    Retired((Hash32, LaneId)),
    Incoming((Hash32, Hash32, LaneId), Vec<u8>),
    ForgetIncoming((Hash32, Hash32)),
    HubChain((Hash32, Hash32, LaneId, Hash32), Vec<u8>),
    ForgetHubChain((Hash32, Hash32, LaneId, Hash32)),
    HubBan((Hash32, Hash32), u64),
    ForgetHubBan((Hash32, Hash32)),
    Session((u64, Hash32), Vec<u8>),
    RemoveSession((u64, Hash32)),
    Worker((Hash32, Hash32), Vec<u8>),
    ForgetWorker((Hash32, Hash32)),
    Spending((u32, Hash32, Hash32), Balance),
}

impl Row {
    fn new(change: &Change) -> Result<Self, StoreError> {
        Ok(match change {
            Change::Channel(id, record) => Self::Channel(id.0, encode(record)?),
            Change::Lane(record) => Self::Lane((record.channel.0, record.lane), encode(record)?),
            Change::Receipt { channel, lane, index, receipt } => {
                Self::Receipt((channel.0, *lane, *index), encode(receipt)?)
            }
            Change::Retired(channel, lane) => Self::Retired((channel.0, *lane)),
            Change::Incoming { genesis, record } => {
                let key = (*genesis, record.facts.channel.0, record.lane);
                Self::Incoming(key, encode(record)?)
            }
            Change::ForgetIncoming { genesis, channel } => {
                Self::ForgetIncoming((*genesis, channel.0))
            }
            Change::HubChain { genesis, chain } => {
                let (channel, lane) = chain.place();
                let key = (*genesis, channel.0, lane, chain.anchor().unwrap_or_default());
                Self::HubChain(key, encode(chain)?)
            }
            Change::ForgetHubChain { genesis, channel, lane, anchor } => {
                Self::ForgetHubChain((*genesis, channel.0, *lane, *anchor))
            }
            Change::HubBan { genesis, account, last } => Self::HubBan((*genesis, *account), *last),
            Change::ForgetHubBan { genesis, account } => Self::ForgetHubBan((*genesis, *account)),
            Change::Session(record) => {
                Self::Session((record.started_unix_ms, record.session), encode(record)?)
            }
            Change::RemoveSession { started_unix_ms, session } => {
                Self::RemoveSession((*started_unix_ms, *session))
            }
            Change::Worker { genesis, account, worker } => {
                Self::Worker((*genesis, *account), worker.to_bytes())
            }
            Change::ForgetWorker { genesis, account } => Self::ForgetWorker((*genesis, *account)),
            Change::Spending { day, budget, entry, amount } => {
                Self::Spending((*day, *budget, *entry), *amount)
            }
        })
    }
}

fn write_rows(transaction: &WriteTransaction, rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        match row {
            Row::Channel(key, bytes) => {
                transaction
                    .open_table(CHANNELS)
                    .map_err(db)?
                    .insert(*key, bytes.as_slice())
                    .map_err(db)?;
            }
            Row::Lane(key, bytes) => {
                transaction
                    .open_table(LANES)
                    .map_err(db)?
                    .insert(*key, bytes.as_slice())
                    .map_err(db)?;
            }
            Row::Receipt(key, bytes) => {
                transaction
                    .open_table(RECEIPTS)
                    .map_err(db)?
                    .insert(*key, bytes.as_slice())
                    .map_err(db)?;
            }
            Row::Session(key, bytes) => {
                transaction
                    .open_table(SESSIONS)
                    .map_err(db)?
                    .insert(*key, bytes.as_slice())
                    .map_err(db)?;
            }
            Row::Retired(key) => {
                transaction.open_table(RETIRED).map_err(db)?.insert(*key, ()).map_err(db)?;
            }
            Row::Incoming(key, bytes) => {
                transaction
                    .open_table(INCOMING)
                    .map_err(db)?
                    .insert(*key, bytes.as_slice())
                    .map_err(db)?;
            }
            Row::ForgetIncoming((genesis, channel)) => {
                let all = (*genesis, *channel, LaneId::MIN)..=(*genesis, *channel, LaneId::MAX);
                transaction
                    .open_table(INCOMING)
                    .map_err(db)?
                    .retain_in(all, |_, _| false)
                    .map_err(db)?;
            }
            Row::HubChain(key, bytes) => {
                transaction
                    .open_table(HUB_CHAINS)
                    .map_err(db)?
                    .insert(*key, bytes.as_slice())
                    .map_err(db)?;
            }
            Row::ForgetHubChain(key) => {
                transaction.open_table(HUB_CHAINS).map_err(db)?.remove(*key).map_err(db)?;
            }
            Row::HubBan(key, last) => {
                transaction.open_table(HUB_BANS).map_err(db)?.insert(*key, last).map_err(db)?;
            }
            Row::ForgetHubBan(key) => {
                transaction.open_table(HUB_BANS).map_err(db)?.remove(*key).map_err(db)?;
            }
            Row::RemoveSession(key) => {
                transaction.open_table(SESSIONS).map_err(db)?.remove(*key).map_err(db)?;
            }
            Row::Worker(key, bytes) => {
                transaction
                    .open_table(WORKERS)
                    .map_err(db)?
                    .insert(*key, bytes.as_slice())
                    .map_err(db)?;
            }
            Row::ForgetWorker(key) => {
                transaction.open_table(WORKERS).map_err(db)?.remove(*key).map_err(db)?;
            }
            Row::Spending(key, amount) => {
                transaction.open_table(SPENDING).map_err(db)?.insert(*key, amount).map_err(db)?;
            }
        }
    }
    Ok(())
}

fn encode(record: impl Encode) -> Result<Vec<u8>, StoreError> {
    let bytes = record.encode();
    if bytes.len() > MAX_RECORD_BYTES { Err(StoreError::TooLong(bytes.len())) } else { Ok(bytes) }
}

fn decode<T: Decode>(table: &'static str, mut bytes: &[u8]) -> Result<T, StoreError> {
    T::decode_all(&mut bytes).map_err(|source| StoreError::Record { table, source })
}

#[cfg(test)]
mod tests;
