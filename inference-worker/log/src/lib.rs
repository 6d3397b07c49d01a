//! The log of the programs that speak to strangers: to standard error, with control characters
//! escaped.
//!
//! What peers, nodes and HTTP clients say ends up in log lines; [`mica_text`] says what of it is a
//! control. Written as it came, an escape
//! sequence moves the cursor, changes the window's title or hides text, and a line break forges a
//! line (RUSTSEC-2025-0055). tracing-subscriber escapes since 0.3.20, which the node's libraries do
//! not allow yet; this crate does it for every version.
#![forbid(unsafe_code)]

use std::fmt::{self, Write};

pub use tracing_subscriber::EnvFilter;
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FormatFields,
        format::{DefaultFields, Writer},
    },
};

/// Logs what `filter` lets through to standard error, until the program ends. Standard output is
/// left to results.
///
/// # Panics
/// If the program has a log already.
pub fn to_stderr(filter: EnvFilter) {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .fmt_fields(EscapedFields)
        .with_writer(std::io::stderr)
        .init();
}

/// Formats messages and fields, of events and of spans, without control characters. Time, level and
/// target are not theirs and keep their colours.
struct EscapedFields;

impl<'writer> FormatFields<'writer> for EscapedFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut escaping = Escaping(writer);
        DefaultFields::new().format_fields(Writer::new(&mut escaping), fields)
    }
}

/// Writes controls, marks of direction among them, as Rust spells them: `\u{1b}`, `\n`.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(mica_text::is_control) {
            let control = piece.chars().next_back().filter(|last| mica_text::is_control(*last));
            let length = piece.len() - control.map_or(0, char::len_utf8);
            self.0.write_str(&piece[..length])?;
            if let Some(control) = control {
                write!(self.0, "{}", control.escape_default())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// Collects what is logged.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics with it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn control_characters_of_messages_fields_and_spans_are_escaped() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .fmt_fields(EscapedFields)
            .with_writer(move || writer.clone())
            .finish();
        let hostile = "a\u{1b}[31mb\u{9b}2J\u{7}\u{202e}\nERROR forged";
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("span", hostile);
            let _inside = span.enter();
            tracing::warn!(error = %hostile, "{hostile} and more");
        });
        let written = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
        assert_eq!(written.matches('\n').count(), 1, "{written}");
        assert!(written.ends_with('\n'), "{written}");
        let line = written.trim_end_matches('\n');
        assert!(!line.chars().any(mica_text::is_control), "{line:?}");
        let escaped = "a\\u{1b}[31mb\\u{9b}2J\\u{7}\\u{202e}\\nERROR forged";
        assert_eq!(line.matches(escaped).count(), 3, "{line}");
    }

    #[test]
    fn other_text_is_left_as_it_is() {
        let mut out = Escaping(String::new());
        for text in ["", "plain", "é → 漢字 \u{1f600}", "\\n is two characters"] {
            out.0.clear();
            out.write_str(text).expect("a string takes everything");
            assert_eq!(out.0, text);
        }
    }
}
