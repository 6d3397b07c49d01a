//! The door: who asks, from where, under which limits, in which API's words errors are told; and
//! the request's id.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use mica_chain::amount;
use mica_payer::terms::{Terms, TermsOverrides, deadline_us};
use rand::{RngCore, rngs::OsRng};

use super::{
    config::{Config, LimitsConfig},
    core::Core,
    error::{GatewayError, Kind},
    names::tagged,
    ollama, openai,
    spending::Budget,
};

/// The request's id, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken from a client.
const MAX_ID_BYTES: usize = 128;
/// Paths that need no key.
const OPEN: [&str; 3] = ["/", "/health", "/ready"];

/// Who asks, and under which limits.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose money.
    pub budget: Budget,
    /// Which path is taken, and what this request may cost, as the client itself wishes.
    pub terms: Terms,
    /// Names that mean something else for this caller.
    pub models: Arc<BTreeMap<String, String>>,
    /// Id of the request.
    pub id: String,
}

/// Whose words errors are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `{"error":"…"}`
    Ollama,
    /// `{"error":{"message":…}}`
    OpenAi,
}

impl Api {
    fn of(path: &str) -> Self {
        if path.starts_with("/v1/") { Self::OpenAi } else { Self::Ollama }
    }

    /// The answer to a request that is refused.
    pub fn refuse(self, error: &GatewayError) -> Response {
        let body = match self {
            Self::Ollama => ollama::error(error),
            Self::OpenAi => openai::error(error),
        };
        let mut response = json(error.status(self == Self::OpenAi), &body);
        if matches!(error.kind, Kind::Busy | Kind::Unavailable) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Stands around every route.
pub async fn admit(State(core): State<Arc<Core>>, mut request: Request, next: Next) -> Response {
    let api = Api::of(request.uri().path());
    let route =
        request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let id = request_id(request.headers());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let mut response = match caller(&core.config, &request, &id) {
        Err(error) => api.refuse(&error),
        Ok(_) if request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    };
    core.metrics.request(&route, response.status().as_u16());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(origin) = origin.filter(|origin| is_allowed(&core.config, origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD, POST, OPTIONS"),
        );
        let usual = HeaderValue::from_static("authorization, content-type, x-request-id");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(usual));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id"),
        );
    }
    response
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let given = given.filter(|id| {
        !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(|byte| byte.is_ascii_graphic())
    });
    given.map_or_else(|| format!("{:016x}", OsRng.next_u64()), str::to_owned)
}

fn caller(config: &Config, request: &Request, id: &str) -> Result<Caller, GatewayError> {
    let headers = request.headers();
    if let Some(origin) = headers.get(header::ORIGIN)
        && !is_allowed(config, origin)
    {
        let message = "this web page may not spend the wallet's money: add its origin to \
                       `origins` in the gateway's settings";
        return Err(GatewayError::new(Kind::Forbidden, message));
    }
    let open = OPEN.contains(&request.uri().path()) || request.method() == Method::OPTIONS;
    let mut budget = if open {
        Budget { name: None, limits: LimitsConfig::default() }
    } else {
        budget(config, headers)?
    };
    let mut terms = config.path.terms();
    let mut models = BTreeMap::new();
    // Only a client that takes us for its proxy names another host in the request's first line.
    let host = request.uri().authority().and_then(|authority| {
        config.hosts.get(authority.as_str()).or_else(|| config.hosts.get(authority.host()))
    });
    if let Some(host) = host {
        terms = terms.with(&host.terms());
        budget.limits.request = host.request.into_iter().chain(budget.limits.request).min();
        models = host.models.iter().map(|(name, target)| (tagged(name), target.clone())).collect();
    }
    let terms = terms.with(&overrides(headers)?);
    Ok(Caller { budget, terms, models: Arc::new(models), id: id.to_owned() })
}

/// The terms that a request's headers ask for.
fn overrides(headers: &HeaderMap) -> Result<TermsOverrides, GatewayError> {
    let alpha = read(headers, "x-mica-alpha", |text| {
        let alpha = text.parse().ok().filter(|alpha| (0.0..=1.0).contains(alpha));
        alpha.ok_or_else(|| "a number from 0 to 1".into())
    })?;
    let money = |text: &str| amount::parse(text).map_err(|error| error.to_string());
    let deadline_ms = read(headers, "x-mica-deadline-ms", |text| {
        text.parse().map_err(|_| "whole milliseconds".into())
    })?;
    Ok(TermsOverrides {
        alpha,
        max_price_per_token: read(headers, "x-mica-max-price", money)?,
        deadline_us: deadline_ms.map(deadline_us),
        max_total: read(headers, "x-mica-max-total", money)?,
    })
}

