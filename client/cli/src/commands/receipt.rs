//! `mica receipt list|verify`.

use clap::Subcommand;
use mica_chain::{AccountId, View, amount};
use mica_primitives::{Balance, Hash32, Receipt};
use mica_protocol::StageNumber;
use serde::Serialize;

use super::Context;
use crate::error::CommandError;
use crate::output::table;
use mica_payer::store::{SessionRecord, StageRecord, Store};
use mica_payer::verify::{self, VerifyError};

/// Most receipts of one lane that are read.
const MAX_RECEIPTS: u64 = 1 << 20;

/// `mica receipt …`
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Sessions whose receipts are kept, newest first
    List,
    /// Check receipts again: signatures, chains, neighbours, and the roots in vouchers and on chain
    Verify {
        /// Beginning of a session's id; without it the newest session
        session: Option<String>,
        /// All sessions
        #[arg(long, conflicts_with = "session")]
        all: bool,
        /// Do not ask the chain for the roots that it fixed
        #[arg(long)]
        offline: bool,
    },
}

/// Runs `mica receipt …`.
///
/// # Errors
/// [`CommandError::Verify`] if a receipt is wrong; others if the database or the chain cannot be
/// read.
pub async fn run(context: &Context, command: ReceiptCommand) -> Result<(), CommandError> {
    let store = context.store()?;
    match command {
        ReceiptCommand::List => list(context, &store),
        ReceiptCommand::Verify { session, all, offline } => {
            let wanted = choose(store.sessions()?, session.as_deref(), all)?;
            // One finalized block for all: a root that it shows cannot be taken back.
            let view =
                if offline { None } else { Some(context.chain().await?.at_finalized().await?) };
            let mut checked = Vec::with_capacity(wanted.len());
            for record in &wanted {
                checked.push(check(&store, view.as_ref(), record).await?);
            }
            Ok(context.output.show(&checked, |checked| {
                checked.iter().map(Checked::to_text).collect::<Vec<_>>().join("\n")
            })?)
        }
    }
}

#[derive(Serialize)]
struct Listed {
    session: String,
    started_unix_ms: u64,
    model: String,
    prompt_tokens: usize,
    tokens: usize,
    stages: usize,
    receipts: u64,
    paid: Balance,
    is_closed: bool,
}

fn list(context: &Context, store: &Store) -> Result<(), CommandError> {
    let listed: Vec<Listed> = store
        .sessions()?
        .iter()
        .map(|record| Listed {
            session: hex::encode(record.session),
            started_unix_ms: record.started_unix_ms,
            model: record.model.to_string(),
            prompt_tokens: record.prompt.len(),
            tokens: record.tokens.len(),
            stages: record.stages.len(),
            receipts: record.stages.iter().map(|stage| stage.receipts).sum(),
            paid: record
                .stages
                .iter()
                .fold(0, |sum: Balance, stage| sum.saturating_add(stage.paid)),
            is_closed: record.is_closed,
        })
        .collect();
    Ok(context.output.show(&listed, |listed| {
        if listed.is_empty() {
            return "no receipts yet: `mica ask` brings some".into();
        }
        let rows: Vec<Vec<String>> = listed.iter().map(row).collect();
        table(&["SESSION", "TOKENS", "STAGES", "RECEIPTS", "PAID", "STATE"], &rows)
    })?)
}

fn row(one: &Listed) -> Vec<String> {
    vec![
        one.session.chars().take(16).collect(),
        format!("{}+{}", one.prompt_tokens, one.tokens),
        one.stages.to_string(),
        one.receipts.to_string(),
        amount::format(one.paid),
        if one.is_closed { "settled" } else { "cut short" }.to_owned(),
    ]
}

