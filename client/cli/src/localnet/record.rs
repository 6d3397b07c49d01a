//! The record of a local network: what runs, where, and who has money.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::LocalnetError;

/// Most bytes of a record that is read.
const MAX_BYTES: u64 = 1 << 20;

/// A network that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The validators.
    pub(crate) nodes: Vec<Node>,
    /// An account that payers can be funded from.
    pub(crate) faucet: Faucet,
    /// The workers.
    pub(crate) workers: Vec<Worker>,
    /// State and logs, absolute; the processes are known by it.
    pub(crate) folder: PathBuf,
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// `alice`, `bob`, `charlie` or `dave`.
    pub(crate) name: String,
    /// Address of its JSON-RPC, for wallets and explorers.
    pub(crate) ws: String,
    /// Process id.
    pub(crate) pid: u32,
}

/// An account with money of a network whose money is worth nothing: its phrase is public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Faucet {
    /// SS58.
    pub(crate) address: String,
    /// For `mica wallet import`.
    pub(crate) phrase: String,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Worker {
    /// SS58.
    pub(crate) account: String,
    /// Process id.
    pub(crate) pid: u32,
    /// Layers that it began with, first and end.
    pub(crate) layers: [u16; 2],
}

impl Record {
    /// The record in the file, or nothing if there is no file.
    ///
    /// # Errors
    /// [`LocalnetError::Record`] if it cannot be read or is no record.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, LocalnetError> {
        let wrong = |why: String| LocalnetError::Record { path: path.into(), why };
        let bytes = match std::fs::metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(wrong(format!("it has {} bytes", found.len())));
            }
            Ok(_) => std::fs::read(path).map_err(|error| wrong(error.to_string()))?,
            Err(error) => return Err(wrong(error.to_string())),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| wrong(error.to_string()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`LocalnetError::Record`] if the system refuses.
    pub(crate) fn write(&self, path: &Path) -> Result<(), LocalnetError> {
        let wrong = |why: String| LocalnetError::Record { path: path.into(), why };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| wrong(error.to_string()))?;
        }
        let mut text =
            serde_json::to_string_pretty(self).map_err(|error| wrong(error.to_string()))?;
        text.push('\n');
        mica_wallet::files::replace_public(path, text.as_bytes())
            .map_err(|error| wrong(error.to_string()))
    }

    /// Every process.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.workers.iter().map(|worker| worker.pid).chain(self.nodes.iter().map(|node| node.pid))
    }
}

/// Deletes a record.
///
/// # Errors
/// [`LocalnetError::Record`] if the system refuses.
pub(super) fn delete(path: &Path) -> Result<(), LocalnetError> {
    std::fs::remove_file(path)
        .map_err(|error| LocalnetError::Record { path: path.into(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deep/record.json");
        assert_eq!(Record::read(&path).expect("nothing there"), None);
        let record = Record {
            nodes: vec![Node { name: "alice".into(), ws: "ws://127.0.0.1:9944".into(), pid: 7 }],
            faucet: Faucet { address: "5A".into(), phrase: "words".into() },
            workers: vec![Worker { account: "5B".into(), pid: 8, layers: [0, 4] }],
            folder: "/somewhere".into(),
        };
        record.write(&path).expect("written");
        assert_eq!(Record::read(&path).expect("readable"), Some(record));
        std::fs::write(&path, "{}").expect("written");
        assert!(matches!(Record::read(&path), Err(LocalnetError::Record { .. })));
        delete(&path).expect("deleted");
        assert_eq!(Record::read(&path).expect("nothing there"), None);
    }
}
