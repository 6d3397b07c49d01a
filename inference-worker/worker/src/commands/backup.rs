//! `mica-worker backup`: a copy of everything that is worth money, as it was at one moment, also of
//! a worker that runs.

pub(crate) mod restore;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use mica_chain::amount;
use mica_host::{
    files::{FileError, create_private_folder, read_bounded, write_new_private},
    json::{self, Money},
};
use mica_primitives::{Balance, Redeem};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    data_dir::{DataDir, FolderError},
    keys::{BACKED_UP, KeyError, Keys},
    store::{Snapshot, StoreError, copy_records, snapshot},
};

/// The file that says what a backup is of.
const CARD: &str = "backup.json";
/// Format of that file and of the folder.
const FORMAT: u32 = 1;
/// Most bytes of a key, of the settings and of the card.
const MAX_BYTES: u64 = 1 << 20;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// A folder that is not there yet.
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    /// Leave the keys out: for a watcher on another machine.
    #[arg(long)]
    without_keys: bool,
    /// One JSON object instead of sentences.
    #[arg(long)]
    json: bool,
}

/// Why there is no backup, or nothing restored from one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder is in use, or cannot be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key is missing or damaged.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The records cannot be read or copied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system refuses something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// There is something already.
    #[error("{} is there already: name a folder that is not", .0.display())]
    Exists(PathBuf),
    /// The folder is no backup.
    #[error(
        "{} is no backup that `mica-worker backup` has made ({reason}): name the folder that it \
         made", path.display()
    )]
    NoBackup {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder's worker is another one.
    #[error(
        "the backup is of account {backup}, and {} is the folder of account {here}: name another \
         --data-dir", path.display()
    )]
    OtherWorker {
        /// Account of the backup.
        backup: String,
        /// Account of the folder.
        here: String,
        /// The folder.
        path: PathBuf,
    },
    /// Without keys there is no worker.
    #[error(
        "the backup has no keys, and {} has none either: it is good for `mica-worker watch` only", .0.display()
    )]
    NoKeys(PathBuf),
    /// What is there is worth more.
    #[error(
        "{} has newer records than the backup: on {lanes} lanes payers have promised more since \
         (at least {}), and that would be lost. Nothing was changed. To take the backup all the \
         same, move store.redb and the journals away first", path.display(), amount::format(*.more)
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Lanes that are further here.
        lanes: usize,
        /// Base units that the backup does not know of.
        more: Balance,
    },
    /// The records are of different chains.
    #[error(
        "{} has records of another chain than the backup: name another --data-dir", .0.display()
    )]
    OtherChain(PathBuf),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl BackupError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// What a backup is of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Card {
    format: u32,
    /// Account that holds the stake, SS58.
    account: String,
    made_unix_ms: u64,
    /// Of the program that made it.
    version: String,
    lanes: usize,
    /// Base units.
    #[serde(with = "json::money")]
    promised: Balance,
    has_keys: bool,
}

/// Makes a backup.
///
/// # Errors
/// [`BackupError`]; there is no folder of that name then.
pub(crate) fn run(args: &Args, folder: &DataDir) -> Result<(), BackupError> {
    let account = Keys::read_account_of(folder.path())?.account().to_string();
    if args.to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(args.to.clone()));
    }
    let name = args.to.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| BackupError::Exists(args.to.clone()))?;
    // Beside its place, so that nobody takes half of it for a backup.
    let part = args.to.with_file_name(format!(".{name}.part-{}", std::process::id()));
    create_private_folder(&part)?;
    let made = make(folder, &part, account, args.without_keys)
        .and_then(|card| publish(&part, &args.to).map(|()| card));
    let card = match made {
        Ok(card) => card,
        Err(error) => {
            // What is left is of no use to anybody.
            let _ = fs::remove_dir_all(&part);
            return Err(error);
        }
    };
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", json!({ "folder": args.to, "backup": card }))?;
        return Ok(());
    }
    writeln!(out, "backup    {}", args.to.display())?;
    writeln!(out, "account   {}", card.account)?;
    writeln!(out, "records   {} lanes that promise {}", card.lanes, amount::format(card.promised))?;
    match card.has_keys {
        true => writeln!(out, "keys      in it, and not encrypted: keep it as you keep money")?,
        false => writeln!(out, "keys      not in it")?,
    }
    Ok(())
}

fn make(
    folder: &DataDir,
    to: &Path,
    account: String,
    without_keys: bool,
) -> Result<Card, BackupError> {
    let place = DataDir::at(to.to_owned());
    copy_records(folder, &place)?;
    for file in [place.store(), place.old_journal(), place.journal()] {
        sync(&file)?;
    }
    if !without_keys {
        for name in BACKED_UP {
            copy_small(&folder.path().join(name), &to.join(name))?;
        }
    }
    copy_small(&folder.config(), &place.config())?;
    // Read from the copy: it says that the copy can be read.
    let found = snapshot(&place)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let card = Card {
        format: FORMAT,
        account,
        made_unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lanes: found.lanes.len(),
        promised: promised(&found),
        has_keys: !without_keys,
    };
    let text = serde_json::to_vec_pretty(&card).map_err(io::Error::other)?;
    write_new_private(&to.join(CARD), &text)?;
    Ok(card)
}

/// Base units that the records promise, redeemed or not.
fn promised(found: &Snapshot) -> Balance {
    let promises = found.lanes.iter().filter_map(|record| record.best.as_ref());
    promises.filter_map(Redeem::promised).fold(0, Balance::saturating_add)
}

/// Gives the folder its name, durably.
fn publish(part: &Path, to: &Path) -> Result<(), BackupError> {
    sync(part)?;
    fs::rename(part, to).map_err(BackupError::io("name", to))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync(parent.unwrap_or(Path::new(".")))
}

/// Waits until a file or folder is on the disk, if there is one.
fn sync(path: &Path) -> Result<(), BackupError> {
    match fs::File::open(path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::io("flush", path)(error))
        }
        _ => Ok(()),
    }
}

/// Copies a small file that the other place does not have, if there is one.
fn copy_small(from: &Path, to: &Path) -> Result<(), BackupError> {
    match read_bounded(from, MAX_BYTES) {
        Ok(bytes) => Ok(write_new_private(to, &bytes)?),
        Err(FileError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// How a backup is told to programs.
fn shown(card: &Card) -> serde_json::Value {
    json!({
        "account": card.account,
        "made_unix_ms": card.made_unix_ms,
        "lanes": card.lanes,
        "promised": Money(card.promised),
    })
}

#[cfg(test)]
mod tests;
