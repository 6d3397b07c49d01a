//! `mica completions SHELL`: completions for the shell that is named.

use clap::Command;
use clap_complete::Shell;

use crate::error::CommandError;
use crate::options::Output;

/// Prints the completions of the program whose command line is `command`.
///
/// # Errors
/// [`CommandError`] if stdout refuses.
pub(crate) fn run(shell: Shell, mut command: Command) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "mica", &mut script);
    // A script is text by nature: --json does not change it.
    Ok(Output::Text.stream(&String::from_utf8_lossy(&script))?)
}
