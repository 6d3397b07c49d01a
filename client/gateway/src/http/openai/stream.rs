//! Answers as OpenAI gives them: server-sent events in their order, or one object. A stream that
//! has nothing to say for a while sends a comment, which clients pass over.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rand::{RngCore, rngs::OsRng};
use serde::Serialize;
use serde_json::{Value, json};

use super::logprobs;
use crate::{
    core::{GatewayError, Generation, GenerationEvent, Piece, Report},
    http::{
        report::Account,
        response::{Api, json},
    },
};
use mica_payer::ask::ScoredToken;

/// What computes: the same weights and kernels give the same bytes on every machine.
const FINGERPRINT: &str = "mica";

/// What a stream says when it has nothing to say.
const HEARTBEAT: &[u8] = b": waiting\n\n";

/// How a route names and puts things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
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
pub(crate) async fn answer(
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
        return Ok(json(StatusCode::OK, &frame.whole(&answer, &report)));
    }
    let state = StreamState::Role(generation);
    let events = futures::stream::unfold(state, move |state| {
        let frame = frame.clone();
        async move {
            next(&frame, state)
                .await
                .map(|(bytes, state)| (Ok::<_, std::convert::Infallible>(bytes), state))
        }
    });
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// What comes next in a stream.
enum StreamState {
    /// Who speaks; chat only.
    Role(Generation),
    /// Pieces of the text.
    Text(Generation),
    /// The end of the stream.
    Over,
}

/// A piece of an answer.
#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: &'a [Choice<'a>],
    /// Null where it is asked for and not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
    #[serde(flatten)]
    last: Option<Last<'a>>,
}

#[derive(Default, Serialize)]
struct Choice<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Delta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    logprobs: Value,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// What our answers have besides.
#[derive(Serialize)]
struct Last<'a> {
    #[serde(flatten)]
    account: Account<'a>,
    timings: Timings,
}

/// Milliseconds.
#[derive(Serialize)]
struct Timings {
    load_ms: f64,
    prompt_ms: f64,
    predicted_ms: f64,
    total_ms: f64,
}

async fn next(frame: &Frame, state: StreamState) -> Option<(Bytes, StreamState)> {
    let mut bytes = Vec::new();
    let mut generation = match state {
        StreamState::Role(generation) if frame.shape == Shape::Chat => {
            let delta = Some(Delta { role: Some("assistant"), content: Some("") });
            write_event(&mut bytes, &frame.chunk(&[Choice { delta, ..Choice::default() }]));
            return Some((bytes.into(), StreamState::Text(generation)));
        }
        StreamState::Role(generation) | StreamState::Text(generation) => generation,
        StreamState::Over => return None,
    };
    let mut is_over = false;
    let Some(batch) = generation.batch().await else {
        return Some((Bytes::from_static(HEARTBEAT), StreamState::Text(generation)));
    };
    for event in batch {
        is_over = !matches!(event, GenerationEvent::Text(_));
        match event {
            GenerationEvent::Text(piece) => {
                let choice = Choice {
                    logprobs: frame.logprobs(&piece.tokens),
                    ..frame.choice(Some(&piece.text))
                };
                write_event(&mut bytes, &frame.chunk(&[choice]));
            }
            GenerationEvent::Done(report) => {
                let choice =
                    Choice { finish_reason: Some(report.finish.name()), ..frame.choice(None) };
                write_event(
                    &mut bytes,
                    &Chunk { last: Some(last(&report)), ..frame.chunk(&[choice]) },
                );
                if frame.include_usage {
                    write_event(
                        &mut bytes,
                        &Chunk { usage: Some(usage(&report)), ..frame.chunk(&[]) },
                    );
                }
            }
            GenerationEvent::Failed(error) => write_event(&mut bytes, &Api::OpenAi.error(&error)),
        }
    }
    if is_over {
        bytes.extend(b"data: [DONE]\n\n");
    }
    Some((bytes.into(), if is_over { StreamState::Over } else { StreamState::Text(generation) }))
}

fn write_event(bytes: &mut Vec<u8>, value: &impl Serialize) {
    bytes.extend(b"data: ");
    // Our own values have string keys and finite numbers, so they can always be written.
    let _ = serde_json::to_writer(&mut *bytes, value);
    bytes.extend(b"\n\n");
}

fn usage(report: &Report) -> Value {
    let (prompt, completion) = (report.prompt.len(), report.tokens.len());
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

fn last(report: &Report) -> Last<'_> {
    let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
    let durations = &report.durations;
    Last {
        account: Account::of(report),
        timings: Timings {
            load_ms: ms(durations.load),
            prompt_ms: ms(durations.prefill),
            predicted_ms: ms(durations.decode),
            total_ms: ms(durations.total),
        },
    }
}

impl Frame {
    fn object(&self, is_chunk: bool) -> &'static str {
        match (self.shape, is_chunk) {
            (Shape::Chat, true) => "chat.completion.chunk",
            (Shape::Chat, false) => "chat.completion",
            (Shape::Text, _) => "text_completion",
        }
    }

    /// A choice's log probabilities; null if they were not asked for.
    fn logprobs(&self, tokens: &[ScoredToken]) -> Value {
        match self.shape {
            _ if !self.is_scored => Value::Null,
            Shape::Chat => logprobs::of_chat(tokens),
            Shape::Text => logprobs::of_text(tokens),
        }
    }

    /// A choice with a piece of text, or with none.
    fn choice<'a>(&self, text: Option<&'a str>) -> Choice<'a> {
        match self.shape {
            Shape::Chat => {
                Choice { delta: Some(Delta { role: None, content: text }), ..Choice::default() }
            }
            Shape::Text => Choice { text: Some(text.unwrap_or_default()), ..Choice::default() },
        }
    }

    fn chunk<'a>(&'a self, choices: &'a [Choice<'a>]) -> Chunk<'a> {
        Chunk {
            id: &self.id,
            object: self.object(true),
            created: self.created,
            model: &self.model,
            system_fingerprint: FINGERPRINT,
            choices,
            // Every piece has the field, and all but the last have nothing in it.
            usage: self.include_usage.then_some(Value::Null),
            last: None,
        }
    }

    fn whole(&self, answer: &Piece, report: &Report) -> Value {
        let mut choice = json!({"index": 0, "logprobs": self.logprobs(&answer.tokens), "finish_reason": report.finish.name()});
        match self.shape {
            Shape::Chat => choice["message"] = json!({"role": "assistant", "content": answer.text}),
            Shape::Text => choice["text"] = answer.text.as_str().into(),
        }
        let Last { account: Account { cost, path, receipts }, timings } = last(report);
        json!({"id": self.id, "object": self.object(false), "created": self.created, "model": self.model,
               "system_fingerprint": FINGERPRINT, "choices": [choice], "usage": usage(report),
               "cost": cost, "path": path, "receipts": receipts, "timings": timings})
    }
}
