//! `mica-worker completions`: a script that lets a shell complete commands and flags.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// If standard output takes no more.
pub(crate) fn run(args: &Args) -> std::io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mica-worker", &mut script);
    std::io::stdout().write_all(&script)
}
