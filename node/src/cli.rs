//! The command line: the flags of a Substrate node, and its housekeeping subcommands.

use clap::Parser;
use clap_complete::Shell;

/// Instead of the SDK's texts, which say that mDNS is on.
const NO_MDNS: &str = "Do not find peers by mDNS, even with `--discover-local`";
const DISCOVER_LOCAL: &str = "Find peers on the local network: by mDNS, and by private addresses in the DHT (which `--dev` \
     and local chains accept anyway)";

/// Everything that the command line says.
#[derive(Debug, Parser)]
#[command(mut_arg("no_mdns", |flag| flag.help(NO_MDNS).long_help(NO_MDNS)))]
#[command(mut_arg("discover_local", |flag| flag.help(DISCOVER_LOCAL).long_help(DISCOVER_LOCAL)))]
pub(crate) struct Cli {
    /// A housekeeping task; without one the node runs.
    #[command(subcommand)]
    pub subcommand: Option<Subcommand>,

    /// How the node runs.
    #[command(flatten)]
    pub run: sc_cli::RunCmd,
}

/// Housekeeping tasks.
#[derive(Debug, clap::Subcommand)]
#[allow(clippy::large_enum_variant, reason = "parsed once; the sizes are the SDK's")]
pub(crate) enum Subcommand {
    /// Make, inspect and insert keys.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),

    /// Print a chain specification, with this node's key as its bootnode.
    BuildSpec(sc_cli::BuildSpecCmd),

    /// Write a chain specification to a file, plain or raw.
    ExportChainSpec(sc_cli::ExportChainSpecCmd),

    /// Print the specification of a network with keys of its founders' own.
    StagingSpec(StagingSpecCmd),

    /// Import one block of the database again and check it.
    CheckBlock(sc_cli::CheckBlockCmd),

    /// Write blocks to a file.
    ExportBlocks(sc_cli::ExportBlocksCmd),

    /// Write the state after a block as a chain specification.
    ExportState(sc_cli::ExportStateCmd),

    /// Read blocks from a file.
    ImportBlocks(sc_cli::ImportBlocksCmd),

    /// Delete the chain's database.
    PurgeChain(sc_cli::PurgeChainCmd),

    /// Undo the latest blocks, never finalized ones.
    Revert(sc_cli::RevertCmd),

    /// Print the database's best, finalized and genesis block.
    ChainInfo(sc_cli::ChainInfoCmd),

    /// Print a completion script for a shell.
    Completion(CompletionCmd),

    /// Print the manual page, or write one for each task.
    Man(ManCmd),
}

/// Print the specification of a network with keys of its founders' own: by the times of a public
/// network, and with nobody who may do everything.
#[derive(Debug, Parser)]
pub(crate) struct StagingSpecCmd {
    /// A JSON file with `accounts` (`account`, `mica`) and `validators` (`stash`, `bond_mica`,
    /// `babe`, `grandpa`, `authority_discovery`): public keys only.
    #[arg(long, value_name = "FILE")]
    pub keys: std::path::PathBuf,
    /// Addresses by which new nodes find the network.
    #[arg(long, value_name = "MULTIADDRESS")]
    pub bootnode: Vec<sc_network::config::MultiaddrWithPeerId>,
}

/// Print a completion script, for example `mica-node completion bash >
/// /etc/bash_completion.d/mica-node`.
#[derive(Debug, Parser)]
pub(crate) struct CompletionCmd {
    /// The shell.
    pub shell: Shell,
}

/// Print the manual page, or write one for each task into a folder.
#[derive(Debug, Parser)]
pub(crate) struct ManCmd {
    /// Folder to write mica-node.1, mica-node-key.1 and the others into; without it mica-node.1 is
    /// printed.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<std::path::PathBuf>,
}
