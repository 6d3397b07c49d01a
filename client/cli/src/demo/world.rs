//! What the demo starts: a temporary folder, a chain, three workers, and a seed if they fetch their
//! layers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mica_chain::{AccountId, Chain};
use mica_primitives::LayerRange;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{
    DemoError, WORKERS,
    seed::{Fetched, fetched},
    source::Source,
};
use crate::local::{Daemon, LocalError, Sibling, free_port, init_worker, shares};
use crate::progress::{Progress, Step};
use mica_payer::market::ModelSnapshot;
use mica_payer::model::LocalModel;

/// Longest wait for the chain's first block.
const CHAIN_PATIENCE: Duration = Duration::from_secs(90);
/// Longest wait for the workers to be registered.
const WORKERS_PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks.
const POLL: Duration = Duration::from_millis(200);

/// Everything that the demo starts. Dropping it ends all of it.
pub(super) struct World {
    // Workers before the node, both before the folder: in this order they are dropped.
    workers: Vec<Daemon>,
    seed: Option<Daemon>,
    node: Option<Daemon>,
    accounts: Vec<AccountId>,
    url: String,
    folder: TempDir,
}

impl World {
    /// An empty world in a new temporary folder, which stays afterwards if `keep` says so.
    pub(super) fn create(keep: bool) -> Result<Self, DemoError> {
        let cannot = |source| LocalError::Folder { what: "a temporary folder".into(), source };
        let mut folder = tempfile::Builder::new().prefix("mica-demo-").tempdir().map_err(cannot)?;
        folder.disable_cleanup(keep);
        Ok(Self {
            workers: Vec::new(),
            seed: None,
            node: None,
            accounts: Vec::new(),
            url: String::new(),
            folder,
        })
    }

    /// The temporary folder.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the node listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The workers' accounts.
    pub(super) fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    /// The seed's folder.
    pub(super) fn seed_folder(&self) -> PathBuf {
        self.folder().join("seed")
    }

    fn log(&self, index: u16) -> PathBuf {
        self.folder().join(format!("worker-{}.log", index + 1))
    }

    fn worker_folder(&self, index: u16) -> PathBuf {
        self.folder().join(format!("worker-{}", index + 1))
    }

    /// Starts the node, makes the folders and keys of the workers, and of a seed, meanwhile, and
    /// waits for the first block.
    pub(super) async fn start_chain(&mut self, has_seed: bool) -> Result<Chain, DemoError> {
        let (node, worker) = (Sibling::NODE.find()?, Sibling::WORKER.find()?);
        let (rpc, p2p) = (free_port()?, free_port()?);
        self.url = format!("ws://127.0.0.1:{rpc}");
        let base = self.folder().join("chain");
        let arguments = [
            "--dev".into(),
            format!("--base-path={}", base.display()),
            format!("--rpc-port={rpc}"),
            format!("--listen-addr=/ip4/127.0.0.1/tcp/{p2p}"),
            "--no-mdns".into(),
            "--no-prometheus".into(),
            "--no-telemetry".into(),
        ];
        self.node = Some(Daemon::start(
            "mica-node",
            &node,
            &arguments,
            &[],
            self.folder().join("node.log"),
        )?);
        let workers = (0..WORKERS).map(|index| self.worker_folder(index));
        let folders: Vec<PathBuf> = workers.chain(has_seed.then(|| self.seed_folder())).collect();
        let made = futures::future::try_join_all(
            folders.iter().map(|folder| init_worker(&worker, folder)),
        );
        let made = async { Ok(made.await?) };
        let (accounts, chain) = tokio::try_join!(made, self.await_chain())?;
        self.accounts = accounts;
        Ok(chain)
    }

