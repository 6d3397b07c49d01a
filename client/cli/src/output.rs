//! What commands say on stdout: text for people, or one JSON document.

use std::io::{IsTerminal, Write};

use mica_text::AnswerFilter;
use serde::Serialize;
use zeroize::Zeroizing;

pub(crate) use crate::options::Output;

/// stdout takes no more, for example because a pipe was closed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct OutputError(#[from] std::io::Error);

impl Output {
    /// Prints `value` as JSON, or what `text` makes of it.
    ///
    /// # Errors
    /// [`OutputError`] if stdout refuses.
    pub fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), OutputError> {
        match self {
            // A phrase may be in it.
            Self::Text => write(Zeroizing::new(text(value)).trim_end(), "\n"),
            Self::Json => write(
                &Zeroizing::new(
                    serde_json::to_string_pretty(value).map_err(std::io::Error::other)?,
                ),
                "\n",
            ),
        }
    }

    /// As [`Self::show`], with the JSON document on one line: for commands that print several, one
    /// after the other.
    ///
    /// # Errors
    /// [`OutputError`] if stdout refuses.
    pub fn show_line<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), OutputError> {
        match self {
            Self::Text => self.show(value, text),
            Self::Json => {
                write(&serde_json::to_string(value).map_err(std::io::Error::other)?, "\n")
            }
        }
    }

    /// Prints a piece of a stream at once; nothing in JSON form.
    ///
    /// # Errors
    /// [`OutputError`] if stdout refuses.
    pub fn stream(self, piece: &str) -> Result<(), OutputError> {
        if self == Self::Text { write(piece, "") } else { Ok(()) }
    }
}

/// To a terminal without what would move its cursor: models, peers and the registry say what they
/// like. To anything else as it is.
fn write(text: &str, end: &str) -> Result<(), OutputError> {
    let mut stdout = std::io::stdout().lock();
    if stdout.is_terminal() {
        let seen = Zeroizing::new(AnswerFilter::default().pass(text));
        stdout.write_all(seen.as_bytes())?;
    } else {
        stdout.write_all(text.as_bytes())?;
    }
    stdout.write_all(end.as_bytes())?;
    Ok(stdout.flush()?)
}
