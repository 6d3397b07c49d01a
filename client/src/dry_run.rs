//! What a command would do to the chain and to the account, without doing it: no key is opened and
//! nothing is sent.

use mica_chain::{AccountId, Call, Chain, amount};
use mica_primitives::Balance;
use serde::Serialize;

use crate::{
    error::CommandError,
    funds::{self, Shortfall},
};

/// Money that a command would move, base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Leaves the account for good.
    pub sent: Balance,
    /// Stays the account's and cannot be used elsewhere until it comes back.
    pub locked: Balance,
}

/// The report. All amounts are base units.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    dry_run: bool,
    account: String,
    /// Calls of the extrinsic; none if none is needed.
    calls: Vec<String>,
    /// Estimated fee.
    fee: Balance,
    #[serde(flatten)]
    moved: Moved,
    /// Free now.
    free: Balance,
    /// What the chain leaves in the account of it.
    stays: Balance,
    /// Free afterwards.
    left: Balance,
    /// How much is missing for it.
    missing: Balance,
    #[serde(skip)]
    short: Option<Shortfall>,
}

impl DryRun {
    /// What `call` would do to `account` as of the newest block.
    ///
    /// # Errors
    /// [`CommandError`] if the node does not answer.
    pub async fn new(
        chain: &Chain,
        account: AccountId,
        call: Option<&Call>,
        moved: Moved,
    ) -> Result<Self, CommandError> {
        let found = chain.at_best().await?.account(account).await?;
        let fee = match call {
            Some(call) => chain.estimate_fee_for(account, call).await?,
            None => 0,
        };
        let sum = moved.sent.saturating_add(moved.locked);
        let short =
            if call.is_some() { funds::check(account, &found, sum, fee).err() } else { None };
        Ok(Self {
            dry_run: true,
            account: account.to_string(),
            calls: call.map(names).unwrap_or_default(),
            fee,
            moved,
            free: found.free,
            stays: found.stays(),
            left: found.free.saturating_sub(sum).saturating_sub(fee),
            missing: short.as_ref().map_or(0, Shortfall::missing),
            short,
        })
    }

    /// Whether it could be done.
    ///
    /// # Errors
    /// [`CommandError::NoFunds`] if money is missing.
    pub fn verdict(self) -> Result<(), CommandError> {
        self.short.map_or(Ok(()), |short| Err(short.into()))
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let calls =
            if self.calls.is_empty() { "none is needed".to_owned() } else { self.calls.join(", ") };
        let mut text = format!(
            "this is what would happen; nothing was sent\naccount    {}\nextrinsic  {calls}\n",
            self.account
        );
        let lines = [
            ("fee", self.fee, " (estimate)"),
            ("sent", self.moved.sent, ""),
            ("locked", self.moved.locked, " (a deposit: what is not spent comes back)"),
            ("free now", self.free, ""),
            ("free then", self.left, ""),
            ("must stay", self.stays, " (the chain keeps no account with less)"),
        ];
        for (label, money, note) in lines {
            let note = if money == 0 { "" } else { note };
            text.push_str(&format!("{label:<9}  {}{note}\n", amount::format(money)));
        }
        if self.missing > 0 {
            text.push_str(&format!(
                "missing    {}: send it to the account first\n",
                amount::format(self.missing)
            ));
        }
        text
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
