//! From a folder to a registered worker: the store, the layers, the network, the registration, in
//! this order.

use std::sync::Arc;

use eyre::{Result, WrapErr, bail};
use mica_chain::{AccountId, Chain, Head, SubmitError};
use mica_engine::Threads;
use mica_net::{Instance, Net, NetEvent};
use mica_primitives::{MarketUnits, RegistryParameters, WorkerAddresses, WorkerRecord};
use mica_protocol::{limits::MAX_SESSIONS, signing, stage::Computed};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    network::{NetworkThread, published, start_network},
    origin::{self, Origin},
    range::choose_range,
    register::{Offered, Registration, start_price},
    rivals::{REMEDY, answering},
};
use crate::{
    config::Config,
    data_dir::DataDir,
    engine::Engine,
    exit::{ExitKind, Failure},
    keys::Keys,
    model::ModelSource,
    report::{Event, Reporter},
    store::Store,
};

/// What is the same for every chain.
pub(super) struct Start<'a> {
    pub(super) folder: &'a DataDir,
    pub(super) keys: Keys,
    pub(super) config: Arc<Config>,
    pub(super) announced: Vec<String>,
    pub(super) source: Arc<ModelSource>,
    pub(super) reporter: Reporter,
}

/// What was made ready for one chain.
pub(super) struct Ready {
    pub(super) chain: Chain,
    pub(super) store: Store,
    pub(super) origin: Origin,
    pub(super) units: MarketUnits,
    pub(super) engine: Arc<Engine>,
    pub(super) computed: mpsc::Receiver<Computed>,
    pub(super) thread: NetworkThread,
    pub(super) net: Net,
    pub(super) network: mpsc::Receiver<NetEvent>,
    pub(super) instance: Instance,
    pub(super) addresses: WorkerAddresses,
    pub(super) record: WorkerRecord<AccountId>,
    pub(super) parameters: RegistryParameters,
    /// Block at which the registration is as it should be.
    pub(super) head: Head,
}

impl Start<'_> {
    /// Loads the layers, starts the network and registers; nothing if `stop` came while it waited.
    pub(super) async fn make_ready(&self, stop: &CancellationToken) -> Result<Option<Ready>> {
        let (config, source, reporter) = (&*self.config, &self.source, self.reporter);
        let account = self.keys.account.account();
        let store = Store::open(self.folder)?;
        let chain = Chain::connect(&config.node_url).await?;
        let genesis = chain.genesis_hash();
        let block = chain.finalized().await?.number;
        reporter.tell(&Event::Connected {
            node_url: config.node_url.clone(),
            genesis: hex::encode(genesis),
            block,
        });
        let Some((store, origin)) =
            origin::settle(store, self.folder, &chain, reporter, stop).await?
        else {
            return Ok(None);
        };
        // Looked for while the layers are loaded, and before the network listens: whoever answers
        // with our key now is another process.
        let peer = signing::public_key(&self.keys.peer);
        let registered =
            chain.at_best().await?.worker(account).await?.filter(|(record, _)| record.peer == peer);
        let registered = registered.map(|(record, _)| record.addresses).unwrap_or_default();
        let rivals = tokio::spawn(async move { answering(peer, None, &registered).await });

        let registration =
            Registration { chain: &chain, signer: &self.keys.account, source, config, reporter };
        let model = registration.model().await?;
        let range = choose_range(&chain, source, config, account).await?;
        let (answers, computed) = mpsc::channel(MAX_SESSIONS);
        let threads = config.threads.map_or_else(Threads::available, Threads::new);
        let engine = Arc::new(Engine::start(source.clone(), threads, answers)?);
        let cost_us = engine
            .load(range)
            .await
            .wrap_err_with(|| format!("layers {range} cannot be served"))?;
        reporter.tell(&Event::Loaded {
            model: source.id,
            layers: range,
            cost_us_per_layer_token: cost_us,
        });
        refuse_a_second_process(rivals.await.unwrap_or_default())?;

        let thread = NetworkThread::start()?;
        let instance = Instance(rand::random());
        let (net, network) = thread.enter(|| start_network(config, &self.keys, instance))?;
        let addresses = published(&self.announced, &net, reporter).await?;
        let mut offered = Offered {
            range,
            cost_us_per_layer_token: cost_us,
            price_per_layer_token: start_price(&chain, config, account, model.units).await?,
            peer,
            addresses: addresses.clone(),
        };
        let record = match registration.worker(&offered).await {
            Err(error) if may_not_move(&error) => {
                self.stay(&chain, &engine, &mut offered, &error).await?;
                registration.worker(&offered).await?
            }
            other => other?,
        };
        let head = chain.best().await?;
        let parameters = chain.at(head).registry_parameters().await?;
        let units = model.units;
        let ready = Ready {
            chain,
            store,
            origin,
            units,
            engine,
            computed,
            thread,
            net,
            network,
            instance,
            addresses,
            record,
            parameters,
            head,
        };
        Ok(Some(ready))
    }

    /// Loads the layers of the registration, because the chain does not let the worker go to those
    /// that it was told to serve.
    async fn stay(
        &self,
        chain: &Chain,
        engine: &Engine,
        offered: &mut Offered,
        why: &eyre::Report,
    ) -> Result<()> {
        let account = self.keys.account.account();
        let record = chain.at_best().await?.worker(account).await?;
        let Some((record, _)) = record else {
            bail!("layers {} cannot be registered: {why:#}", offered.range)
        };
        let text = format!(
            "stays at layers {} and does not go to {}: {why:#}",
            record.range, offered.range
        );
        tracing::warn!("{text}");
        self.reporter.tell(&Event::Warning { text });
        offered.cost_us_per_layer_token = engine.load(record.range).await?;
        offered.range = record.range;
        Ok(())
    }
}

/// # Errors
/// [`ExitKind::Duplicate`] if another process answers with this worker's key at one of `addresses`.
fn refuse_a_second_process(addresses: Vec<String>) -> Result<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let text = format!(
        "another process with this account and peer key is running and answers at {}: {REMEDY}. \
         Two processes with one account would take each other's registration and channels",
        addresses.join(", ")
    );
    Err(Failure::new(ExitKind::Duplicate, text).into())
}

/// Whether the chain refuses to let the worker leave its layers.
fn may_not_move(error: &eyre::Report) -> bool {
    let Some(SubmitError::Failed { failure, .. }) = error.downcast_ref::<SubmitError>() else {
        return false;
    };
    failure.is("Registry", "WouldUncover") || failure.is("Registry", "BoundByAgreement")
}
