//! SentencePiece vocabularies: no cutting, `▁` for spaces, merges in the order of the tokens' scores, bytes for what is unknown.
//!
//! Any two neighbours whose text together is a token may merge, the token with the best score first. A list of merges ordered by
//! score says the same, so that the `tokenizers` crate's BPE can run it.

use tokenizers::{
    NormalizerWrapper, Tokenizer as Encoder,
    models::bpe::BPE,
    normalizers::{Prepend, Replace, Sequence},
};

use super::{
    TokenizerError,
    vocabulary::{TokenType, Vocabulary},
};

/// Longest token that may come out of merges, in bytes: bounds the pairs to look at.
const MAX_MERGED_BYTES: usize = 256;

pub(super) fn encoder(vocabulary: &Vocabulary) -> Result<Encoder, TokenizerError> {
    let ids = vocabulary.ids();
    let mergeable = |token: &str| {
        let id = ids.get(token).copied()?;
        let kind = vocabulary.types.get(id as usize)?;
        matches!(kind, TokenType::Normal | TokenType::UserDefined | TokenType::Unused).then_some(id)
    };
    // (score, id, left length): best score first, then the older token, then the shorter left part.
    let mut pairs = Vec::new();
    for (id, token) in vocabulary.tokens.iter().enumerate() {
        if mergeable(token) != Some(id as u32) || token.len() > MAX_MERGED_BYTES {
            continue;
        }
        for (at, _) in token.char_indices().skip(1) {
            if mergeable(&token[..at]).is_some() && mergeable(&token[at..]).is_some() {
                pairs.push((vocabulary.scores[id], id, at));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let merges = pairs
        .into_iter()
        .map(|(_, id, at)| {
            let (left, right) = vocabulary.tokens[id].split_at(at);
            (left.to_owned(), right.to_owned())
        })
        .collect();
    let mut builder = BPE::builder().vocab_and_merges(ids, merges).byte_fallback(true).fuse_unk(false);
    if let Some(unknown) = vocabulary.unknown.and_then(|id| vocabulary.tokens.get(id as usize)) {
        builder = builder.unk_token(unknown.clone());
    }
    let mut encoder = Encoder::new(builder.build().map_err(TokenizerError::encoder)?);
    let mut steps = Vec::new();
    if vocabulary.space_prefix {
        // Also after a control token, as llama.cpp does it: each stretch of text between control tokens gets its own.
        steps.push(NormalizerWrapper::Prepend(Prepend::new("▁".to_owned())));
    }
    steps.push(NormalizerWrapper::Replace(Replace::new(" ", "▁").map_err(TokenizerError::encoder)?));
    encoder.with_normalizer(Some(Sequence::new(steps))).map_err(TokenizerError::encoder)?;
    Ok(encoder)
}
