//! Which web pages may use the gateway: those of this machine, and those that the settings name. A
//! page of any other origin would spend the wallet's money.

use axum::http::{HeaderMap, HeaderValue, header};

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
    pub(super) fn read(config: &Config, headers: &HeaderMap) -> Result<Option<Self>, GatewayError> {
        let Some(origin) = headers.get(header::ORIGIN).cloned() else { return Ok(None) };
        if !is_allowed(config, &origin) {
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
    use super::*;

    fn read(origin: &'static str) -> Result<Option<PageRequest>, GatewayError> {
        let config = Config { origins: vec!["https://chat.example".into()], ..Config::default() };
        let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        PageRequest::read(&config, &headers)
    }

    #[test]
    fn strange_web_pages_are_refused() {
        let config = Config::default();
        assert!(matches!(PageRequest::read(&config, &HeaderMap::new()), Ok(None)), "no web page");
        for origin in [
            "http://localhost",
            "http://127.0.0.1:3000",
            "http://[::1]:8080",
            "https://chat.example",
        ] {
            assert!(matches!(read(origin), Ok(Some(_))), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example:80",
            "https://chat.example:1",
        ] {
            assert_eq!(read(origin).map(drop).expect_err(origin).kind, Kind::Forbidden);
        }
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
