//! `mica-worker`: see `mica-worker --help`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mica_log::EnvFilter;
use mica_worker::{cli::Cli, exit};

/// What is logged unless RUST_LOG says otherwise. A node that knows nobody yet is not worth a line.
const QUIET: &str = "warn,libp2p_kad=error,libp2p_autonat=error";

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(QUIET));
    mica_log::to_stderr(filter);
    match mica_worker::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = exit::code_of(&error);
            // One line: what went wrong, why, and what to do. Errors that people can mend need no
            // backtrace.
            let text = format!("{:#}", eyre::Report::from(error));
            eprintln!("error: {}", mica_text::lines(&text));
            ExitCode::from(code)
        }
    }
}
