//! `POST /api/show`: what is known of one model.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::{
    details::{details, parameters},
    time::rfc3339,
};
use crate::{
    core::{Caller, GatewayError, LoadedModel},
    http::{
        response::{Api, json},
        state::AppState,
    },
};

/// The model's file in words; long lists only on request.
pub(crate) async fn show(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    match describe(&state, &caller, body).await {
        Ok(description) => json(StatusCode::OK, &description),
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn describe(state: &AppState, caller: &Caller, body: Body) -> Result<Value, GatewayError> {
    let mut fields = state.fields(body).await?;
    // What older clients send.
    let older = fields.text("name")?;
    let name = fields.text("model")?.or(older).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| fields.refuse("model", "model is required"))?;
    let is_verbose = fields.flag("verbose")?.unwrap_or(false);
    let (model, _) = state.core.model(&name, caller)?;
    let file = model.local.file();
    Ok(json!({
        "license": file.string("general.license").unwrap_or_default(),
        "modelfile": format!("FROM {}", model.name),
        "parameters": "",
        "template": file.string("tokenizer.chat_template").unwrap_or_default(),
        "details": details(&model),
        "model_info": entries(&model, is_verbose),
        "capabilities": ["completion"],
        "modified_at": rfc3339(model.modified),
    }))
}

fn entries(model: &LoadedModel, is_verbose: bool) -> BTreeMap<String, Value> {
    let file = model.local.file();
    let mut entries = BTreeMap::new();
    for (key, _) in file.entries() {
        let value = file
            .string(key)
            .map(Value::from)
            .or_else(|| file.integer(key).map(Value::from))
            .or_else(|| file.float(key).map(Value::from))
            .or_else(|| file.boolean(key).map(Value::from));
        entries.insert(key.to_owned(), value.unwrap_or(Value::Null));
    }
    if is_verbose {
        let tokenizer = model.local.tokenizer();
        let tokens = (0..).map_while(|id| tokenizer.token(id)).map(Value::from).collect();
        entries.insert("tokenizer.ggml.tokens".into(), Value::Array(tokens));
    }
    entries.insert("general.parameter_count".into(), parameters(model).into());
    entries
}
