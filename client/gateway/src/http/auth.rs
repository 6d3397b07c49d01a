//! Who asks, and under which limits: by the key, the host that a proxied request names, and
//! headers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use mica_chain::amount;
use mica_payer::terms::{TermsOverrides, deadline_us};

use crate::{
    config::Config,
    core::{Budget, Caller, GatewayError, Kind, SpendingCaps, tagged},
};

/// Whether a route asks for a key, where the settings have any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody may ask: nothing is told of money or models.
    Open,
    /// Only the bearer of a key.
    Key,
}

/// The access of each path, as axum writes paths.
#[derive(Clone)]
pub(super) struct AccessByPath(Arc<BTreeMap<&'static str, Access>>);

impl AccessByPath {
    pub(super) fn new(paths: impl Iterator<Item = (&'static str, Access)>) -> Self {
        Self(Arc::new(paths.collect()))
    }

    /// A path that is not known asks for a key.
    pub(super) fn of(&self, path: Option<&str>) -> Access {
        path.and_then(|path| self.0.get(path)).copied().unwrap_or(Access::Key)
    }
}

/// Who asks: the bearer of a key, unless `access` is open.
///
/// # Errors
/// [`Kind::Unauthorized`], or [`Kind::Invalid`] with the header that is wrong.
pub(super) fn caller(
    config: &Config,
    request: &Request,
    access: Access,
    id: &str,
) -> Result<Caller, GatewayError> {
    let headers = request.headers();
    let mut budget = match access {
        Access::Open => Budget { name: None, caps: SpendingCaps::default() },
        Access::Key => budget(config, headers)?,
    };
    let mut terms = config.path.terms();
    let mut models = BTreeMap::new();
    // Only a client that takes us for its proxy names another host in the request's first line.
    let host = request.uri().authority().and_then(|authority| {
        config.hosts.get(authority.as_str()).or_else(|| config.hosts.get(authority.host()))
    });
    if let Some(host) = host {
        terms = terms.with(&host.terms());
        budget.caps.request = host.request.into_iter().chain(budget.caps.request).min();
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
        return Ok(Budget { name: None, caps: SpendingCaps::default() });
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
        caps: SpendingCaps { request: key.request, day: key.day },
    })
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
        let ask = |headers: &[(&str, &str)]| {
            caller(&config, &request("/api/generate", headers), Access::Key, "id")
        };
        let known = ask(&[("authorization", "Bearer secret-a")]).expect("known");
        assert_eq!(
            (known.budget.name.as_deref(), known.budget.caps.day),
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
        assert!(caller(&config, &request("/health", &[]), Access::Open, "id").is_ok());
    }

    #[test]
    fn a_proxied_host_chooses_names_and_limits() {
        let key = ("authorization", "Bearer secret-a");
        let there = caller(
            &config(),
            &request("http://peer.example:11434/api/generate", &[key]),
            Access::Key,
            "id",
        )
        .expect("known");
        assert_eq!((there.terms.alpha, there.budget.caps.request), (1.0, Some(5)));
        assert_eq!(there.models.get("tiny:latest").map(String::as_str), Some("other:q4"));
        let here = caller(
            &config(),
            &request("/api/generate", &[key, ("host", "peer.example:11434")]),
            Access::Key,
            "id",
        )
        .expect("known");
        assert!(here.models.is_empty() && here.terms.alpha == 0.5);
    }

    #[test]
    fn wishes_come_in_headers_and_wrong_ones_are_named() {
        let key = ("authorization", "Bearer secret-a");
        let ask = |name, value| {
            caller(&config(), &request("/api/generate", &[key, (name, value)]), Access::Key, "id")
        };
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
}
