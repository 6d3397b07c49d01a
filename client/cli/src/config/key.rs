//! The keys of the settings, what they mean and which values they can have.

use std::{fmt, str::FromStr};

use mica_chain::amount;
use mica_payer::market::{HubAddress, HubAddressError};
use mica_protocol::limits::MAX_HUBS;
use toml_edit::Value;

use super::ConfigError;
use crate::options::{Output, Wait};
use mica_wallet::Keystore;

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`meaning` says it to the user as well")]
pub enum Key {
    NodeUrl,
    Genesis,
    Wallet,
    PasswordFile,
    Output,
    Alpha,
    Wait,
    MaxTokens,
    MaxTotal,
    ModelFile,
    Window,
    Hub,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::NodeUrl,
        Self::Genesis,
        Self::Wallet,
        Self::PasswordFile,
        Self::Output,
        Self::Alpha,
        Self::Wait,
        Self::MaxTokens,
        Self::MaxTotal,
        Self::ModelFile,
        Self::Window,
        Self::Hub,
    ];

    /// Its name in the file, and of the option without the dashes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeUrl => "node-url",
            Self::Genesis => "genesis",
            Self::Wallet => "wallet",
            Self::PasswordFile => "password-file",
            Self::Output => "output",
            Self::Alpha => "alpha",
            Self::Wait => "wait",
            Self::MaxTokens => "max-tokens",
            Self::MaxTotal => "max-total",
            Self::ModelFile => "model-file",
            Self::Window => "window",
            Self::Hub => "hub",
        }
    }

    /// What it is for.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::NodeUrl => "node to talk to",
            Self::Genesis => "hash of the only chain to pay on; a node of another chain is refused",
            Self::Wallet => "wallet to use",
            Self::PasswordFile => "file whose first line is the wallet's password",
            Self::Output => "form of the results: text or json",
            Self::Alpha => "weight of money against time, from 0 to 1",
            Self::Wait => "how far to follow an extrinsic: none, included or finalized",
            Self::MaxTokens => "most tokens of an answer",
            Self::MaxTotal => "most money for one answer",
            Self::ModelFile => "the model's GGUF file",
            Self::Window => {
                "blocks that a new channel gives its worker to redeem after a request to close, if \
                 more than an hour's worth"
            }
            Self::Hub => {
                "hub through which workers are paid, as `mica hub run` says its address; several \
                 in a row with a space between them"
            }
        }
    }

    /// The environment variable that takes precedence over the file.
    pub const fn variable(self) -> Option<&'static str> {
        match self {
            Self::NodeUrl => Some("MICA_NODE_URL"),
            Self::Genesis | Self::Window => None,
            Self::Wallet => Some("MICA_WALLET"),
            Self::PasswordFile => Some("MICA_PASSWORD_FILE"),
            Self::Output => Some("MICA_OUTPUT"),
            Self::Alpha => Some("MICA_ALPHA"),
            Self::Wait => Some("MICA_WAIT"),
            Self::MaxTokens => Some("MICA_MAX_TOKENS"),
            Self::MaxTotal => Some("MICA_MAX_TOTAL"),
            Self::ModelFile => Some("MICA_MODEL_FILE"),
            Self::Hub => Some("MICA_HUB"),
        }
    }

    /// The value that it has without any; some keys have none.
    pub const fn default(self) -> Option<&'static str> {
        match self {
            Self::NodeUrl => Some("ws://127.0.0.1:9944"),
            Self::Wallet => Some("default"),
            Self::Output => Some("text"),
            Self::Alpha => Some("0.5"),
            Self::MaxTokens => Some("128"),
            Self::MaxTotal => Some("0.1 MICA"),
            Self::Genesis
            | Self::PasswordFile
            | Self::Wait
            | Self::ModelFile
            | Self::Window
            | Self::Hub => None,
        }
    }

    /// Whether it can have this value.
    ///
    /// # Errors
    /// [`ConfigError::Value`] says what it could be.
    pub fn check(self, text: &str) -> Result<(), ConfigError> {
        let reason = match self {
            Self::NodeUrl => needs(
                text.starts_with("ws://") || text.starts_with("wss://"),
                "write ws://host:port or wss://host:port",
            ),
            Self::Genesis => parse_genesis(text).err(),
            Self::Wallet => {
                Keystore::new(Default::default()).path(text).err().map(|error| error.to_string())
            }
            Self::PasswordFile | Self::ModelFile => needs(!text.is_empty(), "write a path"),
            Self::Output => Output::from_str(text).err(),
            Self::Alpha => parse_alpha(text).err(),
            Self::Wait => Wait::from_str(text).err(),
            Self::MaxTokens | Self::Window => {
                needs(text.parse::<u32>().is_ok_and(|number| number > 0), "write a number above 0")
            }
            Self::MaxTotal => amount::parse(text).err().map(|error| error.to_string()),
            Self::Hub => parse_hubs(text).err(),
        };
        match reason {
            Some(reason) => Err(ConfigError::Value { key: self, value: text.into(), reason }),
            None => Ok(()),
        }
    }

    /// The value in TOML: numbers as numbers, the rest as text.
    pub(super) fn value(self, text: &str) -> Value {
        match self {
            Self::Alpha => {
                text.trim().parse::<f64>().map(Value::from).unwrap_or_else(|_| text.into())
            }
            Self::MaxTokens | Self::Window => {
                text.trim().parse::<i64>().map(Value::from).unwrap_or_else(|_| text.into())
            }
            _ => text.into(),
        }
    }
}

/// Reads the addresses of hubs in a row, with spaces between them.
///
/// # Errors
/// A text that says how they are written.
pub fn parse_hubs(text: &str) -> Result<Vec<HubAddress>, String> {
    let hubs: Vec<HubAddress> = text
        .split_whitespace()
        .map(|one| one.parse().map_err(|error: HubAddressError| error.to_string()))
        .collect::<Result<_, _>>()?;
    match hubs.len() {
        0 => Err("write the address of a hub, as `mica hub run` says it".into()),
        number if number > MAX_HUBS => Err(format!("there may be {MAX_HUBS} hubs in a row")),
        _ => Ok(hubs),
    }
}

fn needs(holds: bool, otherwise: &str) -> Option<String> {
    (!holds).then(|| otherwise.to_owned())
}

/// Reads a weight of money against time.
///
/// # Errors
/// A text that says which numbers can be.
pub fn parse_alpha(text: &str) -> Result<f64, String> {
    let alpha = text.trim().parse::<f64>().ok().filter(|alpha| (0.0..=1.0).contains(alpha));
    alpha.ok_or_else(|| "write a number from 0 (only time counts) to 1 (only money counts)".into())
}

/// Reads the hash of a chain's first block.
///
/// # Errors
/// A text that says how it is written.
pub(super) fn parse_genesis(text: &str) -> Result<[u8; 32], String> {
    let mut hash = [0; 32];
    let digits = text.strip_prefix("0x").unwrap_or_default();
    hex::decode_to_slice(digits, &mut hash)
        .map_err(|_| "write 0x and 64 hexadecimal digits, as `mica doctor` shows it".to_owned())?;
    Ok(hash)
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|key| key.name() == text)
            .ok_or_else(|| format!("there are the keys {}", all()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
