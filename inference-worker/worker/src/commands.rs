//! One file per command: what its command line takes, and a `run` that does it.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod market;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod tokenize;

use crate::{
    cli::{Cli, Command},
    data_dir::DataDir,
    error::Error,
};

/// Runs a command.
///
/// # Errors
/// Why it failed; [`crate::exit::code_of`] has the process's exit code.
pub fn run(cli: Cli) -> Result<(), Error> {
    let folder = DataDir::new(cli.data_dir)?;
    match cli.command {
        Command::Init(args) => init::run(&args, &folder)?,
        Command::Run(args) => runtime()?.block_on(run::run(*args, &folder))?,
        Command::Status(args) => runtime()?.block_on(status::run(args, &folder))?,
        Command::Market(args) => runtime()?.block_on(market::run(args, &folder))?,
        Command::Generate(args) => generate::run(&args)?,
        Command::Tokenize(args) => tokenize::run(&args)?,
        Command::Bench(args) => bench::run(&args)?,
        Command::Completions(args) => completions::run(&args).map_err(Error::Completions)?,
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
