//! From a folder to a registered worker: the store, the layers, the network, the registration, in
//! this order.

use std::sync::Arc;

use mica_chain::{AccountId, Chain, ConnectError, Head, ReadError, SubmitError};
use mica_engine::Threads;
use mica_net::{Events, Instance, Net};
use mica_primitives::{LayerRange, MarketUnits, RegistryParameters, WorkerAddresses, WorkerRecord};
use mica_protocol::{limits::MAX_SESSIONS, signing, stage::Computed};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    duplicates::{REMEDY, probe_duplicates},
    network::{NetworkError, NetworkThread, published, start_network},
    origin::{self, Origin, OriginError},
    range::{RangeError, choose_range},
    register::{Offered, RegisterError, Registration, start_price},
    status::Status,
    weights::{Weights, WeightsError},
};
use crate::{
    causes::with_causes,
    config::Config,
    data_dir::DataDir,
    engine::{Engine, EngineError},
    keys::Keys,
    model::ModelSource,
    report::{Event, Reporter},
    store::{Store, StoreError},
};

/// Why the worker cannot serve this chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadyError {
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no node.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The records are not of this chain.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// There are no layers to choose.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// The layers' weights are not to be had.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The layers cannot be loaded.
    #[error("layers {range} cannot be served")]
    Layers {
        /// Those that were chosen.
        range: LayerRange,
        /// Why.
        source: EngineError,
    },
    /// Another process has the same account and peer key.
    #[error(
        "another process with this account and peer key is running and answers at {}: {REMEDY}. \
         Two processes with one account would take each other's registration and channels",
        .0.join(", ")
    )]
    Duplicate(Vec<String>),
    /// The network does not start.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The registration is refused.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The chain binds the worker to other layers, and then has no record of it.
    #[error("layers {range} cannot be registered: {}", with_causes(.why))]
    Bound {
        /// Those that were chosen.
        range: LayerRange,
        /// What the chain said.
        why: RegisterError,
    },
}

/// What is the same for every chain.
pub(super) struct Start<'a> {
    pub(super) folder: &'a DataDir,
    pub(super) keys: Keys,
    pub(super) config: Arc<Config>,
    pub(super) announced: Vec<String>,
    pub(super) source: Arc<ModelSource>,
    pub(super) weights: Arc<Weights>,
    pub(super) reporter: Reporter,
    /// The newest status, for whoever reads the metrics.
    pub(super) told: Arc<watch::Sender<Option<Status>>>,
}

/// What was made ready for one chain.
pub(super) struct Ready {
    pub(super) chain: Chain,
    pub(super) store: Store,
    pub(super) origin: Origin,
    pub(super) engine: Arc<Engine>,
    pub(super) computed: mpsc::Receiver<Computed>,
    pub(super) thread: NetworkThread,
    pub(super) net: Net,
    pub(super) network: Events,
    pub(super) registered: Registered,
}

/// The registration as it is when the worker begins to serve.
pub(super) struct Registered {
    pub(super) record: WorkerRecord<AccountId>,
    /// Published addresses.
    pub(super) addresses: WorkerAddresses,
    /// This start of this worker.
    pub(super) instance: Instance,
    /// The model's exchange rate between money and time.
    pub(super) units: MarketUnits,
    /// Constants of the registry.
    pub(super) parameters: RegistryParameters,
    /// Block at which the registration is as it should be.
    pub(super) head: Head,
}

