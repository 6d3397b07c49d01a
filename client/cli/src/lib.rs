//! `mica`: pay for inference with a wallet.
//!
//! A command reads the command line ([`cli`]) and the [`config`] under the payer's [`home`], and
//! calls the libraries: `mica-wallet` signs, `mica-payer` asks and pays, `mica-workflow` chains and
//! measures prompts, `mica-gateway` serves other programs. What is shown to people and to programs
//! is made in [`render`]; what a failure means to a script is in [`exit_code`].
//!
//! The modules stand in the order in which they build on each other, the command line last.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod options;

mod output;

mod progress;

mod home;

mod password_prompt;

pub mod config;

mod terms;

mod confirm;

mod chat;

mod local;

mod demo;

mod localnet;

pub mod error;

pub mod exit_code;

mod context;

mod finding;

mod doctor;

mod send;

pub mod render;

mod commands;

pub mod cli;

use clap::CommandFactory;

use cli::{Cli, Command};
use context::Context;
use error::CommandError;
use options::{Global, Output};

/// Whether errors are told as JSON. A setting may ask for it as well as the command line; an error
/// in the settings themselves is told as the command line asks.
pub fn tells_json(global: &Global) -> bool {
    Context::lenient(global.clone()).is_ok_and(|context| context.output == Output::Json)
}

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
        Command::Model(command) => commands::model::run(&context, &command).await,
        Command::Forget(arguments) => commands::forget::run(&context, &arguments).await,
        Command::Ask(arguments) => commands::ask::run(&context, *arguments).await,
        Command::Chat(arguments) => commands::chat::run(&context, *arguments).await,
        Command::Quote(arguments) => commands::quote::run(&context, &arguments).await,
        Command::Gateway(arguments) => commands::gateway::run(&context, *arguments).await,
        Command::Channel(command) => commands::channel::run(&context, command).await,
        Command::Hub(command) => commands::hub::run(&context, command).await,
        Command::Receipt(command) => commands::receipt::run(&context, command).await,
        Command::Validator(command) => commands::validator::run(&context, command).await,
        Command::Config(command) => commands::config::run(&context, &command),
        Command::Doctor(arguments) => commands::doctor::run(&context, &arguments).await,
        Command::Man(arguments) => commands::man::run(&context, &arguments, Cli::command()),
        Command::Workflow(command) => commands::workflow::run(&context, command).await,
        Command::Matrix(arguments) => commands::matrix::run(&context, *arguments).await,
        Command::Completions { shell } => commands::completions::run(shell, Cli::command()),
        Command::Demo(arguments) => commands::demo::run(&context, &arguments).await,
        Command::Localnet(command) => commands::localnet::run(&context, &command).await,
    }
}
