//! `mica completions SHELL`: completions for the shell that is named.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Context;
use crate::cli::Cli;
use crate::error::CommandError;
use crate::output::Output;

/// Prints the completions.
///
/// # Errors
/// [`CommandError`] if stdout refuses.
pub fn run(_context: &Context, shell: Shell) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mica", &mut script);
    // A script is text by nature: --json does not change it.
    Ok(Output::Text.stream(&String::from_utf8_lossy(&script))?)
}
