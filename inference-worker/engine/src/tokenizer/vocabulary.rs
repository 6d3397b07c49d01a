//! The vocabulary of a model file: tokens, their types and the ids with a meaning.

use candle_core::quantized::gguf_file::Value;
use tokenizers::models::bpe::Vocab;

use super::TokenizerError;
use crate::gguf::GgufFile;

/// Names of tokens that end a turn even where the metadata does not say so: those of
/// `llama-vocab.cpp` in llama.cpp.
const END_NAMES: [&str; 14] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "</s>",
    "<EOT>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|return|>",
    "<|call|>",
];

/// Control tokens that are shown: they part what gpt-oss thinks from what it answers, and without
/// them the two would run into each other. llama.cpp shows the same ones.
const SHOWN_NAMES: [&str; 4] = ["<|start|>", "<|channel|>", "<|message|>", "<|constrain|>"];

/// How a token's name stands for bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// Every character of a name stands for one byte.
    ByteLevel,
    /// Names are text with `▁` for a space, or `<0xNN>` for one byte.
    SentencePiece,
}

/// GGUF's token types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenType {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

pub(super) struct Vocabulary {
    pub kind: Kind,
    pub tokens: Vec<String>,
    /// The file's, but for tokens defined by users that are control tokens by their names.
    pub types: Vec<TokenType>,
    /// SentencePiece only; one per token.
    pub scores: Vec<f32>,
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub unknown: Option<u32>,
    pub add_bos: bool,
    pub add_eos: bool,
    /// SentencePiece: text gets a space in front.
    pub space_prefix: bool,
    /// Ascending.
    pub ends: Vec<u32>,
}

impl Vocabulary {
    pub(super) fn read(file: &GgufFile) -> Result<Self, TokenizerError> {
        let model = file
            .string("tokenizer.ggml.model")
            .ok_or(TokenizerError::Metadata { key: "tokenizer.ggml.model" })?;
        let kind = match model {
            "gpt2" => Kind::ByteLevel,
            "llama" => Kind::SentencePiece,
            found => {
                let supported = "gpt2 (byte-level BPE), llama (SentencePiece)";
                return Err(TokenizerError::Unsupported {
                    key: "tokenizer.ggml.model",
                    found: found.to_owned(),
                    supported,
                });
            }
        };
        let tokens = strings(file, "tokenizer.ggml.tokens")?;
        check_size(file, tokens.len())?;
        let mut types = token_types(file, tokens.len())?;
        for (token, kind) in tokens.iter().zip(&mut types) {
            if *kind == TokenType::UserDefined && names_turn(token) {
                *kind = TokenType::Control;
            }
        }
        let scores = match kind {
            Kind::ByteLevel => Vec::new(),
            Kind::SentencePiece => scores(file, tokens.len())?,
        };
        let id = |key| {
            file.integer(key)
                .and_then(|id| u32::try_from(id).ok())
                .filter(|&id| (id as usize) < tokens.len())
        };
        let sentence_piece = kind == Kind::SentencePiece;
        // What llama.cpp takes where the file is silent.
        let bos = id("tokenizer.ggml.bos_token_id").or(sentence_piece.then_some(1));
        let eos = id("tokenizer.ggml.eos_token_id").or(sentence_piece.then_some(2));
        let unknown = id("tokenizer.ggml.unknown_token_id").or(sentence_piece.then_some(0));
        let begins = file
            .string("tokenizer.ggml.pre")
            .is_some_and(|pre| matches!(pre, "llama3" | "llama-v3" | "llama-bpe" | "tekken"));
        let mut ends: Vec<u32> =
            [eos, id("tokenizer.ggml.eot_token_id"), id("tokenizer.ggml.eom_token_id")]
                .into_iter()
                .flatten()
                .collect();
        for (index, (token, kind)) in tokens.iter().zip(&types).enumerate() {
            if *kind == TokenType::Control && END_NAMES.contains(&token.as_str()) {
                ends.push(index as u32);
            }
        }
        ends.sort_unstable();
        ends.dedup();
        // Where an answer ends by a name of its own, this one ends a message of several.
        let name_of = |id: u32| tokens.get(id as usize).map(String::as_str);
        if ["<|return|>", "<|call|>"]
            .iter()
            .all(|end| ends.iter().any(|&id| name_of(id) == Some(end)))
        {
            ends.retain(|&id| name_of(id) != Some("<|end|>"));
        }
        // Nor may a message spell what the metadata call the end of a turn or the beginning of a
        // text.
        for &id in ends.iter().chain(&bos) {
            if let Some(kind) =
                types.get_mut(id as usize).filter(|kind| **kind == TokenType::UserDefined)
            {
                *kind = TokenType::Control;
            }
        }
        Ok(Self {
            kind,
            types,
            scores,
            bos,
            eos,
            unknown,
            add_bos: file
                .boolean("tokenizer.ggml.add_bos_token")
                .unwrap_or(sentence_piece || begins),
            add_eos: file.boolean("tokenizer.ggml.add_eos_token").unwrap_or(false),
            space_prefix: file.boolean("tokenizer.ggml.add_space_prefix").unwrap_or(true),
            ends,
            tokens,
        })
    }

    /// Ids by name of the tokens that merges may use and give; of equal names the first one counts.
    /// Control tokens are not among them: they are found as a whole or not at all.
    pub(super) fn mergeable(&self) -> Vocab {
        let mut ids = Vocab::with_capacity(self.tokens.len());
        for (id, (token, kind)) in self.tokens.iter().zip(&self.types).enumerate() {
            if !matches!(kind, TokenType::Control | TokenType::Unknown) {
                ids.entry(token.clone()).or_insert(id as u32);
            }
        }
        ids
    }

