//! Whether an account has the money for something: the one check of every command that moves any.

use mica_chain::{Account, AccountId, amount};
use mica_primitives::Balance;

/// An account that has too little, base units.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "account {account} has {} free and needs {}, of which {} must stay in it: send it {} more",
    amount::format(*.free), amount::format(*.need), amount::format(*.stays), amount::format(self.missing())
)]
pub struct Shortfall {
    /// The account.
    pub account: String,
    /// What it has free.
    pub free: Balance,
    /// What it needs to have free.
    pub need: Balance,
    /// What the chain leaves in it of that.
    pub stays: Balance,
}

impl Shortfall {
    /// How much is missing, base units.
    pub fn missing(&self) -> Balance {
        self.need.saturating_sub(self.free)
    }
}

/// Whether `found`, which is the money of `account`, is enough to send or lock `moved` for a fee of
/// about `fee`.
///
/// # Errors
/// [`Shortfall`] says how much is missing.
pub fn check(
    account: AccountId,
    found: &Account,
    moved: Balance,
    fee: Balance,
) -> Result<(), Shortfall> {
    if found.missing(moved, fee) == 0 {
        return Ok(());
    }
    Err(Shortfall {
        account: account.to_string(),
        free: found.free,
        need: found.needed(moved, fee),
        stays: found.stays(),
    })
}
