//! `mica wallet balance`: the money of a wallet or of any account. No password is asked for.

use clap::Args;
use mica_chain::AccountId;

use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_address;
use crate::render::transfer::AccountBalance;

/// Options of `mica wallet balance`.
#[derive(Debug, Args)]
pub struct BalanceArgs {
    /// Account to look at instead of the wallet's
    #[arg(value_parser = parse_address)]
    account: Option<AccountId>,
}

/// Runs `mica wallet balance`.
///
/// # Errors
/// [`CommandError`] if there is no such wallet or the node does not answer.
pub(super) async fn run(context: &Context, arguments: &BalanceArgs) -> Result<(), CommandError> {
    let account = match arguments.account {
        Some(account) => account,
        None => context.account()?,
    };
    let view = context.chain().await?.at_best().await?;
    let found = view.account(account).await?;
    let balance = AccountBalance::new(account, &found, view.number());
    Ok(context.output.show(&balance, AccountBalance::to_text)?)
}
