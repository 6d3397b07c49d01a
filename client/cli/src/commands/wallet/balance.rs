//! `mica wallet balance`: the money of a wallet or of any account. No password is asked for.

use clap::Args;
use mica_chain::{AccountId, amount};
use mica_primitives::Balance;
use serde::Serialize;

use super::Context;
use crate::cli::parse_address;
use crate::error::CommandError;

/// Options of `mica wallet balance`.
#[derive(Debug, Args)]
pub struct BalanceArgs {
    /// Account to look at instead of the wallet's
    #[arg(value_parser = parse_address)]
    account: Option<AccountId>,
}

#[derive(Serialize)]
struct Money {
    account: String,
    free: Balance,
    /// What of it can be sent, locked or paid as a fee: the rest must stay.
    spendable: Balance,
    held: Balance,
    total: Balance,
    block: u32,
}

/// Runs `mica wallet balance`.
///
/// # Errors
/// [`CommandError`] if there is no such wallet or the node does not answer.
pub async fn run(context: &Context, arguments: &BalanceArgs) -> Result<(), CommandError> {
    let account = match arguments.account {
        Some(account) => account,
        None => context.account()?,
    };
    let view = context.chain().await?.at_best().await?;
    let found = view.account(account).await?;
    let money = Money {
        account: account.to_string(),
        free: found.free,
        spendable: found.spendable(),
        held: found.held,
        total: found.total(),
        block: view.number(),
    };
    Ok(context.output.show(&money, |money| {
        format!(
            "account    {}\nfree       {}\nspendable  {}\non hold    {}\nblock      {}\n",
            money.account,
            amount::format(money.free),
            amount::format(money.spendable),
            amount::format(money.held),
            money.block
        )
    })?)
}
