//! `config.toml`: what an operator decides, each setting with its default and its reason.
//!
//! Flags of `mica-worker run` override the file for one run. An unknown setting is an error: a
//! misspelt limit must not be silently ignored.

pub(crate) mod edit;
mod machine;

use std::path::{Path, PathBuf};

use mica_chain::amount;
use mica_net::{NearPeers, PeerLimits};
use mica_primitives::{Balance, BlockNumber, LayerRange, MarketUnits};
use mica_weights::{ServeLimits, Spec, SpecError, Store};
use serde::{Deserialize, Deserializer};
use thiserror::Error;

pub(crate) use machine::{MachineConfig, MetricsConfig, parse_share};

use crate::data_dir::DataDir;

/// The file that `init` writes.
pub(crate) const TEMPLATE: &str = include_str!("config.toml");

/// Why a configuration is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read {path} ({reason}): run `mica-worker init` first, or name the folder with \
         --data-dir"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not what is expected.
    #[error("{path} is not valid: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// Not a range of layers.
    #[error(
        "`{0}` is no range of layers: write it as FIRST..END, for example 0..3 for layers 0, 1 \
         and 2"
    )]
    Layers(String),
}

/// Everything that an operator decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// WebSocket address of a node.
    pub node_url: String,
    /// File, name, id or place of the model: see [`crate::model::Choice`]; nothing for the model
    /// built into the program.
    #[serde(default)]
    pub model: Option<String>,
    /// Layers to serve; nothing to choose those that need a worker most.
    #[serde(default, deserialize_with = "layers")]
    pub layers: Option<LayerRange>,
    /// Layers to serve when they are chosen automatically; nothing for the whole model.
    #[serde(default)]
    pub width: Option<u16>,
    /// Threads of the engine; nothing for all cores.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Whether to register the model if the chain does not know it.
    pub register_model: bool,
    /// Network.
    pub network: NetworkConfig,
    /// Money.
    pub market: MarketConfig,
    /// Limits.
    pub limits: LimitsConfig,
    /// The machine; files of earlier versions do not say it.
    #[serde(default)]
    pub machine: MachineConfig,
    /// What others may read; files of earlier versions do not say it.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// Weights that are fetched and served.
    #[serde(default)]
    pub weights: WeightsConfig,
}

/// Weights that are fetched and served.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WeightsConfig {
    /// Folder of models that were fetched; nothing for `models` in the worker's folder.
    pub folder: Option<PathBuf>,
    /// Most megabytes of all of them; nothing for as many as the disk has.
    pub disk_mb: Option<u64>,
    /// Whether other workers and payers get what is here.
    pub serve: bool,
    /// Most megabytes per second that they get, all together.
    pub upload_mb_per_second: u64,
    /// Places of the model besides those that are known.
    pub sources: Vec<String>,
}

impl Default for WeightsConfig {
    fn default() -> Self {
        let serve = ServeLimits::default();
        Self {
            folder: None,
            disk_mb: None,
            serve: true,
            upload_mb_per_second: serve.bytes_per_second >> 20,
            sources: Vec::new(),
        }
    }
}

impl WeightsConfig {
    /// The store, for the worker in `folder`.
    pub(crate) fn store(&self, folder: &DataDir) -> Store {
        let root = self.folder.clone().unwrap_or_else(|| folder.models());
        Store::new(root, self.disk_mb.map(|megabytes| megabytes.saturating_mul(1 << 20)))
    }

    /// Whether peers get anything.
    pub(crate) fn gives(&self) -> bool {
        self.serve && self.upload_mb_per_second > 0
    }

    /// What peers may take.
    pub(crate) fn limits(&self) -> ServeLimits {
        let bytes_per_second = self.upload_mb_per_second.saturating_mul(1 << 20);
        ServeLimits { bytes_per_second, ..ServeLimits::default() }
    }

    /// The places.
    ///
    /// # Errors
    /// [`SpecError`] for one that is none.
    pub(crate) fn places(&self) -> Result<Vec<Spec>, SpecError> {
        self.sources.iter().map(|text| text.parse()).collect()
    }
}

/// Where the worker is reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkConfig {
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Multiaddresses to publish instead of those listened on; each is dialled once.
    pub announce: Vec<String>,
    /// Peers to learn addresses from.
    pub bootstrap: Vec<String>,
    /// Multicast on the LAN.
    pub mdns: bool,
    /// Whether the router is asked to let others in (UPnP).
    #[serde(default = "yes")]
    pub upnp: bool,
    /// When the worker is reached through relays.
    #[serde(default)]
    pub relay: RelaySetting,
    /// Whether it relays for other workers while it can be reached itself.
    #[serde(default = "yes")]
    pub relay_for_others: bool,
    /// What strangers may take.
    #[serde(default)]
    pub peers: PeersConfig,
}

/// When a worker is reached through relays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RelaySetting {
    /// While others cannot reach it directly.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What peers without a session may take of the worker's network. What they may make it hold in
/// memory is not for an operator to decide.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PeersConfig {
    /// Peers connected at once.
    pub links: usize,
    /// Of them, places only for peers with a session.
    pub reserved_links: usize,
    /// Connections from one IP address.
    pub links_per_ip: usize,
    /// Connections from one /24 of IPv4 or /56 of IPv6.
    pub links_per_prefix: usize,
    /// Whether the limits per address hold for this machine and private networks too.
    pub limit_private_networks: bool,
    /// Seconds for which a peer that misbehaved is refused.
    pub ban_seconds: u64,
}

