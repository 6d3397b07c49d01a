//! Answers as Ollama gives them: a line of JSON per piece, or one object.

use std::time::SystemTime;

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{logprobs::scored, time::rfc3339};
use crate::gateway::{
    admit,
    core::{Event, Generation},
    error::GatewayError,
    report::{Report, nanoseconds},
};

/// How a route puts a piece of text, and what it adds at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `response`, and `context` at the end.
    Generate,
    /// `response`, without a context: the prompt was raw.
    Raw,
    /// `message`.
    Chat,
}

/// The answer to a request: streamed, or whole.
pub async fn answer(generation: Generation, shape: Shape, model: String, is_streamed: bool) -> Result<Response, GatewayError> {
    if !is_streamed {
        let (answer, report) = generation.finish().await?;
        let body = last(shape, &model, &answer.text, &report);
        return Ok(admit::json(StatusCode::OK, &scored(body, &answer.tokens)));
    }
    let lines = futures::stream::unfold(Some(generation), move |generation| {
        let model = model.clone();
        async move {
            let mut generation = generation?;
            let (mut lines, mut is_over) = (Vec::new(), false);
            for event in generation.batch().await {
                is_over = !matches!(event, Event::Text(_));
                match event {
                    Event::Text(piece) => write_line(&mut lines, &scored(chunk(shape, &model, &piece.text), &piece.tokens)),
                    Event::Done(report) => write_line(&mut lines, &last(shape, &model, "", &report)),
                    Event::Failed(error) => write_line(&mut lines, &super::error(&error)),
                }
            }
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(lines)), (!is_over).then_some(generation)))
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// The answer to a request that only loads or unloads a model.
pub fn empty(shape: Shape, model: &str, reason: &str) -> Response {
    let mut body = chunk(shape, model, "");
    body.insert("done".into(), true.into());
    body.insert("done_reason".into(), reason.into());
    admit::json(StatusCode::OK, &body)
}

fn write_line(lines: &mut Vec<u8>, value: &impl serde::Serialize) {
    // Our own values have string keys and finite numbers, so they can always be written.
    let _ = serde_json::to_writer(&mut *lines, value);
    lines.push(b'\n');
}

fn chunk(shape: Shape, model: &str, piece: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("created_at".into(), rfc3339(SystemTime::now()).into());
    match shape {
        Shape::Generate | Shape::Raw => body.insert("response".into(), piece.into()),
        Shape::Chat => body.insert("message".into(), json!({"role": "assistant", "content": piece})),
    };
    body.insert("done".into(), false.into());
    body
}

fn last(shape: Shape, model: &str, text: &str, report: &Report) -> Map<String, Value> {
    let mut body = chunk(shape, model, text);
    body.insert("done".into(), true.into());
    body.insert("done_reason".into(), report.finish.name().into());
    if shape == Shape::Generate {
        let context: Vec<u32> = report.prompt.iter().chain(&report.tokens).copied().collect();
        body.insert("context".into(), context.into());
    }
    let durations = &report.durations;
    for (name, value) in [
        ("total_duration", nanoseconds(durations.total)),
        ("load_duration", nanoseconds(durations.load)),
        ("prompt_eval_count", report.prompt.len() as u64),
        ("prompt_eval_duration", nanoseconds(durations.prefill)),
        ("eval_count", report.tokens.len() as u64),
        ("eval_duration", nanoseconds(durations.decode)),
    ] {
        if value > 0 {
            body.insert(name.into(), value.into());
        }
    }
    body.insert("cost".into(), json!(report.cost));
    body.insert("path".into(), json!(report.path));
    body.insert("receipts".into(), json!(report.receipts));
    body
}
