//! OpenAI's API: server-sent events, errors as `{"error":{"message",…}}`. One file per route.

pub mod chat;
pub mod completions;
pub mod logprobs;
pub mod models;
pub mod shared;
pub mod stream;

use serde_json::{Value, json};

use super::error::{GatewayError, Kind};

/// An error in OpenAI's shape.
pub fn error(error: &GatewayError) -> Value {
    let (kind, code) = match error.kind {
        Kind::Invalid | Kind::TooLarge | Kind::Slow | Kind::Method => {
            ("invalid_request_error", None)
        }
        Kind::Unauthorized => ("authentication_error", Some("invalid_api_key")),
        Kind::Forbidden => ("permission_error", None),
        Kind::Payment => ("insufficient_quota", Some("insufficient_quota")),
        Kind::NotFound => {
            ("not_found_error", error.message.starts_with("model '").then_some("model_not_found"))
        }
        Kind::Busy => ("rate_limit_error", Some("rate_limit_exceeded")),
        Kind::NotOffered => ("not_implemented_error", None),
        Kind::Worker | Kind::Unavailable | Kind::Internal => ("api_error", None),
    };
    json!({"error": {"message": error.message, "type": kind, "param": error.field, "code": code}})
}
