//! `options` and the fields that `/api/generate` and `/api/chat` share, with Ollama's defaults.
//!
//! What a worker cannot do with its logits (penalties, `min_p` and the like) is accepted and logged, as Ollama does with options
//! that it does not know: clients send them as a habit. What would change the form of the answer is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use mica_protocol::limits::MAX_TOP_LOG_PROBABILITIES;
use serde::Deserialize;
use serde_json::Value;

use crate::gateway::{
    core::Options,
    error::GatewayError,
    stops::{MAX_STOP_BYTES, MAX_STOPS},
};

/// How long a model counts as in use when the request does not say.
pub const KEEP_ALIVE: Duration = Duration::from_secs(300);
/// "For ever": as long as any program runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Fields that both routes have.
#[derive(Debug, Default, Deserialize)]
pub struct Shared {
    /// The model.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether the answer streams.
    #[serde(default)]
    pub stream: Option<bool>,
    /// How to generate.
    #[serde(default)]
    pub options: Option<BTreeMap<String, Value>>,
    /// How long the model is in use.
    #[serde(default)]
    pub keep_alive: Option<Value>,
    /// `json` or a schema.
    #[serde(default)]
    format: Option<Value>,
    /// Whether the model thinks aloud.
    #[serde(default)]
    think: Option<Value>,
    /// Whether probabilities are wanted.
    #[serde(default)]
    logprobs: Option<bool>,
    /// How many of them.
    #[serde(default)]
    top_logprobs: Option<i64>,
    /// Functions that the model may call.
    #[serde(default)]
    tools: Option<Vec<Value>>,
    /// Everything else.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Shared {
    /// The model's name.
    ///
    /// # Errors
    /// [`GatewayError`] if there is none.
    pub fn model(&self) -> Result<&str, GatewayError> {
        let model = self.model.as_deref().filter(|model| !model.trim().is_empty());
        model.ok_or_else(|| GatewayError::field("model", "model is required"))
    }

