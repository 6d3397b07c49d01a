//! Passwords: from a file or the environment, or typed at the terminal.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

use mica_wallet::{PasswordPrompt, PasswordRole, PasswordSource};

/// The first line of `file`, or the role's variable, or the person at the terminal.
pub(crate) fn source(role: PasswordRole, file: Option<PathBuf>) -> PasswordSource {
    PasswordSource::from_environment(role, file).or_ask(&Terminal)
}

struct Terminal;

impl PasswordPrompt for Terminal {
    fn is_available(&self) -> bool {
        stdin().is_terminal()
    }

    fn ask(&self, question: &str) -> std::io::Result<String> {
        rpassword::prompt_password(question)
    }
}
