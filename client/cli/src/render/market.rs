//! Models, their workers and paths, for people.

use mica_chain::{AccountId, amount};
use mica_payer::market::{ChosenPath, ChosenStage, ModelSnapshot, gaps};
use mica_primitives::LayerRange;
use mica_protocol::StageNumber;

use crate::output::table;

/// Most columns of the picture of coverage.
const MAX_COLUMNS: usize = 64;

/// Title, table of workers and coverage, for people.
pub fn snapshot(snapshot: &ModelSnapshot) -> String {
    let manifest = &snapshot.record.manifest;
    let (architecture, quantisation) = (
        String::from_utf8_lossy(&manifest.architecture),
        String::from_utf8_lossy(&manifest.quantisation),
    );
    let mut text = format!(
        "{}  {architecture} {quantisation}, {} layers, hidden {}, context {}\n  {}\n\n",
        snapshot.name(),
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
    for (label, line) in coverage_lines(snapshot) {
        text.push_str(&format!("  {label:<13}  {line}\n"));
    }
    let gaps = gaps(&snapshot.coverage());
    if !gaps.is_empty() {
        text.push_str(&format!("  no worker serves layer {}\n", ranges(&gaps)));
    }
    text
}

/// The path for people: one line per stage and what a token costs.
pub fn path(path: &ChosenPath) -> String {
    let rows: Vec<Vec<String>> = path
        .stages
        .iter()
        .enumerate()
        .map(|(index, stage)| row(StageNumber(index), stage))
        .collect();
    let stages = table(
        &[
            "STAGE",
            "WORKER",
            "LAYERS",
            "PRICE (base/layer-token)",
            "PER TOKEN (base)",
            "COST (µs/layer-token)",
        ],
        &rows,
    );
    let milliseconds = path.time_us_per_token as f64 / 1000.0;
    format!(
        "{stages}{} base units per token, about {milliseconds:.1} ms per token\n",
        path.price_per_token
    )
}

fn row(number: StageNumber, stage: &ChosenStage) -> Vec<String> {
    vec![
        number.to_string(),
        short(&stage.worker.record.account),
        stage.range.to_string(),
        stage.price_per_layer_token.to_string(),
        stage.unit().to_string(),
        stage.cost_us_per_layer_token.to_string(),
    ]
}

/// The coverage: one line per worker, `█` where it serves, and a last line with the number of live
/// workers per layer (`9` for nine or more, `-` for none). A model with more than 64 layers is
/// drawn with several layers to a column.
fn coverage_lines(snapshot: &ModelSnapshot) -> Vec<(String, String)> {
    let layers = usize::from(snapshot.layers());
    let per_column = layers.div_ceil(MAX_COLUMNS).max(1);
    let columns = layers.div_ceil(per_column);
    let within = |column: usize| column * per_column..((column + 1) * per_column).min(layers);
    let mut lines = Vec::with_capacity(snapshot.workers.len() + 1);
    for worker in &snapshot.workers {
        let (full, none) = if worker.is_live() { ('█', '·') } else { ('░', '·') };
        let serves = |column: usize| {
            within(column).any(|layer| {
                u16::try_from(layer).is_ok_and(|layer| worker.record.range.contains(layer))
            })
        };
        lines.push((
            short(&worker.record.account),
            (0..columns).map(|column| if serves(column) { full } else { none }).collect(),
        ));
    }
    let coverage = snapshot.coverage();
    let least = |column: usize| {
        within(column).filter_map(|layer| coverage.get(layer)).min().copied().unwrap_or(0)
    };
    let digit = |count: u32| {
        if count == 0 { '-' } else { char::from_digit(count.min(9), 10).unwrap_or('9') }
    };
    lines.push(("live workers".into(), (0..columns).map(|column| digit(least(column))).collect()));
    lines
}

fn ranges(gaps: &[LayerRange]) -> String {
    let one = |range: &LayerRange| match range.len() {
        1 => range.first.to_string(),
        _ => format!("{}-{}", range.first, range.end - 1),
    };
    gaps.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Beginning and end of an address.
pub fn short(account: &AccountId) -> String {
    let text = account.to_string();
    // SS58 is ASCII.
    match (text.get(..6), text.get(text.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if text.len() > 12 => format!("{head}…{tail}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use mica_chain::AccountId;
    use mica_payer::market::WorkerSnapshot;
    use mica_primitives::{
        Balance, MarketUnits, ModelId, ModelManifest, ModelRecord, WorkerRecord, WorkerStatus,
    };

    use super::*;

    fn worker(account: u8, first: u16, end: u16) -> WorkerSnapshot {
        let record = WorkerRecord {
            account: AccountId::from([account; 32]),
            model: ModelId([0; 32]),
            range: LayerRange { first, end },
            cost_us_per_layer_token: 1,
            list_price_per_layer_token: 1,
            peer: [account; 32],
            addresses: Default::default(),
            stake: 1,
            status: WorkerStatus::Active,
            since: 1,
            last_heartbeat: 1,
            last_price_change: 1,
        };
        WorkerSnapshot { record, is_online: true }
    }

    fn model(layers: u16, workers: Vec<WorkerSnapshot>) -> ModelSnapshot {
        let manifest = ModelManifest {
            name: b"tiny".to_vec().try_into().expect("short"),
            architecture: b"llama".to_vec().try_into().expect("short"),
            quantisation: b"Q8_0".to_vec().try_into().expect("short"),
            layers,
            hidden: 64,
            vocabulary: 512,
            context: 256,
            weights_root: [1; 32],
            tokenizer_hash: [2; 32],
            profile: [3; 32],
        };
        let units = MarketUnits { price_unit: 1, cost_unit_us: 1 };
        let record = ModelRecord { owner: AccountId::from([0; 32]), manifest, units, deposit: 1 };
        ModelSnapshot { id: ModelId([9; 32]), record, workers }
    }

    fn stage(account: u8, first: u16, end: u16, price: Balance) -> ChosenStage {
        ChosenStage {
            worker: worker(account, first, end),
            range: LayerRange { first, end },
            price_per_layer_token: price,
            cost_us_per_layer_token: 30,
            credit_positions: 16,
            quote: None,
        }
    }

    #[test]
    fn the_path_is_printed_stage_by_stage() {
        let path = ChosenPath {
            stages: vec![stage(1, 0, 3, 1_000_000), stage(2, 3, 8, 900_000)],
            price_per_token: 7_500_000,
            time_us_per_token: 36_240,
        };
        let text = super::path(&path);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[1].starts_with("1 ")
                && lines[1].contains("[0, 3)")
                && lines[1].contains("3000000"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("2 ")
                && lines[2].contains("[3, 8)")
                && lines[2].contains("4500000"),
            "{text}"
        );
        assert_eq!(lines[3], "7500000 base units per token, about 36.2 ms per token");
    }

    #[test]
    fn the_coverage_shows_who_serves_what() {
        let mut offline = worker(3, 4, 8);
        offline.is_online = false;
        let snapshot = model(8, vec![worker(1, 0, 3), worker(2, 2, 4), offline]);
        let lines: Vec<String> =
            coverage_lines(&snapshot).into_iter().map(|(_, line)| line).collect();
        assert_eq!(lines, ["███·····", "··██····", "····░░░░", "1121----"]);
        assert!(
            super::snapshot(&snapshot).contains("no worker serves layer 4-7"),
            "{}",
            super::snapshot(&snapshot)
        );
    }

    #[test]
    fn wide_models_share_columns() {
        let snapshot = model(130, vec![worker(1, 0, 3), worker(2, 3, 130)]);
        for (_, line) in coverage_lines(&snapshot) {
            assert_eq!(line.chars().count(), 44);
        }
    }

    #[test]
    fn layers_are_named_as_people_write_them() {
        let range = |first, end| LayerRange { first, end };
        assert_eq!(ranges(&[range(1, 3), range(4, 5)]), "1-2, 4");
    }
}
