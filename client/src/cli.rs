//! The command line of `mica`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use mica_chain::{AccountId, amount};
use mica_primitives::Balance;

use crate::commands::{
    ask::AskArgs, channel::ChannelCommand, demo::DemoArgs, gateway::GatewayArgs, market::MarketArgs, quote::QuoteArgs,
    receipt::ReceiptCommand,
};

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
    /// Node to talk to
    #[arg(long, global = true, env = "MICA_NODE_URL", value_name = "URL", default_value = "ws://127.0.0.1:9944")]
    pub node_url: String,
    /// Wallet to use
    #[arg(long, global = true, env = "MICA_WALLET", value_name = "NAME", default_value = "default")]
    pub wallet: String,
    /// File whose first line is the wallet's password (or set MICA_PASSWORD)
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing about progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, import, list wallets; see and send money
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Models, the workers that serve them, prices, and which layers are covered
    Market(MarketArgs),
    /// Ask a model; pays the workers token by token
    Ask(Box<AskArgs>),
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
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run a chain, three workers and a paid prompt on this machine, and show the proof
    Demo(DemoArgs),
}

/// `mica wallet …`
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make a wallet; shows its phrase once
    New {
        /// Words of the phrase: 12 or 24
        #[arg(long, default_value = "12", value_parser = ["12", "24"])]
        words: String,
    },
    /// Make a wallet from a phrase
    Import {
        /// File that holds the phrase; without it the phrase is read from standard input
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        phrase_file: Option<PathBuf>,
    },
    /// Wallets on this machine
    List,
    /// Money of a wallet or of any account
    Balance {
        /// Account to look at instead of the wallet's
        account: Option<AccountId>,
    },
    /// Send money
    Transfer {
        /// Who receives
        to: AccountId,
        /// How much, for example 1.5 MICA or 1000u (base units)
        #[arg(value_parser = parse_amount)]
        amount: Balance,
        /// Pay from a well-known account of a development chain, for example Alice, instead of the wallet
        #[arg(long, value_name = "NAME", value_parser = parse_dev_account)]
        dev_account: Option<String>,
    },
}

/// Reads an amount for clap.
///
/// # Errors
/// The text of [`amount::AmountError`].
pub fn parse_amount(text: &str) -> Result<Balance, String> {
    amount::parse(text).map_err(|error| error.to_string())
}

/// Reads the name of a development account: letters only, as the derivation takes it.
fn parse_dev_account(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_name { Ok(text.to_owned()) } else { Err("a development account has a name such as Alice or Bob".into()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
