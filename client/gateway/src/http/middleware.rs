//! What surrounds every route: the request's id, the host it names, web pages, what its body is,
//! who asks, and the count of answers.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rand::{RngCore, rngs::OsRng};

use super::{
    auth::{Access, AccessByPath, caller},
    content_type,
    cors::PageRequest,
    host,
    response::Api,
    state::AppState,
};
use crate::core::GatewayError;

/// The request's id, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a client.
const MAX_ID_BYTES: usize = 128;

/// Answers a request, or passes it on to its route.
pub(super) async fn around(
    State((state, access)): State<(Arc<AppState>, AccessByPath)>,
    request: Request,
    next: Next,
) -> Response {
    let api = Api::of(request.uri().path());
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let (route, access) = (path.unwrap_or("other").to_owned(), access.of(path));
    let id = request_id(request.headers());
    let page = host::check(&state.config, &request)
        .and_then(|()| PageRequest::read(&state.config, &request));
    let (page, answer) = match page {
        Ok(page) => (page, respond(&state, access, &id, request, next).await),
        Err(error) => (None, Err(error)),
    };
    let mut response = answer.unwrap_or_else(|error| api.refuse(&error));
    state.requests.count(&route, response.status().as_u16());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(page) = page {
        page.allow(headers);
    }
    response
}

async fn respond(
    state: &AppState,
    access: Access,
    id: &str,
    mut request: Request,
    next: Next,
) -> Result<Response, GatewayError> {
    // A browser asks before it sends a key.
    let is_preflight = request.method() == Method::OPTIONS;
    let access = if is_preflight { Access::Open } else { access };
    content_type::check(&request)?;
    let caller = caller(state, &request, access, id)?;
    if is_preflight {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let given = given.filter(|id| {
        !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic())
    });
    given.map_or_else(|| format!("{:016x}", OsRng.next_u64()), str::to_owned)
}