fn choose(
    mut sessions: Vec<SessionRecord>,
    wanted: Option<&str>,
    all: bool,
) -> Result<Vec<SessionRecord>, CommandError> {
    if all {
        return Ok(sessions);
    }
    match wanted {
        Some(wanted) => sessions.retain(|record| hex::encode(record.session).starts_with(wanted)),
        None => sessions.truncate(1),
    }
    match sessions.len() {
        0 => Err(VerifyError::NoSession(wanted.unwrap_or("newest").into()).into()),
        1 => Ok(sessions),
        count => Err(CommandError::Usage(format!(
            "{count} sessions begin with these digits: give more of them"
        ))),
    }
}

#[derive(Serialize)]
struct Checked {
    session: String,
    stages: Vec<CheckedStage>,
}

#[derive(Serialize)]
struct CheckedStage {
    worker: String,
    layers: [u16; 2],
    receipts: u64,
    lane_root: String,
    /// Block in which the chain fixed a root over these receipts; nothing if it has not, or keeps
    /// it no longer.
    fixed_in_block: Option<u32>,
}

impl Checked {
    fn to_text(&self) -> String {
        let mut text = format!("session {}: all receipts verify\n", self.session);
        for (index, stage) in self.stages.iter().enumerate() {
            let [first, end] = stage.layers;
            let fixed = stage.fixed_in_block.map_or("not fixed on chain".into(), |block| {
                format!("root fixed on chain in block {block}")
            });
            let (number, worker, receipts) = (StageNumber(index), &stage.worker, stage.receipts);
            text.push_str(&format!(
                "  stage {number}  {worker}  [{first}, {end})  {receipts} receipts, {fixed}\n"
            ));
        }
        text
    }
}

async fn check(
    store: &Store,
    view: Option<&View>,
    record: &SessionRecord,
) -> Result<Checked, CommandError> {
    let of_session = |stage: &StageRecord| {
        store.receipts(stage.channel, stage.lane, stage.first_receipt, stage.receipts)
    };
    let receipts: Vec<Vec<Receipt>> =
        record.stages.iter().map(of_session).collect::<Result<_, _>>()?;
    let counts = verify::session(record, &receipts)?;
    let mut stages = Vec::with_capacity(record.stages.len());
    for (index, (stage, count)) in record.stages.iter().zip(counts).enumerate() {
        let (root, fixed_in_block) = check_roots(store, view, stage, index).await?;
        stages.push(CheckedStage {
            worker: AccountId::from(stage.worker).to_string(),
            layers: [stage.layers.first, stage.layers.end],
            receipts: count,
            lane_root: format!("0x{}", hex::encode(root)),
            fixed_in_block,
        });
    }
    Ok(Checked { session: hex::encode(record.session), stages })
}

/// Compares the root over all receipts of the stage's lane with our last voucher's and with the
/// chain's.
async fn check_roots(
    store: &Store,
    view: Option<&View>,
    stage: &StageRecord,
    index: usize,
) -> Result<(Hash32, Option<u32>), CommandError> {
    let lane = store.receipts(stage.channel, stage.lane, 0, MAX_RECEIPTS)?;
    let root = verify::root(&lane);
    let ours = store.lanes(stage.channel)?.into_iter().find(|record| record.lane == stage.lane);
    let by_voucher = ours.map(|record| (record.receipts.root(), record.receipts.count()));
    if by_voucher != Some((root, lane.len() as u64)) {
        return Err(VerifyError::Root { stage: index, by: "that our voucher names" }.into());
    }
    let Some(view) = view else { return Ok((root, None)) };
    let Some(fixed) = view.receipt_root(stage.channel, stage.lane).await? else {
        return Ok((root, None));
    };
    let prefix = usize::try_from(fixed.count).ok().and_then(|count| lane.get(..count));
    match prefix {
        Some(prefix) if verify::root(prefix) == fixed.root && fixed.worker.0 == stage.worker => {
            Ok((root, Some(fixed.block)))
        }
        _ => Err(VerifyError::Root { stage: index, by: "that the chain has fixed" }.into()),
    }
}
