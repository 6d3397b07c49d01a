//! `gateway.toml`: what a payer decides once. An unknown setting is an error: a misspelt limit must
//! not be ignored.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mica_payer::terms::{Terms, TermsOverrides, deadline_us};
use mica_primitives::Balance;
use mica_wallet::files::{FileError, read_bounded};
use serde::Deserialize;

use crate::core::{ModelSource, SessionLimits, SpendingCaps, limits::MAX_PARALLEL};

/// The annotated defaults.
pub const TEMPLATE: &str = include_str!("gateway.toml");
/// Most bytes of the file.
const MAX_BYTES: u64 = 1 << 20;
/// Most keys.
const MAX_KEYS: usize = 1024;

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
    /// Most bytes of a body.
    pub body_bytes: usize,
    /// Most connections.
    pub connections: usize,
    /// Seconds for the head and for the body of a request.
    pub read_seconds: u64,
    /// Seconds for which an answer may stay unread.
    pub write_seconds: u64,
    /// Origins of web pages that may use the gateway.
    pub origins: Vec<String>,
    /// Which path is taken.
    pub path: PathConfig,
    /// Most money over all.
    pub limits: SpendingCaps,
    /// Who may ask.
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
            body_bytes: 4 << 20,
            connections: 256,
            read_seconds: 20,
            write_seconds: 120,
            origins: Vec::new(),
            path: PathConfig::default(),
            limits: SpendingCaps::default(),
            keys: Vec::new(),
            models: BTreeMap::new(),
            workflows: BTreeMap::new(),
            hosts: BTreeMap::new(),
        }
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
        let Terms { alpha, max_price_per_token, .. } = Terms::default();
        Self { alpha, max_price_per_token, deadline_ms: None }
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
        if !self.listen.ip().is_loopback() && self.keys.is_empty() {
            return wrong(
                "listen",
                "anybody who reaches this address could spend your money: add a [[keys]] entry, \
                 or listen on 127.0.0.1",
            );
        }
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
        if [self.read_seconds, self.write_seconds]
            .iter()
            .any(|seconds| !(1..=86_400).contains(seconds))
        {
            return wrong("read_seconds or write_seconds", "give 1 to 86400 seconds");
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
            config.limits.day.is_some()
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
            ("listen = \"0.0.0.0:11434\"", "listen"),
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
        for text in
            ["parralel = 1", "[limits]\nday = \"one\"", "[limits]\nday = 1", "listen = \"here\""]
        {
            assert!(Config::parse(text).is_err(), "{text}");
        }
    }
}
