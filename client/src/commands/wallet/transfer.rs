//! `mica wallet transfer`: sends money, after it was looked at whether there is enough and somebody was asked.

use clap::Args;
use mica_chain::{AccountId, Call, Signer, amount};
use mica_primitives::Balance;
use serde::Serialize;

use super::Context;
use crate::{
    cli::parse_amount,
    confirm::Unattended,
    dry_run::{DryRun, Moved},
    error::CommandError,
    wait::{SendOptions, Sent, Wait, send},
    wallet::AccountKey,
};

/// Options of `mica wallet transfer`.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Who receives
    to: AccountId,
    /// How much, for example 1.5 MICA or 1000u (base units)
    #[arg(value_parser = parse_amount)]
    amount: Balance,
    /// Pay from a well-known account of a development chain, for example Alice, instead of the wallet
    #[arg(long, value_name = "NAME", value_parser = parse_dev_account)]
    dev_account: Option<String>,
    #[command(flatten)]
    options: SendOptions,
}

/// Reads the name of a development account: letters only, as the derivation takes it.
fn parse_dev_account(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_name { Ok(text.to_owned()) } else { Err("a development account has a name such as Alice or Bob".into()) }
}

#[derive(Serialize)]
struct Transferred {
    from: String,
    to: String,
    amount: Balance,
    #[serde(flatten)]
    sent: Sent,
}

/// Runs `mica wallet transfer`.
///
/// # Errors
/// [`CommandError::NoFunds`] before anybody is asked for a password; nothing was sent unless the error says so.
pub async fn run(context: &Context, arguments: &TransferArgs) -> Result<(), CommandError> {
    let TransferArgs { to, amount, .. } = *arguments;
    if amount == 0 {
        return Err(CommandError::NothingToSend);
    }
    let key: AccountKey = match &arguments.dev_account {
        Some(name) => Signer::from_suri(&format!("//{name}")).map_err(|error| CommandError::Usage(error.to_string()))?.into(),
        None => context.account_key()?,
    };
    let (chain, account, call) = (context.chain().await?, key.account(), Call::Transfer { to, amount });
    if arguments.options.dry_run {
        let report = DryRun::new(&chain, account, Some(&call), Moved { sent: amount, locked: 0 }).await?;
        return Ok(context.output.show(&report, DryRun::to_text)?);
    }
    let free = chain.at_best().await?.account(account).await?.free;
    let fee = chain.estimate_fee_for(account, &call).await?;
    let need = amount.saturating_add(fee);
    if free < need {
        return Err(CommandError::NoFunds { account: account.to_string(), free, need });
    }
    let question = format!("Send {} to {to} (fee about {})?", amount::format(amount), amount::format(fee));
    context.confirmation().of(&question, Unattended::Proceed)?;
    let signer = key.signer("sending money")?;
    let wait = arguments.options.wait.or(context.settings.wait).unwrap_or(Wait::Finalized);
    let sent = send(&chain, &signer, call, wait, context.progress, "sending").await?;
    let transferred = Transferred { from: account.to_string(), to: to.to_string(), amount, sent };
    Ok(context
        .output
        .show(&transferred, |done| format!("sent {} to {} ({})", amount::format(done.amount), done.to, done.sent.to_text()))?)
}
