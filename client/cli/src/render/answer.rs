//! An answer and what it cost.

use mica_chain::amount;
use mica_host::json::{Layers, Money};
use mica_payer::ask;
use serde::Serialize;

/// An answer and its cost.
#[derive(Serialize)]
pub(crate) struct PaidAnswer {
    text: String,
    tokens: Vec<u32>,
    prompt_tokens: usize,
    stop: String,
    session: String,
    stages: Vec<Stage>,
    paid: Money,
    fees: Money,
    receipts: u64,
    seconds: f64,
    seconds_to_first_token: Option<f64>,
    seconds_to_last_token: Option<f64>,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: Layers,
    price_per_layer_token: Money,
    tokens: u32,
    paid: Money,
    receipts: u64,
    channel: String,
    settled: bool,
}

impl PaidAnswer {
    /// An answer to a prompt of so many tokens.
    pub(crate) fn new(answer: &ask::Answer, prompt_tokens: usize) -> Self {
        let report = &answer.outcome.report;
        let stages = report.stages.iter().zip(&answer.path.stages).map(|(account, chosen)| Stage {
            worker: chosen.worker.record.account.to_string(),
            layers: Layers(account.range),
            price_per_layer_token: Money(account.price_per_layer_token),
            tokens: account.positions,
            paid: Money(account.paid),
            receipts: account.receipts,
            channel: account.channel.to_string(),
            settled: account.settled,
        });
        Self {
            text: answer.text.clone(),
            tokens: report.tokens.clone(),
            prompt_tokens,
            stop: report.stop.map_or("none".into(), |stop| format!("{stop:?}")),
            session: hex::encode(answer.outcome.record.session),
            stages: stages.collect(),
            paid: Money(answer.paid()),
            fees: Money(answer.fees),
            receipts: report.stages.iter().map(|stage| stage.receipts).sum(),
            seconds: answer.outcome.elapsed.as_secs_f64(),
            seconds_to_first_token: answer.outcome.to_first_token.map(|time| time.as_secs_f64()),
            seconds_to_last_token: answer.outcome.to_last_token.map(|time| time.as_secs_f64()),
        }
    }

    /// What was computed by how many, and what it cost, on one line.
    pub(crate) fn cost_line(&self) -> String {
        let rate = self.tokens.len() as f64 / self.seconds.max(1e-3);
        format!(
            "{} + {} tokens through {} workers for {} (fees {}), {} receipts verified, {:.1} s, \
             {rate:.1} tokens/s",
            self.prompt_tokens,
            self.tokens.len(),
            self.stages.len(),
            amount::format(self.paid.0),
            amount::format(self.fees.0),
            self.receipts,
            self.seconds,
        )
    }
}
