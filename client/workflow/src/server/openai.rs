//! `POST /v1/chat/completions`, streamed, with the usage at its end.
//!
//! The API tells tokens but no durations. A server that sends `timings` in a chunk (a Mica gateway,
//! llama.cpp's server) is believed; otherwise they are what is seen here: the prompt lasts until
//! the first piece of text, the answer from there to the last, and loading is part of the prompt.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Cost, Server, headers};
use crate::number::count;
use crate::{HttpError, Metrics, StepReply, StepRequest, http::error_of};

const ROUTE: &str = "/v1/chat/completions";
/// Most bytes of one event.
const MAX_EVENT_BYTES: usize = 1 << 20;

impl Server {
    pub(super) async fn openai(&self, request: &StepRequest) -> Result<StepReply, HttpError> {
        let model = self.model(ROUTE, request)?;
        let mut seen = Seen::default();
        let begun = Instant::now();
        let mut on_piece = |piece: &[u8]| seen.push(piece, begun.elapsed());
        self.client
            .stream(ROUTE, &headers(request), &document(&model, request), &mut on_piece)
            .await?;
        seen.reply(model, begun.elapsed()).map_err(|reason| self.wrong(ROUTE, reason))
    }
}

fn document(model: &str, request: &StepRequest) -> Value {
    let sampling = &request.sampling;
    let mut messages = Vec::new();
    messages.extend(request.system.iter().map(|text| json!({"role": "system", "content": text})));
    messages.push(json!({"role": "user", "content": request.prompt}));
    let mut document = json!({
        "model": model,
        "messages": messages,
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": request.max_tokens,
        "temperature": sampling.temperature(),
        "top_p": sampling.top_p(),
        "seed": sampling.seed,
    });
    // Not OpenAI's own field, so it is sent only where it says something.
    if let (true, Some(fields)) = (sampling.top_k > 0, document.as_object_mut()) {
        fields.insert("top_k".into(), json!(sampling.top_k));
    }
    document
}

#[derive(Deserialize)]
struct Usage {
    #[serde(deserialize_with = "count")]
    prompt_tokens: u64,
    #[serde(deserialize_with = "count")]
    completion_tokens: u64,
}

/// Measured by the server, in milliseconds.
#[derive(Deserialize)]
struct Timings {
    #[serde(default)]
    load_ms: f64,
    prompt_ms: f64,
    predicted_ms: f64,
    total_ms: Option<f64>,
}

/// What has come of a stream.
#[derive(Default)]
struct Seen {
    line: Vec<u8>,
    text: String,
    model: Option<String>,
    stop: Option<String>,
    usage: Option<Usage>,
    told: Option<Timings>,
    cost: Option<Cost>,
    first: Option<Duration>,
    last: Option<Duration>,
    is_done: bool,
    wrong: Option<String>,
}

