//! Who asks, and under which limits: by the key, the host that a proxied request names, and
//! headers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use mica_chain::amount;
use mica_payer::terms::{Terms, TermsOverrides, deadline_us};

use super::{state::AppState, throttle::Throttle};
use crate::{
    config::Config,
    core::{Budget, Caller, GatewayError, Kind, SpendingCaps, tagged},
    keys::{Checked, KeyRing},
};

/// Whose connection a request came over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Who is let in.
pub(super) struct Door {
    keys: KeyRing,
    throttle: Throttle,
}

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
    state: &AppState,
    request: &Request,
    access: Access,
    id: &str,
) -> Result<Caller, GatewayError> {
    let budget = match access {
        Access::Open => Budget { name: None, caps: SpendingCaps::default() },
        Access::Key => state.door.budget(request)?,
    };
    caller_with(&state.config, request, budget, id)
}

/// The limits that host and headers set for the bearer of `budget`.
fn caller_with(
    config: &Config,
    request: &Request,
    mut budget: Budget,
    id: &str,
) -> Result<Caller, GatewayError> {
    let headers = request.headers();
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
    // The highest price is the payer's word: a program may ask for a lower one.
    let wished = terms.with(&overrides(headers)?);
    let max_price_per_token = wished.bounded_by(&terms).max_price_per_token;
    let terms = Terms { max_price_per_token, ..wished };
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

impl Door {
    /// With these keys.
    pub(super) fn new(keys: KeyRing) -> Self {
        Self { keys, throttle: Throttle::default() }
    }

    /// The budget of the bearer's key, if keys are needed.
    fn budget(&self, request: &Request) -> Result<Budget, GatewayError> {
        if !self.keys.is_needed() {
            return Ok(Budget { name: None, caps: SpendingCaps::default() });
        }
        let refused = || {
            let message = "this gateway asks for a key: send `Authorization: Bearer KEY` with one \
                           that its owner made with `mica gateway keys add`";
            GatewayError::new(Kind::Unauthorized, message)
        };
        let hash = bearers_key(request.headers()).ok_or_else(refused)?;
        match self.keys.check_kept(&hash) {
            Ok(Checked::Known(budget)) => return Ok(budget),
            Ok(Checked::Wrong) => {}
            // The reason is in the log: it names a path, and nobody knows yet who asks.
            Err(_) => {
                let message = "the gateway's keys cannot be read";
                return Err(GatewayError::new(Kind::Internal, message));
            }
        }
        let peer = request.extensions().get::<Peer>().map(|Peer(address)| *address);
        let now = Instant::now();
        if let Some(wait) = peer.and_then(|peer| self.throttle.wait(peer, now)) {
            let seconds = wait.as_secs() + 1;
            let message = format!(
                "too many wrong keys came from {}: wait {seconds} s",
                peer.map(|peer| peer.to_string()).unwrap_or_default(),
            );
            return Err(GatewayError::new(Kind::Throttled, message).until(seconds));
        }
        match self.keys.check_written(&hash) {
            Checked::Known(budget) => Ok(budget),
            Checked::Wrong => {
                if let Some(peer) = peer {
                    self.throttle.note(peer, now);
                }
                Err(refused())
            }
        }
    }
}

/// The hash of the key that a request brings.
fn bearers_key(headers: &HeaderMap) -> Option<blake3::Hash> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| blake3::hash(key.trim().as_bytes()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::keys::KeyFile;

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

    fn door(folder: &std::path::Path, config: &Config) -> (Door, KeyFile) {
        let file = KeyFile::of(folder);
        (Door::new(KeyRing::open(config, file.clone()).expect("opened")), file)
    }

    fn ask(door: &Door, peer: u8, authorization: Option<&str>) -> Result<Budget, GatewayError> {
        let headers: Vec<_> = authorization.iter().map(|text| ("authorization", *text)).collect();
        let mut request = request("/api/generate", &headers);
        request.extensions_mut().insert(Peer([192, 0, 2, peer].into()));
        door.budget(&request)
    }

    #[test]
    fn only_a_known_key_is_let_in_and_it_brings_its_own_caps() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (door, file) = door(folder.path(), &config());
        let known = ask(&door, 1, Some("Bearer secret-a")).expect("known");
        assert_eq!(
            (known.name.as_deref(), known.caps.day),
            (Some("a"), Some(mica_primitives::UNIT))
        );
        assert!(ask(&door, 1, Some("bearer  secret-a ")).is_ok());
        let made = file.add("b", SpendingCaps { request: Some(3), day: None }).expect("added");
        let known = ask(&door, 1, Some(&format!("Bearer {made}"))).expect("known");
        assert_eq!((known.name.as_deref(), known.caps.request), (Some("b"), Some(3)));
        for wrong in [None, Some("Bearer secret-b"), Some("secret-a"), Some("Basic secret-a")] {
            assert_eq!(ask(&door, 1, wrong).expect_err("refused").kind, Kind::Unauthorized);
        }
    }

    #[test]
    fn who_guesses_keys_is_not_heard_for_a_while_and_made_keys_always_are() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (door, file) = door(folder.path(), &config());
        let made = format!("Bearer {}", file.add("b", SpendingCaps::default()).expect("added"));
        let kinds: Vec<Kind> = (0..8)
            .map(|guess| ask(&door, 1, Some(&format!("Bearer guess-{guess}"))))
            .map(|answer| answer.expect_err("refused").kind)
            .collect();
        assert_eq!(kinds[..6], [Kind::Unauthorized; 6]);
        assert_eq!(kinds[6..], [Kind::Throttled; 2]);
        assert_eq!(
            ask(&door, 1, Some("Bearer secret-a")).expect_err("unheard").kind,
            Kind::Throttled,
            "a right guess is not heard either"
        );
        let unheard = ask(&door, 1, Some("Bearer secret-a")).expect_err("unheard");
        assert!(unheard.retry_after_seconds > Some(0), "it is told for how long");
        assert!(ask(&door, 1, Some(&made)).is_ok());
        assert!(ask(&door, 2, Some("Bearer secret-a")).is_ok(), "others are");
    }

    #[test]
    fn without_keys_everybody_is_let_in_until_there_is_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (door, file) = door(folder.path(), &Config::default());
        assert!(ask(&door, 1, None).is_ok() && ask(&door, 1, Some("Bearer unused")).is_ok());
        file.add("b", SpendingCaps::default()).expect("added");
        assert!(ask(&door, 1, None).is_err());
        file.remove("b").expect("removed");
        assert!(ask(&door, 1, None).is_err(), "a door that was closed stays so");
    }

    #[test]
    fn strangers_are_not_told_where_the_keys_lie() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (door, file) = door(folder.path(), &config());
        std::fs::write(file.path(), "{}").expect("written");
        let error = ask(&door, 1, Some("Bearer guess")).expect_err("refused");
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::Internal, "the gateway's keys cannot be read")
        );
    }

    fn wished(request: &Request) -> Result<Caller, GatewayError> {
        let budget = Budget { name: None, caps: SpendingCaps::default() };
        caller_with(&config(), request, budget, "id")
    }

    #[test]
    fn a_proxied_host_chooses_names_and_limits() {
        let there = wished(&request("http://peer.example:11434/api/generate", &[])).expect("fine");
        assert_eq!((there.terms.alpha, there.budget.caps.request), (1.0, Some(5)));
        assert_eq!(there.models.get("tiny:latest").map(String::as_str), Some("other:q4"));
        let here = wished(&request("/api/generate", &[("host", "peer.example:11434")]));
        let here = here.expect("fine");
        assert!(here.models.is_empty() && here.terms.alpha == 0.5);
    }

    #[test]
    fn a_request_lowers_the_highest_price_and_never_raises_it() {
        let usual = crate::config::DEFAULT_MAX_PRICE_PER_TOKEN;
        for (header, price) in [("7u", 7), ("1000 MICA", usual)] {
            let asked = wished(&request("/api/generate", &[("x-mica-max-price", header)]));
            assert_eq!(asked.expect("fine").terms.max_price_per_token, Some(price), "{header}");
        }
    }

    #[test]
    fn wishes_come_in_headers_and_wrong_ones_are_named() {
        let ask = |name, value| wished(&request("/api/generate", &[(name, value)]));
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
