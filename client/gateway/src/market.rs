//! The market as it was a moment ago: read again and again in the background, so that no request
//! waits for the chain.
//!
//! A model_snapshot older than `state_seconds` is not served from: prices, stakes and workers may have
//! changed too much. Quotes come from the workers themselves. Those of models that are in use are
//! asked for again before they are older than `quote_seconds`, so that a worker that does not
//! answer holds up nobody; otherwise they are asked for once for all who wait for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mica_chain::Chain;
use mica_primitives::{BlockNumber, ModelId};
use tokio_util::sync::CancellationToken;

use super::error::{GatewayError, Kind};
use mica_payer::ask::Asker;
use mica_payer::market::{MarketError, ModelSnapshot};
use mica_payer::session::Quotes;

/// Pause between two looks at the chain: two blocks.
const PAUSE: Duration = Duration::from_secs(6);
/// How long a model counts as in use after a request.
const IN_USE: Duration = Duration::from_secs(120);

/// All models and workers at one finalized block.
#[derive(Clone, Debug)]
pub struct MarketSnapshot {
    /// The block.
    pub block: BlockNumber,
    /// When it was read.
    pub taken: Instant,
    /// The models.
    pub models: Vec<ModelSnapshot>,
}

impl MarketSnapshot {
    /// One model.
    pub fn model(&self, id: ModelId) -> Option<&ModelSnapshot> {
        self.models.iter().find(|model_snapshot| model_snapshot.id == id)
    }
}

/// Quotes of one model's workers.
struct Quoted {
    /// When they were last wanted.
    wanted: Mutex<Instant>,
    /// When they came, and what they say.
    newest: Mutex<Option<(Instant, Arc<Quotes>)>>,
    /// Held by whoever asks, so that a worker that is silent holds up only those who need new
    /// quotes.
    asking: tokio::sync::Mutex<()>,
}

impl Quoted {
    fn newest(&self) -> MutexGuard<'_, Option<(Instant, Arc<Quotes>)>> {
        // It is replaced whole.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest snapshot and the newest quotes.
pub struct Market {
    chain: Chain,
    state_age: Duration,
    quote_age: Duration,
    newest: RwLock<Option<Arc<MarketSnapshot>>>,
    quotes: Mutex<BTreeMap<ModelId, Arc<Quoted>>>,
}

impl Market {
    /// Of `chain`; nothing is known before the first [`Market::refresh`].
    pub fn new(chain: Chain, state_age: Duration, quote_age: Duration) -> Self {
        Self { chain, state_age, quote_age, newest: RwLock::default(), quotes: Mutex::default() }
    }

    /// Looks at the chain once.
    ///
    /// # Errors
    /// [`MarketError`] if it cannot be read; the last snapshot stays.
    pub async fn refresh(&self) -> Result<(), MarketError> {
        let taken = Instant::now();
        let view = self.chain.at_finalized().await?;
        let models = ModelSnapshot::read_all(&view, None).await?;
        let snapshot = Arc::new(MarketSnapshot { block: view.number(), taken, models });
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
        Ok(())
    }

    /// Looks at the chain, and at the quotes of models in use, until `stop`.
    pub async fn follow(&self, asker: Option<&Asker>, stop: CancellationToken) {
        let looking = async {
            loop {
                tokio::time::sleep(PAUSE).await;
                if let Err(error) = self.refresh().await {
                    tracing::warn!(%error, "the chain cannot be read");
                }
            }
        };
        let asking = async {
            // So often that even quotes for which a silent worker was waited for come in time.
            let pause = self.quote_age.max(Duration::from_secs(2)) / 4;
            loop {
                tokio::time::sleep(pause).await;
                if let Some(asker) = asker {
                    self.ask_again(asker).await;
                }
            }
        };
        stop.run_until_cancelled(async { tokio::join!(looking, asking) }).await;
    }

    async fn ask_again(&self, asker: &Asker) {
        let in_use: Vec<(ModelId, Arc<Quoted>)> = {
            let quotes = self.quotes.lock().unwrap_or_else(PoisonError::into_inner);
            let wanted =
                |quoted: &Quoted| *quoted.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            quotes
                .iter()
                .filter(|(_, quoted)| wanted(quoted).elapsed() < IN_USE)
                .map(|(id, quoted)| (*id, quoted.clone()))
                .collect()
        };
        let Ok(snapshot) = self.snapshot() else { return };
        for (id, quoted) in in_use {
            let Some(model_snapshot) = snapshot.model(id) else { continue };
            match asker.quotes(model_snapshot).await {
                Ok(quotes) => *quoted.newest() = Some((Instant::now(), Arc::new(quotes))),
                Err(error) => tracing::warn!(%error, "no quotes"),
            }
        }
    }

    /// Age of the newest snapshot.
    pub fn age(&self) -> Option<Duration> {
        self.newest
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|snapshot| snapshot.taken.elapsed())
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] if it is too old.
    pub fn snapshot(&self) -> Result<Arc<MarketSnapshot>, GatewayError> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner).clone();
        newest.filter(|snapshot| snapshot.taken.elapsed() <= self.state_age).ok_or_else(|| {
            let message = format!(
                "the node at {} has not answered for more than {} s: check that it runs; the \
                 gateway goes on when it answers",
                self.chain.url(),
                self.state_age.as_secs()
            );
            GatewayError::new(Kind::Unavailable, message)
        })
    }

    /// What the workers of `model_snapshot` ask; asked again if the quotes at hand are `refused`, because
    /// they proved wrong.
    ///
    /// # Errors
    /// [`GatewayError`] if quotes cannot be held against the chain.
    pub async fn quotes(
        &self,
        asker: &Asker,
        model_snapshot: &ModelSnapshot,
        refused: Option<&Arc<Quotes>>,
    ) -> Result<Arc<Quotes>, GatewayError> {
        let quoted = {
            let mut all = self.quotes.lock().unwrap_or_else(PoisonError::into_inner);
            // No more entries than models on chain: a model_snapshot comes from there.
            let fresh = || {
                Arc::new(Quoted {
                    wanted: Mutex::new(Instant::now()),
                    newest: Mutex::default(),
                    asking: tokio::sync::Mutex::default(),
                })
            };
            all.entry(model_snapshot.id).or_insert_with(fresh).clone()
        };
        *quoted.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let at_hand = || {
            let fits = |(given, quotes): &(Instant, Arc<Quotes>)| {
                given.elapsed() <= self.quote_age
                    && refused.is_none_or(|refused| !Arc::ptr_eq(refused, quotes))
            };
            quoted.newest().as_ref().filter(|newest| fits(newest)).map(|(_, quotes)| quotes.clone())
        };
        if let Some(quotes) = at_hand() {
            return Ok(quotes);
        }
        let _asking = quoted.asking.lock().await;
        if let Some(quotes) = at_hand() {
            return Ok(quotes);
        }
        let quotes = Arc::new(asker.quotes(model_snapshot).await?);
        *quoted.newest() = Some((Instant::now(), quotes.clone()));
        Ok(quotes)
    }
}
