//! `mica-worker`: see `mica-worker --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mica_worker::{cli::Cli, commands, exit};
use tracing_subscriber::EnvFilter;

/// What is logged unless RUST_LOG says otherwise. A node that knows nobody yet is not worth a line.
const QUIET: &str = "warn,libp2p_kad=error";

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET));
    // Standard output belongs to results and events.
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match commands::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = exit::code_of(&error);
            // One line: what went wrong, why, and what to do. Errors that people can mend need no
            // backtrace.
            eprintln!("error: {:#}", eyre::Report::from(error));
            ExitCode::from(code)
        }
    }
}
