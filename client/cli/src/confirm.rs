//! A question before something that cannot be undone: asked at a terminal only, and not after
//! `--yes`.

use std::io::{BufRead, IsTerminal, Write};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    /// The user did not agree, or there was no one to ask.
    #[error("not confirmed; nothing was done (pass --yes if nobody can be asked)")]
    NotConfirmed,
    /// Standard input or standard error failed.
    #[error("cannot read standard input: {0}")]
    Input(std::io::Error),
}

/// What stands between a question and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// `--yes`: no question.
    Given,
    /// Ask, if there is a terminal.
    Ask,
}

/// Where there is no one to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unattended {
    /// A script means what it says.
    Proceed,
    /// Only `--yes` is meant.
    Refuse,
}

impl Confirmation {
    /// Asks `question`, to which only `y` or `yes` agrees.
    ///
    /// # Errors
    /// [`ConfirmError::NotConfirmed`] after any other answer, or if there is no one to ask and that
    /// refuses.
    pub(crate) fn of(self, question: &str, unattended: Unattended) -> Result<(), ConfirmError> {
        if self == Self::Given {
            return Ok(());
        }
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return match unattended {
                Unattended::Proceed => Ok(()),
                Unattended::Refuse => Err(ConfirmError::NotConfirmed),
            };
        }
        let mut stderr = std::io::stderr().lock();
        write!(stderr, "{question} [y/N] ")
            .and_then(|()| stderr.flush())
            .map_err(ConfirmError::Input)?;
        let mut answer = String::new();
        stdin.lock().read_line(&mut answer).map_err(ConfirmError::Input)?;
        if is_yes(&answer) { Ok(()) } else { Err(ConfirmError::NotConfirmed) }
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_agrees() {
        assert!(["y", "Y\n", " yes\r\n", "YES"].into_iter().all(is_yes));
        assert!(!["", "\n", "n", "no", "yep", "yes please"].into_iter().any(is_yes));
    }
}
