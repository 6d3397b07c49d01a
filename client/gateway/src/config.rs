//! `gateway.toml`: what a payer decides once. An unknown setting is an error: a misspelt limit must
//! not be ignored.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mica_payer::terms::{Terms, TermsOverrides, deadline_us};
use mica_primitives::{Balance, UNIT};
use mica_wallet::files::{FileError, read_bounded};
use serde::Deserialize;

use crate::core::{ModelSource, SessionLimits, SpendingCaps, limits::MAX_PARALLEL};

/// Most base units that are promised in a day (UTC) unless the payer says otherwise: 1 MICA. A
/// program that asks without end costs its payer no more than that. At the first price of a new
/// market, a millionth of a MICA for a layer and a token, it buys 125,000 tokens of a model of 8
/// layers and 12,500 of one of 80.
pub const DEFAULT_DAY: Balance = UNIT;
/// Most base units for one token, all layers together, unless the payer says otherwise: 0.0005
/// MICA. That is what 80 layers cost from workers without rivals, whose pricing ends at about six
/// times the first price (80 × 6 × 0.000001 MICA, rounded up). Dearer than that is no price of a
/// market, but a mistake or a trap.
pub const DEFAULT_MAX_PRICE_PER_TOKEN: Balance = UNIT / 2_000;

/// The annotated defaults.
pub const TEMPLATE: &str = include_str!("gateway.toml");
/// Most bytes of the file.
const MAX_BYTES: u64 = 1 << 20;
/// Most keys, here and in the file of `mica gateway keys`, each.
pub(crate) const MAX_KEYS: usize = 1024;
/// Most names of the gateway.
const MAX_NAMES: usize = 64;
/// By which programs of this machine call it, those in containers too. Not `.local`: any machine of
/// the network can answer for such a name.
const OWN_NAMES: [&str; 3] = ["localhost", "host.docker.internal", "host.containers.internal"];

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what is expected.
    #[error("{} is not valid: {reason}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// A value that cannot work.
    #[error("the gateway's setting {setting} is wrong: {reason}")]
    Value {
        /// Which.
        setting: &'static str,
        /// Why, and what would work.
        reason: String,
    },
}

/// Everything that a payer decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Sessions at once.
    pub parallel: usize,
    /// Requests that wait.
    pub queue: usize,
    /// Seconds for which one waits.
    pub queue_seconds: u64,
    /// Tokens of an answer when the request does not say.
    pub default_tokens: u32,
    /// Most tokens of an answer.
    pub max_tokens: u32,
    /// Oldest snapshot of the chain, seconds.
    pub state_seconds: u64,
    /// Oldest quotes, seconds.
    pub quote_seconds: u64,
    /// Requests that a deposit lasts for.
    pub headroom: u32,
    /// The hub through which workers are paid; several in a row with a space between them.
    pub hub: Option<String>,
    /// Most bytes of a body.
    pub body_bytes: usize,
    /// Most connections.
    pub connections: usize,
    /// Seconds for the head and for the body of a request.
    pub read_seconds: u64,
    /// Seconds for which an answer may stay unread.
    pub write_seconds: u64,
    /// Seconds of silence after which a stream says that it is still there.
    pub heartbeat_seconds: u64,
    /// Hours for which a password that somebody typed at the start opens channels.
    pub unlock_hours: u64,
    /// Names by which the gateway is called, besides those of loopback and the address that it
    /// listens on.
    pub names: Vec<String>,
    /// Origins of web pages that may use the gateway, besides its own.
    pub origins: Vec<String>,
    /// The certificate and the key of HTTPS.
    pub tls: Option<TlsConfig>,
    /// Which path is taken.
    pub path: PathConfig,
    /// Most money over all.
    pub limits: LimitsConfig,
    /// Who may ask, with keys as they are written here. `mica gateway keys` keeps others.
    pub keys: Vec<KeyConfig>,
    /// Names of models.
    pub models: BTreeMap<String, ModelSource>,
    /// Workflows that are run by name, besides those built in: their files.
    pub workflows: BTreeMap<String, PathBuf>,
    /// What hosts of a proxied request stand for.
    pub hosts: BTreeMap<String, HostConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 11434)),
            parallel: 8,
            queue: 64,
            queue_seconds: 60,
            default_tokens: 512,
            max_tokens: 8192,
            state_seconds: 120,
            quote_seconds: 15,
            headroom: 16,
            hub: None,
            body_bytes: 4 << 20,
            connections: 256,
            read_seconds: 20,
            write_seconds: 120,
            heartbeat_seconds: 5,
            unlock_hours: 12,
            names: Vec::new(),
            origins: Vec::new(),
            tls: None,
            path: PathConfig::default(),
            limits: LimitsConfig::default(),
            keys: Vec::new(),
            models: BTreeMap::new(),
            workflows: BTreeMap::new(),
            hosts: BTreeMap::new(),
        }
    }
}

