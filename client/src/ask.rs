//! A question and its answer: quotes, path, channels, session. What `mica ask` and `mica demo` share.

mod rehearsal;

pub use rehearsal::Rehearsal;

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mica_chain::{Submitted, View};
use mica_net::{Net, NetConfig, NetEvent};
use mica_primitives::{Balance, ChannelId, Hash32, WorkerAddresses};
use mica_protocol::{
    SessionId, SessionSpec,
    channel::PayerLane,
    limits::{DEFAULT_EXPOSURE_POSITIONS, VOUCHER_LIFETIME_BLOCKS},
    payer::{PayerDeadlines, PlanError, PlannedStage, SessionPlan},
    session::{EndIds, Sampling},
};
use rand::{RngCore, rngs::OsRng};
use tokio::sync::mpsc;

use crate::{
    channels::{Need, Payer},
    error::CommandError,
    interrupt::Interrupt,
    market::{ChosenPath, ModelPicture, Wish, choose},
    model::LocalModel,
    progress::Progress,
    session::{self, Conversation, Outcome, SessionError},
    store::{SessionRecord, StageRecord, Store},
};

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
    /// α of the path's weight.
    pub alpha: f64,
    /// Most base units per token.
    pub max_price: Option<Balance>,
    /// Most µs per token.
    pub deadline_us: Option<u64>,
    /// Most base units for the whole session.
    pub spending_limit: Option<Balance>,
}

/// Who asks, with what.
pub struct Asker<'a> {
    /// Who pays.
    pub payer: &'a Payer,
    /// The payer's database.
    pub store: &'a Store,
    /// The model's words.
    pub model: &'a LocalModel,
    /// Where progress goes.
    pub progress: Progress,
    /// Ctrl-C.
    pub interrupt: Interrupt,
}

/// The answer, and what it took.
pub struct Answer {
    /// The path that was used.
    pub path: ChosenPath,
    /// The extrinsic that opened or topped up channels, if one was needed.
    pub opened: Option<Submitted>,
    /// The stages' channels, in order.
    pub channels: Vec<ChannelId>,
    /// Text of the answer.
    pub text: String,
    /// The session.
    pub outcome: Outcome,
}

/// Who is told what happens.
pub trait Listener {
    /// The path, before it is used.
    ///
    /// # Errors
    /// Any error ends the session before it begins.
    fn path(&mut self, path: &ChosenPath) -> Result<(), CommandError>;
    /// A piece of the answer. `Break` ends the session after the next token.
    fn text(&mut self, piece: &str) -> ControlFlow<()>;
}

