//! Stop strings in a text that comes in pieces.

/// Most stop strings of one request.
pub(crate) const MAX_STOP_STRINGS: usize = 16;
/// Most bytes of one.
pub(crate) const MAX_STOP_BYTES: usize = 256;

/// Finds the first of some strings, and holds back what may be the beginning of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopStrings {
    strings: Vec<String>,
    held: String,
    is_found: bool,
}

impl StopStrings {
    /// For `strings`; empty ones are left out.
    pub(crate) fn new(strings: Vec<String>) -> Self {
        let strings = strings.into_iter().filter(|string| !string.is_empty()).collect();
        Self { strings, held: String::new(), is_found: false }
    }

    /// Takes a piece and gives what is certainly before any stop string. After one was found,
    /// nothing.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        if self.is_found {
            return String::new();
        }
        self.held.push_str(piece);
        if let Some(at) =
            self.strings.iter().filter_map(|string| self.held.find(string.as_str())).min()
        {
            self.is_found = true;
            self.held.truncate(at);
            return std::mem::take(&mut self.held);
        }
        let keep = self.strings.iter().map(|string| overlap(&self.held, string)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        std::mem::replace(&mut self.held, rest)
    }

    /// What was held back when the text ends.
    pub(crate) fn finish(&mut self) -> String {
        if self.is_found { String::new() } else { std::mem::take(&mut self.held) }
    }

    /// Begins anew with another text; nothing of this one was given yet.
    pub(crate) fn restart(&mut self) {
        self.held.clear();
        self.is_found = false;
    }

    /// Whether a stop string came.
    pub(crate) fn is_found(&self) -> bool {
        self.is_found
    }
}

/// Bytes of the longest end of `text` that is a beginning of `string`.
fn overlap(text: &str, string: &str) -> usize {
    let longest = text.len().min(string.len());
    (1..=longest)
        .rev()
        .find(|&length| string.as_bytes()[..length] == text.as_bytes()[text.len() - length..])
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text before the first stop string, whole, and whether there is one.
    fn reference(text: &str, stops: &[&str]) -> (String, bool) {
        match stops.iter().filter_map(|stop| text.find(stop)).min() {
            Some(at) => (text[..at].to_owned(), true),
            None => (text.to_owned(), false),
        }
    }

    #[test]
    fn every_way_to_cut_the_text_gives_the_same() {
        let stops = ["\n\n", "ENDE", "é!", "aab"];
        for text in [
            "one\n\ntwo",
            "no stop at all\n",
            "aaaab",
            "caf\u{e9}!",
            "aENDaENDE",
            "",
            "\n",
            "EN",
            "aaENDE\n\n",
        ] {
            let expected = reference(text, &stops);
            let cuts: Vec<usize> =
                text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            for first in &cuts {
                for second in cuts.iter().filter(|second| *second >= first) {
                    let mut finder =
                        StopStrings::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
                    let mut out = String::new();
                    for piece in [&text[..*first], &text[*first..*second], &text[*second..]] {
                        out.push_str(&finder.push(piece));
                    }
                    out.push_str(&finder.finish());
                    assert_eq!(
                        (out, finder.is_found()),
                        expected,
                        "{text:?} cut at {first} and {second}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_text_that_begins_anew_has_nothing_of_the_one_before() {
        let mut finder = StopStrings::new(vec!["HALT".into()]);
        assert_eq!(finder.push("HA"), "");
        finder.restart();
        assert_eq!(finder.push("LT"), "LT");
        finder.push("HALT");
        finder.restart();
        assert!(!finder.is_found() && finder.finish().is_empty());
    }

    #[test]
    fn without_stop_strings_nothing_is_held_back() {
        let mut finder = StopStrings::new(vec![String::new()]);
        assert_eq!(finder.push("text"), "text");
        assert!(!finder.is_found());
    }
}
