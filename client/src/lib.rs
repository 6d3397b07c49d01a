//! `mica`: pay for inference with a wallet.
//!
//! The modules follow a paid prompt: a [`wallet`] under the payer's [`home`] signs, the [`market`]
//! is read from the chain and a path is chosen, a [`session`] pays the workers token by token and
//! keeps what it promised and what it received in the [`store`], and [`verify`] checks the receipts
//! again later. [`demo`] runs all of it, with a chain and three workers, on one machine. A
//! [`workflow`] chains such prompts over several models, a [`matrix`] measures many of them and
//! makes statistics.
//!
//! Architecture invariants: only `mica-chain` names subxt and only `mica-net` names libp2p; a
//! promise is on disk before it is sent; money is an integer of base units everywhere; every wait
//! has a deadline.
#![forbid(unsafe_code)]

pub mod ask;
pub mod channels;
pub mod chat;
pub mod cli;
pub mod commands;
pub mod config;
pub mod confirm;
pub mod demo;
pub mod doctor;
pub mod dry_run;
pub mod error;
pub mod files;
pub mod funds;
pub mod gateway;
pub mod home;
pub mod interrupt;
pub mod market;
pub mod matrix;
pub mod model;
pub mod number;
pub mod output;
pub mod progress;
pub mod session;
pub mod store;
pub mod switchboard;
pub mod verify;
pub mod wait;
pub mod wallet;
pub mod workflow;

use cli::{Cli, Command};
use commands::Context;
use error::CommandError;

/// Runs one command.
///
/// # Errors
/// [`CommandError`]; its class gives the exit code.
pub async fn run(cli: Cli) -> Result<(), CommandError> {
    let context = match cli.command {
        // These must work with settings that do not.
        Command::Config(_) | Command::Doctor(_) | Command::Man(_) | Command::Completions { .. } => {
            Context::lenient(cli.global)?
        }
        _ => Context::new(cli.global)?,
    };
    match cli.command {
        Command::Wallet(command) => commands::wallet::run(&context, command).await,
        Command::Market(arguments) => commands::market::run(&context, &arguments).await,
        Command::Ask(arguments) => commands::ask::run(&context, *arguments).await,
        Command::Chat(arguments) => commands::chat::run(&context, *arguments).await,
        Command::Quote(arguments) => commands::quote::run(&context, &arguments).await,
        Command::Gateway(arguments) => commands::gateway::run(&context, *arguments).await,
        Command::Channel(command) => commands::channel::run(&context, command).await,
        Command::Receipt(command) => commands::receipt::run(&context, command).await,
        Command::Validator(command) => commands::validator::run(&context, command).await,
        Command::Config(command) => commands::config::run(&context, &command),
        Command::Doctor(arguments) => commands::doctor::run(&context, &arguments).await,
        Command::Man(arguments) => commands::man::run(&context, &arguments),
        Command::Workflow(command) => commands::workflow::run(&context, command).await,
        Command::Matrix(arguments) => commands::matrix::run(&context, *arguments).await,
        Command::Completions { shell } => commands::completions::run(&context, shell),
        Command::Demo(arguments) => commands::demo::run(&context, &arguments).await,
    }
}