    /// Refuses what cannot be done, and logs what is not known.
    ///
    /// # Errors
    /// [`GatewayError`] names the field.
    pub fn check(&self, known: &[&str]) -> Result<(), GatewayError> {
        let refuse = |field: &str, why: &str| Err(GatewayError::field(field, why));
        let is_set = |value: &Option<Value>| match value {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        };
        if is_set(&self.format) {
            return refuse("format", "workers of this market cannot be held to a format: ask for it in the prompt");
        }
        if is_set(&self.think) {
            return refuse("think", "this model does not support thinking");
        }
        if self.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            return refuse("tools", "this model does not support tools");
        }
        let unknown: Vec<&String> = self.other.keys().filter(|field| !known.contains(&field.as_str())).collect();
        if !unknown.is_empty() {
            tracing::info!(?unknown, "fields that are not known here are ignored");
        }
        Ok(())
    }

    /// Whether log probabilities are wanted, and of how many most likely tokens.
    fn logprobs(&self) -> Result<Option<u8>, GatewayError> {
        let refuse = |why: &str| Err(GatewayError::field("top_logprobs", why));
        let (asked, count) = (self.logprobs == Some(true), self.top_logprobs.unwrap_or(0));
        match u8::try_from(count).ok().filter(|count| u32::from(*count) <= MAX_TOP_LOG_PROBABILITIES) {
            None => refuse("top_logprobs must be between 0 and 20"),
            Some(1..) if !asked => refuse("top_logprobs comes with logprobs: set it to true"),
            Some(count) => Ok(asked.then_some(count)),
        }
    }

    /// How to generate.
    ///
    /// # Errors
    /// [`GatewayError`] names the option that is out of range or of the wrong type.
    pub fn options(&self) -> Result<Options, GatewayError> {
        let mut options = Options { logprobs: self.logprobs()?, ..Options::default() };
        let Some(given) = &self.options else { return Ok(options) };
        for (name, value) in given {
            let wrong = |what: &str| GatewayError::field(name, format!("option \"{name}\" must be {what}"));
            let integer = || value.as_i64().or_else(|| whole(value)).ok_or_else(|| wrong("a whole number"));
            let number = || value.as_f64().ok_or_else(|| wrong("a number"));
            match name.as_str() {
                _ if value.is_null() => {}
                "num_predict" => {
                    options.max_tokens = match integer()? {
                        -1 => None,
                        // As long as the context.
                        -2 => Some(u32::MAX),
                        0 => return Err(wrong("at least 1, or -1 for the gateway's own number")),
                        count => Some(u32::try_from(count).map_err(|_| wrong("at least 1, or -1 for the gateway's own number"))?),
                    }
                }
                "seed" => options.seed = u64::try_from(integer()?).ok(),
                "top_k" => options.top_k = u32::try_from(integer()?.max(0)).map_err(|_| wrong("smaller"))?,
                "temperature" => {
                    let value = number()?;
                    if !(0.0..=100.0).contains(&value) {
                        return Err(wrong("between 0 and 100"));
                    }
                    options.temperature = value as f32;
                }
                "top_p" => {
                    let value = number()?;
                    if !(0.0..=1.0).contains(&value) {
                        return Err(wrong("between 0 and 1"));
                    }
                    options.top_p = value as f32;
                }
                "stop" => options.stop = stops(value).ok_or_else(|| wrong("at most 16 short strings"))?,
                _ => tracing::info!(name, "an option that workers do not know is ignored"),
            }
        }
        if options.top_p == 0.0 {
            // No share of probability at all leaves the most likely token.
            (options.top_k, options.top_p) = (1, 1.0);
        }
        Ok(options)
    }

    /// How long the model counts as in use; nothing at all unloads it.
    ///
    /// # Errors
    /// [`GatewayError`] if it is no duration.
    pub fn keep_alive(&self) -> Result<Duration, GatewayError> {
        let wrong = || GatewayError::field("keep_alive", "keep_alive must be seconds, or a duration such as \"5m\"");
        match &self.keep_alive {
            None | Some(Value::Null) => Ok(KEEP_ALIVE),
            Some(Value::Number(seconds)) => match seconds.as_f64() {
                Some(seconds) if seconds < 0.0 => Ok(FOR_EVER),
                Some(seconds) => Duration::try_from_secs_f64(seconds).map(|time| time.min(FOR_EVER)).map_err(|_| wrong()),
                None => Err(wrong()),
            },
            Some(Value::String(text)) => duration(text).ok_or_else(wrong),
            Some(_) => Err(wrong()),
        }
    }
}

/// A whole number that was written with a point, as some languages do.
fn whole(value: &Value) -> Option<i64> {
    value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 9e15).map(|number| number as i64)
}

/// Stop strings: one or a list.
pub fn stops(value: &Value) -> Option<Vec<String>> {
    let strings = match value {
        Value::Null => Vec::new(),
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|string| string.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        _ => return None,
    };
    let fits = strings.len() <= MAX_STOPS && strings.iter().all(|string| string.len() <= MAX_STOP_BYTES);
    fits.then_some(strings)
}

