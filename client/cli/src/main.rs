//! `mica`: pay for inference with a wallet.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mica_cli::{cli::Cli, exit_code::Classified, render::error::document};

fn main() -> ExitCode {
    // Diagnostics for developers, off unless asked for; everything a user must know goes through
    // errors and progress.
    let filter = mica_log::EnvFilter::try_from_env("MICA_LOG").unwrap_or_else(|_| "off".into());
    mica_log::to_stderr(filter);
    let cli = Cli::parse();
    let json = mica_cli::tells_json(&cli.global);
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("error: cannot start the program's threads: {error}");
                return ExitCode::FAILURE;
            }
        };
    match runtime.block_on(mica_cli::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let class = error.class();
            if json {
                eprintln!("{}", document(&error));
            } else {
                eprintln!("error: {}", mica_text::lines(&error.to_string()));
            }
            ExitCode::from(class.code())
        }
    }
}
