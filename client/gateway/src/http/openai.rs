//! OpenAI's API: server-sent events, errors as `{"error":{"message",…}}`. One file per route.

pub(super) mod chat;
pub(super) mod completions;
pub(super) mod logprobs;
pub(super) mod models;
pub(super) mod shared;
pub(super) mod stream;
