//! Every path of the gateway, and the few that belong to neither API.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde_json::json;

use super::{
    admit::{Api, admit, json as json_response},
    core::Core,
    error::{GatewayError, Kind},
    ollama, openai, workflows,
};

/// What there is, for programs.
pub const OPENAPI: &str = include_str!("openapi.json");

/// All routes behind the door.
pub fn router(core: Arc<Core>) -> Router {
    let router = Router::new()
        .route("/", get(ollama::root::root))
        .route("/api/version", get(ollama::version::version))
        .route("/api/tags", get(ollama::tags::tags))
        .route("/api/ps", get(ollama::ps::ps))
        .route("/api/show", post(ollama::show::show))
        .route("/api/generate", post(ollama::generate::generate))
        .route("/api/chat", post(ollama::chat::chat))
        .route("/v1/models", get(openai::models::list))
        .route("/v1/models/{*id}", get(openai::models::one))
        .route("/v1/chat/completions", post(openai::chat::chat))
        .route("/v1/completions", post(openai::completions::completions))
        .route("/workflow", get(workflows::list))
        .route("/workflow/{name}", get(workflows::show).post(workflows::post))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(openapi));
    let absent_ollama = [
        "/api/embed",
        "/api/embeddings",
        "/api/pull",
        "/api/push",
        "/api/create",
        "/api/copy",
        "/api/delete",
    ];
    let router = absent_ollama
        .into_iter()
        .fold(router, |router, path| router.route(path, any(|| absent(Api::Ollama))));
    let absent_openai = [
        "/v1/embeddings",
        "/v1/responses",
        "/v1/messages",
        "/v1/images/generations",
        "/v1/audio/speech",
    ];
    let router = absent_openai
        .into_iter()
        .fold(router, |router, path| router.route(path, any(|| absent(Api::OpenAi))));
    router
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(core.clone(), admit))
        .with_state(core)
}

/// Whether the program runs.
async fn health() -> Response {
    json_response(StatusCode::OK, &json!({"status": "ok"}))
}

/// Whether requests can be answered now.
async fn ready(State(core): State<Arc<Core>>) -> Response {
    match core.ready() {
        Ok(()) => json_response(StatusCode::OK, &json!({"status": "ready"})),
        Err(error) => Api::Ollama.refuse(&error),
    }
}

async fn metrics(State(core): State<Arc<Core>>) -> Response {
    let text = core.metrics.to_text(core.gauges());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn absent(api: Api) -> Response {
    let message =
        "workers of this market generate text and nothing else: use another service for this";
    api.refuse(&GatewayError::new(Kind::NotOffered, message))
}

async fn unknown(uri: axum::http::Uri) -> Response {
    let api = if uri.path().starts_with("/v1/") { Api::OpenAi } else { Api::Ollama };
    api.refuse(&GatewayError::new(Kind::NotFound, "there is no such path here: see /openapi.json"))
}

async fn wrong_method(uri: axum::http::Uri) -> Response {
    let api = if uri.path().starts_with("/v1/") { Api::OpenAi } else { Api::Ollama };
    api.refuse(&GatewayError::new(Kind::Method, "this path takes other methods: see /openapi.json"))
}
