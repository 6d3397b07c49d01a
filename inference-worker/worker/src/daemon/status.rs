//! What a running worker says of itself, in a file that `mica-worker status` reads.

use std::{io::Write, path::Path, sync::Arc, time::Duration};

use eyre::{Result, WrapErr};
use mica_primitives::{Balance, BlockNumber, LayerRange, ModelId, WorkerAddresses};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    handle::{DeskHandle, Offers},
    request::Totals,
    standing::Standing,
};
use crate::report::{decimal, shown};

/// Pause between two writes.
const PAUSE: Duration = Duration::from_secs(2);

/// The worker as it sees itself.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Process id.
    pub pid: u32,
    /// Account, SS58.
    pub account: String,
    /// Peer key, hex.
    pub peer: String,
    /// Node that it speaks to.
    pub node_url: String,
    /// Model served.
    #[serde(serialize_with = "shown")]
    pub model: ModelId,
    /// Layers served.
    pub layers: LayerRange,
    /// Base units per layer-token.
    #[serde(serialize_with = "decimal")]
    pub price_per_layer_token: Balance,
    /// Measured µs per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Published addresses.
    pub addresses: Vec<String>,
    /// Newest finalized block.
    pub block: BlockNumber,
    /// Whether payers are served, as of the last comparison with the registry.
    pub standing: Standing,
    /// What the desk has seen.
    pub totals: Totals,
}

/// What changes while the worker runs.
pub struct Sources {
    /// The desk.
    pub desk: DeskHandle,
    /// What is offered.
    pub offers: Arc<Offers>,
    /// Newest finalized block.
    pub block: watch::Receiver<BlockNumber>,
    /// Whether payers are served.
    pub standing: watch::Receiver<Standing>,
    /// What is published.
    pub addresses: watch::Receiver<WorkerAddresses>,
}

/// Writes the status until the worker stops: `first`, and what has changed since.
pub async fn run(
    path: std::path::PathBuf,
    first: Status,
    sources: Sources,
    stop: CancellationToken,
) {
    loop {
        let Ok(totals) = sources.desk.totals().await else { return };
        let offer = sources.offers.current();
        let status = Status {
            totals,
            block: *sources.block.borrow(),
            layers: offer.range,
            price_per_layer_token: offer.price_per_layer_token,
            cost_us_per_layer_token: offer.cost_us_per_layer_token,
            addresses: texts(&sources.addresses.borrow()),
            standing: sources.standing.borrow().clone(),
            ..first.clone()
        };
        if let Err(error) = write(&path, &status) {
            tracing::warn!(%error, "the status file was not written");
        }
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

/// Addresses as text.
pub fn texts(addresses: &WorkerAddresses) -> Vec<String> {
    addresses.iter().map(|address| String::from_utf8_lossy(address).into_owned()).collect()
}

/// Removes the file.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)
            .wrap_err_with(|| format!("cannot remove {}: check its permissions", path.display())),
        _ => Ok(()),
    }
}

/// Replaces the file in one step, so that a reader never sees half of it.
pub fn write(path: &Path, status: &Status) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(status)?;
    let temporary = path.with_extension("json.new");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(temporary, path)
}
