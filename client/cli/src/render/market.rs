//! The market: models, the workers that serve them, and which layers are covered.

mod coverage;

use std::collections::BTreeMap;

use mica_chain::{AccountId, amount};
use mica_host::json::{Layers, Money};
use mica_payer::market::{Memory, ModelSnapshot, gaps};
use mica_payer::store::RememberedWorker;
use mica_text::{MAX_SHOWN_BYTES, shown};
use serde::Serialize;

use super::{remembered::Remembered, table::table};

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
    /// What a token really took, as far as this payer has seen.
    measured_us_per_layer_token: Option<u32>,
    stake: Money,
    state: &'static str,
    peer: String,
    addresses: Vec<String>,
}

impl Market {
    /// These models, read at `block`.
    pub(crate) fn new(block: u32, snapshots: &[ModelSnapshot], memory: &Memory) -> Self {
        let known = Known::new(memory);
        let models = snapshots.iter().map(|snapshot| Model::new(snapshot, &known)).collect();
        Self { block, models }
    }

    /// For people. `finality` says what kind of block it is.
    pub(crate) fn to_text(
        &self,
        snapshots: &[ModelSnapshot],
        memory: &Memory,
        finality: &str,
    ) -> String {
        let known = Known::new(memory);
        let mut text = format!("block {} ({finality})\n\n", self.block);
        if snapshots.is_empty() {
            text.push_str("no models are registered yet");
        }
        text.push_str(
            &snapshots.iter().map(|model| snapshot(model, &known)).collect::<Vec<_>>().join("\n"),
        );
        text
    }
}

impl Model {
    fn new(snapshot: &ModelSnapshot, known: &Known) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let manifest = &snapshot.record.manifest;
        let coverage = snapshot.coverage();
        let workers = snapshot.workers.iter().map(|worker| Worker {
            account: worker.record.account.to_string(),
            layers: Layers(worker.record.range),
            list_price_per_layer_token: Money(worker.record.list_price_per_layer_token),
            cost_us_per_layer_token: worker.record.cost_us_per_layer_token,
            measured_us_per_layer_token: known
                .of(&worker.record.account)
                .filter(|known| known.experience.sessions > 0)
                .map(|known| known.experience.cost_us),
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

/// What is remembered, by account.
struct Known(BTreeMap<AccountId, RememberedWorker>);

impl Known {
    fn new(memory: &Memory) -> Self {
        Self(memory.list().into_iter().collect())
    }

    fn of(&self, account: &AccountId) -> Option<&RememberedWorker> {
        self.0.get(account)
    }
}

/// Title, table of workers and coverage, for people.
fn snapshot(snapshot: &ModelSnapshot, known: &Known) -> String {
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
        let known = known.of(&record.account);
        let known = known.map(|known| Remembered::new(record.account.to_string(), known));
        let standing = known.as_ref().and_then(Remembered::standing);
        vec![
            record.account.to_string(),
            record.range.to_string(),
            record.list_price_per_layer_token.to_string(),
            record.cost_us_per_layer_token.to_string(),
            known.map_or_else(|| "-".into(), |known| known.measured()),
            amount::format(record.stake),
            standing.map_or_else(
                || worker.state().to_owned(),
                |standing| format!("{}, {standing}", worker.state()),
            ),
        ]
    });
    let header = [
        "WORKER",
        "LAYERS",
        "LIST PRICE (base/layer-token)",
        "COST (µs/layer-token)",
        "MEASURED",
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
