//! `POST /v1/completions`: a text that goes on.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use serde::Deserialize;

use super::{
    shared::Shared,
    stream::{Shape, answer},
};
use crate::gateway::{
    admit::{Api, Caller, read_json},
    core::{Core, Options, Prompt, Request},
    error::GatewayError,
};

/// OpenAI's default for this route.
const DEFAULT_TOKENS: u32 = 16;

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    prompt: Option<Text>,
    #[serde(flatten)]
    shared: Shared,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    One(String),
    Tokens(Vec<u32>),
    Several(Vec<String>),
    Batches(Vec<Vec<u32>>),
}

/// Goes on with a text.
pub async fn completions(State(core): State<Arc<Core>>, Extension(caller): Extension<Caller>, body: Body) -> Response {
    match answered(&core, caller, body).await {
        Ok(response) => response,
        Err(error) => Api::OpenAi.refuse(&error),
    }
}

async fn answered(core: &Arc<Core>, caller: Caller, body: Body) -> Result<Response, GatewayError> {
    let asked: Completion = read_json(&core.config, body).await?;
    let model = asked.shared.model()?.to_owned();
    let options = Options { logprobs: asked.shared.text_logprobs()?, ..asked.shared.options(Some(DEFAULT_TOKENS))? };
    let prompt = prompt(asked.prompt)?;
    let (is_streamed, include_usage) = (asked.shared.stream.unwrap_or(false), asked.shared.include_usage());
    let generation = core.generate(Request { model: model.clone(), prompt, options, caller }).await?;
    answer(generation, Shape::Text, model, is_streamed, include_usage).await
}

fn prompt(text: Option<Text>) -> Result<Prompt, GatewayError> {
    let refuse = |why: &str| Err(GatewayError::field("prompt", why));
    let only = "one prompt is answered for each request: ask several times";
    match text {
        Some(Text::One(text)) if !text.is_empty() => Ok(Prompt::Raw(text)),
        Some(Text::Tokens(ids)) if !ids.is_empty() => Ok(Prompt::Tokens(ids)),
        Some(Text::Several(mut texts)) if texts.len() == 1 => Ok(Prompt::Raw(texts.remove(0))),
        Some(Text::Batches(mut batches)) if batches.len() == 1 => Ok(Prompt::Tokens(batches.remove(0))),
        Some(Text::Several(texts)) if texts.len() > 1 => refuse(only),
        Some(Text::Batches(batches)) if batches.len() > 1 => refuse(only),
        _ => refuse("the prompt is empty: give a text to go on with"),
    }
}
