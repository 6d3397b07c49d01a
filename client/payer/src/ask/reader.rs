//! From tokens to text: what is whole comes out, and each token that has log probabilities knows
//! its place in it.

use mica_engine::{StreamDecoder, Tokenizer};
use mica_protocol::{
    probability::{LogProbabilities, LogProbability},
    session::StopReason,
};

/// A token as people read it, and how likely it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Likelihood {
    /// Its text, with `�` for a part of a character; a token that stands for no text has its name.
    pub text: String,
    /// The bytes of its text, if it stands for any.
    pub bytes: Option<Vec<u8>>,
    /// Natural logarithm of its probability, finite and at most 0: the worker's word.
    pub log_probability: f64,
}

/// A token of the answer with its log probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredToken {
    /// The token that was drawn.
    pub drawn: Likelihood,
    /// The most likely ones in its place, most likely first.
    pub top: Vec<Likelihood>,
    /// Characters of the answer before the first of which the token has a part.
    pub first_char: usize,
    /// Bytes of the answer up to the end of the last character of which the token has a part.
    pub end_bytes: usize,
}

/// Reads one answer.
pub(super) struct Reader<'a> {
    tokenizer: &'a Tokenizer,
    /// Nothing after the last token.
    decoder: Option<StreamDecoder<'a>>,
    text: String,
    chars: usize,
    /// Tokens since the last whole character.
    waiting: Vec<ScoredToken>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            decoder: Some(tokenizer.stream()),
            text: String::new(),
            chars: 0,
            waiting: Vec::new(),
        }
    }

    /// Takes a token; gives the text that becomes whole by it, and the tokens whose end is now
    /// known, in their order.
    ///
    /// A token that ends the answer as such is none of its text and is not given.
    pub(super) fn push(
        &mut self,
        id: u32,
        likely: Option<LogProbabilities>,
        stop: Option<StopReason>,
    ) -> (String, Vec<ScoredToken>) {
        let Some(decoder) = &mut self.decoder else { return (String::new(), Vec::new()) };
        // First: what the token stands for depends on what was before it.
        let likely = likely.filter(|_| stop != Some(StopReason::EndId));
        let scored = likely.map(|likely| score(self.tokenizer, decoder, id, &likely, self.chars));
        let mut piece = decoder.push(id);
        if stop.is_some()
            && let Some(decoder) = self.decoder.take()
        {
            piece.push_str(&decoder.finish());
        }
        let mut known = Vec::new();
        if let Some(first) = piece.chars().next() {
            // Bytes that waited are the beginning of one character, or become one `�`.
            let end_bytes = self.text.len() + first.len_utf8();
            known.extend(self.waiting.drain(..).map(|token| ScoredToken { end_bytes, ..token }));
        }
        self.text.push_str(&piece);
        self.chars += piece.chars().count();
        let is_whole = self.decoder.as_ref().is_none_or(StreamDecoder::is_whole);
        if let Some(token) = scored {
            let token = ScoredToken { end_bytes: self.text.len(), ..token };
            if is_whole { known.push(token) } else { self.waiting.push(token) }
        }
        (piece, known)
    }

    /// The whole text.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

