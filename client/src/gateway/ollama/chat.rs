//! `POST /api/chat`: a conversation.

use std::sync::Arc;

use axum::{Extension, body::Body, extract::State, response::Response};
use mica_engine::ChatMessage;
use serde::Deserialize;
use serde_json::Value;

use super::{
    options::Shared,
    stream::{Shape, answer, empty},
};
use crate::gateway::{
    admit::{Api, Caller, read_json},
    core::{Core, Prompt, Request},
    error::GatewayError,
};

/// Fields that clients send and that change nothing here.
const HARMLESS: [&str; 3] = ["truncate", "shift", "_debug_render_only"];

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
    content: Option<String>,
    #[serde(default)]
    images: Option<Vec<Value>>,
    #[serde(default)]
    tool_calls: Option<Vec<Value>>,
}

/// Answers a conversation; an empty one loads or unloads the model.
pub async fn chat(State(core): State<Arc<Core>>, Extension(caller): Extension<Caller>, body: Body) -> Response {
    match answered(&core, caller, body).await {
        Ok(response) => response,
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn answered(core: &Arc<Core>, caller: Caller, body: Body) -> Result<Response, GatewayError> {
    let asked: Chat = read_json(&core.config, body).await?;
    let name = asked.shared.model()?.to_owned();
    asked.shared.check(&HARMLESS)?;
    let (options, keep_alive) = (asked.shared.options()?, asked.shared.keep_alive()?);
    let messages = asked.messages.unwrap_or_default().into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() {
        return if keep_alive.is_zero() {
            core.unload(&name, &caller)?;
            Ok(empty(Shape::Chat, &name, "unload"))
        } else {
            let model = core.load(&name, &caller).await?;
            core.keep(&model, keep_alive);
            Ok(empty(Shape::Chat, &name, "load"))
        };
    }
    let prompt = Prompt::Chat { context: Vec::new(), messages };
    let request = Request { model: name.clone(), prompt, options, caller };
    let generation = core.generate(request).await?;
    core.keep(&generation.model, keep_alive);
    answer(generation, Shape::Chat, name, asked.shared.stream.unwrap_or(true)).await
}

fn message(message: Message) -> Result<ChatMessage, GatewayError> {
    if message.images.is_some_and(|images| !images.is_empty()) {
        return Err(GatewayError::field("images", "this model does not support images"));
    }
    if message.tool_calls.is_some_and(|calls| !calls.is_empty()) {
        return Err(GatewayError::field("tool_calls", "this model does not support tools"));
    }
    let role = message.role.to_lowercase();
    match role.as_str() {
        "system" | "user" | "assistant" => Ok(ChatMessage::new(role, message.content.unwrap_or_default())),
        "tool" => Err(GatewayError::field("role", "this model does not support tools")),
        _ => Err(GatewayError::field("role", "a role is one of system, user, assistant")),
    }
}
