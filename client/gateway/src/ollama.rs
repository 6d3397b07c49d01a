//! Ollama's API: newline-delimited JSON, durations in nanoseconds, errors as `{"error":"…"}`. One
//! file per route.

pub mod chat;
pub mod details;
pub mod generate;
pub mod keep_alive;
pub mod logprobs;
pub mod options;
pub mod ps;
pub mod root;
pub mod show;
pub mod stream;
pub mod tags;
pub mod template;
pub mod time;
pub mod version;

use serde_json::{Value, json};

use super::error::GatewayError;

/// An error in Ollama's shape.
pub fn error(error: &GatewayError) -> Value {
    json!({"error": error.message})
}