/// Where the certificate and the key of HTTPS are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those that lead from it to its authority, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Most money over all.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Base units for one request.
    #[serde(deserialize_with = "mica_chain::amount::setting::deserialize")]
    pub request: Option<Balance>,
    /// Base units for one day (UTC); there is always a limit.
    #[serde(deserialize_with = "mica_chain::amount::setting::deserialize")]
    day: Option<Balance>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { request: None, day: Some(DEFAULT_DAY) }
    }
}

impl LimitsConfig {
    /// Base units for one day (UTC).
    pub fn day(&self) -> Balance {
        self.day.unwrap_or(DEFAULT_DAY)
    }

    /// Sets the base units for one day.
    pub fn set_day(&mut self, day: Balance) {
        self.day = Some(day);
    }

    /// As caps over all budgets.
    pub fn caps(&self) -> SpendingCaps {
        SpendingCaps { request: self.request, day: Some(self.day()) }
    }
}

/// Which path is taken.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PathConfig {
    /// Weight of money against time.
    pub alpha: f64,
    /// Most base units per token.
    #[serde(alias = "max_price", deserialize_with = "mica_chain::amount::setting::deserialize")]
    pub max_price_per_token: Option<Balance>,
    /// Most milliseconds per token.
    pub deadline_ms: Option<u64>,
}

impl Default for PathConfig {
    fn default() -> Self {
        Self {
            alpha: Terms::default().alpha,
            max_price_per_token: Some(DEFAULT_MAX_PRICE_PER_TOKEN),
            deadline_ms: None,
        }
    }
}

impl PathConfig {
    /// Takes what `overrides` says.
    pub fn apply(&mut self, overrides: &TermsOverrides) {
        let terms = self.terms().with(overrides);
        self.alpha = terms.alpha;
        self.max_price_per_token = terms.max_price_per_token;
        self.deadline_ms = terms.deadline_us.map(|us| us.div_ceil(1000));
    }

    /// The terms of requests that say nothing else.
    pub fn terms(&self) -> Terms {
        Terms {
            alpha: self.alpha,
            max_price_per_token: self.max_price_per_token,
            deadline_us: self.deadline_ms.map(deadline_us),
            max_total: None,
        }
    }
}

/// Somebody who may ask.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// For people, and for the record of what was spent.
    pub name: String,
    /// The bearer's secret.
    pub key: String,
    /// Most money for one request.
    #[serde(default, deserialize_with = "mica_chain::amount::setting::deserialize")]
    pub request: Option<Balance>,
    /// Most money for one day.
    #[serde(default, deserialize_with = "mica_chain::amount::setting::deserialize")]
    pub day: Option<Balance>,
}

impl std::fmt::Debug for KeyConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a host stands for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// Weight of money against time.
    pub alpha: Option<f64>,
    /// Most base units per token.
    #[serde(alias = "max_price", deserialize_with = "mica_chain::amount::setting::deserialize")]
    pub max_price_per_token: Option<Balance>,
    /// Most milliseconds per token.
    pub deadline_ms: Option<u64>,
    /// Most money for one request.
    #[serde(deserialize_with = "mica_chain::amount::setting::deserialize")]
    pub request: Option<Balance>,
    /// Names that mean something else there.
    pub models: BTreeMap<String, String>,
}

