//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;

/// Serves layers of a language model to paying peers.
#[derive(Parser)]
#[command(name = "mica-worker", version, about, max_term_width = 110)]
pub struct Cli {
    /// Folder of configuration, keys and store [default: ~/.mica/worker].
    #[arg(long, global = true, env = "MICA_WORKER_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Makes the folder: configuration, account key and peer key.
    Init(commands::init::Args),
    /// Names an operator's key for the daily work, so that the key of the stake can be kept
    /// elsewhere.
    HandOver(commands::hand_over::Args),
    /// Registers and serves until it is stopped.
    Run(Box<commands::run::Args>),
    /// Registers like `run`, and ends: for a worker whose daily work another key is to do.
    Register(Box<commands::run::Args>),
    /// Stops serving for good: redeems, leaves the registry, waits, and takes the stake back.
    Leave(commands::life::leave::Args),
    /// Takes back the stake of an account that has left.
    Withdraw(commands::life::stake::WithdrawArgs),
    /// Changes the stake.
    Stake(commands::life::stake::StakeArgs),
    /// Redeems what closing channels owe to workers that cannot do it themselves.
    Watch(commands::watch::Args),
    /// Shows what the worker does and what the chain says of it.
    Status(commands::status::Args),
    /// Shows the newest events of a worker that runs or ran.
    Logs(commands::logs::Args),
    /// Copies everything that is worth money to a folder, also while a worker runs.
    Backup(commands::backup::Args),
    /// Makes the folder what a backup has, unless it has newer records.
    Restore(commands::backup::restore::Args),
    /// Shows and changes the settings.
    Config(commands::config::Args),
    /// Tells on one screen whether payers can and do use it, why not, and what would change that.
    Doctor(commands::doctor::Args),
    /// Looks at the market of the model served.
    Market(commands::market::Args),
    /// Fetches models and layers of models, shows, verifies and removes them.
    Model(commands::model::Args),
    /// Generates text with all layers in this process, without network and chain.
    Generate(Box<commands::generate::GenerateArgs>),
    /// Turns text into token ids.
    Tokenize(commands::tokenize::TokenizeArgs),
    /// Measures how well a model predicts a text.
    Perplexity(commands::perplexity::PerplexityArgs),
    /// Measures prefill and decoding on this machine.
    Bench(commands::bench::BenchArgs),
    /// Prints a completion script for a shell.
    Completions(commands::completions::Args),
    /// Prints the manual page, or writes one for each command.
    Man(commands::man::Args),
}
