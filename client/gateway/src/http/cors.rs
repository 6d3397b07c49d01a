//! Which web pages may use the gateway: its own, and those that the settings name. A page of any
//! other origin would spend the wallet's money, one that another program of this machine serves
//! among them: what runs on a port of localhost is not known.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
};

use super::host::is_proxied;
use crate::{
    config::Config,
    core::{GatewayError, Kind},
};

/// What a web page's request says of itself.
pub(super) struct PageRequest {
    origin: HeaderValue,
    requested_headers: Option<HeaderValue>,
}

impl PageRequest {
    /// Nothing if no web page sent these headers.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] if the page may not use the gateway.
    pub(super) fn read(config: &Config, request: &Request) -> Result<Option<Self>, GatewayError> {
        let headers = request.headers();
        let Some(origin) = headers.get(header::ORIGIN).cloned() else { return Ok(None) };
        let text = origin.to_str().unwrap_or_default();
        if !is_own(request, text) && !config.origins.iter().any(|one| covers(one, text)) {
            let message = "this web page may not spend the wallet's money: add its origin to \
                           `origins` in the gateway's settings";
            return Err(GatewayError::new(Kind::Forbidden, message));
        }
        let requested_headers = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        Ok(Some(Self { origin, requested_headers }))
    }

    /// Lets the page's browser show it the answer.
    pub(super) fn allow(self, headers: &mut HeaderMap) {
        let usual = HeaderValue::from_static("authorization, content-type, x-request-id");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD, POST, OPTIONS"),
        );
        headers
            .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, self.requested_headers.unwrap_or(usual));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id"),
        );
    }
}

/// Whether the page came from here. The name that the request calls us by was checked before,
/// unless it takes us for a proxy.
fn is_own(request: &Request, origin: &str) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    !is_proxied(request)
        && matches!(scheme, "http" | "https")
        && host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

/// Whether the setting `allowed` means `origin`. `:*` at its end stands for any port, and for none.
fn covers(allowed: &str, origin: &str) -> bool {
    let Some(site) = allowed.strip_suffix(":*") else { return allowed == origin };
    origin.strip_prefix(site).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(':').is_some_and(|port| {
                !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
            })
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn read_at(uri: &str, host: &str, origin: &str) -> Result<Option<PageRequest>, GatewayError> {
        let origins = ["https://chat.example", "http://localhost:3000", "http://127.0.0.1:*"];
        let config = Config { origins: origins.map(str::to_owned).to_vec(), ..Config::default() };
        let request = Request::builder().uri(uri).header("host", host).header("origin", origin);
        PageRequest::read(&config, &request.body(Body::empty()).expect("a request"))
    }

    fn read(origin: &str) -> Result<Option<PageRequest>, GatewayError> {
        read_at("/api/generate", "localhost:11434", origin)
    }

    #[test]
    fn strange_web_pages_are_refused() {
        let no_page = Request::builder().body(Body::empty()).expect("a request");
        assert!(matches!(PageRequest::read(&Config::default(), &no_page), Ok(None)));
        for origin in [
            "http://localhost:11434",
            "http://LOCALHOST:11434",
            "https://localhost:11434",
            "http://localhost:3000",
            "http://127.0.0.1",
            "http://127.0.0.1:8080",
            "https://chat.example",
        ] {
            assert!(matches!(read(origin), Ok(Some(_))), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost",
            "http://localhost:3001",
            "tauri://localhost:11434",
            "http://[::1]:8080",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example:80",
            "http://127.0.0.1:",
            "http://127.0.0.1:8080.evil.example",
            "https://chat.example:1",
        ] {
            assert_eq!(read(origin).map(drop).expect_err(origin).kind, Kind::Forbidden);
        }
    }

    #[test]
    fn a_proxied_host_makes_no_page_our_own() {
        let (uri, host) = ("http://evil.example/api/generate", "evil.example");
        assert!(read_at(uri, host, "http://evil.example").is_err());
        assert!(read_at(uri, host, "https://chat.example").is_ok());
    }

    #[test]
    fn a_browser_is_told_that_its_page_may_read_the_answer() {
        let page = read("http://localhost:3000").expect("allowed").expect("a web page");
        let mut headers = HeaderMap::new();
        page.allow(&mut headers);
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:3000");
        assert_eq!(headers[header::VARY], "origin");
    }
}