impl Start<'_> {
    /// Loads the layers, starts the network and registers; nothing if `stop` came while it waited.
    pub(super) async fn make_ready(
        &self,
        stop: &CancellationToken,
    ) -> Result<Option<Ready>, ReadyError> {
        let (config, source, reporter) = (&*self.config, &self.source, self.reporter);
        let account = self.keys.account.account();
        let Some((chain, store, origin)) = self.connect(stop).await? else { return Ok(None) };
        // Looked for while the layers are loaded, and before the network listens: whoever answers
        // with our key now is another process.
        let peer = signing::public_key(&self.keys.peer);
        let duplicates = self.probe_registered(&chain).await?;

        let (signer, peer_key) = (&self.keys.account, &self.keys.peer);
        let registration =
            Registration { chain: &chain, signer, peer_key, source, config, reporter };
        let model = registration.model().await?;
        let range = choose_range(&chain, source, config, account).await?;
        let fetching = stop.run_until_cancelled(self.weights.ensure(&chain, range));
        if fetching.await.transpose()?.is_none() {
            return Ok(None);
        }
        let (answers, computed) = mpsc::channel(MAX_SESSIONS);
        let engine = Engine::start(source.clone(), threads(config), config.machine.nice, answers)?;
        let engine = Arc::new(engine);
        let cost_us =
            engine.load(range).await.map_err(|source| ReadyError::Layers { range, source })?;
        reporter.emit(&Event::Loaded {
            model: source.id,
            layers: range,
            cost_us_per_layer_token: cost_us,
        });
        refuse_a_second_process(duplicates.await.unwrap_or_default())?;

        let thread = NetworkThread::start()?;
        let instance = Instance(rand::random());
        let (net, network) = thread
            .enter(|| start_network(config, &self.keys, instance))
            .map_err(NetworkError::from)?;
        let addresses = published(&self.announced, &net, &config.node_url, reporter).await?;
        let mut offered = Offered {
            range,
            cost_us_per_layer_token: cost_us,
            price_per_layer_token: start_price(&chain, config, account, model.units).await?,
            peer,
            addresses: addresses.clone(),
        };
        let record = match registration.worker(&offered).await {
            Err(error) if may_not_move(&error) => {
                self.keep_range(&chain, &engine, &mut offered, error).await?;
                registration.worker(&offered).await?
            }
            other => other?,
        };
        let head = chain.best().await?;
        let parameters = chain.at(head).registry_parameters().await?;
        let registered =
            Registered { record, addresses, instance, units: model.units, parameters, head };
        Ok(Some(Ready { chain, store, origin, engine, computed, thread, net, network, registered }))
    }

    /// The chain and its records; nothing if `stop` came while the node was behind.
    async fn connect(
        &self,
        stop: &CancellationToken,
    ) -> Result<Option<(Chain, Store, Origin)>, ReadyError> {
        let store = Store::open(self.folder)?;
        let chain = Chain::connect(&self.config.node_url).await?;
        self.reporter.emit(&Event::Connected {
            node_url: self.config.node_url.clone(),
            genesis: hex::encode(chain.genesis_hash()),
            block: chain.finalized().await?.number,
        });
        let opened =
            origin::open_for_chain(store, self.folder, &chain, self.reporter, stop).await?;
        Ok(opened.map(|(store, origin)| (chain, store, origin)))
    }

    /// Begins to dial the registered addresses, if they are registered for our peer key.
    async fn probe_registered(
        &self,
        chain: &Chain,
    ) -> Result<AbortOnDropHandle<Vec<String>>, ReadError> {
        let peer = signing::public_key(&self.keys.peer);
        let found = chain.at_best().await?.worker(self.keys.account.account()).await?;
        let registered = found.filter(|(record, _)| record.peer == peer);
        let registered = registered.map(|(record, _)| record.addresses).unwrap_or_default();
        Ok(AbortOnDropHandle::new(tokio::spawn(async move {
            probe_duplicates(peer, None, &registered).await
        })))
    }

    /// Loads the layers of the registration, because the chain does not let the worker go to those
    /// that it was told to serve.
    async fn keep_range(
        &self,
        chain: &Chain,
        engine: &Engine,
        offered: &mut Offered,
        why: RegisterError,
    ) -> Result<(), ReadyError> {
        let account = self.keys.account.account();
        let record = chain.at_best().await?.worker(account).await?;
        let Some((record, _)) = record else {
            return Err(ReadyError::Bound { range: offered.range, why });
        };
        let text = format!(
            "stays at layers {} and does not go to {}: {}",
            record.range,
            offered.range,
            with_causes(&why)
        );
        tracing::warn!("{text}");
        self.reporter.emit(&Event::Warning { text });
        self.weights.ensure(chain, record.range).await?;
        offered.cost_us_per_layer_token = engine.load(record.range).await?;
        offered.range = record.range;
        Ok(())
    }
}

/// As many as the operator says; else the part of the cores that he gives, at least one. What a
/// control group or an affinity allows is all that the system tells of.
fn threads(config: &Config) -> Threads {
    let part = |share: f64| (Threads::available().count() as f64 * share).ceil() as usize;
    Threads::new(config.threads.unwrap_or_else(|| part(config.machine.share)))
}

/// # Errors
/// [`ReadyError::Duplicate`] if another process answers with this worker's key at one of
/// `addresses`.
fn refuse_a_second_process(addresses: Vec<String>) -> Result<(), ReadyError> {
    if addresses.is_empty() { Ok(()) } else { Err(ReadyError::Duplicate(addresses)) }
}

/// Whether the chain refuses to let the worker leave its layers.
fn may_not_move(error: &RegisterError) -> bool {
    let RegisterError::Submit(SubmitError::Failed { failure, .. }) = error else {
        return false;
    };
    failure.is("Registry", "WouldUncover") || failure.is("Registry", "BoundByAgreement")
}
