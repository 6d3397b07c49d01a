//! Text from strangers, as it may be shown.
//!
//! What peers, nodes, models and HTTP clients say reaches terminals, tables, errors and logs.
//! Shown as it came, an escape sequence moves the cursor, changes the window's title or hides
//! text, a line break forges a line, and a mark of direction makes letters stand in another order
//! than they are. [`shown`] makes one bounded line of such a text; [`AnswerFilter`] passes an
//! answer on, piece by piece, to a terminal.
//!
//! Limits: letters that only look alike stay, and so does whatever a terminal makes of letters.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

mod answer;

pub use answer::AnswerFilter;

/// Most bytes of a text that a peer or a registry gives and that is shown on one line.
pub const MAX_SHOWN_BYTES: usize = 512;

/// Stands at the end of a text that was cut.
const CUT: char = '…';

/// Whether `c` does something to a screen besides being seen: the controls of ASCII and of C1
/// (U+0080 to U+009F, which holds one-character forms of escape sequences), DEL, breaks of lines
/// and paragraphs, and the marks and overrides of direction.
pub const fn is_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// `text` on one line, without controls, in at most `max_bytes` and the three of the mark of a
/// cut. Tabs and breaks of lines become spaces.
pub fn shown(text: &str, max_bytes: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max_bytes));
    for c in text.chars() {
        let c = match c {
            '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_control(c) => continue,
            c => c,
        };
        if line.len() + c.len_utf8() > max_bytes {
            line.push(CUT);
            break;
        }
        line.push(c);
    }
    line
}

/// `text` without controls; its lines and tabs stay. For texts of ours of several lines, in which
/// strangers' words may stand.
pub fn lines(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_control(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_turns_letters_around_is_left() {
        let hostile = "a\u{1b}[31mb\u{9b}2J\u{7}\u{7f}c\u{202e}d\u{2066}e\u{200f}\0f";
        assert_eq!(shown(hostile, 100), "a[31mb2Jcdef");
        assert_eq!(shown("one\r\ntwo\tthree\u{2028}four", 100), "one  two three four");
        assert_eq!(lines("one\r\n\ttwo\u{1b}[2J\u{85}"), "one\n\ttwo[2J");
        for c in (0..=0x10_ffff_u32).filter_map(char::from_u32).filter(|c| c.is_control()) {
            assert!(is_control(c), "{c:?}");
        }
    }

    #[test]
    fn other_text_stays_and_a_long_one_is_cut_between_characters() {
        for text in ["", "plain", "é → 漢字 \u{1f600}", "שלום", "\\n is two characters"] {
            assert_eq!(shown(text, 100), text);
            assert_eq!(lines(text), text);
        }
        assert_eq!(shown("äöü", 5), "äö…");
        assert_eq!(shown(&"x".repeat(1_000_000), 8), "xxxxxxxx…");
    }
}
