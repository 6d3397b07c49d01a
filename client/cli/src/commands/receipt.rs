//! `mica receipt list|verify`.

use clap::Subcommand;
use mica_chain::View;

use crate::context::Context;
use crate::error::CommandError;
use crate::render::receipt::{self, Session, VerifiedSession};
use mica_payer::store::{SessionRecord, Store};
use mica_payer::verify::{self, VerifyError};

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
    Ok(VerifiedSession::new(record, &verify::stored(store, view, record).await?))
}
