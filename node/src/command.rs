//! Runs what the command line asks for.

use clap::CommandFactory;
use mica_runtime::opaque::Block;
use sc_cli::{Result, SubstrateCli};
use sc_network::config::NetworkBackendType;
use sc_service::{Configuration, PartialComponents};

use crate::{
    chain_spec::{self, Genesis},
    cli::{Cli, CompletionCmd, ManCmd, StagingSpecCmd, Subcommand},
    service::{self, Partial},
};

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "Mica Node".into()
    }

    fn impl_version() -> String {
        env!("SUBSTRATE_CLI_IMPL_VERSION").into()
    }

    fn executable_name() -> String {
        env!("CARGO_BIN_NAME").into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        env!("CARGO_PKG_AUTHORS").into()
    }

    fn support_url() -> String {
        "see docs/ in the source, or `mica-node <command> --help`".into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    fn load_spec(&self, id: &str) -> std::result::Result<Box<dyn sc_service::ChainSpec>, String> {
        let genesis = if self.subcommand.is_none() { Genesis::State } else { Genesis::Preset };
        chain_spec::load(id, genesis)
    }
}

/// What the node logs only on request (`--log`): three lines for each block it authors, besides the
/// one about its import.
const QUIET: [&str; 3] = ["sc_basic_authorship=warn", "slots=warn", "babe=warn"];

/// Parses the command line and runs what it asks for.
///
/// # Errors
/// Whatever stopped the node or the task.
pub(crate) fn run() -> Result<()> {
    let mut cli = Cli::from_args();
    if cli.run.shared_params.log.is_empty() {
        cli.run.shared_params.log = QUIET.map(String::from).to_vec();
    }
    // No mDNS unless `--discover-local` asks for it: it listens to everybody on the local network.
    cli.run.network_params.no_mdns |= !cli.run.network_params.discover_local;
    match &cli.subcommand {
        None => run_node(&cli),
        Some(subcommand) => run_subcommand(&cli, subcommand),
    }
}

fn run_node(cli: &Cli) -> Result<()> {
    cli.create_runner(&cli.run)?.run_node_until_exit(|config| async move {
        // One network backend: a second would compile the whole service twice.
        if !matches!(config.network.network_backend, NetworkBackendType::Litep2p) {
            return Err(sc_cli::Error::Input(
                "`--network-backend libp2p` is not built in: leave the flag out, or say `litep2p`"
                    .into(),
            ));
        }
        service::start::<sc_network::Litep2pNetworkBackend>(config).map_err(sc_cli::Error::Service)
    })
}

fn run_subcommand(cli: &Cli, subcommand: &Subcommand) -> Result<()> {
    match subcommand {
        Subcommand::Key(cmd) => cmd.run(cli),
        Subcommand::BuildSpec(cmd) => {
            cli.create_runner(cmd)?.sync_run(|config| cmd.run(config.chain_spec, config.network))
        }
        Subcommand::ExportChainSpec(cmd) => cmd.run(cli.load_spec(&cmd.chain)?),
        Subcommand::StagingSpec(StagingSpecCmd { keys, bootnode }) => {
            let spec = chain_spec::staging(keys, bootnode.clone())?;
            Ok(std::io::Write::write_all(&mut std::io::stdout(), spec.as_bytes())?)
        }
        Subcommand::CheckBlock(cmd) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents { client, task_manager, import_queue, .. } = parts(&config)?;
            Ok((cmd.run(client, import_queue), task_manager))
        }),
        Subcommand::ExportBlocks(cmd) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents { client, task_manager, .. } = parts(&config)?;
            Ok((cmd.run(client, config.database), task_manager))
        }),
        Subcommand::ExportState(cmd) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents { client, task_manager, .. } = parts(&config)?;
            Ok((cmd.run(client, config.chain_spec), task_manager))
        }),
        Subcommand::ImportBlocks(cmd) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents { client, task_manager, import_queue, .. } = parts(&config)?;
            Ok((cmd.run(client, import_queue), task_manager))
        }),
        Subcommand::PurgeChain(cmd) => {
            cli.create_runner(cmd)?.sync_run(|config| cmd.run(config.database))
        }
        Subcommand::Revert(cmd) => cli.create_runner(cmd)?.async_run(|config| {
            let PartialComponents { client, task_manager, backend, .. } = parts(&config)?;
            let revert_consensus =
                Box::new(|client: std::sync::Arc<service::FullClient>, backend, blocks| {
                    sc_consensus_babe::revert(client.clone(), backend, blocks)?;
                    sc_consensus_grandpa::revert(client, blocks)?;
                    Ok(())
                });
            Ok((cmd.run(client, backend, Some(revert_consensus)), task_manager))
        }),
        Subcommand::ChainInfo(cmd) => {
            cli.create_runner(cmd)?.sync_run(|config| cmd.run::<Block>(&config))
        }
        Subcommand::Completion(CompletionCmd { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(
                *shell,
                &mut Cli::command(),
                Cli::executable_name(),
                &mut script,
            );
            Ok(std::io::Write::write_all(&mut std::io::stdout(), &script)?)
        }
        Subcommand::Man(ManCmd { out }) => write_manual(out.as_deref()),
    }
}

/// The manual page on stdout, or a page for each task in a folder.
fn write_manual(folder: Option<&std::path::Path>) -> Result<()> {
    // Named and described as when it is parsed.
    let pages = mica_manual::pages(Cli::setup_command(Cli::command()))?;
    let Some(folder) = folder else {
        let first = pages.first().map(|page| page.text.as_slice()).unwrap_or_default();
        return Ok(std::io::Write::write_all(&mut std::io::stdout(), first)?);
    };
    std::fs::create_dir_all(folder)?;
    for page in pages {
        std::fs::write(folder.join(&page.file), &page.text)?;
    }
    Ok(())
}

/// The parts of the node that a task works on, without network or authoring.
fn parts(config: &Configuration) -> Result<Partial> {
    service::partial(config).map_err(sc_cli::Error::Service)
}
