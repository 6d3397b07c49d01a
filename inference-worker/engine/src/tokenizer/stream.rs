//! Decoding of tokens that come one by one: a character may be spread over several.

use super::vocabulary::{Kind, Vocabulary};

/// Gives out whole characters as soon as they are complete, and never half of one.
///
/// Bytes that cannot be part of a character become `�`, one for each longest run that could have
/// begun a character (the practice that Unicode recommends, section 3.9, and that browsers follow);
/// so does what is unfinished at the end. So the parts, joined, are what a decoder would make of
/// all bytes at once. At most three bytes are held back.
pub struct StreamDecoder<'a> {
    vocabulary: &'a Vocabulary,
    /// Bytes of a character that is not complete yet: at most 3 before a push.
    pending: Vec<u8>,
    /// Whether a space that the tokenizer put in front of the text is still to be taken off.
    at_start: bool,
}

impl<'a> StreamDecoder<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary) -> Self {
        let at_start = vocabulary.kind == Kind::SentencePiece && vocabulary.space_prefix;
        Self { vocabulary, pending: Vec::new(), at_start }
    }

    /// The text that this token completes; often empty in the middle of a character.
    pub fn push(&mut self, id: u32) -> String {
        let bytes = self.vocabulary.bytes(id);
        let mut bytes = bytes.as_slice();
        if self.at_start && !bytes.is_empty() {
            self.at_start = false;
            bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
        }
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(whole) => {
                    text.push_str(whole);
                    self.pending.clear();
                    return text;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    text.push_str(&String::from_utf8_lossy(&self.pending[..valid]));
                    let Some(wrong) = error.error_len() else {
                        self.pending.drain(..valid);
                        return text;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    self.pending.drain(..valid + wrong);
                }
            }
        }
    }

    /// The bytes that this token would bring if it were pushed next; control tokens bring none.
    pub fn bytes(&self, id: u32) -> Vec<u8> {
        let mut bytes = self.vocabulary.bytes(id);
        if self.at_start && bytes.first() == Some(&b' ') {
            bytes.remove(0);
        }
        bytes
    }

    /// Whether no character is half done.
    pub const fn is_whole(&self) -> bool {
        self.pending.is_empty()
    }

    /// What is left at the end: `�` for a character that never became complete.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}
