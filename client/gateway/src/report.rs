//! What a finished answer took: tokens, measured durations, money, path, receipts.

use std::time::Duration;

use mica_primitives::Balance;
use mica_protocol::session::StopReason;
use serde::{Serialize, Serializer};

use mica_payer::ask::Answer;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or a stop string came.
    Stop,
    /// As many tokens as were asked for, or as fit the model's context.
    Length,
}

impl Finish {
    /// The word that both APIs have for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
        }
    }
}

/// A finished answer.
#[derive(Clone, Debug)]
pub struct Report {
    /// Token ids of the prompt.
    pub prompt: Vec<u32>,
    /// Token ids of the answer, the one that ended it included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish: Finish,
    /// What it took.
    pub durations: Durations,
    /// What it cost.
    pub cost: Cost,
    /// Who computed it.
    pub path: Vec<Stage>,
    /// What proves it.
    pub receipts: Receipts,
}

/// Measured by this gateway; none of them is an estimate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Durations {
    /// From the request to the end of the session.
    pub total: Duration,
    /// From the request's turn until every worker of the path had accepted the session.
    pub load: Duration,
    /// From there to the first token.
    pub prefill: Duration,
    /// From the first token to the last.
    pub decode: Duration,
}

/// Money, in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Promised to workers for this answer.
    #[serde(serialize_with = "amount")]
    pub paid: Balance,
    /// Fees of opening or topping up channels on the way.
    #[serde(serialize_with = "amount")]
    pub fees: Balance,
}

/// One worker's part.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// Its account.
    pub worker: String,
    /// The layers, first and one past the last.
    pub layers: [u16; 2],
    /// Base units per layer-token.
    #[serde(serialize_with = "amount")]
    pub price_per_layer_token: Balance,
    /// Positions that it computed.
    pub positions: u32,
    /// Base units promised to it.
    #[serde(serialize_with = "amount")]
    pub paid: Balance,
}

/// A number; a string where it is beyond 2⁶⁴, which a JSON value cannot hold.
fn amount<S: Serializer>(amount: &Balance, serializer: S) -> Result<S::Ok, S::Error> {
    match u64::try_from(*amount) {
        Ok(number) => serializer.serialize_u64(number),
        Err(_) => serializer.collect_str(amount),
    }
}

/// What proves an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Receipts {
    /// The session, as `mica receipt` knows it.
    pub session: String,
    /// Verified receipts, over all workers.
    pub verified: u64,
    /// Whether every worker confirmed its final voucher.
    pub settled: bool,
}

impl Report {
    /// From an answer. `before` passed between the request's turn and its session, `total` since it
    /// came.
    pub(super) fn new(
        prompt: Vec<u32>,
        answer: &Answer,
        is_stopped: bool,
        before: Duration,
        total: Duration,
    ) -> Self {
        let (outcome, report) = (&answer.outcome, &answer.outcome.report);
        let ready = outcome.to_ready.unwrap_or_default();
        let first = outcome.to_first_token.unwrap_or(ready);
        // What took less than the clock can tell still took some time.
        let some = |duration: Duration| duration.max(Duration::from_nanos(1));
        let finish = match report.stop {
            _ if is_stopped => Finish::Stop,
            Some(StopReason::MaxNewTokens | StopReason::MaxPositions) => Finish::Length,
            _ => Finish::Stop,
        };
        let stages = report.stages.iter().zip(&answer.path.stages).map(|(account, chosen)| Stage {
            worker: chosen.worker.record.account.to_string(),
            layers: [account.range.first, account.range.end],
            price_per_layer_token: account.price_per_layer_token,
            positions: account.positions,
            paid: account.paid,
        });
        Self {
            prompt,
            tokens: report.tokens.clone(),
            finish,
            durations: Durations {
                total: some(total),
                load: some(before + ready),
                prefill: some(first.saturating_sub(ready)),
                decode: some(outcome.to_last_token.unwrap_or(first).saturating_sub(first)),
            },
            cost: Cost { paid: report.paid(), fees: answer.fees },
            path: stages.collect(),
            receipts: Receipts {
                session: hex::encode(outcome.record.session),
                verified: report.stages.iter().map(|stage| stage.receipts).sum(),
                settled: report.stages.iter().all(|stage| stage.settled),
            },
        }
    }
}

/// Nanoseconds, as Ollama counts.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_amount_has_a_json_value() {
        let cost = Cost { paid: u64::MAX.into(), fees: Balance::MAX };
        let value = serde_json::to_value(cost).expect("a value");
        assert_eq!(value, serde_json::json!({"paid": u64::MAX, "fees": Balance::MAX.to_string()}));
    }
}
