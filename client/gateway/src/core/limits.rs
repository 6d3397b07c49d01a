//! Bounds that the core keeps: of money, and of sessions.

use std::time::Duration;

use mica_chain::amount;
use mica_primitives::Balance;
use serde::Deserialize;

/// Most sessions at once.
pub(crate) const MAX_PARALLEL: usize = 128;

/// Most money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpendingCaps {
    /// Base units for one request.
    #[serde(deserialize_with = "amount::setting::deserialize")]
    pub request: Option<Balance>,
    /// Base units for one day (UTC).
    #[serde(deserialize_with = "amount::setting::deserialize")]
    pub day: Option<Balance>,
}

/// How many sessions run, how many requests wait for one, and how long their answers may be.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Sessions at once.
    pub parallel: usize,
    /// Requests that wait for a session.
    pub queue: usize,
    /// How long one waits.
    pub patience: Duration,
    /// Tokens of an answer when the request does not say.
    pub default_tokens: u32,
    /// Most tokens of an answer.
    pub max_tokens: u32,
}
