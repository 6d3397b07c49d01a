//! Ollama's API: newline-delimited JSON, durations in nanoseconds, errors as `{"error":"…"}`. One
//! file per route.

pub(super) mod chat;
pub(super) mod details;
pub(super) mod generate;
pub(super) mod keep_alive;
pub(super) mod logprobs;
pub(super) mod options;
pub(super) mod ps;
pub(super) mod root;
pub(super) mod show;
pub(super) mod stream;
pub(super) mod tags;
pub(super) mod template;
pub(super) mod time;
pub(super) mod version;
