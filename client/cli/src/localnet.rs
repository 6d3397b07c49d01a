//! A network on this machine that stays: the four validators of the preset `local` as processes,
//! workers of the built-in model, and an account with money.
//!
//! What runs is written to a record, by which it is found again and stopped. All of it listens on
//! loopback. Its state lies in a folder and is thrown away when a new network is made there.

mod record;
mod start;

pub(crate) use record::{Faucet, Node, Record, Worker};
pub(crate) use start::{MAX_WORKERS, Plan};

use std::path::PathBuf;

use mica_chain::{ReadError, SignerError, SubmitError};
use mica_payer::interrupt::Interrupt;
use mica_payer::market::MarketError;
use mica_payer::model::ModelError;
use mica_wallet::PhraseError;

use crate::local::{LocalError, ProcessError, is_running, stop_detached};
use crate::progress::Progress;

/// Why a local network cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each wrapped error documents itself")]
pub enum LocalnetError {
    /// One of this record runs.
    #[error(
        "a local network runs already ({} processes, first node at {url}): stop it with `mica \
         localnet down`, or name another --record and --folder",
        .processes
    )]
    Runs {
        /// How many of its processes run.
        processes: usize,
        /// Its first node.
        url: String,
    },
    /// The record cannot be read.
    #[error(
        "{} is no record of a local network ({why}): name the right one with --record, or delete it",
        .path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Something did not happen in time.
    #[error("{what} took more than {seconds} s; the end of the log {log}:\n{tail}")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// A log that may say why.
        log: String,
        /// Its end.
        tail: String,
    },
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Account(#[from] SignerError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Market(#[from] MarketError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Phrase(#[from] PhraseError),
    /// Ctrl-C.
    #[error("interrupted; what was started is stopped")]
    Interrupted,
}

impl From<ProcessError> for LocalnetError {
    fn from(error: ProcessError) -> Self {
        Self::Local(error.into())
    }
}

/// Where a network lies.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// State and logs.
    pub(crate) folder: PathBuf,
    /// The record of what runs.
    pub(crate) record: PathBuf,
}

/// Starts a network and writes its record; stops what it has started if that fails.
///
/// # Errors
/// [`LocalnetError`].
pub(crate) async fn up(
    place: &Place,
    plan: &Plan,
    progress: Progress,
) -> Result<Record, LocalnetError> {
    if let Some(record) = Record::read(&place.record)? {
        let processes = running(&record);
        if processes > 0 {
            let url = record.nodes.first().map(|node| node.ws.clone()).unwrap_or_default();
            return Err(LocalnetError::Runs { processes, url });
        }
    }
    let (interrupt, _listening) = Interrupt::listen();
    let mut network = start::Starting::create(&place.folder)?;
    let outcome = tokio::select! {
        outcome = network.run(plan, progress) => outcome,
        () = interrupt.finish.cancelled() => Err(LocalnetError::Interrupted),
    };
    let written = outcome.and_then(|record| record.write(&place.record).map(|()| record));
    if written.is_err() {
        stop_detached(&network.pids(), &network.mark()).await;
    }
    written
}

/// Stops the network of a record, and deletes the record. Returns how many processes ran.
///
/// # Errors
/// [`LocalnetError::Record`] if it cannot be read or deleted.
pub(crate) async fn down(place: &Place) -> Result<usize, LocalnetError> {
    let Some(record) = Record::read(&place.record)? else { return Ok(0) };
    // Workers first: what they owe the chain needs nodes.
    let mark = record.folder.display().to_string();
    let workers: Vec<u32> = record.workers.iter().map(|worker| worker.pid).collect();
    let nodes: Vec<u32> = record.nodes.iter().map(|node| node.pid).collect();
    let stopped = stop_detached(&workers, &mark).await + stop_detached(&nodes, &mark).await;
    record::delete(&place.record)?;
    Ok(stopped)
}

/// How many processes of a record run.
pub(crate) fn running(record: &Record) -> usize {
    let mark = record.folder.display().to_string();
    record.pids().filter(|pid| is_running(*pid, &mark)).count()
}