impl Seen {
    /// Takes in a piece of the body that came `at` this time after the request.
    fn push(&mut self, piece: &[u8], at: Duration) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > MAX_EVENT_BYTES {
                self.wrong.get_or_insert_with(|| {
                    format!("an event has more than {MAX_EVENT_BYTES} bytes")
                });
                return;
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                if self.wrong.is_none()
                    && let Err(reason) = self.event(&line, at)
                {
                    self.wrong = Some(reason);
                }
            }
        }
    }

    /// One line; those that carry no data are passed over.
    fn event(&mut self, line: &[u8], at: Duration) -> Result<(), String> {
        let Some(data) = line.trim_ascii().strip_prefix(b"data:").map(<[u8]>::trim_ascii) else {
            return Ok(());
        };
        if data == b"[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk: Value = serde_json::from_slice(data)
            .map_err(|error| format!("an event is not JSON ({error})"))?;
        if let Some(error) = error_of(&chunk) {
            return Err(format!("it is an error: {error}"));
        }
        self.model = self.model.take().or_else(|| chunk.get("model")?.as_str().map(str::to_owned));
        if let Some(usage) = chunk.get("usage").filter(|usage| !usage.is_null()) {
            self.usage =
                Some(Usage::deserialize(usage).map_err(|error| format!("`usage`: {error}"))?);
        }
        if let Some(timings) = chunk.get("timings").filter(|timings| !timings.is_null()) {
            self.told =
                Some(Timings::deserialize(timings).map_err(|error| format!("`timings`: {error}"))?);
        }
        self.cost = Cost::read(&chunk)?.or(self.cost);
        let Some(choice) = chunk.get("choices").and_then(|choices| choices.get(0)) else {
            return Ok(());
        };
        self.stop = choice
            .get("finish_reason")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or(self.stop.take());
        let text = choice
            .get("delta")
            .and_then(|delta| delta.get("content")?.as_str())
            .unwrap_or_default();
        if !text.is_empty() {
            self.text.push_str(text);
            self.first.get_or_insert(at);
            self.last = Some(at);
        }
        Ok(())
    }

    /// The answer, once the stream has ended after `total`.
    fn reply(self, asked: String, total: Duration) -> Result<StepReply, String> {
        if let Some(reason) = self.wrong {
            return Err(reason);
        }
        if !self.is_done {
            return Err("its stream ends without `[DONE]`, so the answer is not whole".into());
        }
        let usage = self.usage.ok_or("it has no `usage`, so nothing can be measured")?;
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let first = self.first.unwrap_or(total);
        let (load, prompt, answer, total) = match &self.told {
            // A cast of a float ends at the integer's bounds, and makes nothing of what is no
            // number.
            Some(told) => {
                let [load, prompt, answer] =
                    [told.load_ms, told.prompt_ms, told.predicted_ms].map(|ms| (ms * 1e6) as u64);
                (
                    load,
                    prompt,
                    answer,
                    told.total_ms.map_or(nanoseconds(total), |ms| (ms * 1e6) as u64),
                )
            }
            None => (
                0,
                nanoseconds(first),
                nanoseconds(self.last.unwrap_or(total).saturating_sub(first)),
                nanoseconds(total),
            ),
        };
        let metrics = Metrics {
            total_duration: total,
            load_duration: load,
            prompt_eval_count: usage.prompt_tokens,
            prompt_eval_duration: prompt,
            eval_count: usage.completion_tokens,
            eval_duration: answer,
        };
        Ok(StepReply {
            model: self.model.unwrap_or(asked),
            text: self.text,
            stop: self.stop,
            metrics,
            cost: self.cost.map(|cost| cost.paid),
            fees: self.cost.map_or(0, |cost| cost.fees),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = concat!(
        "data: {\"model\":\"m:latest\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\"\
         :\"\"}}]}\r\n\r\n",
        ": a comment that keeps the connection open\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Grüß \"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Gott\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":2},\"cost\":\
         {\"paid\":12,\"fees\":1}}\n\n",
        "data: [DONE]\n\n",
    );

    const COST: &str = "\"cost\":{\"paid\":12,\"fees\":1}";

    fn read(stream: &str) -> Result<StepReply, String> {
        let mut seen = Seen::default();
        seen.push(stream.as_bytes(), Duration::from_millis(5));
        seen.reply("m".into(), Duration::from_millis(9))
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_answer() {
        let expected = read(STREAM).expect("reads");
        assert_eq!(
            (expected.text.as_str(), expected.model.as_str(), expected.cost),
            ("Grüß Gott", "m:latest", Some(12))
        );
        assert_eq!((expected.metrics.prompt_eval_count, expected.metrics.eval_count), (30, 2));
        for cut in 0..STREAM.len() {
            let (head, tail) = STREAM.as_bytes().split_at(cut);
            let mut seen = Seen::default();
            [head, tail].iter().for_each(|piece| seen.push(piece, Duration::from_millis(5)));
            assert_eq!(
                seen.reply("m".into(), Duration::from_millis(9)).expect("reads"),
                expected,
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn durations_are_those_of_the_stream_unless_the_server_tells_them() {
        let mut seen = Seen::default();
        for (line, at) in STREAM.split_inclusive('\n').zip(1..) {
            seen.push(line.as_bytes(), Duration::from_millis(at * 10));
        }
        let metrics = seen.reply("m".into(), Duration::from_secs(1)).expect("reads").metrics;
        assert_eq!((metrics.prompt_eval_duration, metrics.eval_duration), (50_000_000, 20_000_000));
        assert_eq!((metrics.total_duration, metrics.load_duration), (1_000_000_000, 0));
        let timings =
            r#""timings":{"load_ms":3.0,"prompt_ms":2.5,"predicted_ms":1.25,"total_ms":7.0}"#;
        let metrics = read(&STREAM.replace(COST, timings)).expect("reads").metrics;
        assert_eq!((metrics.total_duration, metrics.load_duration), (7_000_000, 3_000_000));
        assert_eq!((metrics.prompt_eval_duration, metrics.eval_duration), (2_500_000, 1_250_000));
    }

    #[test]
    fn numbers_are_read_however_a_server_writes_them() {
        // llama.cpp's server has floats with many digits; others write counts with a point, or
        // exponents.
        let timings = r#""timings":{"prompt_n":12,"prompt_ms":30.958,"prompt_per_token_ms":2.5798333333333336,"predicted_ms":1.25e1,"total_ms":7}"#;
        let stream =
            STREAM.replace(COST, timings).replace("\"prompt_tokens\":30", "\"prompt_tokens\":30.0");
        let stream =
            stream.replace("\"choices\":[],", "\"choices\":[],\"temperature\":0.7,\"top_p\":1e-1,");
        let metrics = read(&stream).expect("reads").metrics;
        assert_eq!(
            (metrics.prompt_eval_duration, metrics.eval_duration, metrics.total_duration),
            (30_958_000, 12_500_000, 7_000_000)
        );
        assert_eq!(metrics.prompt_eval_count, 30);
    }

    #[test]
    fn streams_that_break_off_or_fail_are_errors_and_never_texts() {
        let cases = [
            (STREAM.replace("data: [DONE]\n\n", ""), "not whole"),
            (STREAM.replace("\"usage\"", "\"used\""), "no `usage`"),
            (STREAM.replace("\"completion_tokens\":2", "\"completion_tokens\":-2"), "`usage`"),
            (STREAM.replace(COST, "\"cost\":[]"), "`cost`"),
            (STREAM.replace(COST, "\"timings\":{}"), "`timings`"),
            (
                STREAM.replace(
                    "data: [DONE]",
                    "data: {\"error\":{\"message\":\"a worker left\"}}\n\ndata: [DONE]",
                ),
                "a worker left",
            ),
            (STREAM.replace("data: [DONE]", "data: {{{\n\ndata: [DONE]"), "not JSON"),
            ("{\"choices\":[]}".into(), "not whole"),
            (format!("data: {}", "x".repeat(MAX_EVENT_BYTES)), "more than"),
        ];
        for (stream, expected) in cases {
            let error = read(&stream).expect_err("no answer");
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
