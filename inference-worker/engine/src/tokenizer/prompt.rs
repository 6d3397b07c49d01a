//! A prompt that knows which of its characters may be part of a control token.

use std::ops::Range;

/// A text of two kinds of parts: the template's, in which the names of control tokens become those
/// tokens, and content, which somebody wrote: no control token is found in it, and none that begins
/// in the template reaches into it.
///
/// Everything else is encoded as if the text had no parts: merges go across their ends.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct PromptText {
    text: String,
    /// Where content lies, in bytes; ascending, not empty, with template in between.
    content: Vec<Range<usize>>,
}

impl PromptText {
    /// Goes on with the template's text.
    pub fn push_template(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Goes on with content.
    pub fn push_content(&mut self, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        match self.content.last_mut() {
            Some(last) if last.end == start => last.end = self.text.len(),
            _ if !text.is_empty() => self.content.push(start..self.text.len()),
            _ => {}
        }
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where content lies, in bytes: ascending, without overlap.
    pub fn content(&self) -> &[Range<usize>] {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use super::PromptText;

    #[test]
    fn neighbouring_content_is_one_part() {
        let mut prompt = PromptText::default();
        prompt.push_content("");
        prompt.push_template("a");
        prompt.push_content("b");
        prompt.push_content("");
        prompt.push_content("é");
        prompt.push_template("");
        prompt.push_content("d");
        prompt.push_template("e");
        prompt.push_content("f");
        assert_eq!((prompt.as_str(), prompt.content()), ("abédef", &[1..5, 6..7][..]));
    }
}
