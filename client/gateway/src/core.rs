//! The part of the gateway that generates. It knows models, market, queue, money and sessions, but
//! no front end.
//!
//! A request passes the modules in this order: `request` says what is asked; `names` finds the
//! model; `market` knows paths and quotes as they were a moment ago; `queue` gives it a session;
//! `spending` sets money aside; `attempts` runs the session and tries again where that helps;
//! `piece_sender` passes text on as far as `stop_strings` allow, `pacing` in time; and
//! `generation` is what the front end reads, with a `report` at its end.
//!
//! **Architecture invariant:** nothing here knows HTTP or JSON; a test of this crate checks it.

mod error;

pub(crate) mod limits;

mod request;

mod names;

mod market;

mod queue;

mod spending;

mod attempts;

mod piece_sender;

mod stop_strings;

mod pacing;

mod generation;

mod report;

mod metrics;

mod keep_alive;

mod workflow;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use mica_chain::AccountId;
use mica_market::routing::RouteError;
use mica_payer::Terms;
use mica_payer::ask::{AskError, Asker, Offer, Question};
use mica_payer::interrupt::Interrupt;
use mica_payer::market::MarketError;
use mica_payer::session::Quotes;
use mica_protocol::session::Sampling;
use rand::{RngCore, rngs::OsRng};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use error::{GatewayError, Kind};
pub use generation::{Generation, GenerationEvent, Piece};
pub use limits::{SessionLimits, SpendingCaps};
pub use market::Market;
pub use names::{Catalogue, LoadedModel, ModelSource};
pub use report::{Cost, Durations, Finish, Receipts, Report, Stage};
pub use request::{Caller, Options, Prompt, Request};
pub use spending::{Budget, Spending};
pub use workflow::Workflows;

pub(crate) use market::MarketSnapshot;
pub(crate) use metrics::{Counts, Gauges};
pub(crate) use names::tagged;
pub(crate) use report::nanoseconds;
pub(crate) use stop_strings::{MAX_STOP_BYTES, MAX_STOP_STRINGS};

use attempts::RunningRequest;
use generation::broken_off;
use keep_alive::KeepAlive;
use metrics::Metrics;
use pacing::{MIN_WRITE_INTERVAL, PacedEvents};
use piece_sender::PieceSender;
use queue::Queue;
use stop_strings::StopStrings;

/// What requests are answered with: the models, the market and the money.
pub struct Parts {
    /// Names and tokenizers.
    pub catalogue: Catalogue,
    /// Chains of steps.
    pub workflows: Workflows,
    /// The market.
    pub market: Market,
    /// Pays the workers. Without it (the wallet is locked) everything but generation is answered.
    pub asker: Option<Asker>,
    /// The caps, and what was spent under them.
    pub spending: Spending,
}

/// Everything that requests share.
pub struct Core {
    /// Names and tokenizers.
    pub catalogue: Catalogue,
    pub(crate) workflows: Workflows,
    pub(crate) market: Market,
    metrics: Metrics,
    limits: SessionLimits,
    asker: Option<Asker>,
    spending: Arc<Spending>,
    queue: Queue,
    keep_alive: KeepAlive,
    tasks: TaskTracker,
    interrupt: Interrupt,
}

impl Core {
    /// Puts the parts together.
    pub fn new(limits: SessionLimits, parts: Parts, interrupt: Interrupt) -> Self {
        let Parts { catalogue, workflows, market, asker, spending } = parts;
        Self {
            catalogue,
            workflows,
            market,
            metrics: Metrics::default(),
            limits,
            asker,
            spending: Arc::new(spending),
            queue: Queue::new(&limits),
            keep_alive: KeepAlive::default(),
            tasks: TaskTracker::new(),
            interrupt,
        }
    }

    /// The counters of sessions.
    pub(crate) fn counts(&self) -> Counts {
        self.metrics.counts()
    }

    /// What is read when it is asked for.
    pub(crate) fn gauges(&self) -> Gauges {
        Gauges {
            running: self.queue.running(),
            waiting: self.queue.waiting(),
            spent_today: self.spending.spent_today(),
            state_age: self.market.age(),
        }
    }

    /// Whether requests can be answered now.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] says what is missing.
    pub(crate) fn ready(&self) -> Result<(), GatewayError> {
        self.asker()?;
        self.market.snapshot().map(drop)
    }

    /// The model that `name` stands for, if it is on the market.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or [`Kind::Unavailable`] if the market is not known.
    pub(crate) fn model(
        &self,
        name: &str,
        caller: &Caller,
    ) -> Result<(Arc<LoadedModel>, Arc<MarketSnapshot>), GatewayError> {
        let name = caller.models.get(&tagged(name)).map_or(name, String::as_str);
        let model = self.catalogue.resolve(name)?;
        let snapshot = self.market.snapshot()?;
        if snapshot.model(model.local.id()).is_none() {
            let message = format!(
                "model '{}' is not registered on this chain: see `mica market`",
                model.name
            );
            return Err(GatewayError::new(Kind::NotFound, message));
        }
        Ok((model, snapshot))
    }

    /// Makes sure that there is a path through the model, and that quotes for it are at hand. Costs
    /// nothing. Returns the model.
    ///
    /// # Errors
    /// [`GatewayError`] if there is no such model or no path.
    pub async fn load(
        &self,
        model: &str,
        caller: &Caller,
    ) -> Result<Arc<LoadedModel>, GatewayError> {
        let (model, snapshot) = self.model(model, caller)?;
        let question =
            self.question(vec![0], &Options { max_tokens: Some(1), ..Options::default() }, caller);
        self.offer(&model, &snapshot, &question, &BTreeSet::new(), None).await?;
        Ok(model)
    }

