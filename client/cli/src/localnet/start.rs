//! The steps that make a local network.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mica_chain::{AccountId, Call, Chain, Signer, Until};
use mica_payer::market::{MarketError, ModelSnapshot};
use mica_payer::model::LocalModel;
use mica_primitives::{Balance, MarketUnits, UNIT};
use mica_wallet::{Secret, WordCount};
use tokio::time::Instant;

use super::{Faucet, LocalnetError, Node, Record, Worker};
use crate::local::{LocalError, Sibling, detach, free_port, init_worker, shares, tail};
use crate::progress::{Progress, Step};

/// The validators of the preset `local`: three of them finalize.
const VALIDATORS: [&str; 4] = ["alice", "bob", "charlie", "dave"];
/// Where the first node's JSON-RPC listens, if that and the next three are free.
const FIRST_PORT: u16 = 9_944;
/// Peer id of the node key 1: the others find the first node by it.
const FIRST_PEER: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
/// What the faucet gets, base units.
const FAUCET_FUNDS: Balance = 500_000 * UNIT;
/// What each worker gets besides its stake, base units.
const WORKER_FUNDS: Balance = 10 * UNIT;
/// What one unit of price and of time are worth to each other in this network's market.
const UNITS: MarketUnits = MarketUnits { price_unit: 1_000_000, cost_unit_us: 100 };
/// Longest wait for the first final block.
const CHAIN_PATIENCE: Duration = Duration::from_secs(180);
/// Longest wait for the workers to be registered.
const WORKERS_PATIENCE: Duration = Duration::from_secs(180);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(200);

/// Most workers of a local network: the built-in model has as many layers.
pub(crate) const MAX_WORKERS: u16 = 8;

/// What to start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Workers that share the built-in model.
    pub(crate) workers: u16,
}

/// A network on its way.
pub(super) struct Starting {
    folder: PathBuf,
    nodes: Vec<Node>,
    workers: Vec<Worker>,
}

