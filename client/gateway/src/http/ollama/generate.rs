//! `POST /api/generate`: one prompt, one answer.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use mica_engine::ChatMessage;

use super::{
    options::{CommonFields, ignore_rest},
    stream::{Shape, answer, empty},
    template,
};
use crate::{
    core::{Caller, GatewayError, Prompt, Request},
    http::{fields::Fields, response::Api, state::AppState},
};

/// What the prompt is made of.
pub(crate) struct Parts {
    prompt: String,
    system: Option<String>,
    template: Option<String>,
    context: Vec<u32>,
    is_raw: bool,
}

/// Answers a prompt; an empty one loads or unloads the model.
pub(crate) async fn generate(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    match respond(&state, caller, body).await {
        Ok(response) => response,
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn respond(state: &AppState, caller: Caller, body: Body) -> Result<Response, GatewayError> {
    let (common, parts) = read(state.fields(body).await?)?;
    let CommonFields { model: name, is_streamed, options, keep_alive } = common;
    let shape = if parts.is_raw { Shape::Raw } else { Shape::Generate };
    if parts.prompt.is_empty() {
        return if keep_alive.is_zero() {
            state.core.unload(&name, &caller)?;
            Ok(empty(shape, &name, "unload"))
        } else {
            let model = state.core.load(&name, &caller).await?;
            state.core.keep(&model, keep_alive);
            Ok(empty(shape, &name, "load"))
        };
    }
    let request = Request { model: name.clone(), prompt: prompt(parts)?, options, caller };
    let generation = state.core.generate(request, state.heartbeat(is_streamed)).await?;
    state.core.keep(&generation.model, keep_alive);
    answer(generation, shape, name, is_streamed).await
}

/// What a body asks: the shared fields and the parts of a prompt.
///
/// # Errors
/// [`GatewayError`] names the field that is wrong or cannot be done.
pub(crate) fn read(mut fields: Fields) -> Result<(CommonFields, Parts), GatewayError> {
    let common = CommonFields::take(&mut fields)?;
    let parts = parts(&mut fields)?;
    ignore_rest(fields);
    Ok((common, parts))
}

fn parts(fields: &mut Fields) -> Result<Parts, GatewayError> {
    if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(
            fields.refuse("suffix", "this model does not support insert: leave suffix empty")
        );
    }
    Ok(Parts {
        prompt: fields.text("prompt")?.unwrap_or_default(),
        system: fields.text("system")?.filter(|system| !system.is_empty()),
        template: fields.text("template")?.filter(|template| !template.is_empty()),
        context: fields.wholes("context", 0..=u32::MAX)?,
        is_raw: fields.flag("raw")?.unwrap_or(false),
    })
}

/// The prompt that the parts make.
///
/// # Errors
/// [`GatewayError`] names parts that contradict each other.
pub(crate) fn prompt(parts: Parts) -> Result<Prompt, GatewayError> {
    let Parts { prompt: text, system, template, context, is_raw } = parts;
    if is_raw {
        if !context.is_empty() || template.is_some() || system.is_some() {
            return Err(GatewayError::field(
                "raw",
                "raw mode does not support template, system, or context",
            ));
        }
        return Ok(Prompt::Raw(text));
    }
    if let Some(template) = template {
        if !context.is_empty() {
            return Err(GatewayError::field(
                "context",
                "a context and a template of your own do not go together: put the text into the \
                 prompt",
            ));
        }
        return Ok(Prompt::Rendered(template::render(
            &template,
            &system.unwrap_or_default(),
            &text,
        )?));
    }
    let system = system.map(|system| ChatMessage::new("system", system));
    let messages = system.into_iter().chain([ChatMessage::new("user", text)]).collect();
    Ok(Prompt::Chat { context, messages })
}
