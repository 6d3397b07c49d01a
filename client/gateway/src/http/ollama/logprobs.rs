//! Log probabilities as Ollama gives them: beside the piece of text in which their tokens end.

use serde_json::{Map, Value};

use mica_payer::ask::{Likelihood, ScoredToken};

/// The log probabilities of `tokens`.
pub(crate) fn of(tokens: &[ScoredToken]) -> Vec<Value> {
    tokens.iter().map(token).collect()
}

/// What is empty is left out, as everywhere in this API.
fn token(token: &ScoredToken) -> Value {
    let mut value = likelihood(&token.drawn);
    if !token.top.is_empty() {
        value.insert("top_logprobs".into(), token.top.iter().map(likelihood).collect());
    }
    value.into()
}

fn likelihood(one: &Likelihood) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert("token".into(), one.text.as_str().into());
    value.insert("logprob".into(), one.log_probability.into());
    if let Some(bytes) = &one.bytes {
        value.insert("bytes".into(), bytes.as_slice().into());
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_empty_is_left_out() {
        let one = |text: &str, bytes: Option<&[u8]>| Likelihood {
            text: text.into(),
            bytes: bytes.map(<[u8]>::to_vec),
            log_probability: -0.5,
        };
        let alone =
            ScoredToken { drawn: one("a", Some(b"a")), top: vec![], first_char: 0, end_bytes: 1 };
        let both = ScoredToken {
            top: vec![one("a", Some(b"a")), one("<|im_end|>", None)],
            ..alone.clone()
        };
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[alone]), [json!({"token": "a", "logprob": -0.5, "bytes": [97]})]);
        let top = json!([{"token": "a", "logprob": -0.5, "bytes": [97]}, {"token": "<|im_end|>", "logprob": -0.5}]);
        assert_eq!(of(&[both])[0]["top_logprobs"], top);
    }
}
