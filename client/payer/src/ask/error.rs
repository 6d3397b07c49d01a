//! Why a question has no answer.

use mica_chain::{ReadError, SubmitError};
use mica_protocol::{FaultCode, channel::LeaseError, payer::PlanError};

use crate::{
    channels::ChannelError, market::MarketError, preview::PreviewError, session::SessionError,
};

/// Why a question has no answer. What was promised until then is on disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No such model, or no path within the limits.
    #[error(transparent)]
    Market(#[from] MarketError),
    /// Channels could not be made ready, or the session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The chain could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What it would take could not be found out.
    #[error(transparent)]
    Preview(#[from] PreviewError),
    /// A worker failed, and there is no way without it.
    #[error("{first}; without that worker: {again}")]
    NoOtherPath {
        /// How it failed.
        first: Box<AskError>,
        /// What came of asking others.
        again: Box<AskError>,
    },
}

impl AskError {
    /// Whether somebody asked for it to end.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Session(SessionError::Interrupted) => true,
            Self::Session(SessionError::Failed { failure, .. }) => {
                failure.code == FaultCode::Cancelled
            }
            Self::NoOtherPath { again, .. } => again.is_interrupted(),
            _ => false,
        }
    }

    /// Whether it is about the payer's own wallet, money or disk: another question would fail in
    /// the same way.
    pub fn concerns_wallet_or_disk(&self) -> bool {
        let error = match self {
            Self::Session(error) => error,
            Self::NoOtherPath { again, .. } => return again.concerns_wallet_or_disk(),
            _ => return false,
        };
        match error {
            SessionError::Store(_)
            | SessionError::Lease(LeaseError::Deposit { .. })
            | SessionError::Plan(PlanError::Limit { .. } | PlanError::Lane { .. }) => true,
            SessionError::Channel(error) => match error {
                ChannelError::NoFunds(_) | ChannelError::Store(_) | ChannelError::Locked(_) => true,
                ChannelError::Submit(error) => is_about_funds(error),
                _ => false,
            },
            SessionError::Failed { failure, .. } => {
                matches!(
                    failure.code,
                    FaultCode::Overspend | FaultCode::TooLittle | FaultCode::LimitReached
                )
            }
            _ => false,
        }
    }
}

fn is_about_funds(error: &SubmitError) -> bool {
    match error {
        SubmitError::NoFunds { .. } => true,
        SubmitError::Failed { failure, .. } => failure.pallet == "Token",
        _ => false,
    }
}
