//! `mica wallet transfer`: sends money, after checking that there is enough and that it can arrive,
//! and after the user has confirmed.

use clap::Args;
use mica_chain::{AccountId, Call, Chain, Signer, amount};
use mica_primitives::Balance;

use crate::confirm::Unattended;
use crate::context::Context;
use crate::error::CommandError;
use crate::options::{SendOptions, Wait};
use crate::options::{parse_address, parse_amount};
use crate::render::{preview::DryRun, transfer::Transferred};
use crate::send::send;
use mica_payer::funds;
use mica_payer::preview::{CallPreview, Moved};
use mica_wallet::AccountKey;

/// How much is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sum {
    /// So many base units.
    Exactly(Balance),
    /// As much as can be sent.
    All,
}

/// Options of `mica wallet transfer`.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// Who receives
    #[arg(value_parser = parse_address)]
    to: AccountId,
    /// How much, for example 1.5 MICA or 1000u (base units), or all: what is left after the fee and
    /// the existential deposit
    #[arg(value_parser = parse_sum)]
    amount: Sum,
    /// Pay from a well-known account of a development chain, for example Alice, instead of the
    /// wallet
    #[arg(long, value_name = "NAME", value_parser = parse_dev_account)]
    dev_account: Option<String>,
    #[command(flatten)]
    options: SendOptions,
}

fn parse_sum(text: &str) -> Result<Sum, String> {
    if text == "all" { Ok(Sum::All) } else { parse_amount(text).map(Sum::Exactly) }
}

/// Reads the name of a development account: letters only, as the derivation takes it.
fn parse_dev_account(text: &str) -> Result<String, String> {
    let is_name =
        !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("a development account has a name such as Alice or Bob".into())
    }
}

/// Runs `mica wallet transfer`.
///
/// # Errors
/// [`CommandError::TooMuchToSend`] and [`CommandError::TooLittleToArrive`] before the user is asked
/// for a password; nothing was sent unless the error says so.
pub(super) async fn run(context: &Context, arguments: &TransferArgs) -> Result<(), CommandError> {
    let to = arguments.to;
    if arguments.amount == Sum::Exactly(0) {
        return Err(CommandError::NothingToSend);
    }
    let key: AccountKey = match &arguments.dev_account {
        Some(name) => Signer::from_suri(&format!("//{name}"))
            .map_err(|error| CommandError::Usage(error.to_string()))?
            .into(),
        None => context.account_key()?,
    };
    let (chain, account) = (context.chain().await?, key.account());
    let planned = plan(&chain, account, to, arguments.amount).await?;
    let (amount, call) = (planned.amount, Call::Transfer { to, amount: planned.amount });
    if arguments.options.dry_run {
        let report =
            CallPreview::new(&chain, account, Some(&call), Moved { sent: amount, locked: 0 })
                .await?;
        context.output.show(&DryRun::from(&report), DryRun::to_text)?;
        return planned.verdict;
    }
    planned.verdict?;
    let question = format!(
        "Send {} to {to} (fee about {})?",
        amount::format(amount),
        amount::format(planned.fee)
    );
    context.confirmation().of(&question, Unattended::Proceed)?;
    let signer = key.signer("sending money")?;
    let follow = arguments.options.follow(context.settings.wait, Wait::Finalized);
    let sent = send(&chain, &signer, call, follow, context.progress, "sending").await?;
    let transferred = Transferred::new(account, to, amount, sent);
    Ok(context.output.show(&transferred, Transferred::to_text)?)
}

/// A transfer that was checked.
struct Planned {
    /// Base units that would be sent.
    amount: Balance,
    /// Estimated fee, base units.
    fee: Balance,
    /// Whether the chain would do it.
    verdict: Result<(), CommandError>,
}

/// Looks at both accounts as of the newest block: what the sender can spare, and what the receiver
/// can take.
async fn plan(
    chain: &Chain,
    from: AccountId,
    to: AccountId,
    sum: Sum,
) -> Result<Planned, CommandError> {
    let view = chain.at_best().await?;
    let (sender, receiver) = (view.account(from).await?, view.account(to).await?);
    let widest = match sum {
        Sum::Exactly(amount) => amount,
        Sum::All => sender.spendable(),
    };
    let fee = chain.estimate_fee_for(from, &Call::Transfer { to, amount: widest }).await?;
    let most = sender.most(fee);
    let amount = if sum == Sum::All { most } else { widest };
    let (arrives, least) = (amount >= receiver.least_arrival(), receiver.least_arrival());
    let verdict = match funds::check(from, &sender, amount.max(1), fee) {
        Err(short) if most == 0 => Err(short.into()),
        Err(short) => Err(CommandError::TooMuchToSend { short, most, to: to.to_string() }),
        Ok(()) if !arrives => {
            Err(CommandError::TooLittleToArrive { to: to.to_string(), amount, least })
        }
        Ok(()) => Ok(()),
    };
    Ok(Planned { amount, fee, verdict })
}
