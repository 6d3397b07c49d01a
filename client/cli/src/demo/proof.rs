//! What happened, put together from the session's accounts, the receipts on disk and the chain's
//! events.

use std::time::Duration;

use mica_chain::{AccountId, MicaEvent};
use mica_primitives::{Balance, BlockNumber, ChannelId, Receipt};

use super::{
    BlocksSummary, DemoError, Fetched, PayerSummary, Script, StageSummary, Summary, witness::Seen,
};
use mica_payer::market::ChosenPath;
use mica_payer::session::Outcome;
use mica_payer::store::{StageRecord, Store};
use mica_payer::verify;

/// Balances of the payer and when they were taken.
pub(super) struct Money {
    pub payer: AccountId,
    pub before: Balance,
    pub after: Balance,
    pub funded: BlockNumber,
}

/// A stage and how it was paid.
#[derive(Clone, Debug)]
pub(crate) struct StageProof {
    /// What goes into the summary.
    pub summary: StageSummary,
    /// The channel.
    pub channel: ChannelId,
    /// Block of the redeem.
    pub redeemed_in: Option<BlockNumber>,
    /// Block in which the channel was closed.
    pub closed_in: Option<BlockNumber>,
}

/// Where the seconds of a paid answer went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Times {
    /// From the openings until every worker had accepted: most of it is waiting for blocks.
    pub opening: f64,
    /// From there to the first token: the prompt.
    pub prompt: f64,
    /// From the first token to the last.
    pub decoding: f64,
    /// From the last token to the last worker's confirmation.
    pub settling: f64,
}

impl Times {
    fn of(outcome: &Outcome) -> Self {
        let seconds = |time: Option<Duration>| time.unwrap_or(outcome.elapsed).as_secs_f64();
        let (ready, first, last) = (
            seconds(outcome.to_ready),
            seconds(outcome.to_first_token),
            seconds(outcome.to_last_token),
        );
        Self {
            opening: ready,
            prompt: first - ready,
            decoding: last - first,
            settling: outcome.elapsed.as_secs_f64() - last,
        }
    }

    /// Milliseconds for each of so many tokens but the first, which comes with the prompt.
    pub(crate) fn ms_per_token(&self, tokens: usize) -> Option<f64> {
        let steps = tokens.checked_sub(1).filter(|steps| *steps > 0)?;
        Some(self.decoding * 1e3 / steps as f64)
    }
}

/// The whole proof.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// The summary.
    pub summary: Summary,
    /// The stages with their blocks.
    pub stages: Vec<StageProof>,
    /// The payer's account.
    pub payer: AccountId,
    /// Events of the chain, in order.
    pub events: Vec<(BlockNumber, MicaEvent)>,
    /// How long it took.
    pub times: Times,
    /// What the workers fetched, the first layers first; empty if they had files.
    pub fetched: Vec<Fetched>,
    /// The model's id, if there is no file of it.
    pub model: Option<String>,
}

impl Proof {
    #[allow(clippy::too_many_arguments, reason = "one caller, which has just gathered them")]
    pub(super) fn new(
        script: &Script,
        store: &Store,
        first: BlockNumber,
        last: BlockNumber,
        seen: &Seen,
        money: Money,
        path: &ChosenPath,
        outcome: &Outcome,
        text: String,
        reference_tokens: Vec<u32>,
        layers: u16,
    ) -> Result<Self, DemoError> {
        let receipts = verified_receipts(store, outcome)?;
        let accounts = outcome.report.stages.iter().zip(&path.stages).zip(receipts);
        let stages: Vec<StageProof> = accounts
            .map(|((account, chosen), receipts)| {
                let (paid, redeemed_in) = redeemed(seen, account.channel);
                let summary = StageSummary {
                    worker: chosen.worker.record.account.to_string(),
                    layers: account.range,
                    tokens: account.positions,
                    price_per_layer_token: account.price_per_layer_token,
                    paid,
                    receipts,
                    redeemed: account.settled && redeemed_in.is_some() && paid == account.paid,
                };
                StageProof {
                    summary,
                    channel: account.channel,
                    redeemed_in,
                    closed_in: closed(seen, account.channel),
                }
            })
            .collect();
        let fees = fees(seen, &money, last);
        let summary = Summary {
            prompt: script.prompt.clone(),
            text,
            tokens: outcome.report.tokens.clone(),
            stages: stages.iter().map(|stage| stage.summary.clone()).collect(),
            payer: PayerSummary { before: money.before, after: money.after, fees },
            blocks: BlocksSummary { first: first.max(money.funded), last },
            reference_tokens,
        };
        summary.check(layers)?;
        let events = seen.events().map(|(block, event)| (block, event.clone())).collect();
        let times = Times::of(outcome);
        let (fetched, model) = (Vec::new(), None);
        Ok(Self { summary, stages, payer: money.payer, events, times, fetched, model })
    }
}

/// Receipts per stage, read back from disk and checked again.
fn verified_receipts(store: &Store, outcome: &Outcome) -> Result<Vec<u64>, DemoError> {
    let record = &outcome.record;
    let read = |stage: &StageRecord| {
        store.receipts(stage.channel, stage.lane, stage.first_receipt, stage.receipts)
    };
    let receipts: Vec<Vec<Receipt>> = record.stages.iter().map(read).collect::<Result<_, _>>()?;
    Ok(verify::session(record, &receipts)?)
}

/// What the chain paid out of a channel, and in which block last.
fn redeemed(seen: &Seen, wanted: ChannelId) -> (Balance, Option<BlockNumber>) {
    seen.events().fold((0, None), |(sum, block): (Balance, _), (number, event)| match event {
        MicaEvent::Redeemed { channel, paid, .. } if *channel == wanted => {
            (sum.saturating_add(*paid), Some(number))
        }
        _ => (sum, block),
    })
}

fn closed(seen: &Seen, wanted: ChannelId) -> Option<BlockNumber> {
    let closed = |event: &MicaEvent| matches!(event, MicaEvent::Closed { channel, .. } if *channel == wanted);
    seen.events().find(|(_, event)| closed(event)).map(|(block, _)| block)
}

/// Transaction fees of the payer after it was funded.
fn fees(seen: &Seen, money: &Money, last: BlockNumber) -> Balance {
    let paid = seen.events().filter(|(block, _)| *block > money.funded && *block <= last);
    paid.fold(0, |sum: Balance, (_, event)| match event {
        MicaEvent::FeePaid { who, fee, tip } if *who == money.payer => {
            sum.saturating_add(*fee).saturating_add(*tip)
        }
        _ => sum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_belongs_to_the_prompt() {
        let times = Times { decoding: 1.5, ..Times::default() };
        assert_eq!(times.ms_per_token(16), Some(100.0));
        assert_eq!((times.ms_per_token(1), times.ms_per_token(0)), (None, None));
    }
}
