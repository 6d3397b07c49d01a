//! What an extrinsic would do to an account, without sending it: no key is opened.

use mica_chain::{AccountId, Call, Chain, ReadError, SubmitError};
use mica_primitives::Balance;

use crate::funds::{self, Shortfall};

/// Money that a command would move, base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Leaves the account for good.
    pub sent: Balance,
    /// Stays the account's and cannot be used elsewhere until it comes back.
    pub locked: Balance,
}

/// What an extrinsic would do. All amounts are base units.
#[derive(Clone, Debug)]
pub struct CallPreview {
    /// Who would sign it.
    pub account: AccountId,
    /// Names of its calls; none if no extrinsic is needed.
    pub calls: Vec<String>,
    /// Estimated fee.
    pub fee: Balance,
    /// What it would move.
    pub moved: Moved,
    /// Free now.
    pub free: Balance,
    /// What the chain leaves in the account of it.
    pub stays: Balance,
    /// Free afterwards.
    pub left: Balance,
    /// What is missing for it, if anything is.
    pub short: Option<Shortfall>,
}

/// Why it cannot be said what an extrinsic would do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// The chain could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The fee could not be estimated.
    #[error(transparent)]
    Fee(#[from] SubmitError),
}

impl CallPreview {
    /// What `call` would do to `account` as of the newest block.
    ///
    /// # Errors
    /// [`PreviewError`] if the node does not answer.
    pub async fn new(
        chain: &Chain,
        account: AccountId,
        call: Option<&Call>,
        moved: Moved,
    ) -> Result<Self, PreviewError> {
        let found = chain.at_best().await?.account(account).await?;
        let fee = match call {
            Some(call) => chain.estimate_fee_for(account, call).await?,
            None => 0,
        };
        let sum = moved.sent.saturating_add(moved.locked);
        let short =
            if call.is_some() { funds::check(account, &found, sum, fee).err() } else { None };
        Ok(Self {
            account,
            calls: call.map(names).unwrap_or_default(),
            fee,
            moved,
            free: found.free,
            stays: found.stays(),
            left: found.free.saturating_sub(sum).saturating_sub(fee),
            short,
        })
    }

    /// What is missing, base units.
    pub fn missing(&self) -> Balance {
        self.short.as_ref().map_or(0, Shortfall::missing)
    }

    /// Whether it could be done.
    ///
    /// # Errors
    /// [`Shortfall`] if money is missing.
    pub fn verdict(self) -> Result<(), Shortfall> {
        self.short.map_or(Ok(()), Err)
    }
}

/// Names of the calls, those of a batch one by one.
fn names(call: &Call) -> Vec<String> {
    match call {
        Call::BatchAll(calls) | Call::ForceBatch(calls) => {
            calls.iter().map(ToString::to_string).collect()
        }
        one => vec![one.to_string()],
    }
}
