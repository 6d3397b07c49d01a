//! Log probabilities in OpenAI's two shapes: one for chats, an older one for completions.

use serde_json::{Map, Value, json};

use mica_payer::ask::{Likelihood, ScoredToken};

/// `logprobs` of a chat's choice.
pub(crate) fn of_chat(tokens: &[ScoredToken]) -> Value {
    let content = tokens.iter().map(|token| {
        let mut value = likelihood(&token.drawn);
        value["top_logprobs"] = token.top.iter().map(likelihood).collect();
        value
    });
    json!({"content": content.collect::<Value>(), "refusal": null})
}

fn likelihood(one: &Likelihood) -> Value {
    json!({"token": one.text, "logprob": one.log_probability, "bytes": one.bytes})
}

/// `logprobs` of a completion's choice; `text_offset` counts characters from the beginning of the
/// answer.
pub(crate) fn of_text(tokens: &[ScoredToken]) -> Value {
    json!({
        "tokens": tokens.iter().map(|token| token.drawn.text.as_str()).collect::<Value>(),
        "token_logprobs": tokens.iter().map(|token| token.drawn.log_probability).collect::<Value>(),
        "top_logprobs": tokens.iter().map(by_text).collect::<Value>(),
        "text_offset": tokens.iter().map(|token| token.first_char).collect::<Value>(),
    })
}

/// The most likely tokens and the drawn one, by their texts; of equal texts the most likely counts.
fn by_text(token: &ScoredToken) -> Value {
    let mut texts = Map::new();
    for one in token.top.iter().chain([&token.drawn]) {
        texts.entry(one.text.as_str()).or_insert_with(|| one.log_probability.into());
    }
    texts.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, log_probability: f64) -> Likelihood {
        Likelihood { text: text.into(), bytes: Some(text.into()), log_probability }
    }

    fn tokens() -> [ScoredToken; 2] {
        let end = Likelihood { text: "<|im_end|>".into(), bytes: None, log_probability: -2.0 };
        let first = ScoredToken {
            drawn: one("é", -0.25),
            top: vec![one("é", -0.25), end],
            first_char: 0,
            end_bytes: 2,
        };
        let second = ScoredToken {
            drawn: one("b", -3.5),
            top: vec![one("c", -1.0)],
            first_char: 1,
            end_bytes: 3,
        };
        [first, second]
    }

    #[test]
    fn a_chat_has_a_list_of_tokens() {
        let expected = json!({"refusal": null, "content": [
            {"token": "é", "logprob": -0.25, "bytes": [195, 169], "top_logprobs": [
                {"token": "é", "logprob": -0.25, "bytes": [195, 169]},
                {"token": "<|im_end|>", "logprob": -2.0, "bytes": null},
            ]},
            {"token": "b", "logprob": -3.5, "bytes": [98], "top_logprobs": [{"token": "c", "logprob": -1.0, "bytes": [99]}]},
        ]});
        assert_eq!(of_chat(&tokens()), expected);
        assert_eq!(of_chat(&[]), json!({"content": [], "refusal": null}));
    }

    #[test]
    fn a_completion_has_four_lists() {
        let expected = json!({
            "tokens": ["é", "b"],
            "token_logprobs": [-0.25, -3.5],
            "top_logprobs": [{"é": -0.25, "<|im_end|>": -2.0}, {"b": -3.5, "c": -1.0}],
            "text_offset": [0, 1],
        });
        assert_eq!(of_text(&tokens()), expected);
        assert_eq!(
            of_text(&[]),
            json!({"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []})
        );
    }
}
