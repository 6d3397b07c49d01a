//! `GET /`: by which clients know that somebody is there.

/// The very words that clients look for.
pub(crate) async fn root() -> &'static str {
    "Ollama is running"
}
