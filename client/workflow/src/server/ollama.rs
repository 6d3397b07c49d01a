//! `POST /api/generate` with `"stream": false`: the request that P2PLLMEdge's application makes.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Cost, Server, headers};
use crate::number::count;
use crate::{HttpError, Metrics, StepReply, StepRequest, http::error_of};

const ROUTE: &str = "/api/generate";

/// The reply, as far as it matters here. Zero metrics are left out by servers.
#[derive(Deserialize)]
struct Reply {
    model: Option<String>,
    response: String,
    done: bool,
    done_reason: Option<String>,
    #[serde(default, deserialize_with = "count")]
    total_duration: u64,
    #[serde(default, deserialize_with = "count")]
    load_duration: u64,
    #[serde(default, deserialize_with = "count")]
    prompt_eval_count: u64,
    #[serde(default, deserialize_with = "count")]
    prompt_eval_duration: u64,
    #[serde(default, deserialize_with = "count")]
    eval_count: u64,
    #[serde(default, deserialize_with = "count")]
    eval_duration: u64,
}

impl Reply {
    fn metrics(&self) -> Metrics {
        Metrics {
            total_duration: self.total_duration,
            load_duration: self.load_duration,
            prompt_eval_count: self.prompt_eval_count,
            prompt_eval_duration: self.prompt_eval_duration,
            eval_count: self.eval_count,
            eval_duration: self.eval_duration,
        }
    }
}

impl Server {
    pub(super) async fn ollama(&self, request: &StepRequest) -> Result<StepReply, HttpError> {
        let model = self.model(ROUTE, request)?;
        let reply = self.client.post(ROUTE, &headers(request), &document(&model, request)).await?;
        read(&reply, model).map_err(|reason| self.wrong(ROUTE, reason))
    }
}

fn document(model: &str, request: &StepRequest) -> Value {
    let sampling = &request.sampling;
    let mut document = json!({
        "model": model,
        "prompt": request.prompt,
        "stream": false,
        "options": {
            "num_predict": request.max_tokens,
            "temperature": sampling.temperature(),
            "top_k": sampling.top_k,
            "top_p": sampling.top_p(),
            "seed": sampling.seed,
        },
    });
    if let (Some(system), Some(fields)) = (&request.system, document.as_object_mut()) {
        fields.insert("system".into(), json!(system));
    }
    document
}

fn read(reply: &Value, asked: String) -> Result<StepReply, String> {
    if let Some(error) = error_of(reply) {
        return Err(format!("it is an error: {error}"));
    }
    let known = Reply::deserialize(reply).map_err(|error| error.to_string())?;
    if !known.done {
        return Err("it is not done, although it was not to be streamed".into());
    }
    let (cost, metrics) = (Cost::read(reply)?, known.metrics());
    Ok(StepReply {
        model: known.model.unwrap_or(asked),
        text: known.response,
        stop: known.done_reason,
        metrics,
        cost: cost.map(|cost| cost.paid),
        fees: cost.map_or(0, |cost| cost.fees),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_with_all_its_metrics() {
        let reply = json!({
            "model": "tiny:latest", "created_at": "2025-01-01T00:00:00Z", "response": "Hello", "done": true, "done_reason": "stop",
            "total_duration": 9_000_000_000u64, "prompt_eval_count": 34, "prompt_eval_duration": 5, "eval_count": 2,
            "eval_duration": 1_000_000_000, "cost": {"paid": 42, "fees": 3}, "context": [1, 2], "path": [],
        });
        let reply = read(&reply, "tiny".into()).expect("reads");
        assert_eq!((reply.model.as_str(), reply.text.as_str()), ("tiny:latest", "Hello"));
        assert_eq!((reply.cost, reply.fees), (Some(42), 3));
        assert_eq!(
            (reply.metrics.load_duration, reply.metrics.prompt_eval_count),
            (0, 34),
            "left out means zero"
        );
        assert_eq!(reply.metrics.token_per_second(), 2.0);
    }

    #[test]
    fn numbers_with_a_point_are_numbers() {
        // As a server writes them that has no integers, with fields besides that nobody here knows.
        let text = r#"{"response": "x", "done": true, "load": 0.5, "score": 1e-9, "total_duration": 9.0, "eval_count": 2e0, "eval_duration": 5}"#;
        let metrics =
            read(&serde_json::from_str(text).expect("JSON"), "m".into()).expect("reads").metrics;
        assert_eq!((metrics.total_duration, metrics.eval_count, metrics.eval_duration), (9, 2, 5));
    }

    #[test]
    fn replies_that_are_none_are_errors_and_never_texts() {
        for (reply, expected) in [
            (json!({"error": "no money"}), "no money"),
            (json!({"done": true}), "response"),
            (json!({"response": "x", "done": false}), "not done"),
            (json!({"response": "x", "done": true, "eval_count": -1}), "-1"),
            (json!({"response": "x", "done": true, "cost": "much"}), "cost"),
            (json!({"response": 5, "done": true}), "string"),
            (json!([]), "invalid"),
        ] {
            let error = read(&reply, "m".into()).expect_err("no answer");
            assert!(error.contains(expected), "{reply}: {error}");
        }
    }
}
