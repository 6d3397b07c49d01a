//! The command line of `mica`.

use clap::{Parser, Subcommand};

use crate::commands::{
    ask::AskArgs, channel::ChannelCommand, chat::ChatArgs, config::ConfigCommand, demo::DemoArgs,
    doctor::DoctorArgs, forget::ForgetArgs, gateway::GatewayArgs, hub::HubCommand,
    localnet::LocalnetCommand, man::ManArgs, market::MarketArgs, matrix::MatrixArgs,
    model::ModelCommand, quote::QuoteArgs, receipt::ReceiptCommand, validator::ValidatorCommand,
    wallet::WalletCommand, workflow::WorkflowCommand,
};
use crate::options::Global;

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

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, import, list, export wallets; see and send money; sign messages
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Models, the workers that serve them, prices, and which layers are covered
    Market(MarketArgs),
    /// Models that this payer can ask without a file, and what they are
    #[command(subcommand)]
    Model(ModelCommand),
    /// Forget what is remembered of workers: who failed is used again at once
    Forget(ForgetArgs),
    /// Ask a model; pays the workers token by token
    Ask(Box<AskArgs>),
    /// Talk with a model; the conversation is kept
    Chat(Box<ChatArgs>),
    /// What a prompt would cost at most, and which path it would take; spends nothing
    Quote(QuoteArgs),
    /// Serve programs that speak to Ollama or OpenAI, paid from the wallet
    Gateway(Box<GatewayArgs>),
    /// Payment channels to workers and hubs
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Pay workers for payers that have one channel to this wallet
    #[command(subcommand)]
    Hub(HubCommand),
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
    /// A network of four validators and some workers on this machine, that stays until `down`
    #[command(subcommand)]
    Localnet(LocalnetCommand),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
