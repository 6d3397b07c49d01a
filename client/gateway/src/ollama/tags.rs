//! `GET /api/tags`: the models that can be asked, under every name that they have.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{
    details::{details, digest},
    time::rfc3339,
};
use crate::{
    admit::{Api, json},
    core::Core,
};

/// Models whose words are here and that are on the market.
pub async fn tags(State(core): State<Arc<Core>>) -> Response {
    let snapshot = match core.market.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return Api::Ollama.refuse(&error),
    };
    let names = core.catalogue.names();
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
