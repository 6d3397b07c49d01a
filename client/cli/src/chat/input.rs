//! Where turns come from: a terminal with history and editing, or the lines of standard input.
//!
//! What is typed at the terminal is kept in the home folder, for the owner alone, the newest
//! [`MAX_HISTORY`] turns of it.

use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};

use rustyline::{
    CompletionType, Config, Context, Editor, Helper,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::ChatError;
use mica_wallet::files;

/// Most bytes of one turn.
pub(crate) const MAX_TURN_BYTES: u64 = 1 << 20;
/// Turns that are kept.
const MAX_HISTORY: usize = 500;
/// Most bytes of the file of them.
const MAX_HISTORY_BYTES: u64 = 4 << 20;
/// Longer turns are not kept.
const MAX_KEPT_BYTES: usize = 8 * 1024;
const COMMANDS: [&str; 6] = ["/cost", "/path", "/model", "/reset", "/help", "/quit"];

/// What the source of turns gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A turn.
    Text(String),
    /// Ctrl-C at the prompt.
    Interrupted,
    /// Ctrl-D, or no more lines.
    End,
}

/// A source of turns.
pub(crate) enum Input {
    /// A user at a keyboard.
    Terminal {
        /// The line editor.
        editor: Box<Editor<CommandLine, MemHistory>>,
        /// Where the history lies.
        history: PathBuf,
    },
    /// A pipe or a file.
    Lines,
}

impl Input {
    /// Standard input, with the history at `history` if it is a terminal. A history that cannot be
    /// read counts as empty.
    ///
    /// # Errors
    /// [`ChatError::Terminal`].
    pub(crate) fn open(history: &Path) -> Result<Self, ChatError> {
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Ok(Self::Lines);
        }
        let failed = |error: ReadlineError| ChatError::Terminal(error.to_string());
        let config = Config::builder()
            .max_history_size(MAX_HISTORY)
            .map_err(failed)?
            .completion_type(CompletionType::List)
            .build();
        let memory = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, memory).map_err(failed)?;
        editor.set_helper(Some(CommandLine));
        let kept = files::read_bounded(history, MAX_HISTORY_BYTES).unwrap_or_default();
        for line in String::from_utf8_lossy(&kept).lines() {
            if let Ok(turn) = serde_json::from_str::<String>(line) {
                editor.add_history_entry(turn).map_err(failed)?;
            }
        }
        Ok(Self::Terminal { editor: Box::new(editor), history: history.to_owned() })
    }

    /// Whether a user sits at a keyboard.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    /// The next turn, continued lines joined.
    ///
    /// # Errors
    /// [`ChatError`].
    pub(crate) fn next_turn(&mut self) -> Result<Turn, ChatError> {
        match self {
            Self::Terminal { editor, .. } => match editor.readline("> ") {
                Ok(text) if text.len() as u64 > MAX_TURN_BYTES => Err(ChatError::TooLong),
                Ok(text) => {
                    if text.len() <= MAX_KEPT_BYTES {
                        // A history that is full or refuses a turn is no reason to lose the turn.
                        let _ = editor.add_history_entry(text.as_str());
                    }
                    Ok(Turn::Text(text.replace("\\\n", "\n")))
                }
                Err(ReadlineError::Interrupted) => Ok(Turn::Interrupted),
                Err(ReadlineError::Eof) => Ok(Turn::End),
                Err(error) => Err(ChatError::Terminal(error.to_string())),
            },
            Self::Lines => lines(&mut std::io::stdin().lock()),
        }
    }

    /// Keeps what was typed for the next time.
    ///
    /// # Errors
    /// [`files::FileError`]; nothing but the history is lost then.
    pub(crate) fn close(self) -> Result<(), files::FileError> {
        let Self::Terminal { editor, history } = self else { return Ok(()) };
        let mut text = String::new();
        for turn in editor.history() {
            // A text is always JSON.
            text.push_str(&serde_json::Value::from(turn.as_str()).to_string());
            text.push('\n');
        }
        files::replace_private(&history, text.as_bytes())
    }
}

/// One turn from lines: up to the first that does not end with a backslash.
fn lines(source: &mut dyn BufRead) -> Result<Turn, ChatError> {
    let mut turn = Vec::new();
    loop {
        let room = (MAX_TURN_BYTES + 1).saturating_sub(turn.len() as u64);
        let read = source
            .take(room)
            .read_until(b'\n', &mut turn)
            .map_err(|error| ChatError::Terminal(error.to_string()))?;
        if turn.len() as u64 > MAX_TURN_BYTES {
            return Err(ChatError::TooLong);
        }
        if read > 0 && turn.ends_with(b"\\\n") {
            turn.truncate(turn.len().saturating_sub(2));
            turn.push(b'\n');
            continue;
        }
        return Ok(match (read, turn.is_empty()) {
            (0, true) => Turn::End,
            _ => Turn::Text(String::from_utf8_lossy(&turn).into_owned()),
        });
    }
}

/// Completes commands and lets a backslash continue the line.
pub(crate) struct CommandLine;

impl Helper for CommandLine {}
impl Highlighter for CommandLine {}
impl Hinter for CommandLine {
    type Hint = String;
}
impl Completer for CommandLine {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..position).unwrap_or_default();
        let fitting =
            COMMANDS.iter().filter(|command| typed.starts_with('/') && command.starts_with(typed));
        Ok((0, fitting.map(|command| (*command).to_owned()).collect()))
    }
}
impl Validator for CommandLine {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let goes_on = context.input().ends_with('\\');
        Ok(if goes_on { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<Turn> {
        let mut source = text;
        let mut turns = Vec::new();
        while turns.last() != Some(&Turn::End) {
            turns.push(lines(&mut source).expect("short"));
        }
        turns
    }

    #[test]
    fn a_line_is_a_turn_and_a_backslash_goes_on() {
        let text = |text: &str| Turn::Text(text.to_owned());
        assert_eq!(all(b"one\ntwo"), [text("one\n"), text("two"), Turn::End]);
        assert_eq!(all(b"one\\\ntwo\nthree\n"), [text("one\ntwo\n"), text("three\n"), Turn::End]);
        assert_eq!(all(b"cut\\"), [text("cut\\"), Turn::End]);
        assert_eq!(all(b"cut\\\n"), [text("cut\n"), Turn::End]);
        assert_eq!(all(b""), [Turn::End]);
        assert_eq!(all(&[0xff, b'\n']), [text("\u{fffd}\n"), Turn::End]);
    }

    #[test]
    fn a_turn_has_an_end() {
        let endless = vec![b'a'; MAX_TURN_BYTES as usize + 10];
        assert!(matches!(lines(&mut endless.as_slice()), Err(ChatError::TooLong)));
        let continued = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\\n".repeat(1 << 16);
        assert!(matches!(lines(&mut continued.as_slice()), Err(ChatError::TooLong)));
    }
}
