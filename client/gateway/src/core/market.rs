//! The market as it was a moment ago: read again and again in the background, so that no request
//! waits for the chain.
//!
//! A snapshot older than `state_seconds` is not served from: prices, stakes and workers may have
//! changed too much. Quotes come from the workers themselves, of those that the terms of requests
//! lead to. Those of models that are in use are asked for again before they are older than
//! `quote_seconds`, so that a worker that does not answer holds up nobody; otherwise they are asked
//! for once for all who wait for them under the same terms.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use mica_chain::{AccountId, Chain};
use mica_payer::Terms;
use mica_payer::ask::Asker;
use mica_payer::market::{MarketError, ModelSnapshot, Wanted};
use mica_payer::session::Quotes;
use mica_primitives::{BlockNumber, ModelId};
use tokio_util::sync::CancellationToken;

use super::error::{GatewayError, Kind};

/// Least pause between two reads of the chain: two blocks. A large market is read less often, so
/// that reading it takes no more than one part in [`READING_SHARE`] of the time.
const PAUSE: Duration = Duration::from_secs(6);
/// See [`PAUSE`].
const READING_SHARE: u32 = 10;
/// Most kinds of quotes that are kept: one for each model and terms.
const MAX_KINDS: usize = 64;
/// How long a model counts as in use after a request.
const IN_USE: Duration = Duration::from_secs(120);

/// All models and workers at one finalized block.
#[derive(Clone, Debug)]
pub(crate) struct MarketSnapshot {
    /// The block.
    pub(crate) block: BlockNumber,
    /// When it was read.
    pub(crate) taken: Instant,
    /// The models.
    pub(crate) models: Vec<ModelSnapshot>,
}

impl MarketSnapshot {
    /// One model.
    pub(crate) fn model(&self, id: ModelId) -> Option<&ModelSnapshot> {
        self.models.iter().find(|model_snapshot| model_snapshot.id == id)
    }
}

/// What quotes are for: a model under terms, of which only those count that choose a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct QuoteKind {
    model: ModelId,
    alpha: u64,
    max_price_per_token: Option<u128>,
    deadline_us: Option<u64>,
}

impl QuoteKind {
    fn new(model: ModelId, terms: &Terms) -> Self {
        let Terms { alpha, max_price_per_token, deadline_us, .. } = *terms;
        Self { model, alpha: alpha.to_bits(), max_price_per_token, deadline_us }
    }
}

/// Quotes of one model's workers, under the terms of some requests.
struct ModelQuotes {
    /// What the last request wanted.
    wanted: Mutex<Wanted>,
    /// When a request last needed them.
    last_used: Mutex<Instant>,
    /// When they came, and what they say.
    newest: Mutex<Option<(Instant, Arc<Quotes>)>>,
    /// Held by the request that asks the workers, so that a silent one delays only requests that
    /// need new quotes.
    refreshing: tokio::sync::Mutex<()>,
}

impl ModelQuotes {
    /// Of a model that is in use from now on.
    fn new(wanted: Wanted) -> Self {
        Self {
            wanted: Mutex::new(wanted),
            last_used: Mutex::new(Instant::now()),
            newest: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    fn last_used(&self) -> MutexGuard<'_, Instant> {
        // It is replaced whole.
        mica_host::lock(&self.last_used)
    }

    fn newest(&self) -> MutexGuard<'_, Option<(Instant, Arc<Quotes>)>> {
        // It is replaced whole.
        mica_host::lock(&self.newest)
    }
}

/// The newest snapshot and the newest quotes.
pub struct Market {
    chain: Chain,
    state_age: Duration,
    quote_age: Duration,
    newest: RwLock<Option<Arc<MarketSnapshot>>>,
    quotes: Mutex<BTreeMap<QuoteKind, Arc<ModelQuotes>>>,
}

impl Market {
    /// Of `chain`; nothing is known before the first [`Market::refresh`].
    pub fn new(chain: Chain, state_age: Duration, quote_age: Duration) -> Self {
        Self { chain, state_age, quote_age, newest: RwLock::default(), quotes: Mutex::default() }
    }

    /// Reads the chain once.
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

