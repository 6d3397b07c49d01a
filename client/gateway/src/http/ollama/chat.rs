//! `POST /api/chat`: a conversation.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use mica_engine::ChatMessage;

use super::{
    options::{CommonFields, ignore_rest},
    stream::{Shape, answer, empty},
};
use crate::{
    core::{Caller, GatewayError, Prompt, Request},
    http::{fields::Fields, response::Api, state::AppState},
};

/// Answers a conversation; an empty one loads or unloads the model.
pub(crate) async fn chat(
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
    let (common, messages) = read(state.fields(body).await?)?;
    let CommonFields { model: name, is_streamed, options, keep_alive } = common;
    if messages.is_empty() {
        return if keep_alive.is_zero() {
            state.core.unload(&name, &caller)?;
            Ok(empty(Shape::Chat, &name, "unload"))
        } else {
            let model = state.core.load(&name, &caller).await?;
            state.core.keep(&model, keep_alive);
            Ok(empty(Shape::Chat, &name, "load"))
        };
    }
    let prompt = Prompt::Chat { context: Vec::new(), messages };
    let request = Request { model: name.clone(), prompt, options, caller };
    let generation = state.core.generate(request, state.heartbeat(is_streamed)).await?;
    state.core.keep(&generation.model, keep_alive);
    answer(generation, Shape::Chat, name, is_streamed).await
}

/// What a body asks: the shared fields and the conversation.
///
/// # Errors
/// [`GatewayError`] names the field that is wrong or cannot be done.
pub(crate) fn read(mut fields: Fields) -> Result<(CommonFields, Vec<ChatMessage>), GatewayError> {
    let common = CommonFields::take(&mut fields)?;
    let messages =
        fields.objects("messages")?.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    ignore_rest(fields);
    Ok((common, messages))
}

fn message(mut fields: Fields) -> Result<ChatMessage, GatewayError> {
    const TOOLS: &str = "this model does not support tools";
    if !fields.list("images")?.is_empty() {
        return Err(fields.refuse("images", "this model does not support images"));
    }
    if !fields.list("tool_calls")?.is_empty() {
        return Err(fields.refuse("tool_calls", TOOLS));
    }
    let content = fields.text("content")?.unwrap_or_default();
    let role = fields.text("role")?.map(|role| role.to_lowercase());
    match role.as_deref() {
        Some(role @ ("system" | "user" | "assistant")) => Ok(ChatMessage::new(role, content)),
        Some("tool") => Err(fields.refuse("role", TOOLS)),
        _ => Err(fields.wrong("role", "one of system, user and assistant", &role.into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wrong_messages_are_named_by_their_place() {
        for (wrong, field) in [
            (json!({"content": "Hi"}), "messages[0].role"),
            (json!({"role": "pirate"}), "messages[0].role"),
            (json!({"role": "tool", "content": "5"}), "messages[0].role"),
            (json!({"role": "user", "content": ["Hi"]}), "messages[0].content"),
            (json!({"role": "user", "images": ["aGk="]}), "messages[0].images"),
            (json!({"role": "assistant", "tool_calls": [{}]}), "messages[0].tool_calls"),
        ] {
            let body = json!({"messages": [wrong]}).to_string();
            let mut messages = Fields::parse(body.as_bytes())
                .and_then(|mut fields| fields.objects("messages"))
                .expect("objects");
            assert_eq!(message(messages.remove(0)).expect_err(field).field.as_deref(), Some(field));
        }
    }
}
