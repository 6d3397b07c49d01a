//! What a long command of one process is busy with.

use std::io::{IsTerminal, Write};

/// One line on the terminal that says what takes so long; nothing where no person looks.
pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    /// Shown if standard error is a terminal.
    pub(crate) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal() }
    }

    /// Replaces what the line said.
    pub(crate) fn say(&mut self, what: &str) {
        if self.shown {
            // Goes to the line's start and clears it. A terminal that cannot be written to is no
            // reason to stop.
            let _ = write!(std::io::stderr(), "\r\x1b[K{what}…");
        }
    }

    /// Clears the line.
    pub(crate) fn done(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
