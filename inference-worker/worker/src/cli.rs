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
    /// Redeems what closing channels owe to workers that cannot do it themselves.
    Watch(commands::watch::Args),
    /// Shows what the worker does and what the chain says of it.
    Status(commands::status::Args),
    /// Looks at the market of the model served.
    Market(commands::market::Args),
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
}
