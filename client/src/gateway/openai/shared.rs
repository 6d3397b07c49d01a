//! Fields that `/v1/chat/completions` and `/v1/completions` share, with OpenAI's defaults.
//!
//! Fields that nobody knows, and penalties, which workers cannot apply, are accepted and logged. What would change the form of the
//! answer is refused.

use std::collections::BTreeMap;

use mica_protocol::limits::MAX_TOP_LOG_PROBABILITIES;
use serde::Deserialize;
use serde_json::Value;

use crate::gateway::{core::Options, error::GatewayError, ollama::options::stops};

/// Most likely tokens that a completion may want to see.
const MAX_TEXT_LOGPROBS: u8 = 5;

/// The shared fields.
#[derive(Debug, Default, Deserialize)]
pub struct Shared {
    /// The model.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether the answer streams.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What comes at the end of a stream.
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<i64>,
    #[serde(default)]
    max_completion_tokens: Option<i64>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    top_k: Option<i64>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    stop: Option<Value>,
    #[serde(default)]
    n: Option<i64>,
    #[serde(default)]
    best_of: Option<i64>,
    #[serde(default)]
    logprobs: Option<Value>,
    #[serde(default)]
    top_logprobs: Option<i64>,
    #[serde(default)]
    response_format: Option<Value>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(default)]
    functions: Option<Vec<Value>>,
    #[serde(default)]
    tool_choice: Option<Value>,
    #[serde(default)]
    echo: Option<bool>,
    #[serde(default)]
    suffix: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

/// `stream_options`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct StreamOptions {
    /// Whether a last piece counts the tokens.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

impl Shared {
    /// The model's name.
    ///
    /// # Errors
    /// [`GatewayError`] if there is none.
    pub fn model(&self) -> Result<&str, GatewayError> {
        let model = self.model.as_deref().filter(|model| !model.trim().is_empty());
        model.ok_or_else(|| GatewayError::field("model", "you must provide a model parameter"))
    }

    /// Whether a stream ends with a count of tokens.
    pub fn include_usage(&self) -> bool {
        self.stream_options.and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// Whether a chat wants log probabilities, and of how many most likely tokens.
    ///
    /// # Errors
    /// [`GatewayError`] names the field that is out of range.
    pub fn chat_logprobs(&self) -> Result<Option<u8>, GatewayError> {
        let asked = match &self.logprobs {
            None | Some(Value::Null) => false,
            Some(Value::Bool(asked)) => *asked,
            Some(_) => return Err(GatewayError::field("logprobs", "logprobs must be true or false: top_logprobs is a number")),
        };
        let refuse = |why: &str| Err(GatewayError::field("top_logprobs", why));
        let count = u8::try_from(self.top_logprobs.unwrap_or(0)).ok();
        match count.filter(|count| u32::from(*count) <= MAX_TOP_LOG_PROBABILITIES) {
            None => refuse("top_logprobs must be between 0 and 20"),
            Some(1..) if !asked => refuse("top_logprobs comes with logprobs: set it to true"),
            Some(count) => Ok(asked.then_some(count)),
        }
    }

    /// Whether a completion wants log probabilities, and of how many most likely tokens.
    ///
    /// # Errors
    /// [`GatewayError`] names the field that is out of range.
    pub fn text_logprobs(&self) -> Result<Option<u8>, GatewayError> {
        if self.top_logprobs.is_some_and(|count| count != 0) {
            return Err(GatewayError::field("top_logprobs", "top_logprobs is a chat's: give logprobs the number"));
        }
        match &self.logprobs {
            None | Some(Value::Null | Value::Bool(false)) => Ok(None),
            Some(value) => match value.as_u64().and_then(|count| u8::try_from(count).ok()) {
                Some(count @ ..=MAX_TEXT_LOGPROBS) => Ok(Some(count)),
                _ => Err(GatewayError::field("logprobs", "logprobs must be between 0 and 5")),
            },
        }
    }

    /// How to generate, without log probabilities; `max_tokens` is the route's own default if the request has none.
    ///
    /// # Errors
    /// [`GatewayError`] names the field that is out of range or cannot be done.
    pub fn options(&self, max_tokens: Option<u32>) -> Result<Options, GatewayError> {
        self.check()?;
        let refuse = |field: &str, what: &str| GatewayError::field(field, format!("{field} must be {what}"));
        let temperature = self.temperature.unwrap_or(1.0);
        if !(0.0..=100.0).contains(&temperature) {
            return Err(refuse("temperature", "between 0 and 100"));
        }
        let top_p = self.top_p.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&top_p) {
            return Err(refuse("top_p", "between 0 and 1"));
        }
        let length = |field: &str, value: Option<i64>| match value {
            None => Ok(None),
            Some(count) => match u32::try_from(count) {
                Ok(count) if count > 0 => Ok(Some(count)),
                _ => Err(refuse(field, "at least 1")),
            },
        };
        let newer = length("max_completion_tokens", self.max_completion_tokens)?;
        let older = length("max_tokens", self.max_tokens)?;
        let top_k = self.top_k.map_or(Ok(0), |k| u32::try_from(k.max(0)).map_err(|_| refuse("top_k", "smaller")))?;
        let stop =
            stops(self.stop.as_ref().unwrap_or(&Value::Null)).ok_or_else(|| refuse("stop", "a string or at most 16 short ones"))?;
        let (top_k, top_p) = if top_p == 0.0 { (1, 1.0) } else { (top_k, top_p) };
        Ok(Options {
            max_tokens: newer.or(older).or(max_tokens),
            temperature: temperature as f32,
            top_k,
            top_p: top_p as f32,
            // Any number is a seed, negative ones too.
            seed: self.seed.map(i64::cast_unsigned),
            stop,
            logprobs: None,
        })
    }

