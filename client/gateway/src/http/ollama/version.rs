//! `GET /api/version`.

use axum::{http::StatusCode, response::Response};
use serde_json::json;

use crate::http::response::json;

/// The version of Ollama's API whose shapes are spoken here: some clients refuse what they take for
/// too old.
const SPOKEN: &str = "0.5.1";

/// The API's version, and ours.
pub(crate) async fn version() -> Response {
    json(StatusCode::OK, &json!({"version": SPOKEN, "mica": env!("CARGO_PKG_VERSION")}))
}
