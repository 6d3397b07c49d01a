//! `mica-worker restore`: a folder as a backup has it, unless what is there is newer.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use mica_chain::amount;
use mica_host::files::{FileError, create_private_folder, read_bounded};
use mica_primitives::{Balance, Redeem};
use mica_protocol::channel::PayeeLaneRecord;
use serde_json::json;

use super::{BackupError, CARD, Card, FORMAT, MAX_BYTES, copy_small, shown, sync};
use crate::{
    data_dir::DataDir,
    keys::{BACKED_UP, Keys},
    store::{LaneKey, Snapshot, copy_records, snapshot},
};

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// The folder that `backup` made.
    #[arg(value_name = "FOLDER")]
    from: PathBuf,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

#[cfg(test)]
impl Args {
    /// From this folder.
    pub(super) fn of(from: &Path) -> Self {
        Self { from: from.to_owned(), json: true }
    }
}

/// Restores keys and settings that are missing, and the records. What the folder had of records
/// lies under `aside/` then.
///
/// # Errors
/// [`BackupError`]. Nothing was changed if the backup is of another worker, is older than what is
/// there, or cannot be read; a restore that was cut off later is asked for again.
pub(crate) fn run(args: &Args, folder: &DataDir) -> Result<(), BackupError> {
    let card = read_card(&args.from)?;
    let backup = DataDir::at(args.from.clone());
    let records = snapshot(&backup)?;
    folder.create()?;
    // Another process's folder is not changed, and ours is not started meanwhile.
    let _lock = folder.lock()?;
    check_owner(&card, folder)?;
    check_age(&records, &snapshot(folder)?, folder)?;

    for name in BACKED_UP {
        restore_missing(&args.from.join(name), &folder.path().join(name))?;
    }
    restore_missing(&backup.config(), &folder.config())?;
    let aside = put_aside(folder)?;
    copy_records(&backup, folder)?;
    for file in [folder.store(), folder.old_journal(), folder.journal()] {
        sync(&file)?;
    }
    sync(folder.path())?;

    let mut out = io::stdout().lock();
    if args.json {
        let text = json!({ "folder": folder.path(), "aside": aside, "backup": shown(&card) });
        writeln!(out, "{text}")?;
        return Ok(());
    }
    writeln!(out, "restored  {}", folder.path().display())?;
    writeln!(out, "account   {}", card.account)?;
    writeln!(out, "records   {} lanes that promise {}", card.lanes, amount::format(card.promised))?;
    if let Some(aside) = aside {
        writeln!(out, "before    {}", aside.display())?;
    }
    writeln!(
        out,
        "\nStart it with `mica-worker run`, on one machine only: two workers with the same keys \
         take each other's place."
    )?;
    Ok(())
}

fn read_card(folder: &Path) -> Result<Card, BackupError> {
    let no_backup = |reason: String| BackupError::NoBackup { path: folder.to_owned(), reason };
    let bytes = match read_bounded(&folder.join(CARD), MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(FileError::Missing(_)) => return Err(no_backup(format!("it has no {CARD}"))),
        Err(error) => return Err(error.into()),
    };
    let card: Card =
        serde_json::from_slice(&bytes).map_err(|error| no_backup(error.to_string()))?;
    if card.format == FORMAT {
        return Ok(card);
    }
    Err(no_backup(format!("its format is {}: update this program", card.format)))
}

/// The folder must be the same worker's, or nobody's.
fn check_owner(card: &Card, folder: &DataDir) -> Result<(), BackupError> {
    let has_account = folder.path().join(BACKED_UP[0]).exists();
    if !has_account {
        return match card.has_keys {
            true => Ok(()),
            false => Err(BackupError::NoKeys(folder.path().to_owned())),
        };
    }
    let here = Keys::read_account_of(folder.path())?.account().to_string();
    if here == card.account {
        return Ok(());
    }
    let (backup, path) = (card.account.clone(), folder.path().to_owned());
    Err(BackupError::OtherWorker { backup, here, path })
}

/// What is there must not be further than the backup on any lane.
fn check_age(backup: &Snapshot, here: &Snapshot, folder: &DataDir) -> Result<(), BackupError> {
    let path = || folder.path().to_owned();
    if here.lanes.is_empty() {
        return Ok(());
    }
    if let (Some(backup), Some(here)) = (&backup.mark, &here.mark)
        && backup.origin().differs_from(&here.origin())
    {
        return Err(BackupError::OtherChain(path()));
    }
    let known: BTreeMap<LaneKey, Progress> =
        backup.lanes.iter().map(|record| (key(record), Progress::of(record))).collect();
    let newer: Vec<Balance> = here
        .lanes
        .iter()
        .filter_map(|record| {
            let (now, then) =
                (Progress::of(record), known.get(&key(record)).copied().unwrap_or_default());
            (now > then).then(|| now.promised.saturating_sub(then.promised))
        })
        .collect();
    if newer.is_empty() {
        return Ok(());
    }
    let more = newer.iter().fold(0, |sum: Balance, more| sum.saturating_add(*more));
    Err(BackupError::Newer { path: path(), lanes: newer.len(), more })
}

fn key(record: &PayeeLaneRecord) -> LaneKey {
    (record.facts.channel, record.lane)
}

/// How far a lane is: it only grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Progress {
    /// Base units.
    promised: Balance,
    receipts: u64,
}

impl Progress {
    fn of(record: &PayeeLaneRecord) -> Self {
        let promised = record.best.as_ref().and_then(Redeem::promised).unwrap_or(0);
        Self { promised, receipts: record.receipts.count() }
    }
}

/// A file that the folder has is newer, or the same.
fn restore_missing(from: &Path, to: &Path) -> Result<(), BackupError> {
    if to.exists() { Ok(()) } else { copy_small(from, to) }
}

/// Moves the records of the folder out of the way; nothing if it has none.
fn put_aside(folder: &DataDir) -> Result<Option<PathBuf>, BackupError> {
    let files = [folder.store(), folder.old_journal(), folder.journal()];
    if files.iter().all(|file| !file.exists()) {
        return Ok(None);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let place = folder.aside().join(format!("before-restore-{now}"));
    create_private_folder(&place)?;
    for file in &files {
        let to = place.join(file.file_name().unwrap_or_default());
        match fs::rename(file, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::io("move", file)(error));
            }
            _ => {}
        }
    }
    Ok(Some(place))
}