    /// Whether a token is found in templates only, never in content.
    pub(super) fn is_control(&self, id: u32) -> bool {
        matches!(self.types.get(id as usize), Some(TokenType::Control | TokenType::Unknown))
    }

    /// The bytes that a token stands for; control tokens have none.
    pub(super) fn bytes(&self, id: u32) -> Vec<u8> {
        let (Some(token), Some(kind)) = (self.tokens.get(id as usize), self.types.get(id as usize))
        else {
            return Vec::new();
        };
        match (kind, self.kind) {
            (TokenType::Control, Kind::ByteLevel) if SHOWN_NAMES.contains(&token.as_str()) => {
                token.clone().into_bytes()
            }
            (TokenType::Control | TokenType::Unknown | TokenType::Unused, _) => Vec::new(),
            (TokenType::UserDefined, Kind::ByteLevel) => token.clone().into_bytes(),
            (_, Kind::ByteLevel) => token.chars().flat_map(byte_of_char).collect(),
            (TokenType::Byte, Kind::SentencePiece) => named_byte(token).into_iter().collect(),
            (_, Kind::SentencePiece) => token.replace('▁', " ").into_bytes(),
        }
    }
}

/// Whether a name is one that control tokens have. Many files type the tokens of their turns as
/// defined by users; a message that spells them must not make a turn. `<think>`, `<tool_call>` and
/// the like are not among them.
fn names_turn(token: &str) -> bool {
    let is_between = |before: &str, behind: &str| {
        token
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(behind))
            .is_some_and(|word| !word.is_empty())
    };
    END_NAMES.contains(&token)
        || token == "<start_of_turn>"
        || is_between("<|", "|>")
        || is_between("<｜", "｜>")
}

/// The byte that a name such as `<0x0A>` stands for.
pub(super) fn named_byte(token: &str) -> Option<u8> {
    u8::from_str_radix(token.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

/// GPT-2's printable characters for bytes, backwards: printable Latin-1 stands for itself, the rest
/// for the characters from 256 on, in order. Other characters stand for their UTF-8.
fn byte_of_char(character: char) -> Vec<u8> {
    let code = u32::from(character);
    let itself = |code: u32| matches!(code, 33..=126 | 161..=172 | 174..=255);
    if itself(code) {
        return vec![code as u8];
    }
    let shifted = (0..=255u32).filter(|&byte| !itself(byte)).nth((code as usize).wrapping_sub(256));
    match shifted {
        Some(byte) => vec![byte as u8],
        None => character.to_string().into_bytes(),
    }
}

pub(super) fn strings(file: &GgufFile, key: &'static str) -> Result<Vec<String>, TokenizerError> {
    let values = file.array(key).ok_or(TokenizerError::Metadata { key })?;
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(TokenizerError::Metadata { key }),
    };
    values.iter().map(text).collect()
}

fn scores(file: &GgufFile, tokens: usize) -> Result<Vec<f32>, TokenizerError> {
    let key = "tokenizer.ggml.scores";
    let values = file.array(key).ok_or(TokenizerError::Metadata { key })?;
    let scores: Vec<f32> = values
        .iter()
        .map(|value| match value {
            Value::F32(score) if !score.is_nan() => Ok(*score),
            _ => Err(TokenizerError::Metadata { key }),
        })
        .collect::<Result<_, _>>()?;
    same_length(key, scores.len(), tokens).map(|()| scores)
}

fn token_types(file: &GgufFile, tokens: usize) -> Result<Vec<TokenType>, TokenizerError> {
    let key = "tokenizer.ggml.token_type";
    let Some(values) = file.array(key) else {
        return Ok(vec![TokenType::Normal; tokens]);
    };
    let kind = |value: &Value| {
        let number = match value {
            Value::I32(number) => i64::from(*number),
            Value::U32(number) => i64::from(*number),
            _ => return Err(TokenizerError::Metadata { key }),
        };
        Ok(match number {
            2 => TokenType::Unknown,
            3 => TokenType::Control,
            4 => TokenType::UserDefined,
            5 => TokenType::Unused,
            6 => TokenType::Byte,
            _ => TokenType::Normal,
        })
    };
    let types: Vec<_> = values.iter().map(kind).collect::<Result<_, _>>()?;
    same_length(key, types.len(), tokens).map(|()| types)
}

/// The model must have a row of embeddings for every token, and a token for every row.
fn check_size(file: &GgufFile, tokens: usize) -> Result<(), TokenizerError> {
    if tokens == 0 {
        return Err(TokenizerError::Vocabulary { reason: "it has no tokens".into() });
    }
    match file.tensor("token_embd.weight").map(|embedding| embedding.rows()) {
        Some(rows) if rows != tokens => {
            let reason = format!(
                "it has {tokens} tokens, but the tensor `token_embd.weight` has {rows} rows"
            );
            Err(TokenizerError::Vocabulary { reason })
        }
        _ => Ok(()),
    }
}

fn same_length(key: &str, found: usize, tokens: usize) -> Result<(), TokenizerError> {
    if found == tokens {
        return Ok(());
    }
    Err(TokenizerError::Vocabulary {
        reason: format!("`{key}` has {found} entries for {tokens} tokens"),
    })
}