    /// Connects as soon as the node makes blocks.
    async fn await_chain(&mut self) -> Result<Chain, DemoError> {
        let deadline = Instant::now() + CHAIN_PATIENCE;
        // Connecting reads the runtime's whole metadata, so it is done once.
        let mut connected: Option<Chain> = None;
        loop {
            match &connected {
                None => connected = Chain::connect(&self.url).await.ok(),
                Some(chain) if chain.best().await?.number > 0 => return Ok(chain.clone()),
                Some(_) => tokio::time::sleep(POLL).await,
            }
            self.check()?;
            self.check_in_time(deadline, "starting the chain", CHAIN_PATIENCE)?;
            if connected.is_none() {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    fn check_in_time(
        &self,
        deadline: Instant,
        what: &'static str,
        patience: Duration,
    ) -> Result<(), DemoError> {
        match Instant::now() < deadline {
            true => Ok(()),
            false => Err(DemoError::Late {
                what,
                seconds: patience.as_secs(),
                logs: self.folder().display().to_string(),
            }),
        }
    }

    /// Starts a worker for each third of the model and waits until the chain shows all of them
    /// live. If the model is the catalogue's, they get their layers from a seed, which is stopped
    /// then. Returns what each has fetched.
    pub(super) async fn start_workers(
        &mut self,
        chain: &Chain,
        model: &LocalModel,
        source: &Source,
        step: &Step,
    ) -> Result<Vec<Fetched>, DemoError> {
        let layers = model.manifest().layers;
        if let Some(entry) = source.entry() {
            let log = self.folder().join("seed.log");
            let more = [format!("--model={}", entry.name), "--no-pricing".into()];
            let whole = LayerRange { first: 0, end: layers };
            let seed = self.worker("the seed", &self.seed_folder(), whole, &more, log)?;
            self.seed = Some(seed);
            self.await_live(chain, model, 1, "registering the seed", step).await?;
        }
        for (index, range) in (0..WORKERS).zip(shares(layers, WORKERS)?) {
            let more = match source {
                Source::BuiltIn => Vec::new(),
                Source::File(file) => vec![format!("--model={}", file.display())],
                // For what it says of the fetch.
                Source::Catalogue(entry) => {
                    vec![format!("--model={}", entry.name), "--json".into()]
                }
            };
            let (name, folder) = (format!("mica-worker {}", index + 1), self.worker_folder(index));
            let worker = self.worker(&name, &folder, range, &more, self.log(index))?;
            self.workers.push(worker);
        }
        let all = self.workers.len() + usize::from(self.seed.is_some());
        self.await_live(chain, model, all, "registering the workers", step).await?;
        let Some(mut seed) = self.seed.take() else { return Ok(Vec::new()) };
        seed.stop().await;
        Ok((0..WORKERS).filter_map(|index| fetched(&self.log(index))).collect())
    }

    fn worker(
        &self,
        name: &str,
        folder: &Path,
        layers: LayerRange,
        more: &[String],
        log: PathBuf,
    ) -> Result<Daemon, DemoError> {
        let mut arguments = vec![
            format!("--data-dir={}", folder.display()),
            "run".into(),
            format!("--node-url={}", self.url),
            format!("--layers={}..{}", layers.first, layers.end),
            "--listen=/ip4/127.0.0.1/tcp/0".into(),
            "--threads=1".into(),
            // The layers are given, and a demo has no time to wait for a worthwhile amount.
            "--no-migrate".into(),
            "--redeem-minimum=1u".into(),
        ];
        arguments.extend(more.iter().cloned());
        Ok(Daemon::start(name, &Sibling::WORKER.find()?, &arguments, &[], log)?)
    }

    async fn await_live(
        &mut self,
        chain: &Chain,
        model: &LocalModel,
        wanted: usize,
        what: &'static str,
        step: &Step,
    ) -> Result<(), DemoError> {
        let deadline = Instant::now() + WORKERS_PATIENCE;
        loop {
            let live = self.live(chain, model).await?;
            if live == wanted {
                return Ok(());
            }
            step.now(&format!("{live} of {wanted} are live"));
            self.check()?;
            self.check_in_time(deadline, what, WORKERS_PATIENCE)?;
            tokio::time::sleep(POLL).await;
        }
    }

    async fn live(&self, chain: &Chain, model: &LocalModel) -> Result<usize, DemoError> {
        let snapshot = ModelSnapshot::read(&chain.at_best().await?, model.id()).await?;
        Ok(snapshot.workers.iter().filter(|worker| worker.is_live()).count())
    }

    /// Whether everything that was started still runs.
    pub(super) fn check(&mut self) -> Result<(), DemoError> {
        for daemon in self.workers.iter_mut().chain(&mut self.seed).chain(&mut self.node) {
            daemon.check()?;
        }
        Ok(())
    }

    /// Stops the workers, then the node, and waits for them.
    pub(super) async fn stop(&mut self, progress: Progress) {
        let step = progress.step("stopping everything");
        let workers = self.workers.iter_mut().chain(&mut self.seed);
        futures::future::join_all(workers.map(Daemon::stop)).await;
        if let Some(node) = &mut self.node {
            node.stop().await;
        }
        step.done("");
    }
}
