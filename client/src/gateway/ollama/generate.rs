//! `POST /api/generate`: one prompt, one answer.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use mica_engine::ChatMessage;
use serde::Deserialize;
use serde_json::Value;

use super::{
    options::Shared,
    stream::{Shape, answer, empty},
    template,
};
use crate::gateway::{
    admit::{Api, Caller, read_json},
    core::{Core, Prompt, Request},
    error::GatewayError,
};

/// Fields that clients send and that change nothing here.
const HARMLESS: [&str; 3] = ["truncate", "shift", "_debug_render_only"];

#[derive(Deserialize)]
struct Generate {
    #[serde(default)]
    prompt: Option<String>,
    #[serde(default)]
    suffix: Option<String>,
    #[serde(default)]
    system: Option<String>,
    #[serde(default)]
    template: Option<String>,
    #[serde(default)]
    context: Option<Vec<u32>>,
    #[serde(default)]
    raw: Option<bool>,
    #[serde(default)]
    images: Option<Vec<Value>>,
    #[serde(flatten)]
    shared: Shared,
}

/// Answers a prompt; an empty one loads or unloads the model.
pub async fn generate(State(core): State<Arc<Core>>, Extension(caller): Extension<Caller>, body: Body) -> Response {
    match answered(&core, caller, body).await {
        Ok(response) => response,
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn answered(core: &Arc<Core>, caller: Caller, body: Body) -> Result<Response, GatewayError> {
    let asked: Generate = read_json(&core.config, body).await?;
    let name = asked.shared.model()?.to_owned();
    asked.shared.check(&HARMLESS)?;
    if asked.images.as_ref().is_some_and(|images| !images.is_empty()) {
        return Err(GatewayError::field("images", "this model does not support images"));
    }
    if asked.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(GatewayError::field("suffix", "this model does not support insert"));
    }
    let (options, keep_alive) = (asked.shared.options()?, asked.shared.keep_alive()?);
    let is_raw = asked.raw.unwrap_or(false);
    let shape = if is_raw { Shape::Raw } else { Shape::Generate };
    if asked.prompt.as_deref().unwrap_or_default().is_empty() {
        return if keep_alive.is_zero() {
            core.unload(&name, &caller)?;
            Ok(empty(shape, &name, "unload"))
        } else {
            let model = core.load(&name, &caller).await?;
            core.keep(&model, keep_alive);
            Ok(empty(shape, &name, "load"))
        };
    }
    let is_streamed = asked.shared.stream.unwrap_or(true);
    let prompt = prompt(asked, is_raw)?;
    let request = Request { model: name.clone(), prompt, options, caller };
    let generation = core.generate(request).await?;
    core.keep(&generation.model, keep_alive);
    answer(generation, shape, name, is_streamed).await
}

fn prompt(asked: Generate, is_raw: bool) -> Result<Prompt, GatewayError> {
    let (text, system) = (asked.prompt.unwrap_or_default(), asked.system.filter(|system| !system.is_empty()));
    let context = asked.context.unwrap_or_default();
    if is_raw {
        if !context.is_empty() || asked.template.is_some() || system.is_some() {
            return Err(GatewayError::field("raw", "raw mode does not support template, system, or context"));
        }
        return Ok(Prompt::Raw(text));
    }
    if let Some(template) = asked.template.filter(|template| !template.is_empty()) {
        if !context.is_empty() {
            return Err(GatewayError::field(
                "context",
                "a context and a template of your own do not go together: put the text into the prompt",
            ));
        }
        return Ok(Prompt::Rendered(template::render(&template, &system.unwrap_or_default(), &text)?));
    }
    let system = system.map(|system| ChatMessage::new("system", system));
    let messages = system.into_iter().chain([ChatMessage::new("user", text)]).collect();
    Ok(Prompt::Chat { context, messages })
}
