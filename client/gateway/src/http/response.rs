//! Answers in JSON, and the one table from errors to HTTP statuses and to the words of both APIs.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Value, json as value};

use crate::core::{GatewayError, Kind};

/// Seconds after which a client may try again where nobody knows when there is room.
const RETRY_AFTER_SECONDS: u64 = 2;

/// The API in whose form errors are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// `{"error":"…"}`
    Ollama,
    /// `{"error":{"message":…}}`
    OpenAi,
}

/// What a kind of failure is to HTTP and to OpenAI's clients.
struct Row {
    status: StatusCode,
    openai_type: &'static str,
    openai_code: Option<&'static str>,
}

/// The one table from kinds of failure to statuses.
fn row(kind: Kind) -> Row {
    let (status, openai_type, openai_code) = match kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request_error", None),
        Kind::Unauthorized => {
            (StatusCode::UNAUTHORIZED, "authentication_error", Some("invalid_api_key"))
        }
        Kind::Payment => {
            (StatusCode::PAYMENT_REQUIRED, "insufficient_quota", Some("insufficient_quota"))
        }
        Kind::Forbidden => (StatusCode::FORBIDDEN, "permission_error", None),
        Kind::NotFound => (StatusCode::NOT_FOUND, "not_found_error", None),
        Kind::Method => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", None),
        Kind::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request_error", None),
        Kind::Throttled => {
            (StatusCode::TOO_MANY_REQUESTS, "authentication_error", Some("rate_limit_exceeded"))
        }
        Kind::Slow => (StatusCode::REQUEST_TIMEOUT, "invalid_request_error", None),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", None),
        Kind::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "rate_limit_error", Some("rate_limit_exceeded"))
        }
        Kind::NotOffered => (StatusCode::NOT_IMPLEMENTED, "not_implemented_error", None),
        Kind::Worker => (StatusCode::BAD_GATEWAY, "api_error", None),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "api_error", None),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "api_error", None),
    };
    Row { status, openai_type, openai_code }
}

impl Api {
    /// The API whose path this is.
    pub(super) fn of(path: &str) -> Self {
        if path.starts_with("/v1/") { Self::OpenAi } else { Self::Ollama }
    }

    /// The status of a failure. Ollama's clients know a full queue as 503, OpenAI's as 429.
    pub(super) fn status(self, kind: Kind) -> StatusCode {
        match (self, kind) {
            (Self::OpenAi, Kind::Busy) => StatusCode::TOO_MANY_REQUESTS,
            (_, kind) => row(kind).status,
        }
    }

    /// An error in the API's shape.
    pub(super) fn error(self, error: &GatewayError) -> Value {
        if self == Self::Ollama {
            return value!({"error": error.message});
        }
        let Row { openai_type, openai_code, .. } = row(error.kind);
        let is_about_model = error.kind == Kind::NotFound && error.message.starts_with("model '");
        let code = if is_about_model { Some("model_not_found") } else { openai_code };
        value!({"error": {
            "message": error.message, "type": openai_type, "param": error.field, "code": code,
        }})
    }

    /// The answer to a request that is refused.
    pub(super) fn refuse(self, error: &GatewayError) -> Response {
        let mut response = json(self.status(error.kind), &self.error(error));
        if matches!(error.kind, Kind::Busy | Kind::Throttled | Kind::Unavailable) {
            let seconds = error.retry_after_seconds.unwrap_or(RETRY_AFTER_SECONDS);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_status_and_the_shape_of_the_api() {
        let error = GatewayError::new(Kind::Busy, "full");
        assert_eq!(Api::Ollama.refuse(&error).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(Api::OpenAi.refuse(&error).status(), StatusCode::TOO_MANY_REQUESTS);
        let wait =
            |error: &GatewayError| Api::OpenAi.refuse(error).headers()[header::RETRY_AFTER].clone();
        assert_eq!(wait(&error), "2");
        let throttled = GatewayError::new(Kind::Throttled, "wait 47 s").until(47);
        assert_eq!(wait(&throttled), "47");
        assert_eq!(Api::Ollama.error(&error), value!({"error": "full"}));
        let expected = value!({"error": {
            "message": "full", "type": "rate_limit_error", "param": null,
            "code": "rate_limit_exceeded",
        }});
        assert_eq!(Api::OpenAi.error(&error), expected);
        for (message, code) in [("model 'x' not found", Some("model_not_found")), ("no", None)] {
            let error = Api::OpenAi.error(&GatewayError::new(Kind::NotFound, message));
            assert_eq!(error["error"]["code"].as_str(), code);
        }
    }
}
