//! The part of the gateway that generates: knows models, market, queue, money and sessions, and no
//! HTTP.

mod attempts;
mod pace;

use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use std::time::{Duration, Instant, SystemTime};

use mica_engine::{ChatMessage, PromptText};
use mica_market::routing::RouteError;
use mica_primitives::ModelId;
use mica_protocol::session::Sampling;
use rand::{RngCore, rngs::OsRng};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use attempts::{Job, Relay};
use pace::{PACE, Paced};

use super::{
    admit::Caller,
    body::Bodies,
    config::Config,
    error::{GatewayError, Kind},
    market::{Market, MarketSnapshot},
    metrics::{Gauges, Metrics},
    names::{Catalogue, LoadedModel},
    report::{Cost, Report},
    spending::Spending,
    stops::Stops,
    workflows::Workflows,
};
use mica_payer::Terms;
use mica_payer::ask::{AskError, Asker, Offer, Question, ScoredToken, offer};
use mica_payer::interrupt::Interrupt;
use mica_payer::market::MarketError;
use mica_payer::session::Quotes;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Name of the model, as the client wrote it.
    pub model: String,
    /// The prompt.
    pub prompt: Prompt,
    /// How the answer is generated.
    pub options: Options,
    /// Who asks, and under which limits.
    pub caller: Caller,
}

/// Forms of a prompt.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// A conversation, rendered with the model's own template; `context` is token ids that come
    /// before it.
    Chat {
        /// Token ids of an earlier conversation.
        context: Vec<u32>,
        /// The messages.
        messages: Vec<ChatMessage>,
    },
    /// A template of the request's own, rendered.
    Rendered(PromptText),
    /// A text as it is: the names of control tokens in it become those tokens.
    Raw(String),
    /// Token ids as they are.
    Tokens(Vec<u32>),
}

/// How the answer is generated.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Most tokens; nothing for the configured number.
    pub max_tokens: Option<u32>,
    /// 0 always takes the most likely token.
    pub temperature: f32,
    /// Draw from this many most likely tokens; 0 for all.
    pub top_k: u32,
    /// Draw from the most likely tokens with this much probability together.
    pub top_p: f32,
    /// Seed of the draws; drawn at random if there is none.
    pub seed: Option<u64>,
    /// Strings that end the answer and are not part of it.
    pub stop: Vec<String>,
    /// Whether tokens come with log probabilities, and with those of how many most likely ones; see
    /// [`Question::logprobs`].
    pub logprobs: Option<u8>,
}

/// A piece of the answer, or all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// The tokens that end in it, if log probabilities were asked for. A token of which a stop
    /// string cuts off a part is left out.
    pub tokens: Vec<ScoredToken>,
}

/// What comes of a request.
#[derive(Clone, Debug)]
pub enum Event {
    /// A piece of the answer.
    Text(Piece),
    /// The end.
    Done(Box<Report>),
    /// It broke off.
    Failed(GatewayError),
}

/// An answer that is being generated. Dropping it ends the session at the next token.
pub struct Generation {
    /// The model that answers.
    pub model: Arc<LoadedModel>,
    /// Whether its tokens come with log probabilities.
    pub is_scored: bool,
    paced: Paced,
    _stop: DropGuard,
}

