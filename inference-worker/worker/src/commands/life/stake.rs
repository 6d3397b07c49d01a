//! `mica-worker withdraw` and `mica-worker stake add`.

use mica_chain::{Call, MicaEvent, Until, amount};
use mica_primitives::{Balance, WorkerStatus};

use super::{ChainArgs, FEE_RESERVE, Life, LifeError};
use crate::{daemon::register::FundsError, data_dir::DataDir, report::Event};

/// What `withdraw` takes.
#[derive(clap::Args)]
pub struct WithdrawArgs {
    #[command(flatten)]
    chain: ChainArgs,
}

/// What `stake` takes.
#[derive(clap::Args)]
pub struct StakeArgs {
    /// What to do with the stake.
    #[command(subcommand)]
    command: StakeCommand,
}

#[derive(clap::Subcommand)]
enum StakeCommand {
    /// Puts more of the account's money on hold, for more layers or for more trust.
    Add(AddArgs),
}

/// What `stake add` takes.
#[derive(clap::Args)]
struct AddArgs {
    /// How much: 10 is MICA, 1000000u is base units.
    #[arg(value_name = "AMOUNT", value_parser = amount::parse)]
    amount: Balance,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Takes back the stake of an account that has left.
///
/// # Errors
/// [`LifeError`] says what stands in the way, and for how long.
pub(crate) async fn withdraw(args: WithdrawArgs, folder: &DataDir) -> Result<(), LifeError> {
    Life::open(&args.chain, folder).await?.withdraw().await
}

/// Changes the stake.
///
/// # Errors
/// [`LifeError`]; nothing was changed then.
pub(crate) async fn stake(args: StakeArgs, folder: &DataDir) -> Result<(), LifeError> {
    let StakeCommand::Add(args) = args.command;
    let life = Life::open(&args.chain, folder).await?;
    life.add(args.amount).await
}

impl Life {
    async fn add(&self, added: Balance) -> Result<(), LifeError> {
        let Some(record) = self.record().await? else {
            return Err(LifeError::NotRegistered(self.account));
        };
        if let WorkerStatus::Unbonding { .. } = record.status {
            return Err(LifeError::Leaving);
        }
        let command = format!("stake add {}", amount::format(added).replace(' ', ""));
        let signer = self.own_key("raise the stake", &command)?;
        let found = self.chain.at_best().await?.account(self.account).await?;
        let missing = found.missing(added, FEE_RESERVE);
        if missing > 0 {
            let error = FundsError {
                account: self.account,
                purpose: "raise the stake",
                free: found.free,
                needed: found.needed(added, FEE_RESERVE),
                stays: found.stays(),
                missing,
            };
            return Err(error.into());
        }
        let call = Call::TopUpStake(added);
        let submitted = self.chain.submit(signer, call, Until::Finalized).await?;
        for event in submitted.known() {
            if let MicaEvent::StakeToppedUp { stake, .. } = *event {
                let block = submitted.block.number;
                self.reporter.emit(&Event::StakeAdded { added, stake, block });
            }
        }
        Ok(())
    }
}