impl HostConfig {
    /// The terms that this host changes.
    pub fn terms(&self) -> TermsOverrides {
        TermsOverrides {
            alpha: self.alpha,
            max_price_per_token: self.max_price_per_token,
            deadline_us: self.deadline_ms.map(deadline_us),
            max_total: None,
        }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`] says which file and what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read_bounded(path, MAX_BYTES)?;
        let syntax = |reason: String| ConfigError::Syntax { path: path.into(), reason };
        let text = std::str::from_utf8(&bytes).map_err(|error| syntax(error.to_string()))?;
        Self::parse(text).map_err(syntax)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The parser's message, with line and column.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The bounds of sessions.
    pub fn sessions(&self) -> SessionLimits {
        SessionLimits {
            parallel: self.parallel,
            queue: self.queue,
            patience: Duration::from_secs(self.queue_seconds),
            default_tokens: self.default_tokens,
            max_tokens: self.max_tokens,
        }
    }

    /// Whether the settings can work together.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.parallel == 0 || self.parallel > MAX_PARALLEL {
            return wrong("parallel", "give a number from 1 to 128");
        }
        if self.default_tokens == 0
            || self.max_tokens == 0
            || self.connections == 0
            || self.body_bytes == 0
        {
            return wrong(
                "default_tokens, max_tokens, connections or body_bytes",
                "0 would refuse everything",
            );
        }
        if [self.read_seconds, self.write_seconds, self.heartbeat_seconds]
            .iter()
            .any(|seconds| !(1..=86_400).contains(seconds))
        {
            let settings = "read_seconds, write_seconds or heartbeat_seconds";
            return wrong(settings, "give 1 to 86400 seconds");
        }
        if !(1..=8760).contains(&self.unlock_hours) {
            return wrong("unlock_hours", "give 1 to 8760 hours");
        }
        if self.names.len() > MAX_NAMES || self.names.iter().any(|name| !is_host_name(name)) {
            return wrong("names", "give up to 64 names of hosts, without scheme and port");
        }
        self.check_keys()?;
        let alphas = self.hosts.values().filter_map(|host| host.alpha).chain([self.path.alpha]);
        if !alphas.into_iter().all(|alpha| (0.0..=1.0).contains(&alpha)) {
            return wrong("alpha", "it lies between 0 and 1");
        }
        if self.models.values().any(|model| model.file.is_some() == model.is.is_some()) {
            return wrong("models", "each name has either `file` or `is`");
        }
        Ok(())
    }

    /// Whether anybody who reaches the address may be let in without a key.
    ///
    /// # Errors
    /// [`ConfigError::Value`] if there is no key and others than this machine's programs can come.
    pub fn check_address(&self, has_keys: bool) -> Result<(), ConfigError> {
        if self.listen.ip().is_loopback() || has_keys {
            return Ok(());
        }
        wrong(
            "listen",
            "anybody who reaches this address could spend your money: make a key with `mica \
             gateway keys add NAME`, or listen on 127.0.0.1",
        )
    }

    /// Whether a program that calls the gateway `host` means it: a web page can have its own name
    /// lead here (DNS rebinding), but strangers can register none of these.
    pub fn is_called(&self, host: &str) -> bool {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match host.parse::<IpAddr>() {
            Ok(address) => {
                let own = self.listen.ip();
                address.is_loopback() || address == own || own.is_unspecified()
            }
            Err(_) => {
                let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
                OWN_NAMES.contains(&host.as_str())
                    || host.ends_with(".localhost")
                    || self.names.iter().any(|name| name.eq_ignore_ascii_case(&host))
            }
        }
    }

    fn check_keys(&self) -> Result<(), ConfigError> {
        if self.keys.len() > MAX_KEYS {
            return wrong("keys", "there may be 1024");
        }
        let mut names: Vec<&str> = self.keys.iter().map(|key| key.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1])
            || names.iter().any(|name| name.is_empty())
        {
            return wrong("keys", "each needs a name of its own");
        }
        let mut secrets: Vec<&str> = self.keys.iter().map(|key| key.key.as_str()).collect();
        secrets.sort_unstable();
        if secrets.windows(2).any(|pair| pair[0] == pair[1]) {
            return wrong("keys", "two of them are the same");
        }
        if self.keys.iter().any(|key| key.key.len() < 8) {
            return wrong("keys", "a key has at least 8 characters");
        }
        Ok(())
    }
}

fn is_host_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.len() <= 253 && name.bytes().all(is_plain)
}

fn wrong(setting: &'static str, reason: &str) -> Result<(), ConfigError> {
    Err(ConfigError::Value { setting, reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_says_the_defaults() {
        let (template, default) =
            (Config::parse(TEMPLATE).expect("the template"), Config::default());
        assert_eq!(format!("{template:?}"), format!("{default:?}"));
        default.check().expect("the defaults work");
    }

    #[test]
    fn every_example_of_the_template_can_be_uncommented() {
        let text: String = TEMPLATE
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("# = ").unwrap_or(line)))
            .collect();
        let config = Config::parse(&text).expect("the examples");
        config.check().expect("the examples work");
        assert!(
            config.limits.request.is_some()
                && config.tls.is_some()
                && config.names.len() == 1
                && config.keys.len() == 1
                && config.models.len() == 2
                && config.workflows.len() == 1
                && config.hosts.len() == 1
        );
        assert!(
            !format!("{config:?}").contains("long and random"),
            "a key shows in what is logged"
        );
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (text, setting) in [
            ("heartbeat_seconds = 0", "heartbeat_seconds"),
            ("unlock_hours = 0", "unlock_hours"),
            ("names = [\"http://gateway.lan\"]", "names"),
            ("parallel = 0", "parallel"),
            ("parallel = 1000", "parallel"),
            ("max_tokens = 0", "tokens"),
            ("read_seconds = 0", "read_seconds"),
            ("write_seconds = 18446744073709551615", "write_seconds"),
            ("[path]\nalpha = 1.5", "alpha"),
            ("[models.a]\nfile = \"a\"\nis = \"b\"", "models"),
            ("[models.a]", "models"),
            ("[[keys]]\nname = \"a\"\nkey = \"short\"", "keys"),
            (
                "[[keys]]\nname = \"a\"\nkey = \"long enough\"\n[[keys]]\nname = \"a\"\nkey = \
                 \"another one\"",
                "keys",
            ),
        ] {
            let error = Config::parse(text).expect("TOML").check().expect_err(text);
            assert!(error.to_string().contains(setting), "{text}: {error}");
        }
        for text in [
            "parralel = 1",
            "[limits]\nday = \"one\"",
            "[limits]\nday = 1",
            "listen = \"here\"",
            "[tls]\ncert = \"a\"",
        ] {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn there_are_limits_of_money_from_the_first_run_on() {
        let one = SpendingCaps { request: Some(5), day: Some(DEFAULT_DAY) };
        for (text, caps, price) in [
            ("", SpendingCaps { request: None, ..one }, DEFAULT_MAX_PRICE_PER_TOKEN),
            ("[limits]\nrequest = \"5u\"", one, DEFAULT_MAX_PRICE_PER_TOKEN),
            (
                "[limits]\nday = \"7u\"\n[path]\nmax_price = \"9u\"",
                SpendingCaps { request: None, day: Some(7) },
                9,
            ),
        ] {
            let config = Config::parse(text).expect("TOML");
            assert_eq!(config.limits.caps(), caps, "{text}");
            assert_eq!(config.path.terms().max_price_per_token, Some(price), "{text}");
        }
    }

    #[test]
    fn only_loopback_is_open_without_a_key() {
        for (listen, is_open) in [
            ("127.0.0.1:11434", true),
            ("[::1]:11434", true),
            ("0.0.0.0:11434", false),
            ("192.168.1.5:11434", false),
            ("[::]:11434", false),
        ] {
            let config = Config { listen: listen.parse().expect("plain"), ..Config::default() };
            assert_eq!(config.check_address(false).is_ok(), is_open, "{listen}");
            assert!(config.check_address(true).is_ok(), "{listen}");
        }
    }

    #[test]
    fn a_gateway_knows_how_it_is_called() {
        let config = |listen: &str| Config {
            listen: listen.parse().expect("plain"),
            names: vec!["Gateway.lan".into()],
            ..Config::default()
        };
        let local = config("127.0.0.1:11434");
        for host in ["localhost", "LOCALHOST.", "127.0.0.1", "127.1.2.3", "[::1]", "gateway.LAN"] {
            assert!(local.is_called(host), "{host}");
        }
        for host in ["chat.localhost", "Host.docker.internal", "host.containers.internal."] {
            assert!(local.is_called(host), "{host}");
        }
        for host in ["gateway.local", "evillocalhost", "a.host.docker.internal", "docker.internal"]
        {
            assert!(!local.is_called(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "192.168.1.5", "", "127.0.0.1.a"] {
            assert!(!local.is_called(host), "{host}");
        }
        assert!(config("192.168.1.5:1").is_called("192.168.1.5"));
        assert!(!config("192.168.1.5:1").is_called("192.168.1.6"));
        let everywhere = config("0.0.0.0:1");
        assert!(everywhere.is_called("192.168.1.6") && !everywhere.is_called("evil.example"));
    }
}
