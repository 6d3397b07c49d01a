//! `mica-worker completions`: a script that lets a shell complete commands and flags.

use clap::CommandFactory;
use clap_complete::Shell;
use eyre::Result;

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
/// Never; the signature is that of every command.
pub fn run(args: &Args) -> Result<()> {
    clap_complete::generate(args.shell, &mut Cli::command(), "mica-worker", &mut std::io::stdout());
    Ok(())
}
