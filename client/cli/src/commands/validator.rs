//! `mica validator …`: one file per subcommand. The wallet's account is the validator; the node is
//! its own.

mod bond;
mod chill;
mod nominate;
mod payout;
mod set_keys;
mod status;
mod unbond;
mod validate;
mod withdraw;

use clap::Subcommand;
use mica_chain::{AccountId, Call, Chain, Signer, amount};
use mica_primitives::Balance;

use crate::confirm::Unattended;
use crate::context::Context;
use crate::error::CommandError;
use crate::options::parse_address;
use crate::options::{SendOptions, Wait};
use crate::render::{preview::DryRun, validator::ValidatorChange};
use crate::send::send;
use mica_payer::funds;
use mica_payer::preview::{CallPreview, Moved};

/// `mica validator …`
#[derive(Debug, Subcommand)]
pub enum ValidatorCommand {
    /// Put money at stake, or more of it
    Bond(bond::BondArgs),
    /// Make session keys in the node and name them to the chain
    SetKeys(SendOptions),
    /// Stand for election
    Validate(validate::ValidateArgs),
    /// Stand behind validators with a bond, and share what they earn and lose
    Nominate(nominate::NominateArgs),
    /// What the chain knows of a validator, and what is still to do
    Status {
        /// Account to look at instead of the wallet's
        #[arg(value_parser = parse_address)]
        account: Option<AccountId>,
    },
    /// Stand for election, or behind others, no more; the bond stays
    Chill(SendOptions),
    /// Take money out of the bond; it comes free after the bonding duration
    Unbond(unbond::UnbondArgs),
    /// Take what has come free
    Withdraw(SendOptions),
    /// Pay out the rewards of past eras, before the chain forgets them
    Payout(payout::PayoutArgs),
}

/// Runs `mica validator …`.
///
/// # Errors
/// [`CommandError`]; nothing was sent unless the error says so.
pub(crate) async fn run(context: &Context, command: ValidatorCommand) -> Result<(), CommandError> {
    match command {
        ValidatorCommand::Bond(arguments) => bond::run(context, &arguments).await,
        ValidatorCommand::SetKeys(options) => set_keys::run(context, options).await,
        ValidatorCommand::Validate(arguments) => validate::run(context, &arguments).await,
        ValidatorCommand::Nominate(arguments) => nominate::run(context, &arguments).await,
        ValidatorCommand::Status { account } => status::run(context, account).await,
        ValidatorCommand::Chill(options) => chill::run(context, options).await,
        ValidatorCommand::Unbond(arguments) => unbond::run(context, &arguments).await,
        ValidatorCommand::Withdraw(options) => withdraw::run(context, options).await,
        ValidatorCommand::Payout(arguments) => payout::run(context, &arguments).await,
    }
}

/// A change of a validator on chain: what is sent, and the words in which it is asked for and
/// reported.
struct Change {
    call: Call,
    moved: Moved,
    /// The question before it.
    question: String,
    /// What the password is for, and what is said while it takes its time.
    purpose: &'static str,
    /// What has happened, for people.
    done: String,
}

impl Change {
    /// Shows it with `--dry-run`; otherwise checks that there is enough money, asks, sends it and
    /// says so.
    async fn carry_out(
        self,
        context: &Context,
        chain: &Chain,
        options: SendOptions,
    ) -> Result<(), CommandError> {
        match self.approve(context, chain, options).await? {
            Some(signer) => self.send(context, chain, options, &signer).await,
            None => Ok(()),
        }
    }

    /// Checks that there is enough money, asks, and opens the key that signs. With `--dry-run`
    /// shows it instead, and there is no key.
    async fn approve(
        &self,
        context: &Context,
        chain: &Chain,
        options: SendOptions,
    ) -> Result<Option<Signer>, CommandError> {
        let key = context.account_key()?;
        let account = key.account();
        if options.dry_run {
            return preview(context, chain, account, &self.call, self.moved).await.map(|()| None);
        }
        let fee = chain.estimate_fee_for(account, &self.call).await?;
        let money = chain.at_best().await?.account(account).await?;
        funds::check(account, &money, self.moved.sent.saturating_add(self.moved.locked), fee)?;
        context.confirmation().of(
            &format!("{} (fee about {})?", self.question, amount::format(fee)),
            Unattended::Proceed,
        )?;
        Ok(Some(key.signer(self.purpose)?))
    }

    /// Sends it and says what has happened.
    async fn send(
        self,
        context: &Context,
        chain: &Chain,
        options: SendOptions,
        signer: &Signer,
    ) -> Result<(), CommandError> {
        let follow = options.follow(context.settings.wait, Wait::Included);
        let sent = send(chain, signer, self.call, follow, context.progress, self.purpose).await?;
        let change = ValidatorChange::new(signer.account(), &self.done, sent);
        Ok(context.output.show(&change, ValidatorChange::to_text)?)
    }
}

/// Shows what `call` would do, and whether there is enough money for it.
async fn preview(
    context: &Context,
    chain: &Chain,
    account: AccountId,
    call: &Call,
    moved: Moved,
) -> Result<(), CommandError> {
    let report = CallPreview::new(chain, account, Some(call), moved).await?;
    context.output.show(&DryRun::from(&report), DryRun::to_text)?;
    Ok(report.verdict()?)
}

/// Nothing but the fee is moved.
const FEE_ONLY: Moved = Moved { sent: 0, locked: 0 };

/// Refuses with a text that names the remedy.
fn refused<T>(text: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::Usage(text.into()))
}

/// What is missing from the least bond of a validator, for an error.
fn below_least(bonded: Balance, least: Balance) -> String {
    format!(
        "a validator has at least {} at stake, and this would be {}",
        amount::format(least),
        amount::format(bonded)
    )
}
