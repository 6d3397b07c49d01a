//! The worker: serves a range of layers of one model, for money.
//!
//! The modules follow a worker's life: [`cli`] and `commands` read the command line; `config` and
//! `keys` are made by `init` in a `data_dir`; `run` opens the `store`, finds the `model` among the
//! `models`, loads it into the `engine` thread, registers with the chain and serves: see `daemon`.
//! `pricing` and `migration` follow the market. `report` tells people and programs what happens.
//! [`Error`] is why a command failed, [`exit`] its code.
//!
//! **Architecture invariants.** Inference runs on its own thread, never on the async runtime.
//! Whatever changes a session or its money goes through one place, the daemon's session actor,
//! which writes it down before it acts on it. The rules of a session are in `mica-protocol`, the
//! mathematics of prices and ranges in `mica-market`, the chain in `mica-chain`, peers in
//! `mica-net`; this crate connects them.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod causes;
mod config;
mod daemon;
mod data_dir;
mod engine;
mod error;
mod keys;
mod machine;
mod migration;
mod model;
mod models;
mod pricing;
mod report;
mod store;

pub mod cli;
pub mod exit;

mod commands;

use clap::CommandFactory;

use cli::{Cli, Command};
use commands::{
    backup, bench, completions, doctor, generate, hand_over, init, life, logs, market, perplexity,
    status, tokenize, watch,
};
use data_dir::DataDir;
pub use error::Error;

/// Runs a command.
///
/// # Errors
/// Why it failed; [`exit::code_of`] has the process's exit code.
pub fn run(cli: Cli) -> Result<(), Error> {
    let folder = DataDir::new(cli.data_dir)?;
    match cli.command {
        Command::Init(args) => init::run(&args, &folder)?,
        Command::Man(args) => commands::man::run(&args, Cli::command())?,
        Command::HandOver(args) => runtime()?.block_on(hand_over::run(args, &folder))?,
        Command::Run(args) => runtime()?.block_on(commands::run::run(*args, &folder))?,
        Command::Register(args) => runtime()?.block_on(commands::run::register(*args, &folder))?,
        Command::Leave(args) => runtime()?.block_on(life::leave::run(args, &folder))?,
        Command::Withdraw(args) => runtime()?.block_on(life::stake::withdraw(args, &folder))?,
        Command::Stake(args) => runtime()?.block_on(life::stake::stake(args, &folder))?,
        Command::Watch(args) => runtime()?.block_on(watch::run(args, &folder))?,
        Command::Logs(args) => logs::run(&args, &folder)?,
        Command::Backup(args) => backup::run(&args, &folder)?,
        Command::Restore(args) => backup::restore::run(&args, &folder)?,
        Command::Config(args) => commands::config::run(&args, &folder)?,
        Command::Doctor(args) => runtime()?.block_on(doctor::run(args, &folder))?,
        Command::Status(args) => runtime()?.block_on(status::run(args, &folder))?,
        Command::Market(args) => runtime()?.block_on(market::run(args, &folder))?,
        Command::Model(args) => runtime()?.block_on(commands::model::run(args, &folder))?,
        Command::Generate(args) => generate::run(&args)?,
        Command::Tokenize(args) => tokenize::run(&args)?,
        Command::Perplexity(args) => perplexity::run(&args)?,
        Command::Bench(args) => bench::run(&args)?,
        Command::Completions(args) => {
            completions::run(&args, Cli::command()).map_err(Error::Completions)?
        }
    }
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::Runtime)
}
