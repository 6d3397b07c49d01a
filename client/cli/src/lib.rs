//! `mica`: pay for inference with a wallet.
//!
//! A command reads the command line ([`cli`]) and the [`config`] under the payer's [`home`], and calls
//! the libraries: `mica-wallet` signs, `mica-payer` asks and pays, `mica-workflow` chains and
//! measures prompts, `mica-gateway` serves other programs. What is shown to people and to programs
//! is made in [`render`]; what a failure means to a script is in [`exit_code`].
#![forbid(unsafe_code)]

pub mod chat;
pub mod cli;
pub mod commands;
pub mod config;
pub mod confirm;
pub mod demo;
pub mod doctor;
pub mod error;
pub mod exit_code;
pub mod home;
pub mod output;
pub mod password_prompt;
pub mod progress;
pub mod render;
pub mod terms;
pub mod wait;

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
