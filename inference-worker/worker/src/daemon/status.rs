//! What a running worker says of itself, in a file that `mica-worker status` reads.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use mica_host::json;
use mica_net::{Reachability, address_texts};
use mica_primitives::{Balance, BlockNumber, LayerRange, ModelId, WorkerAddresses};
use serde::Serialize;
use tokio::sync::watch;

use super::{
    context::WorkerContext, pauses::Paused, ready::Registered, request::Totals, standing::Standing,
    tally::LastHour,
};
use crate::machine::Machine;

/// Pause between two writes.
const PAUSE: Duration = Duration::from_secs(2);

/// The worker as it sees itself.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    /// Process id.
    pub pid: u32,
    /// Account, SS58.
    pub account: String,
    /// Peer key, hex.
    pub peer: String,
    /// Node that it speaks to.
    pub node_url: String,
    /// Model served.
    #[serde(serialize_with = "json::text")]
    pub model: ModelId,
    /// Layers served.
    #[serde(serialize_with = "json::layers::serialize")]
    pub layers: LayerRange,
    /// Base units per layer-token.
    #[serde(serialize_with = "json::money::serialize")]
    pub price_per_layer_token: Balance,
    /// Base units for 1,000 positions held for one second.
    #[serde(serialize_with = "json::money::serialize")]
    pub holding_price: Balance,
    /// Measured µs per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Published addresses.
    pub addresses: Vec<String>,
    /// Whether others can come in, and at which addresses.
    pub reachability: Reachability,
    /// Newest finalized block.
    pub block: BlockNumber,
    /// Why no new sessions are taken for now, if that is the operator's wish.
    pub paused: Option<Paused>,
    /// What the last hour was like.
    pub last_hour: LastHour,
    /// The same counts since the start.
    pub since_start: LastHour,
    /// What is known of the machine.
    pub machine: Machine,
    /// Whether payers are served, as of the last comparison with the registry.
    pub standing: Standing,
    /// What the session actor has seen.
    pub totals: Totals,
}

impl Status {
    /// The status of a worker that has just registered.
    pub(super) fn first(registered: &Registered, context: &WorkerContext) -> Self {
        let record = &registered.record;
        Self {
            pid: std::process::id(),
            account: record.account.to_string(),
            peer: hex::encode(record.peer),
            node_url: context.config.node_url.clone(),
            model: context.source.id,
            layers: record.range,
            price_per_layer_token: record.list_price_per_layer_token,
            holding_price: context.offers.current().holding_price(),
            cost_us_per_layer_token: record.cost_us_per_layer_token,
            addresses: address_texts(&registered.addresses),
            reachability: Reachability::default(),
            block: 0,
            paused: context.offers.paused(),
            last_hour: context.tally.last_hour(),
            since_start: context.tally.since_start(),
            machine: Machine::now(),
            standing: context.standings.current(),
            totals: Totals::default(),
        }
    }
}

/// The task that writes the status.
pub(crate) struct StatusWriter {
    /// Shared with the other tasks.
    pub context: WorkerContext,
    /// What is published.
    pub addresses: watch::Receiver<WorkerAddresses>,
    /// Whether others can come in.
    pub reach: watch::Receiver<Reachability>,
    /// The file.
    pub path: PathBuf,
    /// Where whoever reads the metrics finds it.
    pub told: Arc<watch::Sender<Option<Status>>>,
}

impl StatusWriter {
    /// Writes `first` and then what has changed since, until the worker stops.
    pub(crate) async fn run(self, first: Status) {
        let mut looked = Instant::now();
        loop {
            let Ok(totals) = self.context.sessions.totals().await else { return };
            self.count(std::mem::replace(&mut looked, Instant::now()).elapsed());
            let offer = self.context.offers.current();
            let status = Status {
                totals,
                block: *self.context.block.borrow(),
                layers: offer.range,
                price_per_layer_token: offer.price_per_layer_token,
                holding_price: offer.holding_price(),
                cost_us_per_layer_token: offer.cost_us_per_layer_token,
                addresses: address_texts(&self.addresses.borrow()),
                reachability: self.reach.borrow().clone(),
                paused: self.context.offers.paused(),
                last_hour: self.context.tally.last_hour(),
                since_start: self.context.tally.since_start(),
                machine: Machine::now(),
                standing: self.context.standings.current(),
                ..first.clone()
            };
            if let Err(error) = write(&self.path, &status) {
                tracing::warn!(%error, "the status file was not written");
            }
            self.told.send_replace(Some(status));
            let pause = tokio::time::sleep(PAUSE);
            if self.context.stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }
}

impl StatusWriter {
    /// Takes note of how payers were served for so long.
    fn count(&self, time: Duration) {
        let standing = self.context.standings.current();
        let paused = || self.context.offers.paused().map(|paused| paused.code);
        let code = standing.code.filter(|_| !standing.serving).or_else(paused);
        self.context.tally.was(code, time);
    }
}

/// Removes the file.
///
/// # Errors
/// If it is there and cannot be removed.
pub(crate) fn remove(path: &Path) -> Result<(), StatusFileError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StatusFileError { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// The status of an earlier run is still there.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove {}: check its permissions", path.display())]
pub struct StatusFileError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Replaces the file in one step, so that a reader never sees half of it.
pub(crate) fn write(path: &Path, status: &Status) -> io::Result<()> {
    let text = serde_json::to_string_pretty(status)?;
    let temporary = path.with_extension("json.new");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(temporary, path)
}
