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
    admit::{Api, Caller, json},
    core::Core,
    names::LoadedModel,
};

/// The models that can be asked, under every name that they have.
pub async fn list(State(core): State<Arc<Core>>) -> Response {
    let snapshot = match core.market.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => return Api::OpenAi.refuse(&error),
    };
    let names = core.catalogue.names();
    let offered = names.iter().filter(|(_, model)| snapshot.model(model.local.id()).is_some());
    let models: Vec<Value> = offered.map(|(name, model)| describe(name, model)).collect();
    json(StatusCode::OK, &json!({"object": "list", "data": models}))
}

/// One model.
pub async fn one(
    State(core): State<Arc<Core>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Response {
    match core.model(&id, &caller) {
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
