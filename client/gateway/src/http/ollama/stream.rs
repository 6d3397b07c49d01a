//! Answers as Ollama gives them: a line of JSON per piece, or one object.
//!
//! A stream that has nothing to say for a while sends a space: it stands before the next line's
//! object then, where JSON may have spaces, while an empty line is an error to Ollama's clients.

use std::time::SystemTime;

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use super::{logprobs, time::rfc3339};
use crate::{
    core::{GatewayError, Generation, GenerationEvent, Piece, Report, nanoseconds},
    http::{
        report::Account,
        response::{Api, json},
    },
};

/// What a stream says when it has nothing to say.
const HEARTBEAT: &[u8] = b" ";

/// How a route puts a piece of text, and what it adds at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `response`, and `context` at the end.
    Generate,
    /// `response`, without a context: the prompt was raw.
    Raw,
    /// `message`.
    Chat,
}

/// A piece of an answer. Fields that are empty are left out, as everywhere in this API.
#[derive(Serialize)]
struct Chunk<'a> {
    model: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<Value>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

/// The last piece, or all of an answer.
#[derive(Serialize)]
struct Last<'a> {
    #[serde(flatten)]
    chunk: Chunk<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "is_zero")]
    total_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    load_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    prompt_eval_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    prompt_eval_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    eval_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    eval_duration: u64,
    #[serde(flatten)]
    account: Account<'a>,
}

/// The answer to a request: streamed, or whole.
pub(crate) async fn answer(
    generation: Generation,
    shape: Shape,
    model: String,
    is_streamed: bool,
) -> Result<Response, GatewayError> {
    if !is_streamed {
        let (answer, report) = generation.finish().await?;
        return Ok(json(StatusCode::OK, &last(shape, &model, &answer, &report)));
    }
    let lines = futures::stream::unfold(Some(generation), move |generation| {
        let model = model.clone();
        async move {
            let mut generation: Generation = generation?;
            let (mut lines, mut is_over) = (Vec::new(), false);
            let Some(batch) = generation.batch().await else {
                return Some((Ok(Bytes::from_static(HEARTBEAT)), Some(generation)));
            };
            for event in batch {
                is_over = !matches!(event, GenerationEvent::Text(_));
                match event {
                    GenerationEvent::Text(piece) => {
                        write_line(&mut lines, &chunk(shape, &model, &piece))
                    }
                    GenerationEvent::Done(report) => {
                        write_line(&mut lines, &last(shape, &model, &Piece::default(), &report))
                    }
                    GenerationEvent::Failed(error) => {
                        write_line(&mut lines, &Api::Ollama.error(&error))
                    }
                }
            }
            let next = (!is_over).then_some(generation);
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(lines)), next))
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// The answer to a request that only loads or unloads a model.
pub(crate) fn empty(shape: Shape, model: &str, reason: &str) -> Response {
    let nothing = Piece::default();
    let body = Chunk { done: true, done_reason: Some(reason), ..chunk(shape, model, &nothing) };
    json(StatusCode::OK, &body)
}

fn write_line(lines: &mut Vec<u8>, value: &impl Serialize) {
    // Our own values have string keys and finite numbers, so they can always be written.
    let _ = serde_json::to_writer(&mut *lines, value);
    lines.push(b'\n');
}

fn chunk<'a>(shape: Shape, model: &'a str, piece: &'a Piece) -> Chunk<'a> {
    let is_chat = shape == Shape::Chat;
    Chunk {
        model,
        created_at: rfc3339(SystemTime::now()),
        response: (!is_chat).then_some(&piece.text),
        message: is_chat.then_some(Message { role: "assistant", content: &piece.text }),
        done: false,
        done_reason: None,
        logprobs: logprobs::of(&piece.tokens),
    }
}

fn last<'a>(shape: Shape, model: &'a str, piece: &'a Piece, report: &'a Report) -> Last<'a> {
    let (durations, ids) =
        (&report.durations, || report.prompt.iter().chain(&report.tokens).copied().collect());
    Last {
        chunk: Chunk {
            done: true,
            done_reason: Some(report.finish.name()),
            ..chunk(shape, model, piece)
        },
        context: (shape == Shape::Generate).then(ids),
        total_duration: nanoseconds(durations.total),
        load_duration: nanoseconds(durations.load),
        prompt_eval_count: report.prompt.len() as u64,
        prompt_eval_duration: nanoseconds(durations.prefill),
        eval_count: report.tokens.len() as u64,
        eval_duration: nanoseconds(durations.decode),
        account: Account::of(report),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
