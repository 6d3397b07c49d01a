//! `mica-worker completions`: a script that lets a shell complete commands and flags.

use std::io::Write;

use clap_complete::Shell;

/// What the command takes.
#[derive(clap::Args)]
pub struct Args {
    /// The shell.
    shell: Shell,
}

/// Prints the script for `command`, the whole command line.
///
/// # Errors
/// If standard output takes no more.
pub(crate) fn run(args: &Args, mut command: clap::Command) -> std::io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "mica-worker", &mut script);
    std::io::stdout().write_all(&script)
}
