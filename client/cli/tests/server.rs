//! Steps behind a server, against a small real HTTP server on loopback that keeps what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mica_cli::exit_code::{Classified, ErrorClass};
use mica_payer::Terms;
use mica_protocol::session::Sampling;
use mica_workflow::{
    Api, Generate, GenerateError, HttpError, Server, StepReply, StepRequest, Workflow, run,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection carries back, byte for byte.
enum Answer {
    /// Whole, then closed.
    Bytes(Vec<u8>),
    /// Nothing at all, and the connection stays open.
    Silence,
}

fn http(status: &str, kind: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into(),
    )
}

fn ok(document: Value) -> Answer {
    http("200 OK", "application/json", &document.to_string())
}

/// A request as it arrived.
#[derive(Clone, Debug)]
struct Request {
    head: String,
    body: Value,
}

/// Answers one connection after the other from a list; what it was sent can be read meanwhile.
async fn serve(answers: Vec<Answer>) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let kept = seen.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut bytes = Vec::new();
            let request = loop {
                let mut piece = [0; 4096];
                let read = stream.read(&mut piece).await.expect("a request");
                bytes.extend_from_slice(&piece[..read]);
                if let Some(request) = whole(&bytes) {
                    break request;
                }
                assert!(read > 0, "the request ends early: {}", String::from_utf8_lossy(&bytes));
            };
            kept.lock().expect("not poisoned").push(request);
            match answer {
                // The other side may have gone, which some tests are about.
                Answer::Bytes(bytes) => drop(stream.write_all(&bytes).await),
                Answer::Silence => open.push(stream),
            }
        }
        // Silent connections stay open as long as the test runs.
        std::future::pending::<()>().await;
    });
    (url, seen)
}

/// The request in `bytes`, once all of it is there.
fn whole(bytes: &[u8]) -> Option<Request> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
    });
    let body = match length.unwrap_or(0) {
        0 => Value::Null,
        length if body.len() >= length => serde_json::from_str(body).expect("a JSON body"),
        _ => return None,
    };
    Some(Request { head: head.to_lowercase(), body })
}

fn request(model: Option<&str>) -> StepRequest {
    StepRequest {
        model: model.map(str::to_owned),
        prompt: "Why?".into(),
        system: Some("Be brief.".into()),
        sampling: Sampling::new(0.5, 40, 0.9, 7),
        max_tokens: 33,
        terms: Terms {
            alpha: 0.25,
            max_price_per_token: Some(5),
            deadline_us: Some(90_000),
            max_total: Some(1_000),
        },
    }
}

fn generated(text: &str) -> Value {
    json!({"model": "m:latest", "created_at": "2025-07-08T09:10:11Z", "response": text, "done": true, "done_reason": "stop",
        "total_duration": 900, "load_duration": 100, "prompt_eval_count": 34, "prompt_eval_duration": 300, "eval_count": 5,
        "eval_duration": 500, "cost": {"paid": 17, "fees": 0}})
}

async fn ask(api: Api, answers: Vec<Answer>) -> (Result<StepReply, GenerateError>, Vec<Request>) {
    let (url, seen) = serve(answers).await;
    let server = Server::new(api, &url, Some("key-1"), PATIENCE).expect("an address");
    let reply = server.generate(&request(Some("m"))).await;
    let seen = seen.lock().expect("not poisoned").clone();
    (reply, seen)
}

#[tokio::test]
async fn ollama_is_asked_as_the_paper_s_application_asks() {
    let (reply, seen) = ask(Api::Ollama, vec![ok(generated("Because."))]).await;
    let reply = reply.expect("answered");
    assert_eq!(
        (reply.text.as_str(), reply.model.as_str(), reply.cost),
        ("Because.", "m:latest", Some(17))
    );
    assert_eq!(
        (
            reply.metrics.total_duration,
            reply.metrics.load_duration,
            reply.metrics.prompt_eval_count
        ),
        (900, 100, 34)
    );
    assert!(seen[0].head.starts_with("post /api/generate http/1.1\r\n"), "{}", seen[0].head);
    for header in [
        "authorization: bearer key-1",
        "x-mica-alpha: 0.25",
        "x-mica-max-price: 5u",
        "x-mica-deadline-ms: 90",
    ] {
        assert!(seen[0].head.contains(header), "{header} in {}", seen[0].head);
    }
    assert!(
        seen[0].head.contains("x-mica-max-total: 1000u")
            && seen[0].head.contains("\r\nhost: 127.0.0.1:"),
        "{}",
        seen[0].head
    );
    let body = &seen[0].body;
    assert_eq!(
        (&body["model"], &body["prompt"], &body["stream"]),
        (&json!("m"), &json!("Why?"), &json!(false))
    );
    assert_eq!(body["system"], "Be brief.");
    let options = &body["options"];
    assert_eq!(
        (&options["num_predict"], &options["top_k"], &options["seed"]),
        (&json!(33), &json!(40), &json!(7))
    );
    assert!(options["temperature"].as_f64().is_some_and(|value| (value - 0.5).abs() < 1e-6));
}

