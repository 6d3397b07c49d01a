//! Tokens that are found in a text as a whole, before anything else cuts it: control tokens and those that users defined.
//!
//! At every place the longest token that begins there is taken, and the search goes on behind it. llama.cpp and Hugging Face's
//! tokenizers find the same tokens wherever no two of them overlap in the text.

use super::vocabulary::{TokenType, Vocabulary};

/// Longest name that is searched for, in bytes: bounds the work at each place of a text.
const MAX_NAME_BYTES: usize = 256;

/// One stretch of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'a> {
    /// To be cut and merged; never empty.
    Text(&'a str),
    /// A token found as a whole.
    Token(u32),
}

struct Name {
    text: Vec<u8>,
    id: u32,
    /// Found only when control tokens are parsed.
    control: bool,
}

/// The names to search for, sorted.
pub(super) struct Names(Vec<Name>);

impl Names {
    pub fn new(vocabulary: &Vocabulary) -> Self {
        let mut names = Vec::new();
        for (id, (token, kind)) in vocabulary.tokens.iter().zip(&vocabulary.types).enumerate() {
            let control = match kind {
                TokenType::Control | TokenType::Unknown => true,
                TokenType::UserDefined => false,
                _ => continue,
            };
            if (1..=MAX_NAME_BYTES).contains(&token.len()) {
                names.push(Name { text: token.clone().into_bytes(), id: id as u32, control });
            }
        }
        // Of equal names the first one counts, as everywhere in the vocabulary.
        names.sort_by(|a, b| (&a.text, a.id).cmp(&(&b.text, b.id)));
        names.dedup_by(|later, first| later.text == first.text);
        Self(names)
    }

    /// The longest name at the beginning of `text`: its length and id.
    fn longest(&self, text: &[u8], parse_control: bool) -> Option<(usize, u32)> {
        let mut found = None;
        // The names that begin with the first `length` bytes of the text are neighbours; the one of exactly that length is the first.
        let mut names = self.0.as_slice();
        for (length, &byte) in text.iter().enumerate() {
            let at = |name: &Name| name.text.get(length).copied();
            let start = names.partition_point(|name| at(name) < Some(byte));
            let end = names.partition_point(|name| at(name) <= Some(byte));
            names = &names[start..end];
            let Some(first) = names.first() else { return found };
            if first.text.len() == length + 1 && (parse_control || !first.control) {
                found = Some((length + 1, first.id));
            }
            if names.last().is_some_and(|last| last.text.len() == length + 1) {
                return found;
            }
        }
        found
    }

    /// Cuts a text at the names in it.
    pub fn cut<'a>(&self, text: &'a str, parse_control: bool) -> Vec<Piece<'a>> {
        let mut begins = [false; 256];
        for name in &self.0 {
            begins[usize::from(name.text[0])] |= parse_control || !name.control;
        }
        let (mut pieces, mut start, mut at) = (Vec::new(), 0, 0);
        let bytes = text.as_bytes();
        while at < bytes.len() {
            let name = if begins[usize::from(bytes[at])] { self.longest(&bytes[at..], parse_control) } else { None };
            let Some((length, id)) = name else {
                at += 1;
                continue;
            };
            if start < at {
                // A name is whole characters, so that it begins and ends between two of the text's.
                pieces.push(Piece::Text(&text[start..at]));
            }
            pieces.push(Piece::Token(id));
            at += length;
            start = at;
        }
        if start < bytes.len() {
            pieces.push(Piece::Text(&text[start..]));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[(&str, bool)]) -> Names {
        let name = |(id, (text, control)): (usize, &(&str, bool))| Name {
            text: text.as_bytes().to_vec(),
            id: id as u32,
            control: *control,
        };
        let mut names: Vec<Name> = list.iter().enumerate().map(name).collect();
        names.sort_by(|a, b| a.text.cmp(&b.text));
        Names(names)
    }

    #[test]
    fn the_longest_name_at_the_first_place_is_taken() {
        use Piece::{Text, Token};
        let names = names(&[("<a", false), ("<a>b", true), ("é", false), ("<", true), ("b>", false)]);
        assert_eq!(names.cut("x<a>b>", true), [Text("x"), Token(1), Text(">")]);
        assert_eq!(names.cut("x<a>b>", false), [Text("x"), Token(0), Text(">"), Token(4)]);
        assert_eq!(names.cut("<<a", true), [Token(3), Token(0)]);
        assert_eq!(names.cut("caféè", true), [Text("caf"), Token(2), Text("è")]);
        assert_eq!(names.cut("", true), []);
        assert_eq!(names.cut("<a><", false), [Token(0), Text("><")]);
    }
}