    /// Reads the chain, and the quotes of models in use, again and again until `stop`.
    pub(crate) async fn follow(&self, asker: Option<&Asker>, stop: CancellationToken) {
        let snapshots = async {
            let mut pause = PAUSE;
            loop {
                tokio::time::sleep(pause).await;
                let begun = Instant::now();
                if let Err(error) = self.refresh().await {
                    tracing::warn!(%error, "the chain cannot be read");
                }
                pause = (begun.elapsed() * READING_SHARE).min(self.state_age / 2).max(PAUSE);
            }
        };
        let quotes = async {
            // So often that even quotes for which a silent worker was waited for come in time.
            let pause = self.quote_age.max(Duration::from_secs(2)) / 4;
            loop {
                tokio::time::sleep(pause).await;
                if let Some(asker) = asker {
                    self.refresh_quotes(asker).await;
                }
            }
        };
        stop.run_until_cancelled(async { tokio::join!(snapshots, quotes) }).await;
    }

    async fn refresh_quotes(&self, asker: &Asker) {
        let in_use: Vec<(QuoteKind, Arc<ModelQuotes>)> = {
            let quotes = mica_host::lock(&self.quotes);
            quotes
                .iter()
                .filter(|(_, model)| model.last_used().elapsed() < IN_USE)
                .map(|(kind, model)| (*kind, model.clone()))
                .collect()
        };
        let Ok(snapshot) = self.snapshot() else { return };
        for (kind, model) in in_use {
            let Some(model_snapshot) = snapshot.model(kind.model) else { continue };
            let wanted = *mica_host::lock(&model.wanted);
            match asker.quotes(model_snapshot, &BTreeSet::new(), &wanted).await {
                Ok(quotes) => *model.newest() = Some((Instant::now(), Arc::new(quotes))),
                Err(error) => tracing::warn!(%error, "no quotes"),
            }
        }
    }

    /// Age of the newest snapshot.
    pub(crate) fn age(&self) -> Option<Duration> {
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
    pub(crate) fn snapshot(&self) -> Result<Arc<MarketSnapshot>, GatewayError> {
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

    /// Prices of workers of `model_snapshot` for what is `wanted`; asked again, without the workers
    /// that `failed` the request, if the quotes at hand are `refused`, because they proved wrong.
    ///
    /// # Errors
    /// [`GatewayError`] if quotes cannot be held against the chain.
    pub(crate) async fn quotes(
        &self,
        asker: &Asker,
        model_snapshot: &ModelSnapshot,
        wanted: &Wanted,
        failed: &BTreeSet<AccountId>,
        refused: Option<&Arc<Quotes>>,
    ) -> Result<Arc<Quotes>, GatewayError> {
        let model = self.of_kind(QuoteKind::new(model_snapshot.id, &wanted.terms), *wanted);
        *mica_host::lock(&model.wanted) = *wanted;
        *model.last_used() = Instant::now();
        let at_hand = || {
            let fits = |(given, quotes): &(Instant, Arc<Quotes>)| {
                given.elapsed() <= self.quote_age
                    && refused.is_none_or(|refused| !Arc::ptr_eq(refused, quotes))
            };
            model.newest().as_ref().filter(|newest| fits(newest)).map(|(_, quotes)| quotes.clone())
        };
        if let Some(quotes) = at_hand() {
            return Ok(quotes);
        }
        let _refreshing = model.refreshing.lock().await;
        if let Some(quotes) = at_hand() {
            return Ok(quotes);
        }
        let quotes = Arc::new(asker.quotes(model_snapshot, failed, wanted).await?);
        *model.newest() = Some((Instant::now(), quotes.clone()));
        Ok(quotes)
    }

    /// The quotes of one kind; the kind that was used longest ago makes room.
    fn of_kind(&self, kind: QuoteKind, wanted: Wanted) -> Arc<ModelQuotes> {
        let mut all = mica_host::lock(&self.quotes);
        if !all.contains_key(&kind) && all.len() >= MAX_KINDS {
            let oldest = all.iter().min_by_key(|(_, model)| *model.last_used());
            if let Some(oldest) = oldest.map(|(kind, _)| *kind) {
                all.remove(&oldest);
            }
        }
        all.entry(kind).or_insert_with(|| Arc::new(ModelQuotes::new(wanted))).clone()
    }
}