impl Asker<'_> {
    /// Asks `question` of the workers that `view` shows.
    ///
    /// # Errors
    /// [`CommandError`]; what was promised until then is on disk.
    pub async fn ask(&self, view: &View, question: &Question, listener: &mut dyn Listener) -> Result<Answer, CommandError> {
        let picture = ModelPicture::read(view, self.model.id()).await?;
        // A name of its own for each session: workers need not know that it is the same payer.
        let mut secret = zeroize::Zeroizing::new([0; 32]);
        OsRng.fill_bytes(secret.as_mut_slice());
        let (net, mut events) = Net::start(NetConfig::new(*secret)).map_err(SessionError::from)?;
        let answer = self.converse(&net, &mut events, &picture, question, listener).await;
        net.stop().await;
        answer
    }

    async fn converse(
        &self,
        net: &Net,
        events: &mut mpsc::Receiver<NetEvent>,
        picture: &ModelPicture,
        question: &Question,
        listener: &mut dyn Listener,
    ) -> Result<Answer, CommandError> {
        let spec = self.spec(question);
        let prepared = async {
            let step = self.progress.step("asking workers for quotes");
            let mut quotes = session::collect(net, events, picture, &self.payer.chain.genesis_hash(), QUOTE_PATIENCE).await;
            quotes.hold_to_list_prices(picture, &self.payer.chain).await?;
            step.done(&quotes.to_text());
            let wish = Wish {
                alpha: question.alpha,
                max_price: question.max_price,
                deadline_us: question.deadline_us,
                positions: spec.max_positions,
            };
            let path = choose(picture, &quotes, &wish)?;
            listener.path(&path)?;
            let needs = needs(&path, &spec);
            let cost = total(&needs);
            if let Some(limit) = question.spending_limit.filter(|limit| *limit < cost) {
                return Err(SessionError::from(PlanError::Limit { cost, limit }).into());
            }
            let prepared = self.payer.prepare(self.store, &needs).await.map_err(SessionError::from)?;
            // Somebody may be asked for a password, which must not happen under a spinner.
            self.payer.unlock_for(&prepared).map_err(SessionError::from)?;
            let step = self.progress.step("making channels ready");
            let ready = self.payer.carry_out(self.store, prepared).await.map_err(SessionError::from)?;
            step.done(
                &ready.submitted.as_ref().map_or("open already".into(), |one| format!("opened in block {}", one.block.number)),
            );
            Ok::<_, CommandError>((path, needs, ready))
        };
        let (path, needs, mut ready) = tokio::select! {
            prepared = prepared => prepared?,
            () = self.interrupt.finish.cancelled() => return Err(SessionError::Interrupted.into()),
        };
        let channels: Vec<ChannelId> = ready.ledgers.iter().map(|ledger| ledger.channel()).collect();
        let mut lanes = Vec::with_capacity(needs.len());
        for (ledger, need) in ready.ledgers.iter_mut().zip(&needs) {
            lanes.push(ledger.lease(need.budget).map_err(SessionError::from)?);
        }
        let mut id = [0; 32];
        OsRng.fill_bytes(&mut id);
        let record = self.record(id, picture, question, &path, &lanes);
        let plan = SessionPlan {
            session: SessionId(id),
            genesis: self.payer.chain.genesis_hash(),
            model: picture.id,
            profile: picture.record.manifest.profile,
            model_layers: picture.layers(),
            stages: plan_stages(&path, lanes),
            prompt: question.prompt.clone(),
            max_new_tokens: spec.max_new_tokens,
            sampling: question.sampling,
            end_ids: EndIds::try_from(self.model.end_ids()).map_err(|_| SessionError::EndIds)?,
            exposure_positions: DEFAULT_EXPOSURE_POSITIONS,
            spending_limit: question.spending_limit.unwrap_or_else(|| total(&needs)),
            voucher_blocks: VOUCHER_LIFETIME_BLOCKS,
            deadlines: PayerDeadlines::default(),
        };
        let block = self.payer.chain.best().await?.number;
        let (mut decoder, mut text) = (Some(self.model.tokenizer().stream()), String::new());
        let mut on_token = |token: u32, stop: Option<_>| {
            let mut piece = decoder.as_mut().map(|decoder| decoder.push(token)).unwrap_or_default();
            if stop.is_some()
                && let Some(decoder) = decoder.take()
            {
                piece.push_str(&decoder.finish());
            }
            text.push_str(&piece);
            if piece.is_empty() { ControlFlow::Continue(()) } else { listener.text(&piece) }
        };
        let conversation = Conversation {
            net,
            events,
            store: self.store,
            ledgers: &mut ready.ledgers,
            block,
            cancel: [self.interrupt.finish.clone(), self.interrupt.stop.clone()],
            on_token: &mut on_token,
        };
        let outcome = session::drive(conversation, plan, record).await?;
        if let Some(failure) = outcome.report.failure.clone() {
            return Err(SessionError::Failed { failure, paid: outcome.report.paid() }.into());
        }
        Ok(Answer { path, opened: ready.submitted, channels, text, outcome })
    }

    /// Lengths that fit the model's context.
    fn spec(&self, question: &Question) -> SessionSpec {
        let prompt = u32::try_from(question.prompt.len()).unwrap_or(u32::MAX);
        let room = self.model.manifest().context.saturating_sub(prompt).max(1);
        let max_new_tokens = question.max_new_tokens.min(room);
        let mut spec = SessionSpec {
            prompt_positions: prompt,
            max_new_tokens,
            max_positions: 0,
            sampling: question.sampling,
            end_ids: EndIds::default(),
        };
        spec.max_positions = u32::try_from(spec.needed_positions()).unwrap_or(u32::MAX);
        spec
    }

    fn record(
        &self,
        id: Hash32,
        picture: &ModelPicture,
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
            model: picture.id,
            profile: picture.record.manifest.profile,
            prompt: question.prompt.clone(),
            tokens: Vec::new(),
            stages: stages.collect(),
            is_closed: false,
        }
    }
}

/// What each stage can cost at most: every position that prompt and answer can take.
fn needs(path: &ChosenPath, spec: &SessionSpec) -> Vec<Need> {
    let need = |stage: &crate::market::ChosenStage| Need {
        payee: stage.worker.record.account,
        peer: stage.worker.record.peer,
        budget: stage.unit().saturating_mul(spec.max_positions.into()),
    };
    path.stages.iter().map(need).collect()
}

/// Base units over all stages.
fn total(needs: &[Need]) -> Balance {
    needs.iter().fold(0, |sum: Balance, need| sum.saturating_add(need.budget))
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
