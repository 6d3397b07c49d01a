//! Bodies under bounds, before anything is known of who will be served.
//!
//! A connection may bring a body long before its request waits for a session, so the bodies of all
//! connections are bounded together: short ones may all be in memory at once, a long one needs one
//! of a few places, and none may hold more values than [`MAX_VALUES`], because a value takes many
//! times the room of its two bytes `0,`. Values live until a request's fields were taken out of
//! them. Nothing is awaited on the way there, so there are never more such trees than the runtime
//! has threads.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::fields::Fields;
use crate::{
    config::Config,
    core::{GatewayError, Kind},
};

/// Bytes up to which a body needs no place: all of 256 connections together have 16 MiB of such.
const SHORT_BYTES: u64 = 64 * 1024;
/// Long bodies that are read at once.
const MAX_LONG_BODIES: usize = 8;
/// Most values of a body, counted together with their objects and lists: twice what a context of
/// 128 Ki token ids needs.
const MAX_VALUES: usize = 1 << 18;

/// Reads bodies, a few long ones at once.
pub(super) struct BodyReader {
    long_bodies: Semaphore,
}

impl Default for BodyReader {
    fn default() -> Self {
        Self { long_bodies: Semaphore::new(MAX_LONG_BODIES) }
    }
}

impl BodyReader {
    /// Reads a body, which is a JSON object, under the configured bounds.
    ///
    /// # Errors
    /// [`GatewayError`] says what is wrong with it; [`Kind::Busy`] if too many long ones are on
    /// their way.
    pub(super) async fn fields(&self, config: &Config, body: Body) -> Result<Fields, GatewayError> {
        let length = body.size_hint().upper();
        let _permit = self.long_body_permit(config, length).await?;
        let bytes = read(config, body).await?;
        if bytes.is_empty() {
            return Err(GatewayError::new(Kind::Invalid, "missing request body"));
        }
        if values(&bytes) > MAX_VALUES {
            return Err(GatewayError::new(
                Kind::TooLarge,
                format!("the body holds more than the {MAX_VALUES} values that are read"),
            ));
        }
        Fields::parse(&bytes)
    }

    /// The permit of a body of `length` bytes, if it is long or does not say how long it is.
    async fn long_body_permit(
        &self,
        config: &Config,
        length: Option<u64>,
    ) -> Result<Option<SemaphorePermit<'_>>, GatewayError> {
        if length.is_some_and(|bytes| bytes <= SHORT_BYTES) {
            return Ok(None);
        }
        // As long as one that is read now may take.
        match tokio::time::timeout(
            Duration::from_secs(config.read_seconds),
            self.long_bodies.acquire(),
        )
        .await
        {
            Ok(Ok(permit)) => Ok(Some(permit)),
            _ => {
                let message = format!(
                    "server busy, please try again: {MAX_LONG_BODIES} bodies of more than \
                     {SHORT_BYTES} bytes are read"
                );
                Err(GatewayError::new(Kind::Busy, message))
            }
        }
    }
}

async fn read(config: &Config, body: Body) -> Result<Bytes, GatewayError> {
    let late = || {
        GatewayError::new(
            Kind::Slow,
            format!("the body did not come within {} s", config.read_seconds),
        )
    };
    let reading = axum::body::to_bytes(body, config.body_bytes);
    match tokio::time::timeout(Duration::from_secs(config.read_seconds), reading).await {
        Err(_) => Err(late()),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(GatewayError::new(
            Kind::TooLarge,
            format!("the body is longer than the {} bytes that are read", config.body_bytes),
        )),
        Ok(Err(error)) => {
            Err(GatewayError::new(Kind::Invalid, format!("the body could not be read: {error}")))
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut source = Some(error as &dyn std::error::Error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// At least as many values as JSON holds: the first of a list or an object follows its bracket,
/// every other one a comma.
fn values(json: &[u8]) -> usize {
    let (mut count, mut is_text, mut is_escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' if !is_text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        // A wait that is none: what is not there at once comes too late.
        Config { read_seconds: 0, ..Config::default() }
    }

    #[test]
    fn values_are_counted_and_texts_are_not() {
        for (json, expected) in [
            ("{}", 2),
            ("5", 1),
            ("[0,0,0]", 4),
            (r#"{"a": [1, {"b": 2}], "c": 3}"#, 6),
            (r#"{"a": "[{,,\",[", "b\\": "\\"}"#, 3),
            (r#"{"a": "\\\",["}"#, 2),
        ] {
            assert_eq!(values(json.as_bytes()), expected, "{json}");
        }
    }

    #[tokio::test]
    async fn a_body_of_more_values_than_anybody_needs_is_refused() {
        let list = |count: usize| Body::from(format!("{{\"a\": [{}0]}}", "0,".repeat(count - 1)));
        let mut fields = BodyReader::default()
            .fields(&config(), list(MAX_VALUES - 2))
            .await
            .expect("as many as there may be");
        assert_eq!(fields.list("a").expect("a list").len(), MAX_VALUES - 2);
        let error = BodyReader::default()
            .fields(&config(), list(MAX_VALUES - 1))
            .await
            .expect_err("one more");
        assert_eq!(error.kind, Kind::TooLarge);
        let text = Body::from(format!("{{\"a\": \"{}\"}}", ",[{".repeat(MAX_VALUES)));
        assert!(BodyReader::default().fields(&config(), text).await.is_ok(), "a text is one value");
    }

    #[tokio::test]
    async fn long_bodies_wait_for_each_other_and_short_ones_for_nobody() {
        let (bodies, config) = (BodyReader::default(), config());
        let long = || Body::from(format!("{{\"a\": \"{}\"}}", "x".repeat(100_000)));
        let taken =
            bodies.long_bodies.acquire_many(MAX_LONG_BODIES as u32).await.expect("all places");
        assert_eq!(bodies.fields(&config, long()).await.expect_err("no place").kind, Kind::Busy);
        assert!(bodies.fields(&config, Body::from("{}")).await.is_ok());
        drop(taken);
        for _ in 0..2 * MAX_LONG_BODIES {
            bodies.fields(&config, long()).await.expect("a place, which is given back");
        }
    }
}
