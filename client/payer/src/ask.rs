//! A question and its answer: quotes, path, channels, session. What `mica ask`, `mica demo` and
//! `mica gateway` share.
//!
//! One [`Asker`] answers many questions at once: they share its connection to the chain, its peers
//! on the network, its database and its channels, and each has lanes of its own.

mod error;
mod event;
mod lane_retries;
mod preview;
mod reader;

pub use error::AskError;
pub use event::{Event, Listener};
pub use preview::AskPreview;
pub use reader::{Likelihood, ScoredToken};

use lane_retries::LaneRetries;
use reader::Reader;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mica_chain::{Chain, Submitted, View, amount};
use mica_primitives::{Balance, BlockNumber, ChannelId, Hash32, WorkerAddresses};
use mica_protocol::{
    SessionId, SessionSpec,
    channel::PayerLane,
    limits::{DEFAULT_EXPOSURE_POSITIONS, VOUCHER_LIFETIME_BLOCKS},
    payer::{PayerDeadlines, PlanError, PlannedStage, SessionPlan},
    probability::LogProbabilities,
    session::{EndIds, Sampling},
};
use rand::{RngCore, rngs::OsRng};

use crate::channels::{ChannelPool, Deposits, Need, Payer, Told};
use crate::interrupt::Interrupt;
use crate::market::{ChosenPath, ModelSnapshot, choose};
use crate::model::LocalModel;
use crate::router::{Router, Subscription};
use crate::session::{self, Conversation, Outcome, Quotes, SessionError};
use crate::store::{Change, SessionRecord, StageRecord, Store};
use crate::terms::Terms;

/// Longest wait for quotes.
const QUOTE_PATIENCE: Duration = Duration::from_secs(10);

/// What is asked, and under which limits.
#[derive(Clone, Debug)]
pub struct Question {
    /// Token ids of the prompt.
    pub prompt: Vec<u32>,
    /// Most tokens of the answer.
    pub max_new_tokens: u32,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Whether to be told how likely each token was, and this many most likely ones, at most
    /// [`mica_protocol::limits::MAX_TOP_LOG_PROBABILITIES`].
    pub logprobs: Option<u8>,
    /// Which path is taken, and what it may cost.
    pub terms: Terms,
}

/// Takes what the payer must know of channels, records and fees, whichever question brought it up.
pub type Notices = Box<dyn Fn(&str) + Send + Sync>;

/// What one payer asks with. Shared by all its questions.
pub struct Asker {
    payer: Payer,
    store: Arc<Store>,
    pool: Arc<ChannelPool>,
    router: Router,
    notices: Notices,
}

/// A path for a question, and the most that it can cost.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The path.
    pub path: ChosenPath,
    /// What each stage can cost.
    pub needs: Vec<Need>,
    /// Positions of the prompt.
    pub prompt_positions: u32,
    /// Most tokens of the answer, within the model's context.
    pub max_new_tokens: u32,
}

/// What a session begins with, besides its path.
pub struct SessionStart {
    /// A recent block: vouchers are good for a number of blocks from here on.
    pub block: BlockNumber,
    /// What must be on disk before anything is promised, besides the session itself.
    pub first: Vec<Change>,
    /// Ends the session: at the next token, or at once.
    pub interrupt: Interrupt,
    /// Whether the listener is told of channels that are made ready.
    pub shows_channels: bool,
}

/// The answer, and what it took.
pub struct Answer {
    /// The path that was used.
    pub path: ChosenPath,
    /// The extrinsic that opened or topped up channels, if one was needed.
    pub opened: Option<Submitted>,
    /// Fees that came on top, base units.
    pub fees: Balance,
    /// The stages' channels, in order.
    pub channels: Vec<ChannelId>,
    /// Text of the answer.
    pub text: String,
    /// The session.
    pub outcome: Outcome,
}

impl Asker {
    /// Starts the network for `sessions` questions at once. What the payer must know of channels and
    /// records goes to `notices`.
    ///
    /// # Errors
    /// [`AskError`] if the network does not start.
    pub fn start(
        payer: Payer,
        store: Arc<Store>,
        sessions: usize,
        deposits: Deposits,
        notices: Notices,
    ) -> Result<Self, AskError> {
        let router = Router::start(sessions).map_err(SessionError::from)?;
        let pool = Arc::new(ChannelPool::new(payer.clone(), store.clone(), deposits));
        Ok(Self { payer, store, pool, router, notices })
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.payer.chain
    }

