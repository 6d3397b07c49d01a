//! Byte-level BPE: text is cut by regular expressions, bytes become printable characters, merges do
//! the rest.
//!
//! Which expressions cut the text is named by `tokenizer.ggml.pre`. The names and their expressions
//! are those of llama.cpp.

use tokenizers::{
    SplitDelimiterBehavior, Tokenizer as Encoder,
    models::bpe::BPE,
    pre_tokenizers::{
        PreTokenizerWrapper,
        byte_level::ByteLevel,
        sequence::Sequence,
        split::{Split, SplitPattern},
    },
};

use super::{
    TokenizerError,
    vocabulary::{Vocabulary, strings},
};
use crate::gguf::GgufFile;

/// OpenAI's GPT-2 (`encoder.py`); without its last part, `|\s+`, which cuts nothing else than what
/// is left over anyway.
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
/// Llama 3's `tokenizer.json`, with the contractions written out as llama.cpp has them.
const LLAMA_3: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen 2's and 3's `tokenizer.json`, likewise; digits stand alone.
const QWEN_2: &str = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Mistral's `tekken.json`: words begin with capitals, digits stand alone. llama.cpp's expression
/// knows capitals of ASCII only.
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// OpenAI's o200k (`tiktoken_ext/openai_public.py`), of GPT-4o and gpt-oss, likewise.
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// First of llama.cpp's four steps for files without a name.
const PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|]+";

const SUPPORTED: &str = "default, gpt-2, llama-bpe, qwen2, smollm, refact, starcoder, command-r, \
                         codeshell, exaone, minerva-7b, phi-2, mpt, olmo, jais, granite-docling, \
                         falcon3, dbrx, smaug-bpe, stablelm2, megrez, deepseek-r1-qwen, \
                         tekken, gpt-4o";

/// The expressions that cut text one after the other; and whether a whole piece that is a token
/// needs no merges.
///
/// Names and steps are those of `llama-vocab.cpp` in llama.cpp. Where a model's own
/// `tokenizer.json` splits off digits first (SmolLM2, Granite 3), the step is the expression
/// `\p{N}`.
fn rules(pre: &str) -> Option<(&'static [&'static str], bool)> {
    Some(match pre {
        "default" => (&[PUNCTUATION, GPT_2, r"\p{N}+", "[0-9][0-9][0-9]"], false),
        "gpt-2" | "phi-2" | "jina-es" | "jina-de" | "mpt" | "olmo" | "jais" | "roberta-bpe"
        | "granite-docling" => (&[GPT_2], false),
        "llama3" | "llama-v3" | "llama-bpe" | "falcon3" => (&[LLAMA_3], true),
        "dbrx" | "smaug-bpe" => (&[LLAMA_3], false),
        "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "megrez" => (&[QWEN_2], false),
        "tekken" => (&[TEKKEN], true),
        "gpt-4o" => (&[GPT_4O], false),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone" | "minerva-7b" => {
            (&[r"\p{N}", GPT_2], false)
        }
        _ => return None,
    })
}

/// Byte-level BPE over the `tokenizers` crate.
pub(super) struct ByteLevelEncoder(Encoder);

impl ByteLevelEncoder {
    pub(super) fn new(file: &GgufFile, vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        build(file, vocabulary).map(Self)
    }

    /// Appends the tokens of a text without control tokens.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), TokenizerError> {
        let encoding = self.0.encode_fast(text, false).map_err(TokenizerError::encoder)?;
        ids.extend_from_slice(encoding.get_ids());
        Ok(())
    }
}

fn build(file: &GgufFile, vocabulary: &Vocabulary) -> Result<Encoder, TokenizerError> {
    let pre = file.string("tokenizer.ggml.pre").unwrap_or("default");
    let (expressions, ignore_merges) = rules(pre).ok_or_else(|| TokenizerError::Unsupported {
        key: "tokenizer.ggml.pre",
        found: pre.to_owned(),
        supported: SUPPORTED,
    })?;
    let ids = vocabulary.mergeable();
    let mut merges = Vec::new();
    for merge in strings(file, "tokenizer.ggml.merges")? {
        let damaged = || TokenizerError::Vocabulary {
            reason: format!("the merge `{merge}` is not two tokens that make a third"),
        };
        // A token may begin with a space of its own; the separator is the first one after that.
        let first = merge.chars().next().map_or(0, char::len_utf8);
        let space = merge.get(first..).and_then(|rest| rest.find(' ')).ok_or_else(damaged)?;
        let (left, right) =
            (merge[..first + space].to_owned(), merge[first + space + 1..].to_owned());
        if ![&left, &right, &format!("{left}{right}")].iter().all(|token| ids.contains_key(*token))
        {
            return Err(damaged());
        }
        merges.push((left, right));
    }
    let model = BPE::builder().vocab_and_merges(ids, merges).ignore_merges(ignore_merges).build();
    let mut steps = Vec::new();
    for expression in expressions {
        let split = Split::new(
            SplitPattern::Regex((*expression).to_owned()),
            SplitDelimiterBehavior::Isolated,
            false,
        );
        steps.push(PreTokenizerWrapper::Split(split.map_err(TokenizerError::encoder)?));
    }
    steps.push(PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, false)));
    let mut encoder = Encoder::new(model.map_err(TokenizerError::encoder)?);
    encoder.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok(encoder)
}
