//! A question and its answer: quotes, path, channels, session.
//!
//! One [`Asker`] answers many questions at once: they share its connection to the chain, its peers
//! on the network, its database and its channels, and each has lanes of its own.

mod error;
mod event;
mod reader;

mod attempt;
mod lane_retries;
mod offer;
mod prepare;
mod preview;

pub use error::AskError;
pub use event::{Event, Listener};
pub use offer::{Offer, offer, quotes};
pub use preview::AskPreview;
pub use reader::{Likelihood, ScoredToken};

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mica_chain::{AccountId, Chain, Submitted, View, amount};
use mica_engine::ChatMessage;
use mica_primitives::{Balance, BlockNumber, ChannelId};
use mica_protocol::session::Sampling;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::channels::{ChannelPool, Deposits, NoticeFilter, Payer};
use crate::interrupt::Interrupt;
use crate::market::{ChosenPath, HubAddress, Memory, ModelSnapshot, SessionNote};
use crate::model::{LocalModel, ModelError};
use crate::router::{Router, Subscription};
use crate::session::{Outcome, SessionError};
use crate::store::{Change, Store};
use crate::terms::Terms;
use lane_retries::LaneRetries;
use prepare::{KEEPING_PATIENCE, Prepared};

/// How often a question is asked before its first token: once more without the worker that failed.
const ATTEMPTS: usize = 2;

/// Longest wait for an extrinsic that was sent when everything else has stopped.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

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

impl Question {
    /// What a user says to `model`, rendered with its chat template: the most likely tokens, under
    /// the default terms.
    ///
    /// # Errors
    /// [`ModelError`] if the prompt is empty or longer than the model's context, or the model has
    /// no usable template.
    pub fn chat(model: &LocalModel, text: &str, max_new_tokens: u32) -> Result<Self, ModelError> {
        Ok(Self {
            prompt: model.chat(&[ChatMessage::new("user", text)])?,
            max_new_tokens,
            sampling: Sampling::default(),
            logprobs: None,
            terms: Terms::default(),
        })
    }
}

/// Takes what the payer must know of channels, records and fees, whichever question brought it up.
pub type Notices = Box<dyn Fn(&str) + Send + Sync>;

/// What one payer asks with. Shared by all its questions.
pub struct Asker {
    payer: Payer,
    store: Arc<Store>,
    pool: Arc<ChannelPool>,
    router: Router,
    /// Through whom workers are paid, the one that is paid first; none if they are paid directly.
    hubs: Vec<HubAddress>,
    notices: Notices,
    memory: Memory,
    /// Those who keep what was read of the market.
    keeping: TaskTracker,
    /// Cancelled when that is not waited for any longer.
    keeping_over: CancellationToken,
}

/// What a session begins with, besides its path.
pub struct SessionStart {
    /// The market's clock as of a recent block: vouchers are good for a number of blocks from here
    /// on.
    pub block: BlockNumber,
    /// What must be on disk before anything is promised, besides the session itself.
    pub first: Vec<Change>,
    /// Ends the session: at the next token, or at once.
    pub interrupt: Interrupt,
    /// Whether the listener is told of channels that are made ready.
    pub shows_channels: bool,
    /// Most base units for the answer with what was prepaid on lanes that were refused; no limit
    /// without it. The offer itself is within it.
    pub most: Option<Balance>,
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
    /// Workers that failed it.
    pub failed: Vec<AccountId>,
    /// Base units that were promised before, in a session that failed before its first token.
    pub earlier: Balance,
}

impl Answer {
    /// Base units that were promised for the answer, with what was promised before.
    pub fn paid(&self) -> Balance {
        self.outcome.report.paid().saturating_add(self.earlier)
    }
}

