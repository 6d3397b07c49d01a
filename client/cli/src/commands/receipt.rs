//! `mica receipt list|verify`.

use clap::Subcommand;
use mica_chain::View;
use mica_primitives::{Hash32, Receipt};

use crate::context::Context;
use crate::error::CommandError;
use crate::render::receipt::{self, Session, VerifiedSession, VerifiedStage};
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
pub(crate) async fn run(context: &Context, command: ReceiptCommand) -> Result<(), CommandError> {
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
            Ok(context.output.show(&checked, |checked| receipt::verified(checked))?)
        }
    }
}

fn list(context: &Context, store: &Store) -> Result<(), CommandError> {
    let sessions: Vec<Session> = store.sessions()?.iter().map(Session::from).collect();
    Ok(context.output.show(&sessions, |sessions| receipt::list(sessions))?)
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

async fn check(
    store: &Store,
    view: Option<&View>,
    record: &SessionRecord,
) -> Result<VerifiedSession, CommandError> {
    let of_session = |stage: &StageRecord| {
        store.receipts(stage.channel, stage.lane, stage.first_receipt, stage.receipts)
    };
    let receipts: Vec<Vec<Receipt>> =
        record.stages.iter().map(of_session).collect::<Result<_, _>>()?;
    let counts = verify::session(record, &receipts)?;
    let mut stages = Vec::with_capacity(record.stages.len());
    for (index, (stage, count)) in record.stages.iter().zip(counts).enumerate() {
        let (root, fixed_in_block) = check_roots(store, view, stage, index).await?;
        stages.push(VerifiedStage::new(stage, count, &root, fixed_in_block));
    }
    Ok(VerifiedSession::new(record, stages))
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
