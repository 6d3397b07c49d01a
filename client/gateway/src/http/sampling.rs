//! Fields that both APIs have, under the same names and with the same meaning.

use mica_protocol::limits::MAX_TOP_LOG_PROBABILITIES;
use serde_json::Value;

use super::fields::Fields;
use crate::core::{GatewayError, MAX_STOP_BYTES, MAX_STOP_STRINGS};

/// `model`; `missing` is what the API says if there is none.
///
/// # Errors
/// [`GatewayError`] if there is none.
pub(super) fn model(fields: &mut Fields, missing: &str) -> Result<String, GatewayError> {
    let model = fields.text("model")?.filter(|model| !model.trim().is_empty());
    model.ok_or_else(|| fields.refuse("model", missing))
}

/// `stop`: one string or a list.
///
/// # Errors
/// [`GatewayError`] if it is neither, or too many, or too long.
pub(super) fn stop_strings(fields: &mut Fields) -> Result<Vec<String>, GatewayError> {
    let wrong = |fields: &Fields, value: &Value| {
        let expected = format!(
            "a string or at most {MAX_STOP_STRINGS} strings of at most {MAX_STOP_BYTES} bytes"
        );
        fields.wrong("stop", &expected, value)
    };
    let value = fields.take("stop").unwrap_or_default();
    let strings = match &value {
        Value::Null => Some(Vec::new()),
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => {
            many.iter().map(|string| string.as_str().map(str::to_owned)).collect()
        }
        _ => None,
    };
    let fits = |strings: &Vec<String>| {
        strings.len() <= MAX_STOP_STRINGS
            && strings.iter().all(|string| string.len() <= MAX_STOP_BYTES)
    };
    strings.filter(fits).ok_or_else(|| wrong(fields, &value))
}

/// `top_k`; 0 and less stand for all tokens, and so does more than there are.
///
/// # Errors
/// [`GatewayError`] if it is not a whole number.
pub(super) fn top_k(fields: &mut Fields) -> Result<Option<u32>, GatewayError> {
    let most = i128::from(u32::MAX);
    Ok(fields.integer("top_k")?.map(|k| u32::try_from(k.clamp(0, most)).unwrap_or(u32::MAX)))
}

/// `top_p`, with the default of the API.
///
/// # Errors
/// [`GatewayError`] if it is not between 0 and 1.
pub(super) fn top_p(fields: &mut Fields, default: f32) -> Result<f32, GatewayError> {
    Ok(fields.number("top_p", 0.0..=1.0)?.map_or(default, |share| share as f32))
}

/// No share of probability at all leaves the most likely token: `top_k` and `top_p` as workers know
/// them.
pub(super) fn effective_top(top_k: u32, top_p: f32) -> (u32, f32) {
    if top_p == 0.0 { (1, 1.0) } else { (top_k, top_p) }
}

/// `top_logprobs` of a request that asked for log probabilities, or did not; how many most likely
/// tokens come with each.
///
/// # Errors
/// [`GatewayError`] if they are too many, or were not asked for.
pub(super) fn top_logprobs(fields: &mut Fields, asked: bool) -> Result<Option<u8>, GatewayError> {
    let count = fields.whole("top_logprobs", 0..=MAX_TOP_LOG_PROBABILITIES)?.unwrap_or(0);
    if count > 0 && !asked {
        return Err(
            fields.refuse("top_logprobs", "top_logprobs comes with logprobs: set it to true")
        );
    }
    // The bound fits.
    Ok(asked.then_some(u8::try_from(count).unwrap_or(u8::MAX)))
}