impl Asker {
    /// Starts the network for `sessions` questions at once. What the payer must know of channels
    /// and records goes to `notices`.
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
        let memory =
            Memory::open(store.clone(), payer.chain.genesis_hash()).map_err(SessionError::from)?;
        let (keeping, keeping_over) = (TaskTracker::new(), CancellationToken::new());
        let hubs = Vec::new();
        Ok(Self { payer, store, pool, router, hubs, notices, memory, keeping, keeping_over })
    }

    /// Pays workers through these hubs from now on, the first of which it pays itself: one channel
    /// to that is enough for all of them.
    #[must_use]
    pub fn through(mut self, hubs: Vec<HubAddress>) -> Self {
        self.hubs = hubs;
        self
    }

    /// Starts one payer's network for one question at a time, with the database at `store`, which
    /// is made if there is none. Deposits last for one session; notices go to the log.
    ///
    /// # Errors
    /// [`AskError`] if the database cannot be opened or the network does not start.
    pub fn open(payer: Payer, store: &Path) -> Result<Self, AskError> {
        let store = Store::open(store).map_err(SessionError::from)?;
        Self::start(payer, Arc::new(store), 1, Deposits::ONE, Box::new(|_| {}))
    }

    /// Asks `question` of the market as it is final now, and returns when the whole answer is
    /// there.
    ///
    /// # Errors
    /// [`AskError`]; what was promised until then is on disk.
    pub async fn complete(
        &self,
        model: &LocalModel,
        question: &Question,
    ) -> Result<Answer, AskError> {
        let view = self.chain().at_finalized().await?;
        let mut ignore = |_: Event<'_>| ControlFlow::Continue(());
        self.ask(model, &view, question, Interrupt::default(), &mut ignore).await
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.payer.chain
    }

    /// The payer's database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Asks `question` of the workers that `view` shows, from quotes to the last voucher. When a
    /// worker fails before the first token the question is asked once more, without it.
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
        let mut question = question.clone();
        let (mut failed, mut earlier, mut attempt) = (BTreeSet::new(), 0 as Balance, 1);
        let mut fees: Balance = 0;
        let mut first: Option<Box<AskError>> = None;
        loop {
            let answer =
                self.attempt_whole(model, view, &question, &failed, &interrupt, listener).await;
            let answer = match (answer, first.take()) {
                (Ok(answer), _) => answer,
                (Err(error), None) => return Err(error),
                (Err(error), Some(first)) => {
                    self.report_fees(fees);
                    return Err(AskError::NoOtherPath { first, again: Box::new(error) });
                }
            };
            let report = &answer.outcome.report;
            let Some(failure) = report.failure.clone() else {
                return Ok(Answer { earlier, ..answer });
            };
            let paid = report.paid();
            earlier = earlier.saturating_add(paid);
            failed.extend(answer.failed.iter().copied());
            let error = AskError::from(SessionError::Failed { failure, paid: earlier });
            let has_begun = !report.tokens.is_empty();
            if has_begun || answer.failed.is_empty() || interrupt.came() || attempt == ATTEMPTS {
                self.report_fees(answer.fees);
                return Err(error);
            }
            // Opening channels was not for nothing: the next session takes the fees over.
            fees = answer.fees;
            self.pool.carry_fees(fees);
            question.terms.max_total =
                question.terms.max_total.map(|most| most.saturating_sub(paid));
            first = Some(Box::new(error));
            attempt += 1;
        }
    }

    /// One attempt from quotes to the last voucher.
    async fn attempt_whole(
        &self,
        model: &LocalModel,
        view: &View,
        question: &Question,
        failed: &BTreeSet<AccountId>,
        interrupt: &Interrupt,
        listener: &mut dyn Listener,
    ) -> Result<Answer, AskError> {
        let prepared = tokio::select! {
            prepared = self.prepare(model, view, question, failed, listener) => prepared,
            () = interrupt.finish.cancelled() => Err(SessionError::Interrupted.into()),
        };
        let Prepared { snapshot, offer, block } = prepared.inspect_err(|_| {
            let _ = listener.on(Event::Failed);
        })?;
        let interrupt = interrupt.clone();
        let (first, most) = (Vec::new(), question.terms.max_total);
        let start = SessionStart { block, first, interrupt, shows_channels: true, most };
        self.answer(model, &snapshot, offer, question, start, listener).await
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
        // What was prepaid at the stages that accepted, while another one refused.
        let mut prepaid: Vec<Balance> = vec![0; offer.path.stages.len()];
        loop {
            let attempt = self.attempt(model, snapshot, &offer, question, &start, listener).await;
            let mut answer = attempt.inspect_err(|_| {
                let _ = listener.on(Event::Failed);
                self.report_notices(NoticeFilter::All);
                self.report_fees(fees);
            })?;
            opened = answer.opened.take().or(opened);
            let is_over = start.interrupt.finish.is_cancelled();
            // What was prepaid in vain counts towards the limit.
            let spent = prepaid
                .iter()
                .fold(answer.outcome.report.paid(), |sum: Balance, paid| sum.saturating_add(*paid));
            let is_affordable =
                start.most.is_none_or(|most| offer.cost().saturating_add(spent) <= most);
            let may_retry = !is_over
                && retries.may_retry(&self.pool, &answer.outcome).map_err(|error| {
                    self.pool.carry_fees(answer.fees);
                    SessionError::from(error)
                })?
                && is_affordable;
            let stages = &mut answer.outcome.report.stages;
            if !may_retry {
                for (stage, before) in stages.iter_mut().zip(prepaid) {
                    stage.paid = stage.paid.saturating_add(before);
                }
                self.report_notices(NoticeFilter::All);
                let failed = self.note(&answer);
                return Ok(Answer { opened, failed, ..answer });
            }
            fees = answer.fees;
            self.pool.carry_fees(fees);
            let (started_unix_ms, session) =
                (answer.outcome.record.started_unix_ms, answer.outcome.record.session);
            let paid = stages.iter().map(|stage| stage.paid);
            for (sum, paid) in prepaid.iter_mut().zip(paid) {
                *sum = sum.saturating_add(paid);
            }
            // A session that cost something stays in the books.
            if answer.outcome.report.paid() == 0 {
                self.store
                    .apply(&[Change::RemoveSession { started_unix_ms, session }])
                    .map_err(SessionError::from)?;
            }
            // Another lane is nothing that anybody must see.
            start.shows_channels = false;
        }
    }

    /// Remembers how a session went. Returns the workers that failed it.
    fn note(&self, answer: &Answer) -> Vec<AccountId> {
        let stages = &answer.path.stages;
        let note = SessionNote {
            accounts: stages.iter().map(|stage| stage.worker.record.account).collect(),
            report: &answer.outcome.report,
            was_accepted: answer.outcome.to_ready.is_some(),
            costs_us: &answer.outcome.costs_us,
        };
        tokio::task::block_in_place(|| self.memory.note_session(&note))
    }

    /// Tells what happened to channels and records.
    fn report_notices(&self, filter: NoticeFilter) {
        for line in self.pool.take_notices(filter) {
            self.report(&line);
        }
    }

    /// Tells what channels cost that were opened for a question without an answer.
    fn report_fees(&self, fees: Balance) {
        if fees > 0 {
            self.report(&format!(
                "fees of {} were paid for channels, which stay open for the next question",
                amount::format(fees)
            ));
        }
    }

    fn report(&self, line: &str) {
        tracing::warn!("{line}");
        (self.notices)(line);
    }

    /// Stops the network. An extrinsic that was sent is waited for, but not for long.
    pub async fn stop(&self) {
        self.pool.stop(STOP_PATIENCE).await;
        self.keeping.close();
        if tokio::time::timeout(KEEPING_PATIENCE, self.keeping.wait()).await.is_err() {
            self.keeping_over.cancel();
        }
        self.report_notices(NoticeFilter::All);
        self.router.stop().await;
    }
}

/// A new subscription; every router has a peer.
fn subscribe(router: &Router) -> Result<Subscription, AskError> {
    router.subscribe().ok_or_else(|| SessionError::from(mica_net::SendError::Stopped).into())
}

/// The listener's word before a session begins.
fn unless_broken(flow: ControlFlow<()>) -> Result<(), SessionError> {
    if flow.is_break() { Err(SessionError::Interrupted) } else { Ok(()) }
}
