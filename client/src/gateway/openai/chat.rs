//! `POST /v1/chat/completions`: a conversation.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use mica_engine::ChatMessage;
use serde::Deserialize;
use serde_json::Value;

use super::{
    shared::Shared,
    stream::{Shape, answer},
};
use crate::gateway::{
    admit::{Api, Caller, read_json},
    core::{Core, Options, Prompt, Request},
    error::GatewayError,
};

#[derive(Deserialize)]
struct Chat {
    #[serde(default)]
    messages: Option<Vec<Message>>,
    #[serde(flatten)]
    shared: Shared,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    r#type: String,
    #[serde(default)]
    text: Option<String>,
}

/// Answers a conversation.
pub async fn chat(State(core): State<Arc<Core>>, Extension(caller): Extension<Caller>, body: Body) -> Response {
    match answered(&core, caller, body).await {
        Ok(response) => response,
        Err(error) => Api::OpenAi.refuse(&error),
    }
}

async fn answered(core: &Arc<Core>, caller: Caller, body: Body) -> Result<Response, GatewayError> {
    let asked: Chat = read_json(&core.config, body).await?;
    let model = asked.shared.model()?.to_owned();
    let options = Options { logprobs: asked.shared.chat_logprobs()?, ..asked.shared.options(None)? };
    let messages = asked.messages.unwrap_or_default().into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() {
        return Err(GatewayError::field("messages", "messages must hold at least one message"));
    }
    let prompt = Prompt::Chat { context: Vec::new(), messages };
    let (is_streamed, include_usage) = (asked.shared.stream.unwrap_or(false), asked.shared.include_usage());
    let generation = core.generate(Request { model: model.clone(), prompt, options, caller }).await?;
    answer(generation, Shape::Chat, model, is_streamed, include_usage).await
}

fn message(message: Message) -> Result<ChatMessage, GatewayError> {
    if message.tool_calls.is_some_and(|calls| !calls.is_empty()) {
        return Err(GatewayError::field("messages", "this model does not support tools"));
    }
    let text = match message.content {
        None => String::new(),
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let texts = parts.into_iter().map(|part| match (part.r#type.as_str(), part.text) {
                ("text", Some(text)) => Ok(text),
                (other, _) => {
                    let message = format!("content of type '{other}' is not supported: this model reads text");
                    Err(GatewayError::field("messages", message))
                }
            });
            texts.collect::<Result<Vec<_>, _>>()?.concat()
        }
    };
    let role = match message.role.as_str() {
        // Newer models' word for the same.
        "developer" => "system",
        role @ ("system" | "user" | "assistant") => role,
        "tool" | "function" => return Err(GatewayError::field("messages", "this model does not support tools")),
        _ => return Err(GatewayError::field("messages", "a role is one of system, user, assistant")),
    };
    Ok(ChatMessage::new(role, text))
}
