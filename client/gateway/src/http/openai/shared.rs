//! Fields that `/v1/chat/completions` and `/v1/completions` share, with OpenAI's defaults and
//! ranges.
//!
//! Unknown fields, and penalties, which workers cannot apply, are accepted and logged.
//! What would change the form of the answer is refused.

use serde_json::Value;

use crate::{
    core::{GatewayError, Options},
    http::{fields::Fields, sampling},
};

/// Most likely tokens that a completion may want to see.
const MAX_TEXT_LOGPROBS: u8 = 5;

/// What both routes are asked.
#[derive(Debug)]
pub(crate) struct CommonFields {
    /// The model.
    pub(crate) model: String,
    /// Whether the answer streams.
    pub(crate) is_streamed: bool,
    /// Whether a stream ends with a count of tokens.
    pub(crate) include_usage: bool,
    /// How to generate, without log probabilities, for which each route has fields of its own.
    pub(crate) options: Options,
}

impl CommonFields {
    /// Takes the shared fields; `max_tokens` is the route's own default if the request has none.
    ///
    /// # Errors
    /// [`GatewayError`] names the field that is wrong or cannot be done.
    pub(crate) fn take(fields: &mut Fields, max_tokens: Option<u32>) -> Result<Self, GatewayError> {
        let model = sampling::model(fields, "you must provide a model parameter")?;
        check(fields)?;
        let is_streamed = fields.flag("stream")?.unwrap_or(false);
        let include_usage = match fields.object("stream_options")? {
            Some(mut stream) => stream.flag("include_usage")?.unwrap_or(false),
            None => false,
        };
        Ok(Self { model, is_streamed, include_usage, options: options(fields, max_tokens)? })
    }
}

fn options(fields: &mut Fields, max_tokens: Option<u32>) -> Result<Options, GatewayError> {
    let newer = fields.whole("max_completion_tokens", 1..=u32::MAX)?;
    let older = fields.whole("max_tokens", 1..=u32::MAX)?;
    let temperature = fields.number("temperature", 0.0..=2.0)?.unwrap_or(1.0) as f32;
    let (top_k, top_p) = (sampling::top_k(fields)?.unwrap_or(0), sampling::top_p(fields, 1.0)?);
    let (top_k, top_p) = sampling::effective_top(top_k, top_p);
    // Any number is a seed, negative ones too: their bits are what counts.
    let seed = fields.integer("seed")?.map(|seed| seed as u64);
    Ok(Options {
        max_tokens: newer.or(older).or(max_tokens),
        temperature,
        top_k,
        top_p,
        seed,
        stop: sampling::stop_strings(fields)?,
        logprobs: None,
    })
}

/// Refuses what cannot be done.
fn check(fields: &mut Fields) -> Result<(), GatewayError> {
    for name in ["n", "best_of"] {
        if fields.integer(name)?.is_some_and(|count| count != 1) {
            return Err(fields.refuse(
                name,
                &format!(
                    "{name} must be 1: one answer is given for each request, so ask several times"
                ),
            ));
        }
    }
    if let Some(format) = fields.take("response_format")
        && format.get("type").and_then(Value::as_str) != Some("text")
    {
        let why = "response_format must be of type text: workers of this market cannot be held to \
                   a format, so ask for it in the prompt";
        return Err(fields.refuse("response_format", why));
    }
    if fields.list("modalities")?.iter().any(|modality| modality != "text") {
        return Err(fields.refuse(
            "modalities",
            "modalities can only be text: workers of this market give nothing else",
        ));
    }
    for (name, why) in [
        ("tools", "this model does not support tools"),
        ("functions", "functions must be empty: this model does not support tools"),
    ] {
        if !fields.list(name)?.is_empty() {
            return Err(fields.refuse(name, why));
        }
    }
    for name in ["tool_choice", "function_call"] {
        if fields.take(name).is_some_and(|choice| choice != "none" && choice != "auto") {
            return Err(fields.refuse(
                name,
                &format!("{name} must be none or auto: this model does not support tools"),
            ));
        }
    }
    if fields.flag("echo")?.unwrap_or(false) {
        return Err(fields.refuse(
            "echo",
            "echo must be false: the prompt is not given back, so put it before the answer \
             yourself",
        ));
    }
    if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(
            fields.refuse("suffix", "this model does not support insert: leave suffix empty")
        );
    }
    Ok(())
}

/// Whether a chat wants log probabilities, and of how many most likely tokens.
///
/// # Errors
/// [`GatewayError`] names the field that is wrong.
pub(crate) fn chat_logprobs(fields: &mut Fields) -> Result<Option<u8>, GatewayError> {
    let asked = fields.flag("logprobs")?.unwrap_or(false);
    sampling::top_logprobs(fields, asked)
}

