//! The market: models, the workers that serve them, and which layers are covered.

mod coverage;

use mica_chain::amount;
use mica_host::json::{Layers, Money};
use mica_payer::market::{ModelSnapshot, gaps};
use mica_text::{MAX_SHOWN_BYTES, shown};
use serde::Serialize;

use super::table::table;

/// The market as of one block.
#[derive(Serialize)]
pub(crate) struct Market {
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
    price_unit: Money,
    cost_unit_us: u32,
    coverage: Vec<u32>,
    uncovered: Vec<Layers>,
    workers: Vec<Worker>,
}

#[derive(Serialize)]
struct Worker {
    account: String,
    layers: Layers,
    list_price_per_layer_token: Money,
    cost_us_per_layer_token: u32,
    stake: Money,
    state: &'static str,
    peer: String,
    addresses: Vec<String>,
}

impl Market {
    /// These models, read at `block`.
    pub(crate) fn new(block: u32, snapshots: &[ModelSnapshot]) -> Self {
        Self { block, models: snapshots.iter().map(Model::new).collect() }
    }

    /// For people. `finality` says what kind of block it is.
    pub(crate) fn to_text(&self, snapshots: &[ModelSnapshot], finality: &str) -> String {
        let mut text = format!("block {} ({finality})\n\n", self.block);
        if snapshots.is_empty() {
            text.push_str("no models are registered yet");
        }
        text.push_str(&snapshots.iter().map(snapshot).collect::<Vec<_>>().join("\n"));
        text
    }
}

impl Model {
    fn new(snapshot: &ModelSnapshot) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let manifest = &snapshot.record.manifest;
        let coverage = snapshot.coverage();
        let workers = snapshot.workers.iter().map(|worker| Worker {
            account: worker.record.account.to_string(),
            layers: Layers(worker.record.range),
            list_price_per_layer_token: Money(worker.record.list_price_per_layer_token),
            cost_us_per_layer_token: worker.record.cost_us_per_layer_token,
            stake: Money(worker.record.stake),
            state: worker.state(),
            peer: hex::encode(worker.record.peer),
            addresses: worker.record.addresses.iter().map(|address| text(address)).collect(),
        });
        Self {
            id: snapshot.id.to_string(),
            name: snapshot.name(),
            architecture: text(&manifest.architecture),
            quantisation: text(&manifest.quantisation),
            layers: manifest.layers,
            context: manifest.context,
            price_unit: Money(snapshot.record.units.price_unit),
            cost_unit_us: snapshot.record.units.cost_unit_us,
            uncovered: gaps(&coverage).into_iter().map(Layers).collect(),
            coverage,
            workers: workers.collect(),
        }
    }
}

/// Title, table of workers and coverage, for people.
fn snapshot(snapshot: &ModelSnapshot) -> String {
    let manifest = &snapshot.record.manifest;
    let (architecture, quantisation) = (
        String::from_utf8_lossy(&manifest.architecture),
        String::from_utf8_lossy(&manifest.quantisation),
    );
    let mut text = format!(
        "{}  {} {}, {} layers, hidden {}, context {}\n  {}\n\n",
        shown(&snapshot.name(), MAX_SHOWN_BYTES),
        shown(&architecture, MAX_SHOWN_BYTES),
        shown(&quantisation, MAX_SHOWN_BYTES),
        manifest.layers,
        manifest.hidden,
        manifest.context,
        snapshot.id
    );
    let rows = snapshot.workers.iter().map(|worker| {
        let record = &worker.record;
        vec![
            record.account.to_string(),
            record.range.to_string(),
            record.list_price_per_layer_token.to_string(),
            record.cost_us_per_layer_token.to_string(),
            amount::format(record.stake),
            worker.state().to_owned(),
        ]
    });
    let header = [
        "WORKER",
        "LAYERS",
        "LIST PRICE (base/layer-token)",
        "COST (µs/layer-token)",
        "STAKE",
        "STATE",
    ];
    text.push_str(&table(&header, &rows.collect::<Vec<_>>()));
    text.push('\n');
    for (label, line) in coverage::lines(snapshot) {
        text.push_str(&format!("  {label:<13}  {line}\n"));
    }
    let gaps = gaps(&snapshot.coverage());
    if !gaps.is_empty() {
        text.push_str(&format!("  no worker serves layer {}\n", coverage::ranges(&gaps)));
    }
    text
}
