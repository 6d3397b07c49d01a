//! Tokens: what the last stage sampled, for the payer to read and for the first stage to continue
//! from.

use codec::{Decode, Encode};

use crate::{SessionId, probability::LogProbabilities, session::StopReason};

/// One generated token.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct Token {
    /// The session.
    pub session: SessionId,
    /// The position that the token takes: one past the row that it was drawn from.
    pub position: u32,
    /// Its id.
    pub id: u32,
    /// Set on the last token, which is not computed on any more.
    pub stop: Option<StopReason>,
    /// How likely it was, if the payer asked; only the payer is told.
    pub log_probabilities: Option<LogProbabilities>,
}
