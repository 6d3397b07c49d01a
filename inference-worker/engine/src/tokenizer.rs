//! Text to token ids and back, with the vocabulary of the model file.
//!
//! Two families exist in GGUF files: byte-level BPE (`gpt2`), which runs on the `tokenizers` crate
//! ([`byte_level`]), and SentencePiece (`llama`, [`sentence_piece`]). Before either sees a text, it
//! is cut at the tokens that are found as a whole ([`special`]). On the way back ids become bytes,
//! and a decoder waits until characters are complete ([`stream`]).

mod byte_level;
mod prompt;
mod sentence_piece;
pub(crate) mod special;
mod stream;
mod vocabulary;

pub use prompt::PromptText;
pub use stream::StreamDecoder;

use std::ops::Range;

use crate::gguf::GgufFile;
use byte_level::ByteLevelEncoder;
use sentence_piece::SentencePiece;
use special::{Names, Piece};
use vocabulary::{Kind, Vocabulary};

/// Longest text that is encoded at once, in bytes; far more than any context holds.
pub const MAX_TEXT_BYTES: usize = 4 << 20;

/// Why a text or a vocabulary cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A metadata key is absent or has another type.
    #[error(
        "the file has no usable metadata `{key}`, which its tokenizer needs; convert the model \
         again with a current converter"
    )]
    Metadata {
        /// The key.
        key: &'static str,
    },
    /// A tokenizer that we do not have.
    #[error("`{key}` = `{found}` is not supported; supported: {supported}")]
    Unsupported {
        /// The key.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        supported: &'static str,
    },
    /// The vocabulary contradicts itself.
    #[error("the vocabulary is damaged: {reason}; download the file again")]
    Vocabulary {
        /// What is wrong.
        reason: String,
    },
    /// A text that is too long to encode at once.
    #[error(
        "the text has {bytes} bytes, more than the {MAX_TEXT_BYTES} that are encoded at once; cut \
         it"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The `tokenizers` crate refused something.
    #[error("tokenizer: {reason}")]
    Encoder {
        /// What it said.
        reason: String,
    },
}

impl TokenizerError {
    fn encoder(error: tokenizers::Error) -> Self {
        Self::Encoder { reason: error.to_string() }
    }
}

/// Whether the names of control tokens in a text become those tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Special {
    /// They do: for prompts whose writer sets the control tokens himself.
    Parse,
    /// They stay text: for everything else. A text of which only parts may have control tokens is a
    /// [`PromptText`].
    Text,
}

/// Whether the beginning-of-sequence token comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bos {
    /// Always, if the model has one and the text does not begin with it already.
    Add,
    /// Never.
    Omit,
    /// As the model file says; if it also asks for an end token behind every text, that is added
    /// too. Either is added only where the text does not have it already.
    Model,
}

enum Encoder {
    ByteLevel(Box<ByteLevelEncoder>),
    SentencePiece(SentencePiece),
}

/// A model's tokenizer.
pub struct Tokenizer {
    encoder: Encoder,
    names: Names,
    vocabulary: Vocabulary,
}

