//! From a data directory to a serving worker, and back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mica_chain::ReadError;
use mica_net::AnnounceError;
use mica_protocol::signing;
use mica_weights::{Progress, SpecError, Store};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    metrics::{self, MetricsError},
    network::announced,
    ready::{ReadyError, Start},
    session_handle::SessionHandle,
    status::{self, StatusFileError},
    tasks::Running,
    weights::{Pace, Weights},
};
use crate::{
    config::Config,
    data_dir::{DataDir, FolderError},
    keys::{KeyError, Keys},
    model::{Choice, ModelError, ModelSource},
    models::{FindError, Models},
    report::{Event, Reporter},
    store::StoreError,
};

/// Longest wait for redeems and other tasks at the end.
const FINISH: Duration = Duration::from_secs(60);
/// Pause before a chain that was started anew is served, the first time; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// Longest such pause; after a chain has been served for so long the next pause is the first one.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// Pause between two checks of the sessions that are still open.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What keeps the worker from serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// It has no keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Its folder is in use.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The last run's status stays.
    #[error(transparent)]
    Status(#[from] StatusFileError),
    /// An address to announce that nobody could dial.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
    /// The model cannot be served.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What is named as the model is no place of one.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The model that is named is not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The chain cannot be served.
    #[error(transparent)]
    Ready(#[from] ReadyError),
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody can read the metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The session actor has panicked.
    #[error("the desk failed; its journal keeps every record and is read at the next start")]
    ActorFailed,
}

/// Serves until `stop` is cancelled; then lets sessions end, redeems what pays and leaves the store
/// in order.
///
/// When the chain is started anew under it, it begins anew as well: with empty records and another
/// registration.
///
/// # Errors
/// Whatever keeps the worker from serving, with its remedy.
pub(crate) async fn serve(
    folder: &DataDir,
    config: Config,
    reporter: Reporter,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let keys = Keys::read(folder.path())?;
    let _lock = folder.lock()?;
    let metrics = match config.metrics.listen {
        Some(address) => Some(metrics::listen(address).await?),
        None => None,
    };
    let Some(start) = prepare(folder, keys, config, reporter, &stop).await? else { return Ok(()) };
    let reading = metrics.map(|listener| {
        // Ends with this function, whatever ends it.
        AbortOnDropHandle::new(tokio::spawn(metrics::serve(listener, start.told.subscribe())))
    });
    let served = start.serve_chains(&stop).await;
    drop(reading);
    served
}

/// Registers as [`serve`] does, and ends.
///
/// # Errors
/// Whatever keeps the worker from being registered, with its remedy.
pub(crate) async fn register(
    folder: &DataDir,
    config: Config,
    reporter: Reporter,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let keys = Keys::read(folder.path())?;
    let _lock = folder.lock()?;
    let Some(start) = prepare(folder, keys, config, reporter, &stop).await? else { return Ok(()) };
    let Some(ready) = start.make_ready(&stop).await? else { return Ok(()) };
    ready.net.stop().await;
    let text = format!(
        "nobody serves these layers yet: start `mica-worker run`, or the worker counts as offline \
         in {} blocks, and is jailed in {}",
        ready.registered.parameters.offline_after, ready.registered.parameters.jail_after
    );
    reporter.emit(&Event::Warning { text });
    Ok(())
}

/// Everything that is the same for every chain; nothing if `stop` came while a model was looked
/// for.
async fn prepare<'a>(
    folder: &'a DataDir,
    keys: Keys,
    config: Config,
    reporter: Reporter,
    stop: &CancellationToken,
) -> Result<Option<Start<'a>>, ServeError> {
    // What the last run said of itself is not true any more.
    status::remove(&folder.status())?;
    let announced = announced(&config, &signing::public_key(&keys.peer))?;
    let store = config.weights.store(folder);
    let config = Arc::new(config);
    let found = stop.run_until_cancelled(open(&config, &store, reporter)).await;
    let Some(source) = found.transpose()?.map(Arc::new) else { return Ok(None) };
    let weights = Arc::new(Weights {
        source: source.clone(),
        store,
        config: config.clone(),
        own: signing::public_key(&keys.peer),
        reporter,
    });
    let told = Arc::new(watch::Sender::new(None));
    Ok(Some(Start { folder, keys, config, announced, source, weights, reporter, told }))
}

