//! SentencePiece vocabularies: no cutting, `▁` for spaces, merges in the order of the tokens'
//! scores, bytes for what is unknown.
//!
//! Any two neighbours whose text together is a token may merge: the pair with the best score first,
//! of equal scores the leftmost (Kudo and Richardson, "SentencePiece", section 3, and llama.cpp's
//! `llm_tokenizer_spm`). Control tokens never come out of merges here: what a user writes cannot
//! become one.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap},
};

use super::{
    TokenizerError,
    vocabulary::{TokenType, Vocabulary, named_byte},
};

/// Longest token that may come out of merges, in bytes.
const MAX_MERGED_BYTES: usize = 256;

pub(super) struct SentencePiece {
    /// Id and score of every token that merges may give.
    ids: HashMap<String, (u32, f32)>,
    /// What a byte becomes that is part of no token.
    bytes: Vec<u32>,
    space_prefix: bool,
}

/// A character or what became of it.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    /// 0 when it was merged into its left neighbour.
    length: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that could merge. Ordered so that the best is the greatest.
struct Pair {
    score: f32,
    left: Reverse<usize>,
    right: usize,
    /// Bytes of both, to see whether one of them has merged with another in the meantime.
    length: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = || self.length.cmp(&other.length);
        self.score
            .total_cmp(&other.score)
            .then_with(|| self.left.cmp(&other.left))
            .then_with(length)
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

impl SentencePiece {
    pub(super) fn new(vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        let mut ids = HashMap::new();
        let mut bytes = vec![vocabulary.unknown; 256];
        let described = vocabulary.tokens.iter().zip(&vocabulary.types).zip(&vocabulary.scores);
        for (id, ((token, kind), &score)) in described.enumerate() {
            let id = id as u32;
            match kind {
                TokenType::Normal | TokenType::UserDefined | TokenType::Unused
                    if token.len() <= MAX_MERGED_BYTES =>
                {
                    ids.entry(token.clone()).or_insert((id, score));
                }
                TokenType::Byte => {
                    if let Some(byte) = named_byte(token) {
                        bytes[usize::from(byte)] = Some(id);
                    }
                }
                _ => {}
            }
        }
        let bytes = bytes.into_iter().collect::<Option<Vec<u32>>>().ok_or_else(|| {
            TokenizerError::Vocabulary {
                reason: "it has neither a token for every byte nor one for the unknown".into(),
            }
        })?;
        Ok(Self { ids, bytes, space_prefix: vocabulary.space_prefix })
    }

    /// Appends the tokens of a text between two control tokens; it gets a space of its own, as
    /// llama.cpp does it.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let mut escaped = String::with_capacity(text.len() + 3);
        if self.space_prefix {
            escaped.push('▁');
        }
        text.chars().for_each(|c| escaped.push(if c == ' ' { '▁' } else { c }));
        let symbols = self.merge(&escaped);
        for symbol in symbols.iter().filter(|symbol| symbol.length > 0) {
            let part = &escaped[symbol.start..][..symbol.length];
            match self.ids.get(part) {
                Some(&(id, _)) => ids.push(id),
                None => ids.extend(part.bytes().map(|byte| self.bytes[usize::from(byte)])),
            }
        }
    }

    fn merge(&self, text: &str) -> Vec<Symbol> {
        let last = text.chars().count().saturating_sub(1);
        let symbol = |(at, (start, c)): (usize, (usize, char))| Symbol {
            start,
            length: c.len_utf8(),
            previous: at.checked_sub(1),
            next: (at < last).then_some(at + 1),
        };
        let mut symbols: Vec<Symbol> = text.char_indices().enumerate().map(symbol).collect();
        let mut pairs = BinaryHeap::new();
        for at in 1..symbols.len() {
            self.consider(text, &symbols, at - 1, at, &mut pairs);
        }
        while let Some(Pair { left: Reverse(left), right, length, .. }) = pairs.pop() {
            // A pair is out of date when either part has merged since.
            let (a, b) = (symbols[left], symbols[right]);
            if a.length == 0 || b.length == 0 || a.length + b.length != length {
                continue;
            }
            symbols[left].length = length;
            symbols[left].next = b.next;
            symbols[right].length = 0;
            if let Some(next) = b.next {
                symbols[next].previous = Some(left);
                self.consider(text, &symbols, left, next, &mut pairs);
            }
            if let Some(previous) = a.previous {
                self.consider(text, &symbols, previous, left, &mut pairs);
            }
        }
        symbols
    }

    /// Notes two neighbours if their text together is a token.
    fn consider(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: usize,
        right: usize,
        pairs: &mut BinaryHeap<Pair>,
    ) {
        let length = symbols[left].length + symbols[right].length;
        if let Some(&(_, score)) = self.ids.get(&text[symbols[left].start..][..length]) {
            pairs.push(Pair { score, left: Reverse(left), right, length });
        }
    }
}
