//! Every path of the gateway, in one table.

use std::sync::Arc;

use axum::{
    Router,
    handler::Handler,
    http::{Method, Uri},
    middleware::from_fn_with_state,
    response::Response,
    routing::{MethodRouter, any, get, post},
};

use super::{
    auth::{Access, AccessByPath},
    middleware::around,
    ollama, openai, operations,
    response::Api,
    state::AppState,
    workflow,
};
use crate::core::{GatewayError, Kind};

use Access::{Key, Open};

/// One way to ask.
struct Route {
    method: Method,
    /// As axum writes it.
    path: &'static str,
    access: Access,
    handler: MethodRouter<Arc<AppState>>,
}

impl Route {
    fn get<H, T>(path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, Arc<AppState>>,
        T: 'static,
    {
        Self { method: Method::GET, path, access, handler: get(handler) }
    }

    fn post<H, T>(path: &'static str, access: Access, handler: H) -> Self
    where
        H: Handler<T, Arc<AppState>>,
        T: 'static,
    {
        Self { method: Method::POST, path, access, handler: post(handler) }
    }
}

/// All routes. `openapi.json` describes the same ones; a test compares them.
fn table() -> Vec<Route> {
    vec![
        Route::get("/", Open, ollama::root::root),
        Route::get("/api/version", Key, ollama::version::version),
        Route::get("/api/tags", Key, ollama::tags::tags),
        Route::get("/api/ps", Key, ollama::ps::ps),
        Route::post("/api/show", Key, ollama::show::show),
        Route::post("/api/generate", Key, ollama::generate::generate),
        Route::post("/api/chat", Key, ollama::chat::chat),
        Route::get("/v1/models", Key, openai::models::list),
        Route::get("/v1/models/{*id}", Key, openai::models::one),
        Route::post("/v1/chat/completions", Key, openai::chat::chat),
        Route::post("/v1/completions", Key, openai::completions::completions),
        Route::get("/workflow", Key, workflow::list),
        Route::get("/workflow/{name}", Key, workflow::show),
        Route::post("/workflow/{name}", Key, workflow::post),
        Route::get("/health", Open, operations::health),
        Route::get("/ready", Open, operations::ready),
        Route::get("/metrics", Key, operations::metrics),
        Route::get("/openapi.json", Key, operations::openapi),
    ]
}

/// What both APIs have and this gateway does not: workers generate text and nothing else.
const NOT_OFFERED: [&str; 12] = [
    "/api/embed",
    "/api/embeddings",
    "/api/pull",
    "/api/push",
    "/api/create",
    "/api/copy",
    "/api/delete",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/images/generations",
    "/v1/audio/speech",
];

/// All routes with what stands around them.
pub(super) fn router(state: Arc<AppState>) -> Router {
    let table = table();
    let access = AccessByPath::new(table.iter().map(|route| (route.path, route.access)));
    let router = table.into_iter().fold(Router::new(), |router, route| {
        tracing::debug!(method = %route.method, path = route.path, access = ?route.access, "route");
        router.route(route.path, route.handler)
    });
    NOT_OFFERED
        .into_iter()
        .fold(router, |router, path| router.route(path, any(not_offered)))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state((state.clone(), access), around))
        .with_state(state)
}

async fn not_offered(uri: Uri) -> Response {
    let message =
        "workers of this market generate text and nothing else: use another service for this";
    Api::of(uri.path()).refuse(&GatewayError::new(Kind::NotOffered, message))
}

async fn unknown(uri: Uri) -> Response {
    let message = "there is no such path here: see /openapi.json";
    Api::of(uri.path()).refuse(&GatewayError::new(Kind::NotFound, message))
}

async fn wrong_method(uri: Uri) -> Response {
    let message = "this path takes other methods: see /openapi.json";
    Api::of(uri.path()).refuse(&GatewayError::new(Kind::Method, message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_str(operations::OPENAPI).expect("openapi.json is JSON")
    }

    /// As OpenAPI writes a path: it has no word for a parameter that spans slashes.
    fn described(path: &str) -> String {
        path.replace("{*", "{")
    }

    #[test]
    fn every_route_is_in_openapi_json_and_the_reverse() {
        let document = document();
        let mut in_document = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            let methods = item.as_object().expect("a path").keys();
            for method in methods.filter(|key| *key != "parameters") {
                in_document.insert((method.to_uppercase(), path.clone()));
            }
        }
        let routes = table();
        let in_table: BTreeSet<(String, String)> =
            routes.iter().map(|route| (route.method.to_string(), described(route.path))).collect();
        assert_eq!(in_table, in_document);
        assert_eq!(in_table.len(), routes.len(), "a route is there twice");
        for path in NOT_OFFERED {
            assert!(document["paths"].get(path).is_none(), "{path} is described and not offered");
        }
    }

    #[test]
    fn openapi_json_says_which_routes_need_no_key() {
        let document = document();
        for route in table() {
            let method = route.method.as_str().to_lowercase();
            let operation = &document["paths"][&described(route.path)][&method];
            let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(is_open, route.access == Open, "{method} {}", route.path);
        }
    }

    #[test]
    fn a_path_asks_for_a_key_whatever_the_method_or_never() {
        let routes = table();
        for route in &routes {
            let others = routes.iter().filter(|other| other.path == route.path);
            assert!(others.into_iter().all(|other| other.access == route.access), "{}", route.path);
        }
    }

    #[test]
    fn openapi_json_has_this_versions_number() {
        assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