    fn check(&self) -> Result<(), GatewayError> {
        let refuse = |field: &str, why: &str| Err(GatewayError::field(field, why));
        if self.n.unwrap_or(1) != 1 || self.best_of.unwrap_or(1) != 1 {
            return refuse("n", "one answer is given for each request: ask several times");
        }
        if let Some(format) = &self.response_format
            && !format.is_null()
            && format.get("type").and_then(Value::as_str) != Some("text")
        {
            return refuse("response_format", "workers of this market cannot be held to a format: ask for it in the prompt");
        }
        let given = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|list| !list.is_empty());
        if given(&self.tools) || given(&self.functions) {
            return refuse("tools", "this model does not support tools");
        }
        if self.tool_choice.as_ref().is_some_and(|choice| !choice.is_null() && choice != "none" && choice != "auto") {
            return refuse("tool_choice", "this model does not support tools");
        }
        if self.echo == Some(true) {
            return refuse("echo", "the prompt is not given back: put it before the answer yourself");
        }
        if self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return refuse("suffix", "this model does not support insert");
        }
        if !self.other.is_empty() {
            let unknown: Vec<&String> = self.other.keys().collect();
            tracing::info!(?unknown, "fields that are not known here are ignored");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(fields: Value) -> Result<Options, GatewayError> {
        serde_json::from_value::<Shared>(fields).expect("the types fit").options(None)
    }

    #[test]
    fn the_defaults_are_openais_and_every_field_is_taken() {
        let default =
            Options { max_tokens: None, temperature: 1.0, top_k: 0, top_p: 1.0, seed: None, stop: vec![], logprobs: None };
        assert_eq!(options(json!({})).expect("none"), default);
        let habits = json!({"frequency_penalty": 0.5, "user": "me", "n": 1, "logprobs": false, "tools": [], "tool_choice": "auto",
                            "response_format": {"type": "text"}, "a_new_field": {}, "stop": null});
        assert_eq!(options(habits).expect("accepted"), default);
        let all = options(
            json!({"max_tokens": 3, "max_completion_tokens": 5, "temperature": 0, "top_p": 0.5, "top_k": 7, "seed": -1, "stop": ["a"]}),
        );
        let expected = Options {
            max_tokens: Some(5),
            temperature: 0.0,
            top_k: 7,
            top_p: 0.5,
            seed: Some(u64::MAX),
            stop: vec!["a".into()],
            logprobs: None,
        };
        assert_eq!(all.expect("all"), expected);
    }

    fn shared(fields: Value) -> Shared {
        serde_json::from_value(fields).expect("the types fit")
    }

    #[test]
    fn a_chat_asks_for_log_probabilities_by_two_fields() {
        for (fields, expected) in [
            (json!({}), None),
            (json!({"logprobs": null, "top_logprobs": null}), None),
            (json!({"logprobs": false, "top_logprobs": 0}), None),
            (json!({"logprobs": true}), Some(0)),
            (json!({"logprobs": true, "top_logprobs": 20}), Some(20)),
        ] {
            assert_eq!(shared(fields).chat_logprobs().expect("fine"), expected);
        }
        for (fields, field) in [
            (json!({"logprobs": 3}), "logprobs"),
            (json!({"logprobs": "yes"}), "logprobs"),
            (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs"),
            (json!({"logprobs": true, "top_logprobs": -1}), "top_logprobs"),
            (json!({"logprobs": true, "top_logprobs": 256}), "top_logprobs"),
            (json!({"logprobs": false, "top_logprobs": 1}), "top_logprobs"),
            (json!({"top_logprobs": 1}), "top_logprobs"),
        ] {
            assert_eq!(shared(fields).chat_logprobs().expect_err("refused").field.as_deref(), Some(field));
        }
    }

    #[test]
    fn a_completion_asks_for_log_probabilities_by_a_number() {
        for (value, expected) in [(json!(null), None), (json!(false), None), (json!(0), Some(0)), (json!(5), Some(5))] {
            assert_eq!(shared(json!({"logprobs": value})).text_logprobs().expect("fine"), expected);
        }
        for value in [json!(6), json!(-1), json!(256), json!(1.5), json!(true), json!("5")] {
            let error = shared(json!({"logprobs": value})).text_logprobs().expect_err("refused");
            assert_eq!(error.field.as_deref(), Some("logprobs"));
        }
        let error = shared(json!({"logprobs": 1, "top_logprobs": 2})).text_logprobs().expect_err("refused");
        assert_eq!(error.field.as_deref(), Some("top_logprobs"));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        for (field, value) in [
            ("n", json!(2)),
            ("response_format", json!({"type": "json_object"})),
            ("tools", json!([{}])),
            ("tool_choice", json!("required")),
            ("max_tokens", json!(0)),
            ("max_tokens", json!(-1)),
            ("max_completion_tokens", json!(0)),
            ("temperature", json!(-0.1)),
            ("top_p", json!(2)),
            ("stop", json!(5)),
            ("echo", json!(true)),
            ("suffix", json!("x")),
        ] {
            assert_eq!(options(json!({field: value})).expect_err(field).field.as_deref(), Some(field));
        }
    }
}