    /// The payer's database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Asks `question` of the workers that `view` shows, from quotes to the last voucher.
    ///
    /// # Errors
    /// [`AskError`]; what was promised until then is on disk.
    pub async fn ask(
        &self,
        model: &LocalModel,
        view: &View,
        question: &Question,
        interrupt: Interrupt,
        listener: &mut dyn Listener,
    ) -> Result<Answer, AskError> {
        let prepared = async {
            let snapshot = ModelSnapshot::read(view, model.id()).await?;
            go_on(listener.on(Event::AskingForQuotes))?;
            let quotes = self.quotes(&snapshot).await?;
            go_on(listener.on(Event::Quoted(&quotes)))?;
            let offer = offer(model, &snapshot, &quotes, question)?;
            go_on(listener.on(Event::Path(&offer.path)))?;
            // Somebody may be asked for a password, which must not happen under a spinner.
            let unlocked = self.pool.unlock_for(&offer.needs).await;
            self.tell(Told::ButPromises);
            unlocked.map_err(SessionError::from)?;
            let block = self.payer.chain.best().await?.number;
            Ok::<_, AskError>((snapshot, offer, block))
        };
        let (snapshot, offer, block) = tokio::select! {
            prepared = prepared => prepared?,
            () = interrupt.finish.cancelled() => return Err(SessionError::Interrupted.into()),
        };
        let start = SessionStart { block, first: Vec::new(), interrupt, shows_channels: true };
        let answer = self.answer(model, &snapshot, offer, question, start, listener).await?;
        match answer.outcome.report.failure.clone() {
            Some(failure) => {
                self.tell_fees(answer.fees);
                Err(SessionError::Failed { failure, paid: answer.outcome.report.paid() }.into())
            }
            None => Ok(answer),
        }
    }

    /// What the live workers of `snapshot` ask now.
    ///
    /// # Errors
    /// [`AskError`] if a price that has risen cannot be held against the chain.
    pub async fn quotes(&self, snapshot: &ModelSnapshot) -> Result<Quotes, AskError> {
        quotes(&self.router, snapshot, &self.payer.chain).await
    }

    /// Carries `offer` out; a worker that refuses a lane is asked on another one at once. A session
    /// that a worker failed is no error here: see the outcome's report.
    ///
    /// # Errors
    /// [`AskError`] before anything was promised, if the database fails, or at the second
    /// interruption.
    pub async fn answer(
        &self,
        model: &LocalModel,
        snapshot: &ModelSnapshot,
        offer: Offer,
        question: &Question,
        mut start: SessionStart,
        listener: &mut dyn Listener,
    ) -> Result<Answer, AskError> {
        let (mut retries, mut opened, mut fees) = (LaneRetries::default(), None, 0);
        loop {
            let attempt =
                self.attempt(model, snapshot, offer.clone(), question, &start, listener).await;
            let mut answer = attempt.inspect_err(|_| {
                self.tell(Told::All);
                self.tell_fees(fees);
            })?;
            opened = answer.opened.take().or(opened);
            if start.interrupt.finish.is_cancelled()
                || !retries.may_retry(&self.pool, &answer.outcome).map_err(SessionError::from)?
            {
                self.tell(Told::All);
                return Ok(Answer { opened, ..answer });
            }
            let (started_unix_ms, session) =
                (answer.outcome.record.started_unix_ms, answer.outcome.record.session);
            self.store
                .apply(&[Change::NoSession { started_unix_ms, session }])
                .map_err(SessionError::from)?;
            fees = answer.fees;
            self.pool.carry_over(fees);
            // Another lane is nothing that anybody must see.
            start.shows_channels = false;
        }
    }

