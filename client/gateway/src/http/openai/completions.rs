//! `POST /v1/completions`: a text that goes on.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use serde_json::Value;

use super::{
    shared::{CommonFields, text_logprobs},
    stream::{Shape, answer},
};
use crate::{
    core::{Caller, GatewayError, Prompt, Request},
    http::{fields::Fields, response::Api, state::AppState},
};

/// OpenAI's default for this route.
const DEFAULT_TOKENS: u32 = 16;

/// Goes on with a text.
pub(crate) async fn completions(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Response {
    match respond(&state, caller, body).await {
        Ok(response) => response,
        Err(error) => Api::OpenAi.refuse(&error),
    }
}

async fn respond(state: &AppState, caller: Caller, body: Body) -> Result<Response, GatewayError> {
    let (common, prompt) = read(state.fields(body).await?)?;
    let CommonFields { model, is_streamed, include_usage, options } = common;
    let request = Request { model: model.clone(), prompt, options, caller };
    let generation = state.core.generate(request, state.heartbeat(is_streamed)).await?;
    answer(generation, Shape::Text, model, is_streamed, include_usage).await
}

/// What a body asks: the shared fields and the prompt.
///
/// # Errors
/// [`GatewayError`] names the field that is wrong or cannot be done.
pub(crate) fn read(mut fields: Fields) -> Result<(CommonFields, Prompt), GatewayError> {
    let mut common = CommonFields::take(&mut fields, Some(DEFAULT_TOKENS))?;
    common.options.logprobs = text_logprobs(&mut fields)?;
    let prompt = prompt(&mut fields)?;
    fields.ignore_rest(&[]);
    Ok((common, prompt))
}

/// A text, token ids, or a list that holds one of these.
fn prompt(fields: &mut Fields) -> Result<Prompt, GatewayError> {
    match fields.take("prompt").unwrap_or_default() {
        Value::Array(mut several) if several.first().is_some_and(|first| !first.is_number()) => {
            match several.len() {
                1 => one(fields, several.remove(0)),
                _ => Err(fields.refuse(
                    "prompt",
                    "one prompt is answered for each request: ask several times",
                )),
            }
        }
        alone => one(fields, alone),
    }
}

fn one(fields: &Fields, prompt: Value) -> Result<Prompt, GatewayError> {
    let prompt = match prompt {
        Value::String(text) => Prompt::Raw(text),
        Value::Array(ids) => Prompt::Tokens(fields.as_wholes("prompt", &ids, &(0..=u32::MAX))?),
        Value::Null => Prompt::Raw(String::new()),
        other => return Err(fields.wrong("prompt", "a string or a list of token ids", &other)),
    };
    match &prompt {
        Prompt::Raw(text) if text.is_empty() => {
            Err(fields.refuse("prompt", "the prompt is empty: give a text to go on with"))
        }
        Prompt::Tokens(ids) if ids.is_empty() => {
            Err(fields.refuse("prompt", "the prompt is empty: give a text to go on with"))
        }
        _ => Ok(prompt),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Prompt, GatewayError> {
        prompt(
            &mut Fields::parse(json!({"prompt": value}).to_string().as_bytes()).expect("an object"),
        )
    }

    #[test]
    fn a_prompt_is_a_text_or_token_ids_alone_or_in_a_list() {
        for text in [json!("a"), json!(["a"])] {
            assert!(matches!(read(text).expect("a text"), Prompt::Raw(text) if text == "a"));
        }
        for ids in [json!([1, 2]), json!([[1, 2.0]])] {
            assert!(matches!(read(ids).expect("ids"), Prompt::Tokens(ids) if ids == [1, 2]));
        }
        for wrong in [
            json!(null),
            json!(""),
            json!([]),
            json!([""]),
            json!([[]]),
            json!(["a", "b"]),
            json!([[1], [2]]),
            json!([1, "a"]),
            json!([1.5]),
            json!([-1]),
            json!([[["a"]]]),
            json!(5),
            json!({}),
        ] {
            let error = read(wrong.clone()).map(|_| ()).expect_err("refused");
            assert!(error.field.is_some_and(|field| field.starts_with("prompt")), "{wrong}");
        }
    }
}
