//! Money of an account, and money that was sent.

use mica_chain::{Account, AccountId, amount};
use mica_host::json::Money;
use mica_primitives::Balance;
use serde::Serialize;

use super::sent::Sent;
use crate::send;

/// The money of an account as of one block.
#[derive(Serialize)]
pub(crate) struct AccountBalance {
    account: String,
    free: Money,
    /// What of it can be sent, locked or paid as a fee: the rest must stay.
    spendable: Money,
    held: Money,
    total: Money,
    block: u32,
}

impl AccountBalance {
    /// What `account` has in `block`.
    pub(crate) fn new(account: AccountId, found: &Account, block: u32) -> Self {
        Self {
            account: account.to_string(),
            free: Money(found.free),
            spendable: Money(found.spendable()),
            held: Money(found.held),
            total: Money(found.total()),
            block,
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!(
            "account    {}\nfree       {}\nspendable  {}\non hold    {}\nblock      {}\n",
            self.account,
            amount::format(self.free.0),
            amount::format(self.spendable.0),
            amount::format(self.held.0),
            self.block
        )
    }
}

/// Money that was sent.
#[derive(Serialize)]
pub(crate) struct Transferred {
    from: String,
    to: String,
    amount: Money,
    #[serde(flatten)]
    sent: Sent,
}

impl Transferred {
    /// `amount` base units were sent.
    pub(crate) fn new(from: AccountId, to: AccountId, amount: Balance, sent: send::Sent) -> Self {
        Self {
            from: from.to_string(),
            to: to.to_string(),
            amount: Money(amount),
            sent: sent.into(),
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let amount = amount::format(self.amount.0);
        format!("sent {amount} to {} ({})", self.to, self.sent.to_text())
    }
}
