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
use crate::{admit::json, core::Core};

/// Models in use.
pub async fn ps(State(core): State<Arc<Core>>) -> Response {
    let models: Vec<Value> = core
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
