//! The JSON forms of what an answer took: money is a decimal string of base units, a layer range
//! `[first, end]`, half-open.

use mica_primitives::Balance;
use serde::Serialize;

use crate::core::Report;

/// What our answers have besides those of both APIs.
#[derive(Serialize)]
pub(super) struct Account<'a> {
    pub(super) cost: Cost,
    pub(super) path: Vec<Stage<'a>>,
    pub(super) receipts: Receipts<'a>,
}

/// What an answer cost.
#[derive(Serialize)]
pub(super) struct Cost {
    #[serde(with = "mica_host::json::money")]
    paid: Balance,
    #[serde(with = "mica_host::json::money")]
    fees: Balance,
}

/// One worker's part.
#[derive(Serialize)]
pub(super) struct Stage<'a> {
    worker: &'a str,
    layers: [u16; 2],
    #[serde(with = "mica_host::json::money")]
    price_per_layer_token: Balance,
    positions: u32,
    #[serde(with = "mica_host::json::money")]
    paid: Balance,
}

/// What proves an answer.
#[derive(Serialize)]
pub(super) struct Receipts<'a> {
    session: &'a str,
    verified: u64,
    settled: bool,
}

impl<'a> Account<'a> {
    /// Of a finished answer.
    pub(super) fn of(report: &'a Report) -> Self {
        let stages = report.path.iter().map(|stage| Stage {
            worker: &stage.worker,
            layers: [stage.layers.first, stage.layers.end],
            price_per_layer_token: stage.price_per_layer_token,
            positions: stage.positions,
            paid: stage.paid,
        });
        Self {
            cost: Cost { paid: report.cost.paid, fees: report.cost.fees },
            path: stages.collect(),
            receipts: Receipts {
                session: &report.receipts.session,
                verified: report.receipts.verified,
                settled: report.receipts.settled,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_a_decimal_string() {
        let cost = Cost { paid: 7, fees: Balance::MAX };
        let value = serde_json::to_value(cost).expect("a value");
        assert_eq!(value, serde_json::json!({"paid": "7", "fees": Balance::MAX.to_string()}));
    }
}
