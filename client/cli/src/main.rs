//! `mica`: pay for inference with a wallet.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use mica_cli::{cli::Cli, exit_code::Classified, output::Output};

fn main() -> ExitCode {
    // Diagnostics for developers, off unless asked for; everything a user must know goes through
    // errors and progress.
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("MICA_LOG").unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    // A setting may ask for JSON as well; an error in the settings themselves is told as the
    // command line asks.
    let json = mica_cli::commands::Context::lenient(cli.global.clone())
        .is_ok_and(|context| context.output == Output::Json);
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
                eprintln!("{}", error.document());
            } else {
                eprintln!("error: {error}");
            }
            ExitCode::from(class.code())
        }
    }
}
