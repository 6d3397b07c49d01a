//! By which name a request calls the gateway. A web page can have its own name lead to this machine
//! (DNS rebinding); its browser then takes the gateway for the page's own server, sends no origin
//! and shows the page every answer. The name stays the page's, though, and the gateway knows its
//! own.

use axum::{
    extract::Request,
    http::{header, uri::Authority},
};

use crate::{
    config::Config,
    core::{GatewayError, Kind},
};

/// Most bytes of a name that is told back.
const SHOWN_BYTES: usize = 80;
/// Leads to this machine where a program asks for it.
const UNSPECIFIED: &str = "0.0.0.0";

/// Lets a request through that calls the gateway by one of its names, or by none, or that takes it
/// for its proxy: no browser does either for a page.
///
/// # Errors
/// [`Kind::Forbidden`] for any other name.
pub(super) fn check(config: &Config, request: &Request) -> Result<(), GatewayError> {
    if is_proxied(request) {
        return Ok(());
    }
    // Programs that were given the address to listen on ask for it. A page cannot have it lead
    // elsewhere either, as it can a name, but has no need of it.
    let may_be_unspecified = !request.headers().contains_key(header::ORIGIN);
    let is_called =
        |host: &str| config.is_called(host) || (may_be_unspecified && host == UNSPECIFIED);
    for value in request.headers().get_all(header::HOST) {
        let text = value.to_str().unwrap_or_default();
        let host = text.parse::<Authority>();
        if !host.as_ref().is_ok_and(|host| is_called(host.host())) {
            let message = format!(
                "this gateway is not called '{}': add that to `names` in the gateway's settings, \
                 or ask for localhost",
                mica_text::shown(text, SHOWN_BYTES)
            );
            return Err(GatewayError::new(Kind::Forbidden, message));
        }
    }
    Ok(())
}

/// Whether the request names a host in its first line, as a client does that takes the gateway for
/// its proxy.
pub(super) fn is_proxied(request: &Request) -> bool {
    request.uri().authority().is_some()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn ask(uri: &str, hosts: &[&str]) -> Result<(), GatewayError> {
        let request = Request::builder().uri(uri);
        let request = hosts.iter().fold(request, |request, host| request.header("host", *host));
        check(&Config::default(), &request.body(Body::empty()).expect("a request"))
    }

    #[test]
    fn a_foreign_name_is_refused() {
        for host in ["localhost", "localhost:11434", "127.0.0.1:9", "[::1]:11434", "LOCALHOST:1"] {
            assert!(ask("/api/generate", &[host]).is_ok(), "{host}");
        }
        assert!(ask("/api/generate", &[]).is_ok(), "no browser leaves it out");
        for host in ["evil.example", "evil.example:11434", "localhost.evil.example", "a b", ""] {
            let error = ask("/api/generate", &[host]).expect_err(host);
            assert_eq!(error.kind, Kind::Forbidden);
            assert!(error.message.contains("`names`"), "{error}");
        }
        assert!(ask("/api/generate", &["localhost", "evil.example"]).is_err(), "each counts");
    }

    #[test]
    fn programs_may_ask_for_the_unspecified_address_and_pages_may_not() {
        let ask = |origin: Option<&str>| {
            let request = Request::builder().uri("/api/tags").header("host", "0.0.0.0:11434");
            let request = origin
                .into_iter()
                .fold(request, |request, origin| request.header("origin", origin));
            check(&Config::default(), &request.body(Body::empty()).expect("a request"))
        };
        assert!(ask(None).is_ok());
        assert!(ask(Some("http://0.0.0.0:11434")).is_err());
    }

    #[test]
    fn a_client_that_takes_us_for_its_proxy_may_ask_for_any_host() {
        assert!(ask("http://peer.example:11434/api/generate", &["peer.example:11434"]).is_ok());
    }
}
