//! `mica localnet up|down|status`: a network on this machine that stays.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::context::Context;
use crate::error::CommandError;
use crate::localnet::{self, MAX_WORKERS, Place, Plan, Record};
use crate::render::localnet::{Stopped, text};

/// The commands.
#[derive(Debug, Subcommand)]
pub enum LocalnetCommand {
    /// Start four validators, workers of the built-in model and a funded account; deletes the state
    /// of the network that ran there before
    Up {
        /// Where it lies
        #[command(flatten)]
        place: PlaceArgs,
        /// Workers that share the built-in model
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_WORKERS)))]
        workers: u16,
    },
    /// Stop it
    Down {
        /// Where it lies
        #[command(flatten)]
        place: PlaceArgs,
    },
    /// Show what runs
    Status {
        /// Where it lies
        #[command(flatten)]
        place: PlaceArgs,
    },
}

/// Where a local network lies.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// Folder of its state and logs
    #[arg(long, default_value = "target/localnet", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// File that says what runs
    #[arg(long, default_value = "target/localnet.json", value_hint = ValueHint::FilePath)]
    record: PathBuf,
}

impl PlaceArgs {
    fn place(&self) -> Place {
        Place { folder: self.folder.clone(), record: self.record.clone() }
    }
}

/// Runs `mica localnet …`.
///
/// # Errors
/// [`CommandError::Localnet`]; what `up` had started is stopped then.
pub(crate) async fn run(context: &Context, command: &LocalnetCommand) -> Result<(), CommandError> {
    match command {
        LocalnetCommand::Up { place, workers } => {
            let plan = Plan { workers: *workers };
            let record = localnet::up(&place.place(), &plan, context.progress).await?;
            Ok(context.output.show(&record, |record| text(record, record.pids().count()))?)
        }
        LocalnetCommand::Down { place } => {
            let processes = localnet::down(&place.place()).await?;
            Ok(context.output.show(&Stopped { processes }, Stopped::to_text)?)
        }
        LocalnetCommand::Status { place } => match Record::read(&place.record)? {
            None => Ok(context.output.show(&Stopped { processes: 0 }, Stopped::to_text)?),
            Some(record) => {
                let running = localnet::running(&record);
                Ok(context.output.show(&record, |record| text(record, running))?)
            }
        },
    }
}
