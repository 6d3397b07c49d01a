//! `POST /api/generate`: one prompt, one answer.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use mica_engine::ChatMessage;

use super::{
    options::{Asked, ignore_rest},
    stream::{Shape, answer, empty},
    template,
};
use crate::{
    admit::{Api, Caller},
    core::{Core, Prompt, Request},
    error::GatewayError,
    fields::Fields,
};

/// What the prompt is made of.
struct Parts {
    prompt: String,
    system: Option<String>,
    template: Option<String>,
    context: Vec<u32>,
    is_raw: bool,
}

/// Answers a prompt; an empty one loads or unloads the model.
pub async fn generate(
    State(core): State<Arc<Core>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    match answered(&core, caller, body).await {
        Ok(response) => response,
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn answered(core: &Arc<Core>, caller: Caller, body: Body) -> Result<Response, GatewayError> {
    let mut fields = core.bodies.fields(&core.config, body).await?;
    let Asked { model: name, is_streamed, options, keep_alive } = Asked::take(&mut fields)?;
    let parts = parts(&mut fields)?;
    ignore_rest(fields);
    let shape = if parts.is_raw { Shape::Raw } else { Shape::Generate };
    if parts.prompt.is_empty() {
        return if keep_alive.is_zero() {
            core.unload(&name, &caller)?;
            Ok(empty(shape, &name, "unload"))
        } else {
            let model = core.load(&name, &caller).await?;
            core.keep(&model, keep_alive);
            Ok(empty(shape, &name, "load"))
        };
    }
    let request = Request { model: name.clone(), prompt: prompt(parts)?, options, caller };
    let generation = core.generate(request).await?;
    core.keep(&generation.model, keep_alive);
    answer(generation, shape, name, is_streamed).await
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

fn prompt(parts: Parts) -> Result<Prompt, GatewayError> {
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