    /// Counts a model as in use for some time.
    pub fn keep(&self, model: &LoadedModel, time: Duration) {
        self.keep_alive.keep(model, time);
    }

    /// Counts a model as no longer in use.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such model.
    pub fn unload(&self, model: &str, caller: &Caller) -> Result<(), GatewayError> {
        let (model, _) = self.model(model, caller)?;
        self.keep_alive.remove(&model);
        Ok(())
    }

    /// Models in use, and until when.
    pub(crate) fn in_use(&self, now: SystemTime) -> Vec<(Arc<LoadedModel>, SystemTime)> {
        self.keep_alive.in_use(self.catalogue.models(), now)
    }

    /// Begins to answer; returns with the first piece, so that what fails before it fails here.
    /// With a `heartbeat` it returns after that time in any case, and the answer can say that it is
    /// still there: opening channels waits for blocks.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing was spent, except where its message says so.
    pub async fn generate(
        self: &Arc<Self>,
        request: Request,
        heartbeat: Option<Duration>,
    ) -> Result<Generation, GatewayError> {
        let arrived = Instant::now();
        self.asker()?;
        let (model, snapshot) = self.model(&request.model, &request.caller)?;
        let session = self.queue.enter().await?;
        let prompt = tokio::task::block_in_place(|| request.prompt.tokens(&model))?;
        let question = self.question(prompt, &request.options, &request.caller);
        // A token gives at most one piece, and the end gives two more events: nobody ever waits for
        // a slow reader.
        let (sender, events) = mpsc::channel(question.max_new_tokens as usize + 4);
        let interrupt = Interrupt {
            finish: self.interrupt.finish.child_token(),
            stop: self.interrupt.stop.clone(),
        };
        let stop = interrupt.finish.clone().drop_guard();
        let over = CancellationToken::new();
        let is_scored = question.logprobs.is_some();
        let stop_strings = StopStrings::new(request.options.stop);
        let running = RunningRequest {
            model: model.clone(),
            snapshot,
            question,
            caller: request.caller,
            pieces: PieceSender::new(stop_strings, sender, over.clone().drop_guard()),
            interrupt,
            arrived,
            earlier: Cost { paid: 0, fees: 0 },
            failed: BTreeSet::new(),
        };
        let core = self.clone();
        self.tasks.spawn(async move {
            core.run(running).await;
            drop(session);
        });
        let events = PacedEvents::new(events, over, MIN_WRITE_INTERVAL);
        let generation =
            Generation { model, is_scored, heartbeat, is_silent: false, events, _stop: stop };
        generation.begun().await
    }

    /// Keeps the snapshot of the market fresh until everything finishes.
    pub async fn follow(&self) {
        self.market.follow(self.asker.as_ref(), self.interrupt.finish.clone()).await;
    }

    /// Waits until every session is over and stops the network.
    pub async fn stop(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        if let Some(asker) = &self.asker {
            asker.stop().await;
        }
    }

    fn asker(&self) -> Result<&Asker, GatewayError> {
        self.asker.as_ref().ok_or_else(|| {
            let message =
                "the wallet is locked: start the gateway with --password-file or MICA_PASSWORD";
            GatewayError::new(Kind::Unavailable, message)
        })
    }

    fn question(&self, prompt: Vec<u32>, options: &Options, caller: &Caller) -> Question {
        let max_new_tokens =
            options.max_tokens.unwrap_or(self.limits.default_tokens).min(self.limits.max_tokens);
        let seed = options.seed.unwrap_or_else(|| OsRng.next_u64());
        Question {
            prompt,
            max_new_tokens,
            sampling: Sampling::new(options.temperature, options.top_k, options.top_p, seed),
            logprobs: options.logprobs,
            // The request's own limit is for its attempts together.
            terms: Terms { max_total: None, ..caller.terms },
        }
    }

    /// A path for `question` without the workers that `failed` it, and the quotes that it was
    /// chosen by; new ones are asked for if those at hand were `refused`, or give no path.
    async fn offer(
        &self,
        model: &LoadedModel,
        snapshot: &MarketSnapshot,
        question: &Question,
        failed: &BTreeSet<AccountId>,
        refused: Option<&Arc<Quotes>>,
    ) -> Result<(Offer, Arc<Quotes>), GatewayError> {
        let (asker, wanted) = (self.asker()?, question.wanted(&model.local));
        let model_snapshot = snapshot.model(model.local.id()).ok_or_else(broken_off)?;
        let offer =
            |quotes: &Quotes| asker.offer(&model.local, model_snapshot, quotes, failed, question);
        let quotes = self.market.quotes(asker, model_snapshot, &wanted, failed, refused).await?;
        match offer(&quotes) {
            Ok(offer) => Ok((offer, quotes)),
            // A worker may have come, or room may have become free, since the quotes were given.
            Err(error) if refused.is_none() && !is_about_terms(&error) => {
                let refused = Some(&quotes);
                let quotes =
                    self.market.quotes(asker, model_snapshot, &wanted, failed, refused).await?;
                Ok((offer(&quotes)?, quotes))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether other quotes would hardly help: the terms themselves are beyond every path.
fn is_about_terms(error: &AskError) -> bool {
    let AskError::Market(MarketError::Route { source, .. }) = error else { return false };
    matches!(source, RouteError::OverLimits { .. } | RouteError::Alpha(_))
}
