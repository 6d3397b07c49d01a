//! `GET /api/tags`: the models that can be asked, under every name that they have.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{
    details::{details, digest},
    time::rfc3339,
};
use crate::http::{
    response::{Api, json},
    state::AppState,
};

/// Models whose tokenizer is here and that are on the market.
pub(crate) async fn tags(State(state): State<Arc<AppState>>) -> Response {
    let snapshot = match state.core.market.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return Api::Ollama.refuse(&error),
    };
    let names = state.core.catalogue.names();
    let offered = names.iter().filter(|(_, model)| snapshot.model(model.local.id()).is_some());
    let models: Vec<Value> = offered
        .map(|(name, model)| {
            json!({
                "name": name,
                "model": name,
                "modified_at": rfc3339(model.modified),
                "size": model.local.file().size_bytes(),
                "digest": digest(model),
                "details": details(model),
                "capabilities": ["completion"],
            })
        })
        .collect();
    json(StatusCode::OK, &json!({"models": models}))
}