fn score(
    tokenizer: &Tokenizer,
    decoder: &StreamDecoder<'_>,
    id: u32,
    likely: &LogProbabilities,
    first_char: usize,
) -> ScoredToken {
    let likelihood = |id: u32, log_probability: LogProbability| {
        let bytes = decoder.bytes(id);
        let log_probability = log_probability.value();
        if bytes.is_empty() {
            // An id beyond the vocabulary has no name either.
            let text = tokenizer.token(id).unwrap_or_default().to_owned();
            return Likelihood { text, bytes: None, log_probability };
        }
        Likelihood {
            text: String::from_utf8_lossy(&bytes).into_owned(),
            bytes: Some(bytes),
            log_probability,
        }
    };
    ScoredToken {
        drawn: likelihood(id, likely.drawn),
        top: likely
            .top
            .iter()
            .map(|candidate| likelihood(candidate.id, candidate.log_probability))
            .collect(),
        first_char,
        end_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use mica_engine::{Bos, GgufFile, Special, embedded};
    use mica_protocol::probability::{Candidate, Candidates};

    use super::*;

    fn tokenizer() -> Tokenizer {
        Tokenizer::from_gguf(
            &GgufFile::from_bytes(embedded::TINY_Q8_0).expect("the built-in model"),
        )
        .expect("its tokenizer")
    }

    fn likely(id: u32) -> LogProbabilities {
        let candidate = Candidate { id, log_probability: LogProbability::new(-0.5) };
        LogProbabilities {
            drawn: candidate.log_probability,
            top: Candidates::truncate_from(vec![candidate]),
        }
    }

    #[test]
    fn tokens_come_with_the_text_that_they_complete_and_know_their_place() {
        let tokenizer = tokenizer();
        let text = "A fox 🦊 says “naïve” 🦊🦊.";
        let ids = tokenizer.encode(text, Special::Text, Bos::Omit).expect("encodes");
        let mut reader = Reader::new(&tokenizer);
        let (mut read, mut bytes, mut given) = (String::new(), Vec::new(), 0);
        for (index, &id) in ids.iter().enumerate() {
            let stop = (index + 1 == ids.len()).then_some(StopReason::MaxNewTokens);
            let (piece, tokens) = reader.push(id, Some(likely(id)), stop);
            read.push_str(&piece);
            for token in tokens {
                let own = token.drawn.bytes.clone().expect("a token of text");
                let begin: usize = text.chars().take(token.first_char).map(char::len_utf8).sum();
                assert!(
                    begin <= bytes.len() && bytes.len() - begin < 4,
                    "the character in which it begins"
                );
                bytes.extend(own);
                assert!(read.is_char_boundary(token.end_bytes) && token.end_bytes <= read.len());
                assert!(
                    token.end_bytes >= bytes.len() && token.end_bytes - bytes.len() < 4,
                    "the character in which it ends"
                );
                assert_eq!(token.top, [token.drawn]);
                given += 1;
            }
        }
        assert_eq!((read.as_str(), bytes.as_slice(), given), (text, text.as_bytes(), ids.len()));
        assert!(
            ids.len() > text.chars().count() / 2,
            "characters of several tokens are among them"
        );
        assert_eq!(reader.into_text(), text);
    }

    #[test]
    fn half_a_character_at_the_end_and_the_end_token_are_told_apart() {
        let tokenizer = tokenizer();
        let end = tokenizer.eos().expect("an end");
        let half = tokenizer.encode("🦊", Special::Text, Bos::Omit).expect("encodes")[0];
        let mut reader = Reader::new(&tokenizer);
        assert_eq!(
            reader.push(half, Some(likely(half)), None),
            (String::new(), vec![]),
            "it may become whole yet"
        );
        let (piece, tokens) = reader.push(end, Some(likely(end)), Some(StopReason::EndId));
        assert_eq!(
            (piece.as_str(), tokens.len()),
            ("\u{fffd}", 1),
            "the end is no token of the text"
        );
        assert_eq!((tokens[0].first_char, tokens[0].end_bytes), (0, 3));
        assert_eq!(
            reader.push(half, Some(likely(half)), None),
            (String::new(), vec![]),
            "nothing comes after the end"
        );

        let mut reader = Reader::new(&tokenizer);
        let (piece, tokens) = reader.push(end, Some(likely(end)), None);
        assert_eq!(
            (piece.as_str(), tokens[0].drawn.text.as_str(), &tokens[0].drawn.bytes),
            ("", "<|im_end|>", &None)
        );
        let (_, tokens) = reader.push(u32::MAX, Some(likely(u32::MAX)), None);
        assert_eq!(
            (tokens[0].drawn.text.as_str(), &tokens[0].drawn.bytes),
            ("", &None),
            "no token of this model"
        );
        assert!(reader.push(half, None, None).1.is_empty(), "nobody asked");
    }
}