impl Generation {
    /// What is to be written next, at least one event; the last are [`Event::Done`] and
    /// [`Event::Failed`].
    pub async fn batch(&mut self) -> Vec<Event> {
        let batch = self.paced.batch().await;
        if batch.is_empty() { vec![Event::Failed(broken_off())] } else { batch }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// [`GatewayError`] if it broke off.
    pub async fn finish(self) -> Result<(Piece, Report), GatewayError> {
        let mut whole = Piece::default();
        for event in self.paced.all().await {
            match event {
                Event::Text(piece) => {
                    whole.text.push_str(&piece.text);
                    whole.tokens.extend(piece.tokens);
                }
                Event::Done(report) => return Ok((whole, *report)),
                Event::Failed(error) => return Err(error),
            }
        }
        Err(broken_off())
    }
}

/// Everything that requests share.
pub struct Core {
    /// The settings.
    pub config: Config,
    /// Names and tokenizers.
    pub catalogue: Catalogue,
    /// Chains of steps.
    pub workflows: Workflows,
    /// The market.
    pub market: Market,
    /// The counters.
    pub metrics: Metrics,
    /// Bodies on their way.
    pub bodies: Bodies,
    asker: Option<Asker>,
    spending: Arc<Spending>,
    slots: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// When each model stops to count as in use; no more entries than models.
    used: Mutex<BTreeMap<ModelId, SystemTime>>,
    tasks: TaskTracker,
    interrupt: Interrupt,
}

impl Core {
    /// Puts the parts together. Without an `asker` (the wallet is locked) everything but generation
    /// is answered.
    pub fn new(
        config: Config,
        catalogue: Catalogue,
        workflows: Workflows,
        market: Market,
        asker: Option<Asker>,
        spending: Spending,
        interrupt: Interrupt,
    ) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(config.parallel)),
            config,
            catalogue,
            workflows,
            market,
            metrics: Metrics::default(),
            bodies: Bodies::default(),
            asker,
            spending: Arc::new(spending),
            waiting: AtomicUsize::new(0),
            used: Mutex::default(),
            tasks: TaskTracker::new(),
            interrupt,
        }
    }

    /// What is read at the moment of asking.
    pub fn gauges(&self) -> Gauges {
        Gauges {
            running: self.config.parallel.saturating_sub(self.slots.available_permits()),
            waiting: self.waiting.load(Ordering::Relaxed),
            spent_today: self.spending.spent_today(),
            state_age: self.market.age(),
        }
    }

    /// Whether requests can be answered now.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] says what is missing.
    pub fn ready(&self) -> Result<(), GatewayError> {
        self.asker()?;
        self.market.snapshot().map(drop)
    }

    /// The model that `name` stands for, if it is on the market.
    ///
    /// # Errors
    /// [`Kind::NotFound`], or [`Kind::Unavailable`] if the market is not known.
    pub fn model(
        &self,
        name: &str,
        caller: &Caller,
    ) -> Result<(Arc<LoadedModel>, Arc<MarketSnapshot>), GatewayError> {
        let name = caller.models.get(&super::names::tagged(name)).map_or(name, String::as_str);
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
        self.offer(&model, &snapshot, &question, None).await?;
        Ok(model)
    }

    /// Counts a model as in use for some time.
    pub fn keep(&self, model: &LoadedModel, time: Duration) {
        let until = SystemTime::now().checked_add(time).unwrap_or_else(SystemTime::now);
        self.lock_used().insert(model.local.id(), until);
    }

    /// Counts a model as no longer in use.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such model.
    pub fn unload(&self, model: &str, caller: &Caller) -> Result<(), GatewayError> {
        let (model, _) = self.model(model, caller)?;
        self.lock_used().remove(&model.local.id());
        Ok(())
    }

    /// Models in use, and until when.
    pub fn in_use(&self, now: SystemTime) -> Vec<(Arc<LoadedModel>, SystemTime)> {
        let used = self.lock_used();
        let models = self.catalogue.models().iter();
        models
            .filter_map(|model| {
                Some((model.clone(), *used.get(&model.local.id()).filter(|until| **until > now)?))
            })
            .collect()
    }

    fn lock_used(&self) -> MutexGuard<'_, BTreeMap<ModelId, SystemTime>> {
        // One entry is changed at a time.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to answer; returns with the first piece, so that what fails before it fails here.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing was spent, except where its message says so.
    pub async fn generate(self: &Arc<Self>, request: Request) -> Result<Generation, GatewayError> {
        let arrived = Instant::now();
        self.asker()?;
        let (model, snapshot) = self.model(&request.model, &request.caller)?;
        let place = self.place().await?;
        let prompt = tokio::task::block_in_place(|| tokens(&model, &request.prompt))?;
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
        let job = Job {
            model: model.clone(),
            snapshot,
            question,
            caller: request.caller,
            relay: Relay::new(Stops::new(request.options.stop), sender, over.clone().drop_guard()),
            interrupt,
            arrived,
            earlier: Cost { paid: 0, fees: 0 },
        };
        let core = self.clone();
        self.tasks.spawn(async move {
            core.run(job).await;
            drop(place);
        });
        let mut paced = Paced::new(events, over, PACE);
        match paced.peek().await {
            Some(Event::Failed(error)) => Err(error.clone()),
            Some(_) => Ok(Generation { model, is_scored, paced, _stop: stop }),
            None => Err(broken_off()),
        }
    }

    /// Keeps the model_snapshot of the market fresh until everything finishes.
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
            options.max_tokens.unwrap_or(self.config.default_tokens).min(self.config.max_tokens);
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

    /// A place among the sessions that run, after those who came earlier.
    async fn place(&self) -> Result<OwnedSemaphorePermit, GatewayError> {
        if let Ok(place) = self.slots.clone().try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = Waiting::enter(&self.waiting, self.config.queue)?;
        let patience = Duration::from_secs(self.config.queue_seconds);
        match tokio::time::timeout(patience, self.slots.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            _ => {
                let message = format!(
                    "no session became free within {} s: try again later",
                    patience.as_secs()
                );
                Err(GatewayError::new(Kind::Busy, message))
            }
        }
    }

    async fn offer(
        &self,
        model: &LoadedModel,
        snapshot: &MarketSnapshot,
        question: &Question,
        refused: Option<&Arc<Quotes>>,
    ) -> Result<(Offer, Arc<Quotes>), GatewayError> {
        let model_snapshot = snapshot.model(model.local.id()).ok_or_else(broken_off)?;
        let quotes = self.market.quotes(self.asker()?, model_snapshot, refused).await?;
        match offer(&model.local, model_snapshot, &quotes, question) {
            Ok(offer) => Ok((offer, quotes)),
            // A worker may have come, or room may have become free, since the quotes were given.
            Err(error) if refused.is_none() && !is_about_wish(&error) => {
                let quotes =
                    self.market.quotes(self.asker()?, model_snapshot, Some(&quotes)).await?;
                Ok((offer(&model.local, model_snapshot, &quotes, question)?, quotes))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_tokens: None,
            temperature: 0.8,
            top_k: 40,
            top_p: 0.9,
            seed: None,
            stop: Vec::new(),
            logprobs: None,
        }
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, limit: usize) -> Result<Self, GatewayError> {
        if count.fetch_add(1, Ordering::AcqRel) >= limit {
            count.fetch_sub(1, Ordering::AcqRel);
            let message = format!("server busy, please try again: {limit} requests wait already");
            return Err(GatewayError::new(Kind::Busy, message));
        }
        Ok(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn tokens(model: &LoadedModel, prompt: &Prompt) -> Result<Vec<u32>, GatewayError> {
    let local = &model.local;
    match prompt {
        Prompt::Chat { context, messages } if context.is_empty() => Ok(local.chat(messages)?),
        Prompt::Chat { context, messages } => {
            let mut ids = context.clone();
            ids.extend(local.chat(messages)?);
            checked(model, ids)
        }
        Prompt::Rendered(prompt) => Ok(local.prompt(prompt)?),
        Prompt::Raw(text) => Ok(local.raw(text)?),
        Prompt::Tokens(ids) => checked(model, ids.clone()),
    }
}

/// Ids that clients bring along must be the model's.
fn checked(model: &LoadedModel, ids: Vec<u32>) -> Result<Vec<u32>, GatewayError> {
    let vocabulary = model.local.tokenizer().vocabulary();
    if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
        let message = format!("{id} is no token of this model, which has {vocabulary}");
        return Err(GatewayError::new(Kind::Invalid, message));
    }
    Ok(model.local.fitting(ids)?)
}

/// Whether other quotes would hardly help: the wish itself is beyond every path.
fn is_about_wish(error: &AskError) -> bool {
    let AskError::Market(MarketError::Route { source, .. }) = error else { return false };
    matches!(source, RouteError::OverLimits { .. } | RouteError::Alpha(_))
}

/// The end of a session whose reader is gone; also what is said when a part of the program is
/// missing that must be there.
pub(super) fn broken_off() -> GatewayError {
    GatewayError::new(Kind::Unavailable, "the request was ended before it was answered: try again")
}