/// Opens what the configuration names as the model, or finds it.
async fn open(
    config: &Config,
    store: &Store,
    reporter: Reporter,
) -> Result<ModelSource, ServeError> {
    let text = match Choice::of(config.model.as_deref())? {
        Choice::BuiltIn => return Ok(ModelSource::open(None)?),
        Choice::File(path) => return Ok(ModelSource::open(Some(&path))?),
        Choice::Named(text) => text,
    };
    let pace = Pace::default();
    let tell = |progress: Progress| {
        if pace.is_due() {
            reporter.emit(&Event::reading(progress));
        }
    };
    let models = Models { store: store.clone(), config, tell: &tell };
    Ok(ModelSource::fetched(models.find(&text, config.layers).await?))
}

/// Why serving has ended without a failure.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// The node follows another chain.
    ChainChanged,
}

impl Start<'_> {
    /// Serves one chain after the other, until it is told to stop.
    async fn serve_chains(&self, stop: &CancellationToken) -> Result<(), ServeError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let begin = Instant::now();
            if let Ended::Stopped = self.serve_one_chain(stop).await? {
                return Ok(());
            }
            // A registration costs a fee: a node that goes back and forth between two chains must
            // not make one a minute.
            if begin.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return Ok(());
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Serves until it is told to stop or the chain changes; then ends everything in order.
    async fn serve_one_chain(&self, stop: &CancellationToken) -> Result<Ended, ServeError> {
        // Nor is what was said of another chain.
        status::remove(&self.folder.status())?;
        let Some(ready) = self.make_ready(stop).await? else { return Ok(Ended::Stopped) };
        let record = ready.registered.record.clone();
        let running = self.start_tasks(ready).await?;
        self.reporter.emit(&Event::Serving {
            layers: record.range,
            price_per_layer_token: record.list_price_per_layer_token,
        });
        let ended = tokio::select! {
            () = stop.cancelled() => Ended::Stopped,
            () = running.context.origin.changed().cancelled() => Ended::ChainChanged,
        };
        if matches!(ended, Ended::Stopped) {
            let patience = Duration::from_secs(self.config.limits.drain_seconds);
            drain(&running.context.sessions, self.reporter, patience).await;
        }
        running.stop(ended).await
    }
}

impl Running {
    /// Ends the tasks, then the session actor, then the network.
    async fn stop(self, ended: Ended) -> Result<Ended, ServeError> {
        let Self { context, actor, redeemer, tasks, net, thread: _thread } = self;
        let reporter = context.reporter;
        context.stop.cancel();
        let abort_redeemer = redeemer.abort_handle();
        if tokio::time::timeout(FINISH, redeemer).await.is_err() {
            let text =
                "a redeem did not end in time; it is tried again at the next start".to_owned();
            reporter.emit(&Event::Warning { text });
        }
        tasks.close();
        // Every task ends with the token; the limit keeps a bug from holding up the end.
        let _ = tokio::time::timeout(FINISH, tasks.wait()).await;
        // Nothing is sent to the chain by a task that nobody waits for.
        abort_redeemer.abort();
        let totals = context.sessions.totals().await.unwrap_or_default();
        // The last handle: without one the session actor ends.
        drop(context);
        let closed = actor.await;
        net.stop().await;
        if closed.is_err() {
            return Err(ServeError::ActorFailed);
        }
        if matches!(ended, Ended::Stopped) {
            reporter.emit(&Event::Stopped { earned: totals.earned, unredeemed: totals.redeemable });
        }
        Ok(ended)
    }
}

/// Lets open sessions end, for a while.
async fn drain(sessions: &SessionHandle, reporter: Reporter, patience: Duration) {
    let Ok(open) = sessions.drain().await else { return };
    if open == 0 {
        return;
    }
    reporter.emit(&Event::Draining { sessions: open });
    let emptied = async {
        while sessions.totals().await.is_ok_and(|totals| totals.sessions > 0) {
            tokio::time::sleep(DRAIN_POLL_INTERVAL).await;
        }
    };
    // Whoever is not done by then is paid up to its last voucher all the same.
    let _ = tokio::time::timeout(patience, emptied).await;
}
