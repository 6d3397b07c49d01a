//! `GET /`: tells clients that the gateway is there.

/// The very words that clients look for.
pub(crate) async fn root() -> &'static str {
    "Ollama is running"
}
