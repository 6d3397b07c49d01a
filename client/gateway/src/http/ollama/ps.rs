//! `GET /api/ps`: the models that were used a short time ago. Nothing is in memory here; the
//! workers keep what they serve.

use std::sync::Arc;
use std::time::SystemTime;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{
    details::{details, digest},
    time::rfc3339,
};
use crate::http::{response::json, state::AppState};

/// Models in use.
pub(crate) async fn ps(State(state): State<Arc<AppState>>) -> Response {
    let models: Vec<Value> = state
        .core
        .in_use(SystemTime::now())
        .into_iter()
        .map(|(model, until)| {
            json!({
                "name": model.name,
                "model": model.name,
                "size": model.local.file().size_bytes(),
                "digest": digest(&model),
                "details": details(&model),
                "expires_at": rfc3339(until),
                "size_vram": 0,
                "context_length": model.local.manifest().context,
            })
        })
        .collect();
    json(StatusCode::OK, &json!({"models": models}))
}
