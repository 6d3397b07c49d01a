//! `keep_alive`: how long a model counts as in use after a request.

use std::time::Duration;

use serde_json::Value;

use crate::{core::GatewayError, http::fields::Fields};

/// When the request does not say.
const DEFAULT: Duration = Duration::from_secs(300);
/// "For ever": as long as any program runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// `keep_alive` of a request: seconds, or a text such as `5m`; nothing at all unloads the model.
///
/// # Errors
/// [`GatewayError`] if it is not a duration.
pub(crate) fn keep_alive(fields: &mut Fields) -> Result<Duration, GatewayError> {
    let Some(value) = fields.take("keep_alive") else { return Ok(DEFAULT) };
    let time = match &value {
        Value::Number(number) => number.as_f64().and_then(seconds),
        Value::String(text) => duration(text),
        _ => None,
    };
    time.ok_or_else(|| fields.wrong("keep_alive", "seconds, or a duration such as \"5m\"", &value))
}

/// A number of seconds; a negative one is for ever.
fn seconds(seconds: f64) -> Option<Duration> {
    match seconds < 0.0 {
        true => Some(FOR_EVER),
        false => Duration::try_from_secs_f64(seconds).ok().map(|time| time.min(FOR_EVER)),
    }
}

/// `90`, `5m`, `1h30m`, `-1`, `500ms`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text.starts_with('-') {
        return Some(FOR_EVER);
    }
    if let Ok(number) = text.parse() {
        return seconds(number);
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
    use serde_json::json;

    use super::*;

    #[test]
    fn keep_alive_is_read_as_people_write_it() {
        let read = |value: Value| {
            let body = json!({"keep_alive": value}).to_string();
            keep_alive(&mut Fields::parse(body.as_bytes()).expect("an object")).ok()
        };
        assert_eq!(read(Value::Null), Some(DEFAULT));
        assert_eq!([read(json!(0)), read(json!(0.0)), read(json!("0"))], [Some(Duration::ZERO); 3]);
        assert_eq!(
            [read(json!(1.5)), read(json!("1.5")), read(json!("1500ms"))],
            [Some(Duration::from_millis(1500)); 3]
        );
        assert_eq!(read(json!("1h30m")), Some(Duration::from_secs(5400)));
        assert_eq!([read(json!(-1)), read(json!("-1m")), read(json!(-0.5))], [Some(FOR_EVER); 3]);
        for wrong in [
            json!("soon"),
            json!(""),
            json!("5 minutes"),
            json!(true),
            json!([1]),
            json!("5x"),
            json!("1e400"),
        ] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }
}