    /// One session, on the lanes that are free now.
    async fn attempt(
        &self,
        model: &LocalModel,
        snapshot: &ModelSnapshot,
        offer: Offer,
        question: &Question,
        start: &SessionStart,
        listener: &mut dyn Listener,
    ) -> Result<Answer, AskError> {
        let SessionStart { block, first, interrupt, shows_channels } = start;
        if *shows_channels {
            go_on(listener.on(Event::PreparingChannels))?;
        }
        let leases = tokio::select! {
            leases = self.pool.lease(&offer.needs) => leases,
            // What was sent to the chain is waited for, or nobody would know of it: the session
            // then ends as it begins.
            () = interrupt.stop.cancelled() => return Err(SessionError::Interrupted.into()),
        };
        self.tell(Told::ButPromises);
        let mut leases = leases.map_err(SessionError::from)?;
        let opened = leases.submitted.take();
        if *shows_channels {
            let block = opened.as_ref().map(|one| one.block.number);
            go_on(listener.on(Event::ChannelsReady(block)))?;
        }
        let (channels, lanes) = (leases.channels.clone(), std::mem::take(&mut leases.lanes));
        let mut id = [0; 32];
        OsRng.fill_bytes(&mut id);
        let record = self.record(id, snapshot, question, &offer.path, &lanes);
        let cost = offer.cost();
        let Offer { path, max_new_tokens, .. } = offer;
        let plan = SessionPlan {
            session: SessionId(id),
            genesis: self.payer.chain.genesis_hash(),
            model: snapshot.id,
            profile: snapshot.record.manifest.profile,
            model_layers: snapshot.layers(),
            stages: plan_stages(&path, lanes),
            prompt: question.prompt.clone(),
            max_new_tokens,
            sampling: question.sampling,
            end_ids: EndIds::try_from(model.end_ids()).map_err(|_| SessionError::EndIds)?,
            logprobs: question.logprobs,
            exposure_positions: DEFAULT_EXPOSURE_POSITIONS,
            spending_limit: question.terms.max_total.unwrap_or(cost),
            voucher_blocks: VOUCHER_LIFETIME_BLOCKS,
            deadlines: PayerDeadlines::default(),
        };
        let mut subscription = subscribe(&self.router)?;
        subscription
            .listen(Some(plan.session), path.stages.iter().map(|stage| stage.worker.record.peer));
        let mut reader = Reader::new(model.tokenizer());
        let mut is_begun = false;
        let mut on_token = |id: u32, likely: Option<LogProbabilities>, stop: Option<_>| {
            if !std::mem::replace(&mut is_begun, true) {
                // Before the first word of the answer.
                self.tell(Told::All);
            }
            let (piece, tokens) = reader.push(id, likely, stop);
            let mut flow = ControlFlow::Continue(());
            for token in tokens {
                flow = both(flow, listener.on(Event::Token(token)));
            }
            if !piece.is_empty() {
                flow = both(flow, listener.on(Event::Text(&piece)));
            }
            if stop.is_some() {
                let _ = listener.on(Event::End);
            }
            flow
        };
        let conversation = Conversation {
            subscription: &mut subscription,
            store: &self.store,
            leases: &mut leases,
            first: first.clone(),
            block: *block,
            cancel: [interrupt.finish.clone(), interrupt.stop.clone()],
            on_token: &mut on_token,
        };
        let outcome = session::drive(conversation, plan, record).await?;
        if outcome.report.failure.is_some() {
            // The channel may be gone or changed: the chain knows.
            self.pool.doubt();
        }
        let fees = std::mem::take(&mut leases.fees);
        Ok(Answer { path, opened, fees, channels, text: reader.into_text(), outcome })
    }

    /// Tells what happened to channels and records.
    fn tell(&self, told: Told) {
        for line in self.pool.take_notices(told) {
            tracing::warn!("{line}");
            (self.notices)(&line);
        }
    }

    /// Tells what channels cost that were opened for a question without an answer.
    fn tell_fees(&self, fees: Balance) {
        if fees > 0 {
            (self.notices)(&format!(
                "fees of {} were paid for channels, which stay open for the next question",
                amount::format(fees)
            ));
        }
    }

    /// Stops the network.
    pub async fn stop(&self) {
        self.router.stop().await;
    }