/// Whether a completion wants log probabilities, and of how many most likely tokens.
///
/// # Errors
/// [`GatewayError`] names the field that is wrong.
pub(crate) fn text_logprobs(fields: &mut Fields) -> Result<Option<u8>, GatewayError> {
    if fields.integer("top_logprobs")?.is_some_and(|count| count != 0) {
        return Err(
            fields.refuse("top_logprobs", "top_logprobs is a chat's: give logprobs the number")
        );
    }
    match fields.take("logprobs") {
        // What some clients send for none.
        None | Some(Value::Bool(false)) => Ok(None),
        Some(value) => fields.as_whole("logprobs", &value, &(0..=MAX_TEXT_LOGPROBS)).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(fields: Value) -> Fields {
        Fields::parse(fields.to_string().as_bytes()).expect("an object")
    }

    fn asked(mut wish: Value) -> Result<Options, GatewayError> {
        wish["model"] = "m".into();
        CommonFields::take(&mut fields(wish), None).map(|asked| asked.options)
    }

    #[test]
    fn the_defaults_are_openais_and_every_field_is_taken() {
        let default = Options {
            max_tokens: None,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed: None,
            stop: vec![],
            logprobs: None,
        };
        assert_eq!(asked(json!({})).expect("none"), default);
        let habits = json!({"frequency_penalty": 0.5, "user": "me", "n": 1.0, "logprobs": false, "tools": [], "tool_choice": "auto",
                            "response_format": {"type": "text"}, "a_new_field": {}, "stop": null, "modalities": ["text"]});
        assert_eq!(asked(habits).expect("accepted"), default);
        let all = asked(
            json!({"max_tokens": 3, "max_completion_tokens": 5.0, "temperature": 0, "top_p": 0.5, "top_k": 7, "seed": -1, "stop": ["a"]}),
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
        assert_eq!(asked(json!({"seed": u64::MAX})).expect("a seed").seed, Some(u64::MAX));
        assert_eq!(
            asked(json!({"top_p": 0}))
                .map(|options| (options.top_k, options.top_p))
                .expect("greedy"),
            (1, 1.0)
        );
    }

    #[test]
    fn a_stream_ends_with_a_count_if_that_is_asked_for() {
        for (options, expected) in [
            (json!(null), false),
            (json!({}), false),
            (json!({"include_usage": null}), false),
            (json!({"include_usage": true}), true),
        ] {
            let wish = json!({"model": "m", "stream": true, "stream_options": options});
            let asked = CommonFields::take(&mut fields(wish), None).expect("fine");
            assert_eq!((asked.is_streamed, asked.include_usage), (true, expected));
        }
        let error = CommonFields::take(
            &mut fields(json!({"model": "m", "stream_options": {"include_usage": 1}})),
            None,
        )
        .expect_err("refused");
        assert_eq!(error.field.as_deref(), Some("stream_options.include_usage"));
    }

    #[test]
    fn a_chat_asks_for_log_probabilities_by_two_fields() {
        for (wish, expected) in [
            (json!({}), None),
            (json!({"logprobs": null, "top_logprobs": null}), None),
            (json!({"logprobs": false, "top_logprobs": 0}), None),
            (json!({"logprobs": true}), Some(0)),
            (json!({"logprobs": true, "top_logprobs": 20}), Some(20)),
            (json!({"logprobs": true, "top_logprobs": 2.0}), Some(2)),
        ] {
            assert_eq!(chat_logprobs(&mut fields(wish)).expect("fine"), expected);
        }
        for (wish, field) in [
            (json!({"logprobs": 3}), "logprobs"),
            (json!({"logprobs": "yes"}), "logprobs"),
            (json!({"logprobs": true, "top_logprobs": 21}), "top_logprobs"),
            (json!({"logprobs": true, "top_logprobs": -1}), "top_logprobs"),
            (json!({"logprobs": true, "top_logprobs": 256}), "top_logprobs"),
            (json!({"logprobs": false, "top_logprobs": 1}), "top_logprobs"),
            (json!({"top_logprobs": 1}), "top_logprobs"),
        ] {
            assert_eq!(
                chat_logprobs(&mut fields(wish)).expect_err("refused").field.as_deref(),
                Some(field)
            );
        }
    }

    #[test]
    fn a_completion_asks_for_log_probabilities_by_a_number() {
        for (value, expected) in [
            (json!(null), None),
            (json!(false), None),
            (json!(0), Some(0)),
            (json!(5), Some(5)),
            (json!(2.0), Some(2)),
        ] {
            assert_eq!(
                text_logprobs(&mut fields(json!({"logprobs": value}))).expect("fine"),
                expected
            );
        }
        for value in [json!(6), json!(-1), json!(256), json!(1.5), json!(true), json!("5")] {
            let error =
                text_logprobs(&mut fields(json!({"logprobs": value}))).expect_err("refused");
            assert_eq!(error.field.as_deref(), Some("logprobs"));
        }
        let error = text_logprobs(&mut fields(json!({"logprobs": 1, "top_logprobs": 2})))
            .expect_err("refused");
        assert_eq!(error.field.as_deref(), Some("top_logprobs"));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        for (field, value) in [
            ("n", json!(2)),
            ("best_of", json!(2)),
            ("response_format", json!({"type": "json_object"})),
            ("tools", json!([{}])),
            ("functions", json!([{}])),
            ("tool_choice", json!("required")),
            ("function_call", json!({"name": "f"})),
            ("modalities", json!(["text", "audio"])),
            ("max_tokens", json!(0)),
            ("max_tokens", json!(-1)),
            ("max_tokens", json!(3.5)),
            ("max_tokens", json!(99_999_999_999i64)),
            ("max_completion_tokens", json!(0)),
            ("temperature", json!(-0.1)),
            ("temperature", json!(2.1)),
            ("top_p", json!(2)),
            ("top_k", json!(1.5)),
            ("seed", json!(0.5)),
            ("stop", json!(5)),
            ("echo", json!(true)),
            ("suffix", json!("x")),
            ("stream", json!("true")),
        ] {
            let error = asked(json!({field: value})).expect_err(field);
            assert_eq!(error.field.as_deref(), Some(field));
            assert!(error.message.len() > 10, "{error}");
        }
        assert_eq!(
            CommonFields::take(&mut fields(json!({"model": " "})), None)
                .expect_err("none")
                .field
                .as_deref(),
            Some("model")
        );
    }
}
