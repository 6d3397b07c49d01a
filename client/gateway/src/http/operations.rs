//! Routes for whoever runs the gateway: is it alive, can it answer, what has it counted, which
//! routes are there.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    metrics::to_text,
    response::{Api, json as json_response},
    state::AppState,
};

/// What there is, for programs.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// Whether the program runs.
pub(super) async fn health() -> Response {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}

/// Whether requests can be answered now.
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> Response {
    match state.core.ready() {
        Ok(()) => json_response(StatusCode::OK, &json!({"status": "ready"})),
        Err(error) => Api::Ollama.refuse(&error),
    }
}

/// The counters, in Prometheus' text format.
pub(super) async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    let text = to_text(&state.requests, &state.core.counts(), &state.core.gauges());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

/// The description of all routes.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
