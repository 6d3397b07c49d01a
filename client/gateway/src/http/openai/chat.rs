//! `POST /v1/chat/completions`: a conversation.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use mica_engine::ChatMessage;
use serde_json::Value;

use super::{
    shared::{CommonFields, chat_logprobs},
    stream::{Shape, answer},
};
use crate::{
    core::{Caller, GatewayError, Prompt, Request},
    http::{
        fields::{Fields, shorten},
        response::Api,
        state::AppState,
    },
};

/// Answers a conversation.
pub(crate) async fn chat(
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
    let (common, messages) = read(state.fields(body).await?)?;
    let CommonFields { model, is_streamed, include_usage, options } = common;
    let prompt = Prompt::Chat { context: Vec::new(), messages };
    let request = Request { model: model.clone(), prompt, options, caller };
    let generation = state.core.generate(request, state.heartbeat(is_streamed)).await?;
    answer(generation, Shape::Chat, model, is_streamed, include_usage).await
}

/// What a body asks: the shared fields and the conversation.
///
/// # Errors
/// [`GatewayError`] names the field that is wrong or cannot be done.
pub(crate) fn read(mut fields: Fields) -> Result<(CommonFields, Vec<ChatMessage>), GatewayError> {
    let mut common = CommonFields::take(&mut fields, None)?;
    common.options.logprobs = chat_logprobs(&mut fields)?;
    let messages =
        fields.objects("messages")?.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() {
        return Err(fields.refuse("messages", "messages must hold at least one message"));
    }
    fields.ignore_rest(&[]);
    Ok((common, messages))
}

fn message(mut fields: Fields) -> Result<ChatMessage, GatewayError> {
    const TOOLS: &str = "this model does not support tools";
    if !fields.list("tool_calls")?.is_empty() {
        return Err(fields.refuse("tool_calls", TOOLS));
    }
    let text = match fields.take("content") {
        None => String::new(),
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => fields
            .as_objects("content", parts)?
            .into_iter()
            .map(part)
            .collect::<Result<Vec<_>, _>>()?
            .concat(),
        Some(other) => return Err(fields.wrong("content", "a string or a list of parts", &other)),
    };
    let role = fields.text("role")?;
    match role.as_deref() {
        // Newer models' word for the same.
        Some("developer") => Ok(ChatMessage::new("system", text)),
        Some(role @ ("system" | "user" | "assistant")) => Ok(ChatMessage::new(role, text)),
        Some("tool" | "function") => Err(fields.refuse("role", TOOLS)),
        _ => Err(fields.wrong("role", "one of system, user and assistant", &role.into())),
    }
}

/// A part of a message's content.
fn part(mut fields: Fields) -> Result<String, GatewayError> {
    let kind = fields.text("type")?.unwrap_or_default();
    if kind != "text" {
        return Err(fields.refuse(
            "type",
            &format!(
                "content of type '{}' is not supported: this model reads text",
                shorten(&kind)
            ),
        ));
    }
    let text = fields.text("text")?;
    text.ok_or_else(|| fields.refuse("text", "a part of type text has a text"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(messages: Value) -> Result<Vec<(String, String)>, GatewayError> {
        let body = json!({"messages": messages}).to_string();
        let list = Fields::parse(body.as_bytes()).expect("an object").objects("messages")?;
        list.into_iter()
            .map(|fields| message(fields).map(|message| (message.role, message.content)))
            .collect()
    }

    #[test]
    fn contents_are_strings_or_parts() {
        let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        let list = json!([{"role": "developer", "content": "s"}, {"role": "user", "content": parts, "name": "me"},
                          {"role": "assistant", "content": null, "tool_calls": []}]);
        let pair = |role: &str, text: &str| (role.to_owned(), text.to_owned());
        assert_eq!(
            messages(list).expect("fine"),
            [pair("system", "s"), pair("user", "ab"), pair("assistant", "")]
        );
    }

    #[test]
    fn wrong_messages_are_named_by_their_place() {
        for (wrong, field) in [
            (json!("Hi"), "messages"),
            (json!(["Hi"]), "messages[0]"),
            (json!([{"content": "Hi"}]), "messages[0].role"),
            (json!([{"role": "pirate", "content": "Hi"}]), "messages[0].role"),
            (
                json!([{"role": "user", "content": "Hi"}, {"role": "tool", "content": "5"}]),
                "messages[1].role",
            ),
            (json!([{"role": "user", "content": 5}]), "messages[0].content"),
            (json!([{"role": "user", "content": ["Hi"]}]), "messages[0].content[0]"),
            (
                json!([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
                "messages[0].content[0].type",
            ),
            (
                json!([{"role": "user", "content": [{"type": "text"}]}]),
                "messages[0].content[0].text",
            ),
            (json!([{"role": "assistant", "tool_calls": [{}]}]), "messages[0].tool_calls"),
        ] {
            assert_eq!(messages(wrong).expect_err(field).field.as_deref(), Some(field));
        }
    }
}
