//! What the settings come to for one run of the program.

use std::path::PathBuf;
use std::str::FromStr;

use mica_chain::amount;
use mica_payer::market::HubAddress;
use mica_payer::terms::DEFAULT_MAX_TOTAL;
use mica_primitives::{Balance, BlockNumber, Hash32};

use super::{ConfigError, ConfigFile, Key, key};
use crate::options::{Global, Output, Wait};

/// Every setting, from the options that all commands share, the environment and the file. Options
/// of single commands take precedence over these.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The node.
    pub node_url: String,
    /// The only chain to pay on.
    pub genesis: Option<Hash32>,
    /// The wallet's name.
    pub wallet: String,
    /// File whose first line is the wallet's password.
    pub password_file: Option<PathBuf>,
    /// Form of the results.
    pub output: Output,
    /// Weight of money against time.
    pub alpha: f64,
    /// How far to follow an extrinsic.
    pub wait: Option<Wait>,
    /// Most tokens of an answer.
    pub max_tokens: u32,
    /// Most money for one answer, if the file says.
    pub max_total: Option<Balance>,
    /// The model's file.
    pub model_file: Option<PathBuf>,
    /// Blocks that new channels give workers to redeem, if more than usual.
    pub window: Option<BlockNumber>,
    /// Hubs through which workers are paid, the one that is paid first; none to pay them directly.
    pub hubs: Vec<HubAddress>,
}

impl Settings {
    /// From the options and the file. Invalid values in the file are errors only where they
    /// count.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(global: &Global, file: &ConfigFile) -> Result<Self, ConfigError> {
        let text = |key: Key| {
            Ok::<_, ConfigError>(file.get(key)?.or_else(|| key.default().map(str::to_owned)))
        };
        let name = |given: &Option<String>, key: Key| match given {
            Some(given) => Ok(given.clone()),
            None => text(key).map(Option::unwrap_or_default),
        };
        let output = match global.output() {
            Some(output) => output,
            None => {
                parsed(Key::Output, text(Key::Output)?, Output::from_str)?.unwrap_or(Output::Text)
            }
        };
        Ok(Self {
            node_url: name(&global.node_url, Key::NodeUrl)?,
            genesis: parsed(Key::Genesis, text(Key::Genesis)?, key::parse_genesis)?,
            wallet: name(&global.wallet, Key::Wallet)?,
            password_file: match &global.password_file {
                Some(path) => Some(path.clone()),
                None => text(Key::PasswordFile)?.map(PathBuf::from),
            },
            output,
            alpha: parsed(Key::Alpha, text(Key::Alpha)?, key::parse_alpha)?.unwrap_or_default(),
            wait: parsed(Key::Wait, text(Key::Wait)?, Wait::from_str)?,
            max_tokens: parsed(Key::MaxTokens, text(Key::MaxTokens)?, u32::from_str)?
                .unwrap_or_default(),
            max_total: parsed(Key::MaxTotal, file.get(Key::MaxTotal)?, amount::parse)?,
            model_file: text(Key::ModelFile)?.map(PathBuf::from),
            window: parsed(Key::Window, text(Key::Window)?, BlockNumber::from_str)?,
            hubs: parsed(Key::Hub, text(Key::Hub)?, key::parse_hubs)?.unwrap_or_default(),
        })
    }
}

impl Settings {
    /// The hubs through which workers are paid: those that the command names, else the file's.
    pub fn hubs(&self, given: Option<&[HubAddress]>) -> Vec<HubAddress> {
        given.map_or_else(|| self.hubs.clone(), <[_]>::to_vec)
    }

    /// Most money for one answer: what the command says, else the file, else the default.
    pub fn max_total(&self, given: Option<Balance>) -> Balance {
        given.or(self.max_total).unwrap_or(DEFAULT_MAX_TOTAL)
    }
}

fn parsed<T, E: ToString>(
    key: Key,
    text: Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let wrong =
        |error: E| ConfigError::Value { key, value: text.clone(), reason: error.to_string() };
    parse(&text).map(Some).map_err(wrong)
}
