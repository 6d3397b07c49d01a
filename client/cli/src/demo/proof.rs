//! What happened, put together from the session's accounts, the receipts on disk and the chain's
//! events.

use mica_chain::{AccountId, MicaEvent, amount};
use mica_primitives::{Balance, BlockNumber, ChannelId, Receipt};
use mica_protocol::StageNumber;

use super::{BlocksSummary, DemoError, PayerSummary, Script, StageSummary, Summary, witness::Seen};
use crate::error::CommandError;
use crate::output::table;
use crate::render::market::short;
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
pub struct StageProof {
    /// What goes into the summary.
    pub summary: StageSummary,
    /// The channel.
    pub channel: ChannelId,
    /// Block of the redeem.
    pub redeemed_in: Option<BlockNumber>,
    /// Block in which the channel was closed.
    pub closed_in: Option<BlockNumber>,
}

/// The whole proof.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The summary.
    pub summary: Summary,
    /// The stages with their blocks.
    pub stages: Vec<StageProof>,
    /// Events in order, for people.
    pub events: Vec<(BlockNumber, String)>,
    /// Seconds from the openings to the last confirmation.
    pub seconds: f64,
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
                    layers: [account.range.first, account.range.end],
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
        let channels: Vec<ChannelId> = stages.iter().map(|stage| stage.channel).collect();
        let events = seen
            .events()
            .filter_map(|(block, event)| Some((block, tell(event, &channels, &money.payer)?)))
            .collect();
        Ok(Self { summary, stages, events, seconds: outcome.elapsed.as_secs_f64() })
    }

    /// The proof for people.
    pub fn to_text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .stages
            .iter()
            .enumerate()
            .map(|(index, stage)| row(StageNumber(index), stage))
            .collect();
        let header = [
            "STAGE",
            "WORKER",
            "LAYERS",
            "TOKENS",
            "PRICE (base/layer-token)",
            "PAID",
            "RECEIPTS VERIFIED",
            "REDEEMED",
            "CLOSED",
        ];
        let mut text = table(&header, &rows);
        text.push_str("\nevents on chain\n");
        for (block, event) in &self.events {
            text.push_str(&format!("  block {block:>3}  {event}\n"));
        }
        let Summary { payer, stages, tokens, reference_tokens, blocks, .. } = &self.summary;
        let paid = stages.iter().fold(0, |sum: Balance, stage| sum.saturating_add(stage.paid));
        let same = tokens == reference_tokens;
        text.push_str(&format!(
            "\npayer before  {}\npayer after   {}\n      paid    {}\n      fees    {}\n",
            amount::format(payer.before),
            amount::format(payer.after),
            amount::format(paid),
            amount::format(payer.fees)
        ));
        text.push_str(&format!(
            "before - after = paid + fees, to the base unit, over blocks {} to {}\n{} tokens in \
             {:.1} s; the same as in one process: {}\n",
            blocks.first,
            blocks.last,
            tokens.len(),
            self.seconds,
            if same { "yes" } else { "no" }
        ));
        text
    }
}

fn row(number: StageNumber, stage: &StageProof) -> Vec<String> {
    let StageSummary {
        worker,
        layers: [first, end],
        tokens,
        price_per_layer_token,
        paid,
        receipts,
        ..
    } = &stage.summary;
    let block =
        |block: Option<BlockNumber>| block.map_or("no".into(), |block| format!("block {block}"));
    vec![
        number.to_string(),
        worker.clone(),
        format!("[{first}, {end})"),
        tokens.to_string(),
        price_per_layer_token.to_string(),
        amount::format(*paid),
        receipts.to_string(),
        block(stage.redeemed_in),
        block(stage.closed_in),
    ]
}

/// Receipts per stage, read back from disk and checked again.
fn verified_receipts(store: &Store, outcome: &Outcome) -> Result<Vec<u64>, DemoError> {
    let record = &outcome.record;
    let read = |stage: &StageRecord| {
        store.receipts(stage.channel, stage.lane, stage.first_receipt, stage.receipts)
    };
    let receipts: Vec<Vec<Receipt>> =
        record.stages.iter().map(read).collect::<Result<_, _>>().map_err(CommandError::from)?;
    Ok(verify::session(record, &receipts).map_err(CommandError::from)?)
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

/// One line about an event that belongs to the story; nothing about others.
fn tell(event: &MicaEvent, channels: &[ChannelId], payer: &AccountId) -> Option<String> {
    let stage =
        |channel: &ChannelId| channels.iter().position(|known| known == channel).map(StageNumber);
    Some(match event {
        MicaEvent::Transfer { to, amount, .. } if to == payer => {
            format!("payer funded with {}", amount::format(*amount))
        }
        MicaEvent::ModelRegistered { model, .. } => format!("model {model} registered"),
        MicaEvent::WorkerRegistered { worker, range, .. } => {
            format!("worker {} registered for layers {range}", short(worker))
        }
        MicaEvent::Opened { channel, deposit, .. } => {
            format!("channel to stage {} opened with {}", stage(channel)?, amount::format(*deposit))
        }
        MicaEvent::CloseRequested { channel, .. } => {
            format!("payer asked to close the channel to stage {}", stage(channel)?)
        }
        MicaEvent::Redeemed { channel, paid, receipts, .. } => {
            format!(
                "stage {} redeemed {} with the root of {receipts} receipts",
                stage(channel)?,
                amount::format(*paid)
            )
        }
        MicaEvent::Closed { channel, released, .. } => {
            format!(
                "channel to stage {} closed, {} came back",
                stage(channel)?,
                amount::format(*released)
            )
        }
        MicaEvent::FeePaid { who, fee, .. } if who == payer => {
            format!("payer paid a fee of {}", amount::format(*fee))
        }
        _ => return None,
    })
}
