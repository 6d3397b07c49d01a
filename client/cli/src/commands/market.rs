//! `mica market`: models, the workers that serve them, prices, and which layers are covered.

use clap::Args;
use mica_primitives::Balance;
use serde::Serialize;

use super::Context;
use crate::error::CommandError;
use crate::render::market;
use mica_payer::market::{ModelSnapshot, gaps};

/// Options of `mica market`.
#[derive(Debug, Args)]
pub struct MarketArgs {
    /// Name, id or beginning of the id of one model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Read the newest block instead of the last finalized one
    #[arg(long)]
    best: bool,
}

#[derive(Serialize)]
struct Market {
    block: u32,
    models: Vec<Model>,
}

#[derive(Serialize)]
struct Model {
    id: String,
    name: String,
    architecture: String,
    quantisation: String,
    layers: u16,
    context: u32,
    price_unit: Balance,
    cost_unit_us: u32,
    coverage: Vec<u32>,
    uncovered: Vec<[u16; 2]>,
    workers: Vec<Worker>,
}

#[derive(Serialize)]
struct Worker {
    account: String,
    layers: [u16; 2],
    list_price_per_layer_token: Balance,
    cost_us_per_layer_token: u32,
    stake: Balance,
    state: &'static str,
    peer: String,
    addresses: Vec<String>,
}

/// Runs `mica market`.
///
/// # Errors
/// [`CommandError`] if the chain cannot be read or has no such model.
pub async fn run(context: &Context, arguments: &MarketArgs) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let view = if arguments.best { chain.at_best().await? } else { chain.at_finalized().await? };
    let snapshots = ModelSnapshot::read_all(&view, arguments.model.as_deref()).await?;
    let market = Market { block: view.number(), models: snapshots.iter().map(describe).collect() };
    Ok(context.output.show(&market, |shown| {
        let finality = if arguments.best { "newest" } else { "final" };
        let mut text = format!("block {} ({finality})\n\n", shown.block);
        if snapshots.is_empty() {
            text.push_str("no models are registered yet");
        }
        text.push_str(&snapshots.iter().map(market::snapshot).collect::<Vec<_>>().join("\n"));
        text
    })?)
}

fn describe(snapshot: &ModelSnapshot) -> Model {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let manifest = &snapshot.record.manifest;
    let coverage = snapshot.coverage();
    let workers = snapshot.workers.iter().map(|worker| Worker {
        account: worker.record.account.to_string(),
        layers: [worker.record.range.first, worker.record.range.end],
        list_price_per_layer_token: worker.record.list_price_per_layer_token,
        cost_us_per_layer_token: worker.record.cost_us_per_layer_token,
        stake: worker.record.stake,
        state: worker.state(),
        peer: hex::encode(worker.record.peer),
        addresses: worker.record.addresses.iter().map(|address| text(address)).collect(),
    });
    Model {
        id: snapshot.id.to_string(),
        name: snapshot.name(),
        architecture: text(&manifest.architecture),
        quantisation: text(&manifest.quantisation),
        layers: manifest.layers,
        context: manifest.context,
        price_unit: snapshot.record.units.price_unit,
        cost_unit_us: snapshot.record.units.cost_unit_us,
        uncovered: gaps(&coverage).iter().map(|gap| [gap.first, gap.end]).collect(),
        coverage,
        workers: workers.collect(),
    }
}
