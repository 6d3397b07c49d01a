//! The command line of `mica`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use mica_chain::{AccountId, address, amount};
use mica_primitives::Balance;

use crate::commands::{
    ask::AskArgs, channel::ChannelCommand, chat::ChatArgs, config::ConfigCommand, demo::DemoArgs,
    doctor::DoctorArgs, gateway::GatewayArgs, man::ManArgs, market::MarketArgs, matrix::MatrixArgs,
    quote::QuoteArgs, receipt::ReceiptCommand, validator::ValidatorCommand, wallet::WalletCommand,
    workflow::WorkflowCommand,
};
use crate::output::Output;

/// Pay for inference with a wallet.
#[derive(Debug, Parser)]
#[command(name = "mica", version, propagate_version = true)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, import, list, export wallets; see and send money; sign messages
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Models, the workers that serve them, prices, and which layers are covered
    Market(MarketArgs),
    /// Ask a model; pays the workers token by token
    Ask(Box<AskArgs>),
    /// Talk with a model; the conversation is kept
    Chat(Box<ChatArgs>),
    /// What a prompt would cost at most, and which path it would take; spends nothing
    Quote(QuoteArgs),
    /// Serve programs that speak to Ollama or OpenAI, paid from the wallet
    Gateway(Box<GatewayArgs>),
    /// Payment channels to workers
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Signed receipts of what workers computed
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Bond, set session keys, stand for election: be a validator of the chain
    #[command(subcommand)]
    Validator(ValidatorCommand),
    /// Settings: node, wallet, limits
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say what is wrong here and how to mend it
    Doctor(DoctorArgs),
    /// Write the manual pages
    Man(ManArgs),
    /// Chains of models, in which each step's text goes into the next step's prompt
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Measure prompts × models × models × front-ends into a table, and report on it
    Matrix(Box<MatrixArgs>),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run a chain, three workers and a paid prompt on this machine, and show the proof
    Demo(DemoArgs),
}

/// Reads an address for clap.
///
/// # Errors
/// The text of [`address::AddressError`].
pub fn parse_address(text: &str) -> Result<AccountId, String> {
    address::parse(text).map_err(|error| error.to_string())
}

/// Reads an amount for clap.
///
/// # Errors
/// The text of [`amount::AmountError`].
pub fn parse_amount(text: &str) -> Result<Balance, String> {
    amount::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
