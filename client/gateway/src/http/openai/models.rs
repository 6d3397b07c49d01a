//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};

use crate::{
    core::{Caller, LoadedModel},
    http::{
        response::{Api, json},
        state::AppState,
    },
};

/// The models that can be asked, under every name that they have.
pub(crate) async fn list(State(state): State<Arc<AppState>>) -> Response {
    let snapshot = match state.core.market.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return Api::OpenAi.refuse(&error),
    };
    let names = state.core.catalogue.names();
    let offered = names.iter().filter(|(_, model)| snapshot.model(model.local.id()).is_some());
    let models: Vec<Value> = offered.map(|(name, model)| describe(name, model)).collect();
    json(StatusCode::OK, &json!({"object": "list", "data": models}))
}

/// One model.
pub(crate) async fn one(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    match state.core.model(&id, &caller) {
        Ok((model, _)) => json(StatusCode::OK, &describe(&id, &model)),
        Err(error) => Api::OpenAi.refuse(&error),
    }
}

fn describe(name: &str, model: &LoadedModel) -> Value {
    let manifest = model.local.manifest();
    json!({
        "id": name,
        "object": "model",
        "created": model.modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        "owned_by": "mica",
        "max_model_len": manifest.context,
        "meta": {"model_id": model.local.id().to_string(), "layers": manifest.layers, "size": model.local.file().size_bytes()},
    })
}
