//! An answer on its way to a terminal: words, lines and tabs pass, escape sequences do not.

use crate::is_control;

/// Most characters of one sequence that are swallowed. A text that begins a sequence and never ends
/// it is seen again after so many.
const MAX_SEQUENCE: u16 = 256;

/// Takes escape sequences out of an answer that comes in pieces; a sequence may begin in one piece
/// and end in another.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerFilter {
    state: State,
    /// Characters swallowed since the sequence began.
    swallowed: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After `ESC [`: parameters until a final byte.
    Control,
    /// After `ESC ]`, `ESC P` and the like: a string until BEL or `ESC \`.
    String,
    /// After ESC in a string.
    StringEscape,
}

impl AnswerFilter {
    /// What of `piece` a terminal may see.
    pub fn pass(&mut self, piece: &str) -> String {
        let mut seen = String::with_capacity(piece.len());
        for c in piece.chars() {
            if self.takes(c) {
                seen.push(c);
            }
        }
        seen
    }

    /// Whether `c` is to be seen.
    fn takes(&mut self, c: char) -> bool {
        // A line ends everything: what comes on the next one is to be seen.
        if matches!(c, '\n' | '\t') {
            self.state = State::Text;
            return true;
        }
        if self.state != State::Text {
            self.swallowed += 1;
            if self.swallowed > MAX_SEQUENCE {
                self.state = State::Text;
            }
        }
        let next = match (self.state, c) {
            (State::String, '\u{1b}') => State::StringEscape,
            (_, '\u{1b}') => State::Escape,
            (_, '\u{9b}') => State::Control,
            (_, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => State::String,
            (State::Escape, '[') => State::Control,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::String,
            // Intermediate bytes; any other character ends a short sequence.
            (State::Escape, ' '..='/') => State::Escape,
            (State::Control, ' '..='?') => State::Control,
            (State::String, '\u{7}' | '\u{9c}') | (State::StringEscape, '\\') => State::Text,
            (State::String | State::StringEscape, _) => State::String,
            (State::Escape | State::Control, _) => State::Text,
            (State::Text, c) => return !is_control(c),
        };
        if self.state == State::Text {
            self.swallowed = 0;
        }
        self.state = next;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pieces: &[&str]) -> String {
        let mut filter = AnswerFilter::default();
        pieces.iter().map(|piece| filter.pass(piece)).collect()
    }

    #[test]
    fn sequences_are_taken_out_whole_wherever_the_pieces_end() {
        let hostile = "a\u{1b}[31;1mred\u{1b}[0m \u{1b}]0;title\u{7}b\u{1b}]52;c;x\u{1b}\\c\u{9b}2Jd\
                       \u{1b}(Be\u{1b}cf\u{90}q\u{9c}g\u{8}\r\u{202e}h";
        let expected = "ared bcdefgh";
        assert_eq!(passed(&[hostile]), expected);
        let letters: Vec<String> = hostile.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(passed(&letters), expected);
    }

    #[test]
    fn lines_tabs_and_every_other_letter_pass() {
        let text = "one\n\ttwo [31m ]0; é 漢字 \u{1f600}\n";
        assert_eq!(passed(&[text]), text);
    }

    #[test]
    fn a_sequence_without_an_end_hides_no_more_than_a_line_and_a_bound() {
        assert_eq!(passed(&["\u{1b}]0;never\nseen"]), "\nseen");
        let long = format!("\u{1b}]{}seen", "x".repeat(1000));
        assert!(passed(&[&long]).ends_with("xxseen"));
    }
}