#[tokio::test]
async fn openai_is_asked_for_a_stream_with_usage() {
    let stream = concat!(
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"Be\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"cause.\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":34,\"completion_tokens\":5}}\n\ndata: \
         [DONE]\n\n",
    );
    let (reply, seen) = ask(Api::OpenAi, vec![http("200 OK", "text/event-stream", stream)]).await;
    let reply = reply.expect("answered");
    assert_eq!(
        (reply.text.as_str(), reply.stop.as_deref(), reply.cost),
        ("Because.", Some("length"), None)
    );
    assert_eq!((reply.metrics.prompt_eval_count, reply.metrics.eval_count), (34, 5));
    assert!(
        reply.metrics.total_duration >= reply.metrics.prompt_eval_duration
            && reply.metrics.prompt_eval_duration > 0
    );
    assert!(seen[0].head.starts_with("post /v1/chat/completions "), "{}", seen[0].head);
    let body = &seen[0].body;
    assert_eq!(
        (&body["stream"], &body["stream_options"]["include_usage"], &body["max_tokens"]),
        (&json!(true), &json!(true), &json!(33))
    );
    assert_eq!(
        body["messages"],
        json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}])
    );
}

#[tokio::test]
async fn numbers_of_other_servers_are_read_as_they_write_them() {
    // As llama.cpp's server ends a stream, with a usage of floats as some gateways between have it.
    let stream = concat!(
        "data: {\"choices\":[{\"delta\":{\"content\":\"Because.\"},\"logprobs\":{\"content\":[{\"\
         logprob\":-0.25}]}}],\"temperature\":0.7}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"\
         prompt_tokens\":34.0,\"completion_tokens\":5e0,\"cost\":1e-7},",
        "\"timings\":{\"prompt_ms\":30.958,\"prompt_per_second\":1.1e3,\"predicted_ms\":1.25e1}}\n\n\
         data: [DONE]\n\n",
    );
    let (reply, _) = ask(Api::OpenAi, vec![http("200 OK", "text/event-stream", stream)]).await;
    let metrics = reply.expect("answered").metrics;
    assert_eq!((metrics.prompt_eval_count, metrics.eval_count), (34, 5));
    assert_eq!((metrics.prompt_eval_duration, metrics.eval_duration), (30_958_000, 12_500_000));

    let body = r#"{"response": "Because.", "done": true, "load": 0.5, "top": {"p": 1e-1}, "eval_count": 5.0, "eval_duration": 1e9}"#;
    let (reply, _) = ask(Api::Ollama, vec![http("200 OK", "application/json", body)]).await;
    let metrics = reply.expect("answered").metrics;
    assert_eq!(
        (metrics.eval_count, metrics.eval_duration, metrics.prompt_eval_count),
        (5, 1_000_000_000, 0)
    );
}

