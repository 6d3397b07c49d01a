//! Answers as OpenAI gives them: server-sent events in their order, or one object.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rand::{RngCore, rngs::OsRng};
use serde_json::{Value, json};

use super::logprobs;
use crate::ask::ScoredToken;
use crate::gateway::{
    admit,
    core::{Event, Generation, Piece},
    error::GatewayError,
    report::Report,
};

/// How a route names and puts things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `chat.completion`.
    Chat,
    /// `text_completion`.
    Text,
}

/// What stays the same over all pieces of one answer.
#[derive(Clone, Debug)]
struct Frame {
    shape: Shape,
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    is_scored: bool,
}

/// The answer to a request: streamed, or whole.
pub async fn answer(
    generation: Generation,
    shape: Shape,
    model: String,
    is_streamed: bool,
    include_usage: bool,
) -> Result<Response, GatewayError> {
    let prefix = if shape == Shape::Chat { "chatcmpl" } else { "cmpl" };
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let id = format!("{prefix}-{:016x}", OsRng.next_u64());
    let frame = Frame { shape, id, created, model, include_usage, is_scored: generation.is_scored };
    if !is_streamed {
        let (answer, report) = generation.finish().await?;
        return Ok(admit::json(StatusCode::OK, &frame.whole(&answer, &report)));
    }
    let state = Stage::Role(generation);
    let events = futures::stream::unfold(state, move |state| {
        let frame = frame.clone();
        async move { next(&frame, state).await.map(|(bytes, state)| (Ok::<_, std::convert::Infallible>(bytes), state)) }
    });
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// What comes next in a stream.
enum Stage {
    /// Who speaks; chat only.
    Role(Generation),
    /// Pieces of the text.
    Text(Generation),
    /// The end of the stream.
    Over,
}

async fn next(frame: &Frame, stage: Stage) -> Option<(Bytes, Stage)> {
    let mut bytes = Vec::new();
    let mut generation = match stage {
        Stage::Role(generation) if frame.shape == Shape::Chat => {
            write_event(&mut bytes, &frame.chunk(json!({"role": "assistant", "content": ""}), Value::Null, Value::Null));
            return Some((bytes.into(), Stage::Text(generation)));
        }
        Stage::Role(generation) | Stage::Text(generation) => generation,
        Stage::Over => return None,
    };
    let mut is_over = false;
    for event in generation.batch().await {
        is_over = !matches!(event, Event::Text(_));
        match event {
            Event::Text(piece) => {
                let delta = if frame.shape == Shape::Chat { json!({"content": piece.text}) } else { json!(piece.text) };
                write_event(&mut bytes, &frame.chunk(delta, frame.logprobs(&piece.tokens), Value::Null));
            }
            Event::Done(report) => {
                let delta = if frame.shape == Shape::Chat { json!({}) } else { json!("") };
                let mut finish = frame.chunk(delta, Value::Null, report.finish.name().into());
                account(&mut finish, &report);
                write_event(&mut bytes, &finish);
                if frame.include_usage {
                    let mut count = frame.empty();
                    count["usage"] = usage(&report);
                    write_event(&mut bytes, &count);
                }
            }
            Event::Failed(error) => write_event(&mut bytes, &super::error(&error)),
        }
    }
    if is_over {
        bytes.extend(b"data: [DONE]\n\n");
    }
    Some((bytes.into(), if is_over { Stage::Over } else { Stage::Text(generation) }))
}

fn write_event(bytes: &mut Vec<u8>, value: &Value) {
    bytes.extend(b"data: ");
    // A value can always be written.
    let _ = serde_json::to_writer(&mut *bytes, value);
    bytes.extend(b"\n\n");
}

fn usage(report: &Report) -> Value {
    let (prompt, completion) = (report.prompt.len(), report.tokens.len());
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

/// What our answers have besides: cost, path, receipts, and durations in milliseconds.
fn account(value: &mut Value, report: &Report) {
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
    let durations = &report.durations;
    value["cost"] = json!(report.cost);
    value["path"] = json!(report.path);
    value["receipts"] = json!(report.receipts);
    value["timings"] = json!({"load_ms": ms(durations.load), "prompt_ms": ms(durations.prefill), "predicted_ms": ms(durations.decode), "total_ms": ms(durations.total)});
}

impl Frame {
    fn object(&self, is_chunk: bool) -> &'static str {
        match (self.shape, is_chunk) {
            (Shape::Chat, true) => "chat.completion.chunk",
            (Shape::Chat, false) => "chat.completion",
            (Shape::Text, _) => "text_completion",
        }
    }

    /// A piece without a choice.
    fn empty(&self) -> Value {
        json!({"id": self.id, "object": self.object(true), "created": self.created, "model": self.model,
               "system_fingerprint": "mica", "choices": []})
    }

    /// A choice's log probabilities; null if nobody asked.
    fn logprobs(&self, tokens: &[ScoredToken]) -> Value {
        match self.shape {
            _ if !self.is_scored => Value::Null,
            Shape::Chat => logprobs::of_chat(tokens),
            Shape::Text => logprobs::of_text(tokens),
        }
    }

    fn chunk(&self, delta: Value, logprobs: Value, finish: Value) -> Value {
        let content = if self.shape == Shape::Chat { "delta" } else { "text" };
        let mut value = self.empty();
        value["choices"] = json!([{"index": 0, content: delta, "logprobs": logprobs, "finish_reason": finish}]);
        if self.include_usage {
            // Every piece has the field, and all but the last have nothing in it.
            value["usage"] = Value::Null;
        }
        value
    }

    fn whole(&self, answer: &Piece, report: &Report) -> Value {
        let mut value = self.empty();
        value["object"] = self.object(false).into();
        let logprobs = self.logprobs(&answer.tokens);
        let mut choice = json!({"index": 0, "logprobs": logprobs, "finish_reason": report.finish.name()});
        match self.shape {
            Shape::Chat => choice["message"] = json!({"role": "assistant", "content": answer.text}),
            Shape::Text => choice["text"] = answer.text.as_str().into(),
        }
        value["choices"] = json!([choice]);
        value["usage"] = usage(report);
        account(&mut value, report);
        value
    }
}