/// A header, if it was sent.
fn read<T>(
    headers: &HeaderMap,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, GatewayError> {
    let text = text(headers, name)?;
    text.map(|text| parse(text).map_err(|what| wrong(name, &what))).transpose()
}

fn wrong(header: &str, what: &str) -> GatewayError {
    GatewayError::field(header, format!("the header {header} is not what it should be: {what}"))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, GatewayError> {
    headers
        .get(name)
        .map(|value| value.to_str().map(str::trim).map_err(|_| wrong(name, "plain text")))
        .transpose()
}

/// The budget of the bearer's key. Keys are compared by their hashes, which takes the same time for
/// all.
fn budget(config: &Config, headers: &HeaderMap) -> Result<Budget, GatewayError> {
    if config.keys.is_empty() {
        return Ok(Budget { name: None, limits: LimitsConfig::default() });
    }
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let hash = given.map(|(_, key)| blake3::hash(key.trim().as_bytes()));
    let found = config
        .keys
        .iter()
        .find(|key| hash.is_some_and(|hash| hash == blake3::hash(key.key.as_bytes())));
    let message =
        "this gateway asks for a key: send `Authorization: Bearer KEY` with one from its settings";
    let key = found.ok_or_else(|| GatewayError::new(Kind::Unauthorized, message))?;
    Ok(Budget {
        name: Some(key.name.clone()),
        limits: LimitsConfig { request: key.request, day: key.day },
    })
}

/// Pages of this machine, and those that the settings name.
fn is_allowed(config: &Config, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if config.origins.iter().any(|allowed| allowed == origin) {
        return true;
    }
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).expect("a request")
    }

    fn config() -> Config {
        let text = "origins = [\"https://chat.example\"]\n[limits]\n[[keys]]\nname = \"a\"\nkey = \
                    \"secret-a\"\nday = \"1 MICA\"\n[hosts.\"peer.example:11434\"]\nalpha = \
                    1.0\nrequest = \"5u\"\nmodels = { \"Tiny\" = \"other:q4\" }";
        Config::parse(text).expect("valid")
    }

    #[test]
    fn only_a_known_key_is_let_in_and_it_brings_its_own_caps() {
        let config = config();
        let ask =
            |headers: &[(&str, &str)]| caller(&config, &request("/api/generate", headers), "id");
        let known = ask(&[("authorization", "Bearer secret-a")]).expect("known");
        assert_eq!(
            (known.budget.name.as_deref(), known.budget.limits.day),
            (Some("a"), Some(mica_primitives::UNIT))
        );
        assert!(ask(&[("authorization", "bearer  secret-a ")]).is_ok());
        for wrong in [
            &[][..],
            &[("authorization", "Bearer secret-b")],
            &[("authorization", "secret-a")],
            &[("authorization", "Basic secret-a")],
        ] {
            assert_eq!(ask(wrong).expect_err("refused").kind, Kind::Unauthorized);
        }
        assert!(caller(&config, &request("/health", &[]), "id").is_ok());
    }

    #[test]
    fn a_proxied_host_chooses_names_and_limits() {
        let key = ("authorization", "Bearer secret-a");
        let there =
            caller(&config(), &request("http://peer.example:11434/api/generate", &[key]), "id")
                .expect("known");
        assert_eq!((there.terms.alpha, there.budget.limits.request), (1.0, Some(5)));
        assert_eq!(there.models.get("tiny:latest").map(String::as_str), Some("other:q4"));
        let here = caller(
            &config(),
            &request("/api/generate", &[key, ("host", "peer.example:11434")]),
            "id",
        )
        .expect("known");
        assert!(here.models.is_empty() && here.terms.alpha == 0.5);
    }

    #[test]
    fn wishes_come_in_headers_and_wrong_ones_are_named() {
        let key = ("authorization", "Bearer secret-a");
        let ask =
            |name, value| caller(&config(), &request("/api/generate", &[key, (name, value)]), "id");
        assert_eq!(ask("x-mica-alpha", "0.25").expect("taken").terms.alpha, 0.25);
        assert_eq!(
            ask("x-mica-max-price", "7u").expect("taken").terms.max_price_per_token,
            Some(7)
        );
        assert_eq!(ask("x-mica-deadline-ms", "80").expect("taken").terms.deadline_us, Some(80_000));
        assert_eq!(ask("x-mica-max-total", "9u").expect("taken").terms.max_total, Some(9));
        for (name, value) in [
            ("x-mica-alpha", "2"),
            ("x-mica-alpha", "NaN"),
            ("x-mica-max-price", "-1"),
            ("x-mica-deadline-ms", "soon"),
            ("x-mica-max-total", ""),
        ] {
            assert_eq!(ask(name, value).expect_err(value).field.as_deref(), Some(name));
        }
    }

    #[test]
    fn strange_web_pages_are_refused() {
        let key = ("authorization", "Bearer secret-a");
        let ask =
            |origin| caller(&config(), &request("/api/generate", &[key, ("origin", origin)]), "id");
        for origin in [
            "http://localhost",
            "http://127.0.0.1:3000",
            "http://[::1]:8080",
            "https://chat.example",
        ] {
            assert!(ask(origin).is_ok(), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example:80",
            "https://chat.example:1",
        ] {
            assert_eq!(ask(origin).expect_err(origin).kind, Kind::Forbidden);
        }
    }
}