impl Tokenizer {
    /// Builds the tokenizer that the file describes.
    ///
    /// # Errors
    /// [`TokenizerError`] if the file has none, one of an unknown kind, or a damaged one.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, TokenizerError> {
        let vocabulary = Vocabulary::read(file)?;
        let encoder = match vocabulary.kind {
            Kind::ByteLevel => {
                Encoder::ByteLevel(Box::new(ByteLevelEncoder::new(file, &vocabulary)?))
            }
            Kind::SentencePiece => Encoder::SentencePiece(SentencePiece::new(&vocabulary)?),
        };
        Ok(Self { encoder, names: Names::new(&vocabulary), vocabulary })
    }

    /// Token ids of a text.
    ///
    /// # Errors
    /// [`TokenizerError::TooLong`] beyond [`MAX_TEXT_BYTES`].
    pub fn encode(
        &self,
        text: &str,
        special: Special,
        bos: Bos,
    ) -> Result<Vec<u32>, TokenizerError> {
        let everything = 0..text.len();
        match special {
            Special::Parse => self.encode_but(text, &[], bos),
            Special::Text => self.encode_but(text, &[everything], bos),
        }
    }

    /// Token ids of a prompt: names of control tokens become those tokens in its template's text,
    /// and stay text in its content.
    ///
    /// # Errors
    /// [`TokenizerError::TooLong`] beyond [`MAX_TEXT_BYTES`].
    pub fn encode_prompt(&self, prompt: &PromptText, bos: Bos) -> Result<Vec<u32>, TokenizerError> {
        self.encode_but(prompt.as_str(), prompt.content(), bos)
    }

    /// Encodes a text in which `content` has no control tokens.
    fn encode_but(
        &self,
        text: &str,
        content: &[Range<usize>],
        bos: Bos,
    ) -> Result<Vec<u32>, TokenizerError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(TokenizerError::TooLong { bytes: text.len() });
        }
        let mut ids = Vec::new();
        for piece in self.names.cut(text, content) {
            match (piece, &self.encoder) {
                (Piece::Token(id), _) => ids.push(id),
                (Piece::Text(text), Encoder::ByteLevel(encoder)) => {
                    encoder.encode(text, &mut ids)?
                }
                (Piece::Text(text), Encoder::SentencePiece(encoder)) => {
                    encoder.encode(text, &mut ids)
                }
            }
        }
        let (before, behind) = match bos {
            Bos::Add => (true, false),
            Bos::Omit => (false, false),
            Bos::Model => (self.vocabulary.add_bos, self.vocabulary.add_eos),
        };
        if let Some(first) =
            self.vocabulary.bos.filter(|first| before && ids.first() != Some(first))
        {
            ids.insert(0, first);
        }
        if let Some(last) = self.vocabulary.eos.filter(|last| behind && ids.last() != Some(last)) {
            ids.push(last);
        }
        Ok(ids)
    }

    /// The control tokens of a prompt, in order.
    pub(crate) fn control_ids(&self, prompt: &PromptText) -> Vec<u32> {
        let pieces = self.names.cut(prompt.as_str(), prompt.content()).into_iter();
        let control = pieces.filter_map(|piece| match piece {
            Piece::Token(id) if self.vocabulary.is_control(id) => Some(id),
            _ => None,
        });
        control.collect()
    }

    /// The names that are found as a whole.
    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// Text of token ids. Control tokens and ids outside the vocabulary have none; bytes that are
    /// not UTF-8 become `�`, as [`StreamDecoder`] says.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut stream = self.stream();
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// A decoder for tokens that come one by one.
    pub fn stream(&self) -> StreamDecoder<'_> {
        StreamDecoder::new(&self.vocabulary)
    }

    /// Whether generation ends with this token.
    pub fn is_end(&self, id: u32) -> bool {
        self.vocabulary.ends.contains(&id)
    }

    /// The tokens that end generation, ascending.
    pub fn ends(&self) -> &[u32] {
        &self.vocabulary.ends
    }

    /// The beginning-of-sequence token.
    pub const fn bos(&self) -> Option<u32> {
        self.vocabulary.bos
    }

    /// The end-of-sequence token.
    pub const fn eos(&self) -> Option<u32> {
        self.vocabulary.eos
    }

    /// Whether the model file asks for the beginning-of-sequence token in front of every text.
    pub const fn adds_bos(&self) -> bool {
        self.vocabulary.add_bos
    }

    /// Whether the model file asks for the end-of-sequence token behind every text.
    pub const fn adds_eos(&self) -> bool {
        self.vocabulary.add_eos
    }

    /// Number of token ids.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary.tokens.len()
    }

    /// The token's name in the vocabulary, as the file spells it.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.vocabulary.tokens.get(id as usize).map(String::as_str)
    }
}
