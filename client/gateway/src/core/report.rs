//! What a finished answer took: tokens, measured durations, money, path, receipts.

use std::time::Duration;

use mica_payer::ask::Answer;
use mica_primitives::{Balance, LayerRange};
use mica_protocol::session::StopReason;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The model ended it, or a stop string came.
    Stop,
    /// As many tokens as were asked for, or as fit the model's context.
    Length,
}

impl Finish {
    /// Its name in both APIs.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Promised to workers for this answer.
    pub paid: Balance,
    /// Fees of opening or topping up channels on the way.
    pub fees: Balance,
}

/// One worker's part.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its account.
    pub worker: String,
    /// Its layers.
    pub layers: LayerRange,
    /// Base units per layer-token.
    pub price_per_layer_token: Balance,
    /// Positions that it computed.
    pub positions: u32,
    /// Base units promised to it.
    pub paid: Balance,
}

/// What proves an answer.
#[derive(Clone, Debug)]
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
            layers: account.range,
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

/// Whole nanoseconds; 584 years at most.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
