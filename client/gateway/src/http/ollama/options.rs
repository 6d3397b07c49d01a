//! Fields that `/api/generate` and `/api/chat` share, and their `options`, with Ollama's defaults.
//!
//! What a worker cannot do with its logits (penalties, `min_p` and the like) is accepted and
//! logged, as Ollama does with options that it does not know: clients send them as a habit. What
//! would change the form of the answer is refused.

use std::time::Duration;

use serde_json::Value;

use super::keep_alive::keep_alive;
use crate::{
    core::{GatewayError, Options},
    http::{fields::Fields, sampling},
};

/// What both routes are asked.
#[derive(Debug)]
pub(crate) struct CommonFields {
    /// The model.
    pub(crate) model: String,
    /// Whether the answer streams.
    pub(crate) is_streamed: bool,
    /// How to generate.
    pub(crate) options: Options,
    /// How long the model counts as in use; nothing at all unloads it.
    pub(crate) keep_alive: Duration,
}

impl CommonFields {
    /// Takes the shared fields.
    ///
    /// # Errors
    /// [`GatewayError`] names the field that is wrong or cannot be done.
    pub(crate) fn take(fields: &mut Fields) -> Result<Self, GatewayError> {
        let model = sampling::model(fields, "model is required")?;
        check(fields)?;
        let asked = fields.flag("logprobs")?.unwrap_or(false);
        let logprobs = sampling::top_logprobs(fields, asked)?;
        let options = match fields.object("options")? {
            Some(given) => options(given)?,
            None => Options::default(),
        };
        Ok(Self {
            model,
            is_streamed: fields.flag("stream")?.unwrap_or(true),
            options: Options { logprobs, ..options },
            keep_alive: keep_alive(fields)?,
        })
    }
}

/// Leaves the rest of a request alone; what clients send and changes nothing here is not even
/// logged.
pub(crate) fn ignore_rest(fields: Fields) {
    fields.ignore_rest(&["truncate", "shift", "_debug_render_only"]);
}

/// Refuses what cannot be done.
fn check(fields: &mut Fields) -> Result<(), GatewayError> {
    let mut is_set = |name: &str| match fields.take(name) {
        None | Some(Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    };
    if is_set("format") {
        let why = "format must be empty: workers of this market cannot be held to a format, so \
                   ask for it in the prompt";
        return Err(fields.refuse("format", why));
    }
    if is_set("think") {
        return Err(
            fields.refuse("think", "think must be false: this model does not support thinking")
        );
    }
    if !fields.list("tools")?.is_empty() {
        return Err(fields.refuse("tools", "this model does not support tools"));
    }
    if !fields.list("images")?.is_empty() {
        return Err(fields.refuse("images", "this model does not support images"));
    }
    Ok(())
}

/// How to generate.
fn options(mut given: Fields) -> Result<Options, GatewayError> {
    let default = Options::default();
    let max_tokens = match given.integer("num_predict")? {
        None | Some(-1) => None,
        // As long as the context.
        Some(-2) => Some(u32::MAX),
        Some(count) => {
            let why = "must be at least 1, -1 for the gateway's own number, or -2 for all there \
                       is room for";
            Some(
                u32::try_from(count)
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or_else(|| given.refuse("num_predict", why))?,
            )
        }
    };
    // A negative seed is drawn anew each time.
    let seed = given.integer("seed")?.and_then(|seed| u64::try_from(seed).ok());
    let temperature =
        given.number("temperature", 0.0..=100.0)?.map_or(default.temperature, |value| value as f32);
    let top_k = sampling::top_k(&mut given)?.unwrap_or(default.top_k);
    let (top_k, top_p) =
        sampling::effective_top(top_k, sampling::top_p(&mut given, default.top_p)?);
    let stop = sampling::stop_strings(&mut given)?;
    given.ignore_rest(&[]);
    Ok(Options { max_tokens, temperature, top_k, top_p, seed, stop, logprobs: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(mut wish: Value) -> Result<CommonFields, GatewayError> {
        wish["model"] = "m".into();
        CommonFields::take(&mut Fields::parse(wish.to_string().as_bytes()).expect("an object"))
    }

    fn options(options: Value) -> Result<Options, GatewayError> {
        asked(json!({"options": options})).map(|asked| asked.options)
    }

    #[test]
    fn the_defaults_are_ollamas_and_every_option_is_taken() {
        let default = Options {
            max_tokens: None,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.9,
            seed: None,
            stop: vec![],
            logprobs: None,
        };
        assert_eq!(asked(json!({})).expect("none").options, default);
        assert_eq!(options(json!({})).expect("none"), default);
        assert_eq!(
            options(json!({"num_predict": -1, "seed": -1, "mirostat": 2, "temperature": null}))
                .expect("fine"),
            default
        );
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
        assert_eq!(options(json!({"seed": u64::MAX})).expect("a seed").seed, Some(u64::MAX));
        assert_eq!(
            options(json!({"num_predict": -2})).expect("all there is room for").max_tokens,
            Some(u32::MAX)
        );
        assert!(
            asked(json!({})).expect("none").is_streamed
                && !asked(json!({"stream": false})).expect("whole").is_streamed
        );
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
            let name = wrong
                .as_object()
                .and_then(|object| object.keys().next())
                .map(|name| format!("options.{name}"));
            assert_eq!(options(wrong.clone()).expect_err(&wrong.to_string()).field, name);
        }
        assert_eq!(
            asked(json!({"options": []})).expect_err("no object").field.as_deref(),
            Some("options")
        );
    }

    #[test]
    fn log_probabilities_are_for_those_who_ask() {
        for (wish, expected) in [
            (json!({"logprobs": false}), None),
            (json!({"top_logprobs": 0}), None),
            (json!({"logprobs": true}), Some(0)),
            (json!({"logprobs": true, "top_logprobs": 2.0}), Some(2)),
            (json!({"logprobs": true, "top_logprobs": 20, "options": {}}), Some(20)),
        ] {
            assert_eq!(asked(wish).expect("fine").options.logprobs, expected);
        }
        for wrong in [
            json!({"logprobs": true, "top_logprobs": 21}),
            json!({"logprobs": true, "top_logprobs": -1}),
            json!({"logprobs": true, "top_logprobs": 1.5}),
            json!({"logprobs": true, "top_logprobs": 256}),
            json!({"top_logprobs": 3}),
        ] {
            assert_eq!(asked(wrong).expect_err("refused").field.as_deref(), Some("top_logprobs"));
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
            ("images", json!(["aGk="])),
        ] {
            assert_eq!(
                asked(json!({field: value})).expect_err(field).field.as_deref(),
                Some(field)
            );
        }
        let harmless = json!({"format": "", "think": false, "logprobs": false, "tools": [], "images": [], "truncate": true, "new_field": 1});
        asked(harmless).expect("harmless");
    }
}
