//! Options that several commands share, and the values on the command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use mica_chain::{AccountId, SUBMIT_TIMEOUT, address, amount};
use mica_primitives::Balance;
use mica_workflow::FrontEndKind;
use serde::Serialize;

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Folder of wallets, channels and receipts [default: ~/.mica]
    #[arg(long, global = true, env = "MICA_HOME", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub home: Option<PathBuf>,
    /// Node to talk to [default: ws://127.0.0.1:9944]
    #[arg(long, global = true, env = "MICA_NODE_URL", value_name = "URL")]
    pub node_url: Option<String>,
    /// Wallet to use [default: default]
    #[arg(long, global = true, env = "MICA_WALLET", value_name = "NAME")]
    pub wallet: Option<String>,
    /// File whose first line is the wallet's password (or set MICA_PASSWORD)
    #[arg(long, global = true, env = "MICA_PASSWORD_FILE", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// Form of the results: text or json [default: text]
    #[arg(
        long,
        global = true,
        env = "MICA_OUTPUT",
        value_name = "FORM",
        value_enum,
        hide_possible_values = true
    )]
    pub output: Option<Output>,
    /// Print one JSON document instead of text: the same as --output json
    #[arg(long, global = true)]
    pub json: bool,
    /// Ask for no confirmation
    #[arg(long, short, global = true)]
    pub yes: bool,
    /// Say nothing about progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

impl Global {
    /// The form of the results, if the command line or the environment names one.
    pub fn output(&self) -> Option<Output> {
        if self.json { Some(Output::Json) } else { self.output }
    }
}

/// In which form results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs: exactly one JSON document per command
    Json,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as ValueEnum>::from_str(text, false).map_err(|_| "write text or json".into())
    }
}

/// A way to a model, as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FrontEndName {
    /// This process pays the workers itself
    Direct,
    /// A server that speaks Ollama's API
    Ollama,
    /// A server that speaks OpenAI's API
    Openai,
}

impl From<FrontEndName> for FrontEndKind {
    fn from(name: FrontEndName) -> Self {
        match name {
            FrontEndName::Direct => Self::Direct,
            FrontEndName::Ollama => Self::Ollama,
            FrontEndName::Openai => Self::Openai,
        }
    }
}

/// How far an extrinsic is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// Until the node has taken it; nobody knows yet what it does
    None,
    /// Until it is in a block, which may still be replaced
    Included,
    /// Until that block is final
    Finalized,
}

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as ValueEnum>::from_str(text, false)
            .map_err(|_| "write none, included or finalized".into())
    }
}

/// Options of every command that sends an extrinsic.
#[derive(Clone, Copy, Debug, Args)]
pub struct SendOptions {
    /// Show fee, deposit and what would be locked; send nothing and ask for no password
    #[arg(long)]
    pub dry_run: bool,
    /// How far to follow the extrinsic: none, included or finalized
    #[arg(long, env = "MICA_WAIT", value_name = "LEVEL", value_enum, hide_possible_values = true)]
    pub wait: Option<Wait>,
    /// Longest wait for that
    #[arg(long, value_name = "SECONDS", default_value_t = SUBMIT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

impl SendOptions {
    /// How an extrinsic is followed: as the options say, or the settings, or as far as `usual`.
    pub fn follow(&self, settings: Option<Wait>, usual: Wait) -> Follow {
        Follow {
            wait: self.wait.or(settings).unwrap_or(usual),
            patience: Duration::from_secs(self.timeout),
        }
    }
}

/// How far and how long an extrinsic is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// How far.
    pub wait: Wait,
    /// How long at most.
    pub patience: Duration,
}

/// Reads an address for clap.
///
/// # Errors
/// The text of [`address::AddressError`].
pub(crate) fn parse_address(text: &str) -> Result<AccountId, String> {
    address::parse(text).map_err(|error| error.to_string())
}

/// Reads an amount for clap.
///
/// # Errors
/// The text of [`amount::AmountError`].
pub(crate) fn parse_amount(text: &str) -> Result<Balance, String> {
    amount::parse(text).map_err(|error| error.to_string())
}
