//! `mica-worker`: see `mica-worker --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use mica_log::EnvFilter;
use mica_worker::{
    cli::{Cli, Command},
    commands,
    data_dir::DataDir,
    exit,
};

/// What is logged unless RUST_LOG says otherwise. A node that knows nobody yet is no news.
const QUIET: &str = "warn,libp2p_kad=error";

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET));
    mica_log::to_stderr(filter);
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: what went wrong, why, and what to do. Errors that people can mend need no
            // backtrace.
            eprintln!("error: {error:#}");
            ExitCode::from(exit::code_of(&error))
        }
    }
}

fn run(cli: Cli) -> eyre::Result<()> {
    let folder = DataDir::new(cli.data_dir)?;
    match cli.command {
        Command::Init(args) => commands::init::run(&args, &folder),
        Command::Run(args) => runtime()?.block_on(commands::run::run(*args, &folder)),
        Command::Status(args) => runtime()?.block_on(commands::status::run(args, &folder)),
        Command::Market(args) => runtime()?.block_on(commands::market::run(args, &folder)),
        Command::Generate(args) => commands::generate::run(&args),
        Command::Tokenize(args) => commands::tokenize::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()),
    }
}

fn runtime() -> eyre::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