/// `90`, `5m`, `1h30m`, `-1`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with('-') {
        return Some(FOR_EVER);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(|time| time.min(FOR_EVER));
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(digits);
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let seconds = match &unit[..end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = &unit[end..];
    }
    Some(total.min(FOR_EVER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(options: Value) -> Result<Options, GatewayError> {
        serde_json::from_value::<Shared>(json!({"model": "m", "options": options})).expect("an object").options()
    }

    #[test]
    fn the_defaults_are_ollamas_and_every_option_is_taken() {
        let default =
            Options { max_tokens: None, temperature: 0.8, top_k: 40, top_p: 0.9, seed: None, stop: vec![], logprobs: None };
        assert_eq!(options(json!({})).expect("none"), default);
        assert_eq!(options(json!({"num_predict": -1, "seed": -1, "mirostat": 2, "temperature": null})).expect("fine"), default);
        let all = json!({"num_predict": 7.0, "seed": 42, "top_k": 3, "temperature": 0, "top_p": 0.5, "stop": ["a", "b"]});
        let expected = Options {
            max_tokens: Some(7),
            temperature: 0.0,
            top_k: 3,
            top_p: 0.5,
            seed: Some(42),
            stop: vec!["a".into(), "b".into()],
            logprobs: None,
        };
        assert_eq!(options(all).expect("all"), expected);
        assert_eq!(options(json!({"stop": "x"})).expect("one").stop, ["x"]);
        assert_eq!(options(json!({"num_predict": -2})).expect("all there is room for").max_tokens, Some(u32::MAX));
    }

    #[test]
    fn wrong_options_are_named() {
        for wrong in [
            json!({"num_predict": -5}),
            json!({"num_predict": 0}),
            json!({"num_predict": "many"}),
            json!({"num_predict": 1.5}),
            json!({"num_predict": 99_999_999_999i64}),
            json!({"temperature": -1}),
            json!({"temperature": "hot"}),
            json!({"top_p": 1.1}),
            json!({"top_k": "x"}),
            json!({"seed": 1.5}),
            json!({"stop": 3}),
            json!({"stop": [1]}),
            json!({"stop": vec!["x"; 17]}),
            json!({"stop": "x".repeat(1000)}),
        ] {
            let name = wrong.as_object().and_then(|object| object.keys().next().cloned());
            assert_eq!(options(wrong.clone()).expect_err(&wrong.to_string()).field, name);
        }
    }

    #[test]
    fn log_probabilities_are_for_those_who_ask() {
        let read = |fields: Value| {
            let shared: Shared = serde_json::from_value(fields).expect("an object");
            shared.options().map(|options| options.logprobs)
        };
        for (fields, expected) in [
            (json!({"logprobs": false}), None),
            (json!({"top_logprobs": 0}), None),
            (json!({"logprobs": true}), Some(0)),
            (json!({"logprobs": true, "top_logprobs": 20, "options": {}}), Some(20)),
        ] {
            assert_eq!(read(fields).expect("fine"), expected);
        }
        for wrong in [
            json!({"logprobs": true, "top_logprobs": 21}),
            json!({"logprobs": true, "top_logprobs": -1}),
            json!({"logprobs": true, "top_logprobs": 256}),
            json!({"top_logprobs": 3}),
        ] {
            assert_eq!(read(wrong).expect_err("refused").field.as_deref(), Some("top_logprobs"));
        }
    }

    #[test]
    fn keep_alive_is_read_as_people_write_it() {
        let read =
            |value: Value| serde_json::from_value::<Shared>(json!({"keep_alive": value})).expect("an object").keep_alive().ok();
        assert_eq!(read(Value::Null), Some(KEEP_ALIVE));
        assert_eq!(read(json!(0)), Some(Duration::ZERO));
        assert_eq!(read(json!("0")), Some(Duration::ZERO));
        assert_eq!(read(json!("1h30m")), Some(Duration::from_secs(5400)));
        assert_eq!(read(json!("500ms")), Some(Duration::from_millis(500)));
        assert_eq!([read(json!(-1)), read(json!("-1m"))], [Some(FOR_EVER); 2]);
        for wrong in [json!("soon"), json!(""), json!("5 minutes"), json!(true), json!([1]), json!("5x"), json!("1e400")] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn what_would_change_the_answers_form_is_refused() {
        for (field, value) in [
            ("format", json!("json")),
            ("format", json!({"type": "object"})),
            ("think", json!(true)),
            ("think", json!("high")),
            ("tools", json!([{"type": "function"}])),
        ] {
            let shared: Shared = serde_json::from_value(json!({field: value})).expect("an object");
            assert_eq!(shared.check(&[]).expect_err(field).field.as_deref(), Some(field));
        }
        let harmless = json!({"format": "", "think": false, "logprobs": false, "tools": [], "truncate": true, "new_field": 1});
        serde_json::from_value::<Shared>(harmless).expect("an object").check(&[]).expect("harmless");
    }
}