#[tokio::test]
async fn models_are_listed_by_both_apis() {
    for (api, route, document) in [
        (
            Api::Ollama,
            "get /api/tags ",
            json!({"models": [{"name": "a:latest"}, {"name": "b:1b"}]}),
        ),
        (
            Api::OpenAi,
            "get /v1/models ",
            json!({"object": "list", "data": [{"id": "a:latest"}, {"id": "b:1b"}]}),
        ),
    ] {
        let (url, seen) = serve(vec![ok(document), ok(json!({}))]).await;
        // An address that ends in the version, as OpenAI's clients write it, is the same server.
        let server = Server::new(api, &format!("{url}/v1/"), None, PATIENCE).expect("an address");
        assert_eq!(server.models().await.expect("listed"), ["a:latest", "b:1b"]);
        let head = seen.lock().unwrap()[0].head.clone();
        assert!(head.starts_with(route) && !head.contains("authorization"), "{head}");
        assert!(matches!(server.models().await, Err(HttpError::Reply { .. })));
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_message_and_its_class() {
    let cases = [
        (
            Api::Ollama,
            "402 Payment Required",
            r#"{"error":"the day's cap of 1 MICA is reached"}"#,
            ErrorClass::Funds,
        ),
        (
            Api::Ollama,
            "404 Not Found",
            r#"{"error":"model 'the day's cap' not found"}"#,
            ErrorClass::Model,
        ),
        (
            Api::OpenAi,
            "402 Payment Required",
            r#"{"error":{"message":"the day's cap","code":null}}"#,
            ErrorClass::Funds,
        ),
        (
            Api::OpenAi,
            "401 Unauthorized",
            r#"{"error":{"message":"the day's cap"}}"#,
            ErrorClass::Usage,
        ),
        (Api::OpenAi, "500 Oops", "the day's cap, \u{1b}[31mnot JSON", ErrorClass::Worker),
    ];
    for (api, status, body, class) in cases {
        let (reply, _) = ask(api, vec![http(status, "application/json", body)]).await;
        let error = reply.expect_err(status);
        let text = error.to_string();
        assert!(
            text.contains(&status[..3])
                && text.contains("the day's cap")
                && !text.contains('\u{1b}'),
            "{text}"
        );
        assert_eq!(error.class(), class, "{status}");
    }
}

#[tokio::test]
async fn whatever_a_server_does_is_an_error_and_never_a_text() {
    let cut = || {
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{\"response\":\"hal".to_vec())
    };
    let endless =
        || Answer::Bytes([b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b' '; 17 << 20]].concat());
    for api in [Api::Ollama, Api::OpenAi] {
        for answer in [
            cut(),
            endless(),
            Answer::Bytes(Vec::new()),
            Answer::Bytes(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
            http("200 OK", "text/html", "<html>a captive portal</html>"),
            http("204 No Content", "text/plain", ""),
            http("302 Found", "text/plain", "elsewhere"),
            ok(json!({"error": "out of memory"})),
        ] {
            let (reply, _) = ask(api, vec![answer]).await;
            assert_eq!(reply.expect_err("no answer").class(), ErrorClass::Worker);
        }
    }
}

#[tokio::test]
async fn silence_and_absence_end_in_time() {
    let (url, _) = serve(vec![Answer::Silence]).await;
    let server =
        Server::new(Api::Ollama, &url, None, Duration::from_millis(200)).expect("an address");
    let error = server.generate(&request(Some("m"))).await.expect_err("silence");
    assert!(matches!(error, GenerateError::Server(HttpError::Late { .. })), "{error}");

    let nobody =
        TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let server =
        Server::new(Api::Ollama, &format!("http://{nobody}"), None, PATIENCE).expect("an address");
    let error = server.generate(&request(Some("m"))).await.expect_err("nobody listens");
    assert!(matches!(error, GenerateError::Server(HttpError::Connect { .. })), "{error}");

    let error = server.generate(&request(None)).await.expect_err("which model?");
    assert!(error.to_string().contains("--model") && error.class() == ErrorClass::Usage, "{error}");
}

#[tokio::test]
async fn a_workflow_over_http_never_summarises_an_error() {
    let mut workflow = Workflow::built_in("generate-summarise").expect("reads");
    workflow.assign(None, "m").expect("assigned");
    let (url, seen) = serve(vec![ok(generated("A long answer.")), ok(generated("Short."))]).await;
    let server = Server::new(Api::Ollama, &url, None, PATIENCE).expect("an address");
    let finished = run(&workflow, "Why?", None, &server, &mut |_| {}).await.expect("finishes");
    assert_eq!((finished.result.as_str(), finished.cost), ("Short.", Some(34)));
    assert!(finished.steps.iter().all(|step| step.network_duration > 0));
    assert_eq!(
        seen.lock().unwrap()[1].body["prompt"],
        "Summarize the following text in 2 lines:\n\nA long answer."
    );

    let refused =
        http("402 Payment Required", "application/json", r#"{"error":"the cap is reached"}"#);
    let (url, seen) = serve(vec![refused]).await;
    let server = Server::new(Api::Ollama, &url, None, PATIENCE).expect("an address");
    let error = run(&workflow, "Why?", None, &server, &mut |_| {}).await.expect_err("no money");
    assert!(
        error.to_string().contains("step 'generate' (1 of 2)")
            && error.class() == ErrorClass::Funds,
        "{error}"
    );
    assert_eq!(seen.lock().unwrap().len(), 1, "the second step is never asked");
}