    fn record(
        &self,
        id: Hash32,
        snapshot: &ModelSnapshot,
        question: &Question,
        path: &ChosenPath,
        lanes: &[PayerLane],
    ) -> SessionRecord {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stages = path.stages.iter().zip(lanes).map(|(stage, lane)| StageRecord {
            worker: stage.worker.record.account.0,
            peer: stage.worker.record.peer,
            layers: stage.range,
            channel: lane.record().channel,
            lane: lane.record().lane,
            price_per_layer_token: stage.price_per_layer_token,
            paid: 0,
            first_receipt: lane.record().receipts.count(),
            receipts: 0,
        });
        SessionRecord {
            session: id,
            genesis: self.payer.chain.genesis_hash(),
            started_unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            model: snapshot.id,
            profile: snapshot.record.manifest.profile,
            prompt: question.prompt.clone(),
            tokens: Vec::new(),
            stages: stages.collect(),
            is_closed: false,
        }
    }
}

/// What the live workers of `snapshot` ask now; no price above the list price that the chain shows.
///
/// # Errors
/// [`AskError`] if a price that has risen cannot be held against the chain.
pub async fn quotes(
    router: &Router,
    snapshot: &ModelSnapshot,
    chain: &Chain,
) -> Result<Quotes, AskError> {
    let mut subscription = subscribe(router)?;
    let mut quotes =
        session::collect(&mut subscription, snapshot, &chain.genesis_hash(), QUOTE_PATIENCE).await;
    quotes.hold_to_list_prices(snapshot, chain).await?;
    Ok(quotes)
}

/// The best path for `question`, and what it can cost. Nothing is promised.
///
/// # Errors
/// [`AskError::Market`] if there is no path; a spending limit that is too low.
pub fn offer(
    model: &LocalModel,
    snapshot: &ModelSnapshot,
    quotes: &Quotes,
    question: &Question,
) -> Result<Offer, AskError> {
    let prompt_positions = u32::try_from(question.prompt.len()).unwrap_or(u32::MAX);
    let room = model.manifest().context.saturating_sub(prompt_positions).max(1);
    let mut spec = SessionSpec {
        prompt_positions,
        max_new_tokens: question.max_new_tokens.min(room),
        max_positions: 0,
        sampling: question.sampling,
        end_ids: EndIds::default(),
        logprobs: question.logprobs,
    };
    spec.max_positions = u32::try_from(spec.needed_positions()).unwrap_or(u32::MAX);
    let path = choose(snapshot, quotes, &question.terms, spec.max_positions)?;
    let need = |stage: &crate::market::ChosenStage| Need {
        payee: stage.worker.record.account,
        peer: stage.worker.record.peer,
        budget: stage.unit().saturating_mul(spec.max_positions.into()),
    };
    let needs = path.stages.iter().map(need).collect();
    let offer = Offer { path, needs, prompt_positions, max_new_tokens: spec.max_new_tokens };
    let cost = offer.cost();
    match question.terms.max_total.filter(|limit| *limit < cost) {
        Some(limit) => Err(SessionError::from(PlanError::Limit { cost, limit }).into()),
        None => Ok(offer),
    }
}

impl Offer {
    /// The most that the session can cost, base units over all stages.
    pub fn cost(&self) -> Balance {
        self.needs.iter().fold(0, |sum: Balance, need| sum.saturating_add(need.budget))
    }
}

/// A new subscription; every router has a peer.
fn subscribe(router: &Router) -> Result<Subscription, AskError> {
    router.subscribe().ok_or_else(|| SessionError::from(mica_net::SendError::Stopped).into())
}

fn plan_stages(path: &ChosenPath, lanes: Vec<PayerLane>) -> Vec<PlannedStage> {
    let stages = path.stages.iter().zip(lanes).map(|(stage, lane)| PlannedStage {
        peer: stage.worker.record.peer,
        addresses: WorkerAddresses::clone(&stage.worker.record.addresses),
        range: stage.range,
        price_per_layer_token: stage.price_per_layer_token,
        credit_positions: stage.credit_positions,
        quote: stage.quote,
        lane,
    });
    stages.collect()
}

/// The listener's word before a session begins.
fn go_on(flow: ControlFlow<()>) -> Result<(), SessionError> {
    if flow.is_break() { Err(SessionError::Interrupted) } else { Ok(()) }
}

/// Goes on only if both do.
const fn both(one: ControlFlow<()>, other: ControlFlow<()>) -> ControlFlow<()> {
    if one.is_break() { one } else { other }
}
