//! `mica market`: models, the workers that serve them, prices, and which layers are covered.

use clap::Args;
use mica_primitives::Balance;
use serde::Serialize;

use super::Context;
use crate::{
    error::CommandError,
    market::{ModelPicture, gaps},
};

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
    let pictures = ModelPicture::read_all(&view, arguments.model.as_deref()).await?;
    let market = Market { block: view.number(), models: pictures.iter().map(describe).collect() };
    Ok(context.output.show(&market, |market| {
        let finality = if arguments.best { "newest" } else { "final" };
        let mut text = format!("block {} ({finality})\n\n", market.block);
        if pictures.is_empty() {
            text.push_str("no models are registered yet");
        }
        text.push_str(&pictures.iter().map(ModelPicture::to_text).collect::<Vec<_>>().join("\n"));
        text
    })?)
}

fn describe(picture: &ModelPicture) -> Model {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let manifest = &picture.record.manifest;
    let coverage = picture.coverage();
    let workers = picture.workers.iter().map(|worker| Worker {
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
        id: picture.id.to_string(),
        name: picture.name(),
        architecture: text(&manifest.architecture),
        quantisation: text(&manifest.quantisation),
        layers: manifest.layers,
        context: manifest.context,
        price_unit: picture.record.units.price_unit,
        cost_unit_us: picture.record.units.cost_unit_us,
        uncovered: gaps(&coverage).iter().map(|gap| [gap.first, gap.end]).collect(),
        coverage,
        workers: workers.collect(),
    }
}
