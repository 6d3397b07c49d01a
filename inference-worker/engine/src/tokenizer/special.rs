//! Tokens that are found in a text as a whole, before anything else cuts it: control tokens and
//! those that users defined.
//!
//! At every place the longest token that begins there is taken, and the search goes on after it.
//! llama.cpp and Hugging Face's tokenizers find the same tokens wherever no two of them overlap in
//! the text.
//!
//! Control tokens (types 2 and 3 of GGUF, and those of type 4 with a control token's name) are
//! found only where the text is not content; the others of type 4, such as `<think>`, are found
//! everywhere, as in llama.cpp.

use std::ops::Range;

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
    /// Not found in content.
    control: bool,
}

/// The names to search for, sorted.
pub(crate) struct Names(Vec<Name>);

impl Names {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
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
        Self::sorted(names)
    }

    /// Texts that are no tokens, to be searched for in the same way; the id of each is its place in
    /// the list.
    pub(crate) fn of_texts(texts: &[String]) -> Self {
        let name = |(id, text): (usize, &String)| Name {
            text: text.clone().into_bytes(),
            id: id as u32,
            control: false,
        };
        Self::sorted(
            texts
                .iter()
                .enumerate()
                .filter(|(_, text)| (1..=MAX_NAME_BYTES).contains(&text.len()))
                .map(name)
                .collect(),
        )
    }

    fn sorted(mut names: Vec<Name>) -> Self {
        // Of equal names the first one counts, as everywhere in the vocabulary.
        names.sort_by(|a, b| (&a.text, a.id).cmp(&(&b.text, b.id)));
        names.dedup_by(|later, first| later.text == first.text);
        Self(names)
    }

    /// The names of the control tokens alone.
    pub(crate) fn control(&self) -> Self {
        let control = self.0.iter().filter(|name| name.control);
        Self(control.map(|name| Name { text: name.text.clone(), ..*name }).collect())
    }

    /// Every name.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        // Names were made of texts.
        self.0.iter().map(|name| std::str::from_utf8(&name.text).unwrap_or_default())
    }

    /// Every character of every name.
    pub(crate) fn characters(&self) -> impl Iterator<Item = char> {
        self.texts().flat_map(str::chars)
    }

    /// The longest name at the beginning of `text`: its length and id. Control tokens must end
    /// within `control` bytes.
    pub(crate) fn longest(&self, text: &[u8], control: usize) -> Option<(usize, u32)> {
        let mut found = None;
        // The names that begin with the first `length` bytes of the text are neighbours; the one of
        // exactly that length is the first.
        let mut names = self.0.as_slice();
        for (length, &byte) in text.iter().enumerate() {
            let at = |name: &Name| name.text.get(length).copied();
            let start = names.partition_point(|name| at(name) < Some(byte));
            let end = names.partition_point(|name| at(name) <= Some(byte));
            names = &names[start..end];
            let Some(first) = names.first() else { return found };
            if first.text.len() == length + 1 && (!first.control || first.text.len() <= control) {
                found = Some((length + 1, first.id));
            }
            if names.last().is_some_and(|last| last.text.len() == length + 1) {
                return found;
            }
        }
        found
    }

    /// Cuts a text at the names in it. No control token lies in `content` or reaches into it; its
    /// ranges ascend and do not overlap.
    pub(super) fn cut<'a>(&self, text: &'a str, content: &[Range<usize>]) -> Vec<Piece<'a>> {
        let mut begins = [false; 256];
        for name in &self.0 {
            begins[usize::from(name.text[0])] = true;
        }
        let (mut pieces, mut start, mut at) = (Vec::new(), 0, 0);
        let mut content = content.iter().peekable();
        let bytes = text.as_bytes();
        while at < bytes.len() {
            while content.next_if(|range| range.end <= at).is_some() {}
            let control = content.peek().map_or(usize::MAX, |range| range.start.saturating_sub(at));
            let name = if begins[usize::from(bytes[at])] {
                self.longest(&bytes[at..], control)
            } else {
                None
            };
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
#[allow(clippy::single_range_in_vec_init, reason = "where content lies is a list of ranges")]
mod tests {
    use super::*;

    fn names(list: &[(&str, bool)]) -> Names {
        let name = |(id, (text, control)): (usize, &(&str, bool))| Name {
            text: text.as_bytes().to_vec(),
            id: id as u32,
            control: *control,
        };
        Names::sorted(list.iter().enumerate().map(name).collect())
    }

    #[test]
    fn the_longest_name_at_the_first_place_is_taken() {
        use Piece::{Text, Token};
        let names =
            names(&[("<a", false), ("<a>b", true), ("é", false), ("<", true), ("b>", false)]);
        let all = |text: &'static str| names.cut(text, &[]);
        assert_eq!(all("x<a>b>"), [Text("x"), Token(1), Text(">")]);
        assert_eq!(names.cut("x<a>b>", &[0..6]), [Text("x"), Token(0), Text(">"), Token(4)]);
        assert_eq!(all("<<a"), [Token(3), Token(0)]);
        assert_eq!(all("caféè"), [Text("caf"), Token(2), Text("è")]);
        assert_eq!(all(""), []);
        assert_eq!(names.cut("<a><", &[0..4]), [Token(0), Text("><")]);
    }

    #[test]
    fn no_control_token_lies_in_content_or_reaches_into_it() {
        use Piece::{Text, Token};
        let names = names(&[("<s>", true), ("<s>x", true), ("<t>", false)]);
        let text = "<s><s>x<t>";
        assert_eq!(names.cut(text, &[]), [Token(0), Token(1), Token(2)]);
        for (content, expected) in [
            (vec![0..3], vec![Text("<s>"), Token(1), Token(2)]),
            (vec![1..2], vec![Text("<s>"), Token(1), Token(2)]),
            (vec![6..10], vec![Token(0), Token(0), Text("x"), Token(2)]),
            (vec![2..3, 3..4], vec![Text("<s><s>x"), Token(2)]),
            (vec![0..10], vec![Text("<s><s>x"), Token(2)]),
        ] {
            assert_eq!(names.cut(text, &content), expected, "{content:?}");
        }
        assert_eq!(names.control().characters().collect::<String>(), "<s><s>x");
    }
}
