//! The path of a prompt through the workers.

use mica_chain::AccountId;
use mica_payer::market::{ChosenPath, ChosenStage};
use mica_protocol::StageNumber;

use super::table::table;

/// The path for people: one line per stage and what a token costs.
pub(crate) fn path(path: &ChosenPath) -> String {
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
            "DECLARED",
            "MEASURED",
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
        stage.declared_us_per_layer_token.to_string(),
        match stage.experience.sessions {
            0 => "-".into(),
            sessions => format!("{} ({sessions}×)", stage.experience.cost_us),
        },
    ]
}

/// Beginning and end of an address.
pub(crate) fn short(account: &AccountId) -> String {
    let text = account.to_string();
    // SS58 is ASCII.
    match (text.get(..6), text.get(text.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if text.len() > 12 => format!("{head}…{tail}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use mica_market::routing::Experience;
    use mica_primitives::{Balance, LayerRange};

    use super::*;
    use crate::render::fixtures::worker;

    fn stage(account: u8, first: u16, end: u16, price: Balance) -> ChosenStage {
        ChosenStage {
            worker: worker(account, first, end),
            range: LayerRange { first, end },
            price_per_layer_token: price,
            cost_us_per_layer_token: 30,
            holding_price: 0,
            declared_us_per_layer_token: 25,
            experience: Experience { cost_us: 40, sessions: 2, failure_permille: 0 },
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
                && lines[1].contains("3000000")
                && lines[1].ends_with("40 (2×)"),
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
}
