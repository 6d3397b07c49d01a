//! One paid prompt: a session over the path, and what is left of it on disk.
//!
//! [`mica_protocol::payer::PayerSession`] decides; this module only moves bytes between it, the
//! network and the [`crate::store`], in the order in which it is told. What must be remembered is
//! on disk before what depends on it is sent.

mod drive;
mod ledger_writer;
mod plan;
mod timing;

pub use crate::market::Quotes;
pub use drive::Outcome;
pub(crate) use drive::{Ended, SessionIo, TokenSink, drive};
pub(crate) use plan::SessionDraft;

use mica_net::{SendError, StartError};
use mica_protocol::{channel::LeaseError, payer::PlanError, payer::SessionFailure};

use crate::channels::ChannelError;
use crate::store::StoreError;

/// Why a session did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The network did not start.
    #[error(transparent)]
    Network(#[from] StartError),
    /// A message could not be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// A lane could not be leased.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The plan cannot work.
    #[error("{}", plan_note(.0))]
    Plan(#[from] PlanError),
    /// Channels could not be made ready.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The database failed; nothing was sent after that.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A worker failed, vanished or refused.
    #[error("{failure}{}", paid_note(.paid))]
    Failed {
        /// Why.
        failure: SessionFailure,
        /// Base units promised in the session before it failed.
        paid: u128,
    },
    /// More end-of-answer ids or stages than a session can have.
    #[error("the model has more end-of-answer tokens than a session can name: use another model")]
    EndIds,
    /// The user stopped it at once.
    #[error("stopped; what was promised to the workers is kept, see `mica channel list`")]
    Interrupted,
}

fn plan_note(error: &PlanError) -> String {
    let amount = mica_chain::amount::format;
    match error {
        PlanError::Limit { cost, limit } => format!(
            "this may cost {} and the limit is {}: raise it with --max-total, or ask for a shorter \
             answer with --max-tokens; nothing was spent on it",
            amount(*cost),
            amount(*limit)
        ),
        other => other.to_string(),
    }
}

fn paid_note(paid: &u128) -> String {
    match paid {
        0 => String::new(),
        paid => {
            format!(" ({} was promised for what was delivered)", mica_chain::amount::format(*paid))
        }
    }
}