impl Default for PeersConfig {
    fn default() -> Self {
        let PeerLimits { links, reserved_links, links_per_ip, links_per_prefix, near, ban, .. } =
            PeerLimits::default();
        Self {
            links,
            reserved_links,
            links_per_ip,
            links_per_prefix,
            limit_private_networks: near == NearPeers::Limited,
            ban_seconds: ban.as_secs(),
        }
    }
}

/// What the worker asks for, and when it takes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarketConfig {
    /// Price, base units per layer-token; with pricing only the first one. Nothing for the
    /// registered one, else the model's price unit.
    #[serde(default, deserialize_with = "amount::setting::deserialize")]
    pub price: Option<Balance>,
    /// Highest price that pricing may set, base units per layer-token; nothing for a thousand price
    /// units.
    #[serde(default, deserialize_with = "amount::setting::deserialize")]
    pub ceiling: Option<Balance>,
    /// Base units that one layer-token costs the operator: pricing never goes below.
    #[serde(default, deserialize_with = "amount::setting::deserialize")]
    pub expense: Option<Balance>,
    /// What 1,000 positions cost a session that holds them for one second, base units; nothing for
    /// a twentieth of what they could earn at the price.
    #[serde(default, deserialize_with = "amount::setting::deserialize")]
    pub holding_price: Option<Balance>,
    /// Least that a channel must still be able to bring when the worker first hears of it, base
    /// units; nothing for what a redeem costs.
    #[serde(default, deserialize_with = "amount::setting::deserialize")]
    pub least_promise: Option<Balance>,
    /// Stake; nothing for the chain's minimum.
    #[serde(default, deserialize_with = "amount::setting::deserialize")]
    pub stake: Option<Balance>,
    /// Whether the price follows the market.
    pub pricing: bool,
    /// Whether the range follows the market.
    pub migrate: bool,
    /// Least gain for which a finished session's voucher is redeemed at once; nothing for twice the
    /// fee.
    #[serde(default, deserialize_with = "amount::setting::deserialize")]
    pub redeem_minimum: Option<Balance>,
    /// Exchange rate between money and time, used if this worker registers the model.
    pub units: MarketUnits,
}

/// What the worker risks and holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Positions computed before they are paid.
    pub credit_positions: u16,
    /// Least close window of the channels that sessions are paid from, blocks; nothing for the
    /// chain's usual one.
    #[serde(default)]
    pub min_window: Option<BlockNumber>,
    /// Positions of all sessions together; nothing for what half of the free memory holds, which is
    /// the most in any case.
    #[serde(default)]
    pub cache_positions: Option<u32>,
    /// Sessions at once.
    pub sessions: usize,
    /// Sessions of one peer key at once.
    pub sessions_per_peer: usize,
    /// Sessions of one account at once, over all its channels and peer keys; files of earlier
    /// versions do not say it.
    #[serde(default = "sessions_per_account")]
    pub sessions_per_account: usize,
    /// Seconds that running sessions get when the worker stops or moves.
    pub drain_seconds: u64,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] says which file and what is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        Self::parse(&text).map_err(|reason| ConfigError::Syntax { path: path.to_owned(), reason })
    }

    /// Reads a configuration's text.
    ///
    /// # Errors
    /// The parser's message, with line and column.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

/// Reads `FIRST..END`.
///
/// # Errors
/// [`ConfigError::Layers`] if it is no range or an empty one.
pub(crate) fn parse_layers(text: &str) -> Result<LayerRange, ConfigError> {
    let refused = || ConfigError::Layers(text.to_owned());
    let (first, end) = text.trim().split_once("..").ok_or_else(refused)?;
    let number = |part: &str| part.trim().parse::<u16>().map_err(|_| refused());
    LayerRange::new(number(first)?, number(end)?).ok_or_else(refused)
}

const fn yes() -> bool {
    true
}

const fn sessions_per_account() -> usize {
    48
}

fn layers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<LayerRange>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse_layers(&text).map_err(serde::de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid_and_says_nothing_that_must_be_decided() {
        let config = Config::parse(TEMPLATE).expect("the template");
        assert_eq!(config.layers, None);
        assert_eq!(config.market.stake, None);
        assert!(config.market.units.price_unit > 0);
        assert_eq!(config.limits.sessions_per_account, sessions_per_account());
    }

    #[test]
    fn every_setting_of_the_template_can_be_uncommented() {
        let text: String = TEMPLATE
            .lines()
            .map(|line| format!("{}\n", line.strip_prefix("# = ").unwrap_or(line)))
            .collect();
        let config = Config::parse(&text).expect("the examples");
        assert_eq!(config.layers, LayerRange::new(0, 4));
        assert!(
            config.market.price.is_some()
                && config.market.ceiling.is_some()
                && config.market.redeem_minimum.is_some()
                && config.market.holding_price.is_some()
                && config.market.least_promise.is_some()
        );
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let error =
            Config::parse(&TEMPLATE.replace("credit_positions", "credit_position")).unwrap_err();
        assert!(error.contains("credit_position"), "{error}");
    }

    #[test]
    fn layers_are_read_and_empty_ones_refused() {
        assert_eq!(parse_layers("0..3").expect("a range"), LayerRange { first: 0, end: 3 });
        for text in ["", "3", "3..3", "4..3", "-1..3", "0..=3", "a..b", "0..70000"] {
            assert!(parse_layers(text).is_err(), "{text}");
        }
    }
}