impl Starting {
    /// An empty folder: what an earlier network left there is deleted.
    pub(super) fn create(folder: &Path) -> Result<Self, LocalError> {
        let cannot = |source| LocalError::Folder { what: folder.display().to_string(), source };
        let folder = std::path::absolute(folder).map_err(cannot)?;
        for name in VALIDATORS.iter().map(|name| (*name).to_owned()).chain(worker_names()) {
            match std::fs::remove_dir_all(folder.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(cannot(error));
                }
                _ => {}
            }
        }
        std::fs::create_dir_all(&folder).map_err(cannot)?;
        Ok(Self { folder, nodes: Vec::new(), workers: Vec::new() })
    }

    /// Every process that was started.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.workers
            .iter()
            .map(|worker| worker.pid)
            .chain(self.nodes.iter().map(|node| node.pid))
            .collect()
    }

    /// What stands on the command line of each of them.
    pub(super) fn mark(&self) -> String {
        self.folder.display().to_string()
    }

    /// Starts everything.
    pub(super) async fn run(
        &mut self,
        plan: &Plan,
        progress: Progress,
    ) -> Result<Record, LocalnetError> {
        let model = LocalModel::open(None)?;
        let step = progress.step("starting four validators");
        self.start_nodes()?;
        let chain = self.await_finality(&step).await?;
        step.done(&format!("block {} is final", chain.finalized().await?.number));

        let step = progress.step("registering the model, funding the faucet and the workers");
        let program = Sibling::WORKER.find()?;
        let folders: Vec<PathBuf> =
            worker_names().take(plan.workers.into()).map(|name| self.folder.join(name)).collect();
        let made = folders.iter().map(|folder| init_worker(&program, folder));
        let accounts = futures::future::try_join_all(made).await?;
        let faucet = fund(&chain, &accounts, &model).await?;
        step.done("");

        let step = progress.step("starting the workers");
        self.start_workers(&program, &folders, &accounts, &model)?;
        self.await_workers(&chain, &model, &step).await?;
        step.done("registered and live");
        Ok(Record {
            nodes: self.nodes.clone(),
            faucet,
            workers: self.workers.clone(),
            folder: self.folder.clone(),
        })
    }

    fn start_nodes(&mut self) -> Result<(), LocalError> {
        let program = Sibling::NODE.find()?;
        let ports = rpc_ports()?;
        let first = free_port()?;
        for (index, (name, rpc)) in VALIDATORS.into_iter().zip(ports).enumerate() {
            let p2p = if index == 0 { first } else { free_port()? };
            let mut arguments = vec![
                "--chain=local".into(),
                format!("--{name}"),
                format!("--base-path={}", self.folder.join(name).display()),
                format!("--rpc-port={rpc}"),
                "--rpc-cors=all".into(),
                format!("--listen-addr=/ip4/127.0.0.1/tcp/{p2p}"),
                format!("--node-key={:064x}", index + 1),
                "--no-mdns".into(),
                "--no-prometheus".into(),
                "--no-telemetry".into(),
            ];
            if index > 0 {
                arguments.push(format!("--bootnodes=/ip4/127.0.0.1/tcp/{first}/p2p/{FIRST_PEER}"));
            }
            let pid = detach(&program, &arguments, &self.log(name))?;
            let ws = format!("ws://127.0.0.1:{rpc}");
            self.nodes.push(Node { name: name.into(), ws, pid });
        }
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn late(&self, what: &'static str, patience: Duration, name: &str) -> LocalnetError {
        let log = self.log(name);
        let tail = tail(&log);
        let log = log.display().to_string();
        LocalnetError::Late { what, seconds: patience.as_secs(), log, tail }
    }

    /// Connects to the first node as soon as the four have finalized a block.
    async fn await_finality(&self, step: &Step) -> Result<Chain, LocalnetError> {
        let deadline = Instant::now() + CHAIN_PATIENCE;
        let url = self.nodes.first().map(|node| node.ws.clone()).unwrap_or_default();
        // Connecting reads the runtime's whole metadata, so it is done once.
        let mut connected: Option<Chain> = None;
        while Instant::now() < deadline {
            match &connected {
                None => connected = Chain::connect(&url).await.ok(),
                Some(chain) => {
                    let (best, last) =
                        (chain.best().await?.number, chain.finalized().await?.number);
                    if last > 0 {
                        return Ok(chain.clone());
                    }
                    step.now(&format!("block {best}, none final yet"));
                }
            }
            tokio::time::sleep(POLL).await;
        }
        Err(self.late("starting the chain", CHAIN_PATIENCE, VALIDATORS[0]))
    }

    fn start_workers(
        &mut self,
        program: &Path,
        folders: &[PathBuf],
        accounts: &[AccountId],
        model: &LocalModel,
    ) -> Result<(), LocalError> {
        let ranges = shares(model.manifest().layers, u16::try_from(folders.len()).unwrap_or(0))?;
        // Each has a node of its own, as among operators.
        let nodes = self.nodes.clone();
        for (index, ((folder, account), range)) in
            folders.iter().zip(accounts).zip(ranges).enumerate()
        {
            let url = &nodes[index % nodes.len()].ws;
            let arguments = [
                format!("--data-dir={}", folder.display()),
                "run".into(),
                format!("--node-url={url}"),
                format!("--layers={}..{}", range.first, range.end),
                "--listen=/ip4/127.0.0.1/tcp/0".into(),
                "--threads=1".into(),
            ];
            let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
            let pid = detach(program, &arguments, &self.log(&name.unwrap_or_default()))?;
            self.workers.push(Worker {
                account: account.to_string(),
                pid,
                layers: [range.first, range.end],
            });
        }
        Ok(())
    }

    async fn await_workers(
        &self,
        chain: &Chain,
        model: &LocalModel,
        step: &Step,
    ) -> Result<(), LocalnetError> {
        let deadline = Instant::now() + WORKERS_PATIENCE;
        while Instant::now() < deadline {
            // Payers look at final blocks.
            let view = chain.at(chain.finalized().await?);
            let live = match ModelSnapshot::read(&view, model.id()).await {
                Ok(snapshot) => snapshot.workers.iter().filter(|worker| worker.is_live()).count(),
                Err(MarketError::NoModel(_)) => 0,
                Err(error) => return Err(error.into()),
            };
            if live == self.workers.len() {
                return Ok(());
            }
            step.now(&format!("{live} of {} are live", self.workers.len()));
            tokio::time::sleep(POLL).await;
        }
        Err(self.late("registering the workers", WORKERS_PATIENCE, "worker-1"))
    }
}

/// Names of the workers' folders.
fn worker_names() -> impl Iterator<Item = String> {
    (1..=MAX_WORKERS).map(|number| format!("worker-{number}"))
}

/// The four ports that wallets and explorers try first, or four others if one is taken.
fn rpc_ports() -> Result<Vec<u16>, LocalError> {
    let usual: Vec<u16> = (FIRST_PORT..).take(VALIDATORS.len()).collect();
    if usual.iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
        return Ok(usual);
    }
    VALIDATORS.iter().map(|_| free_port()).collect()
}

/// One extrinsic of the development account: the model's registration, and money for a new account
/// and the workers.
async fn fund(
    chain: &Chain,
    workers: &[AccountId],
    model: &LocalModel,
) -> Result<Faucet, LocalnetError> {
    let rich = Signer::from_suri("//Alice")?;
    let secret = Secret::generate(WordCount::Twelve)?;
    let account = secret.account().account();
    let per_layer = chain.at_best().await?.registry_parameters().await?.min_stake_per_layer;
    let stake = per_layer.saturating_mul(model.manifest().layers.into());
    let mut calls = vec![Call::Transfer { to: account, amount: FAUCET_FUNDS }];
    let worker_funds = stake.saturating_add(WORKER_FUNDS);
    calls.extend(workers.iter().map(|to| Call::Transfer { to: *to, amount: worker_funds }));
    calls.push(Call::RegisterModel { manifest: model.manifest().clone(), units: UNITS });
    chain.submit(&rich, Call::BatchAll(calls), Until::InBlock).await?;
    Ok(Faucet { address: account.to_string(), phrase: secret.phrase()?.to_string() })
}
