//! The whole market on one machine: a chain, three workers, a paid prompt, and the proof of it.
//!
//! Everything runs for real: `mica-node --dev`, three `mica-worker run` with a third of the
//! built-in model each, and a new wallet funded from a development account. All of it lives in a
//! temporary folder, listens on free loopback ports, and is stopped at the end, on an error and on
//! Ctrl-C.
//!
//! Money: workers and payer count in base units (10⁻¹² MICA).

mod proof;
mod summary;
mod witness;
mod world;

pub(crate) use proof::{Proof, StageProof};
pub(crate) use summary::{BlocksSummary, Mismatch, PayerSummary, StageSummary, Summary};

use std::sync::Arc;
use std::time::Duration;

use mica_chain::{Call, Chain, ReadError, Signer, SignerError, SubmitError, Until, amount};
use mica_engine::{
    ForwardError, Input, LoadError, Model, Output as Computed, Sampler, Threads, Want,
};
use mica_primitives::{Balance, MarketUnits, UNIT};
use mica_protocol::session::Sampling;

use crate::local::{LocalError, ProcessError};
use crate::progress::Progress;
use mica_payer::Terms;
use mica_payer::ask::{Answer, AskError, Asker, Event, Listener, Question};
use mica_payer::channels::{ChannelError, Deposits, Payer};
use mica_payer::interrupt::Interrupt;
use mica_payer::market::MarketError;
use mica_payer::model::{LocalModel, ModelError};
use mica_payer::store::{Store, StoreError};
use mica_payer::verify::VerifyError;
use mica_wallet::{PhraseError, Secret, WordCount};
use witness::Witness;
use world::World;

/// What the payer gets, base units.
pub(crate) const PAYER_FUNDS: Balance = 1_000 * UNIT;
/// What each worker gets besides its stake, base units.
const WORKER_FUNDS: Balance = 10 * UNIT;
/// Number of workers.
pub(crate) const WORKERS: u16 = 3;
/// What one unit of price and of time are worth to each other in the demo's market.
const UNITS: MarketUnits = MarketUnits { price_unit: 1_000_000, cost_unit_us: 100 };
/// Longest wait for channels to be gone.
const CLOSE_PATIENCE: Duration = Duration::from_secs(120);

/// Why a demo failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each wrapped error documents itself")]
pub enum DemoError {
    /// The programs could not be set up.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Something did not happen in time.
    #[error("{what} took more than {seconds} s; the logs are in {logs} (with --keep they stay)")]
    Late {
        /// What was waited for.
        what: &'static str,
        /// How long.
        seconds: u64,
        /// Where the logs lie.
        logs: String,
    },
    /// The development account is unusable.
    #[error(transparent)]
    Account(#[from] SignerError),
    /// The model could not be run in this process for comparison.
    #[error("the comparison in one process failed: {0}")]
    Reference(String),
    /// Blocks were missed while watching the chain.
    #[error("the events of block {0} were missed: run the demo again")]
    Missed(u32),
    /// Something does not add up.
    #[error("the demo ran, but its proof does not add up: {0}")]
    Mismatch(#[from] Mismatch),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Market(#[from] MarketError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Phrase(#[from] PhraseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ask(Box<AskError>),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Ctrl-C.
    #[error("interrupted; everything that the demo started was stopped")]
    Interrupted,
}

impl From<ProcessError> for DemoError {
    fn from(error: ProcessError) -> Self {
        Self::Local(error.into())
    }
}

impl From<AskError> for DemoError {
    fn from(error: AskError) -> Self {
        Self::Ask(Box::new(error))
    }
}

/// What to show.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The prompt.
    pub prompt: String,
    /// Most tokens of the answer.
    pub max_tokens: u32,
    /// Whether the temporary folder stays.
    pub keep: bool,
}

/// Runs the demo and stops everything that it started, whatever happens.
///
/// # Errors
/// [`DemoError`].
pub(crate) async fn run(
    script: &Script,
    progress: Progress,
    listener: &mut dyn Listener,
) -> Result<Proof, DemoError> {
    let (interrupt, _listening) = Interrupt::listen();
    let mut world = World::create(script.keep)?;
    if script.keep {
        progress.note(&format!("everything lies in {}", world.folder().display()));
    }
    let outcome = tokio::select! {
        outcome = play(&mut world, script, progress, interrupt.clone(), listener) => outcome,
        () = interrupt.finish.cancelled() => Err(DemoError::Interrupted),
    };
    if outcome.is_err() {
        // A step that is under way ends before the next one begins.
        let _ = listener.on(Event::Failed);
    }
    let step = progress.step("stopping everything");
    world.stop().await;
    step.done("");
    outcome
}

async fn play(
    world: &mut World,
    script: &Script,
    progress: Progress,
    interrupt: Interrupt,
    listener: &mut dyn Listener,
) -> Result<Proof, DemoError> {
    let model = LocalModel::open(None)?;
    let prompt = model.chat(&[mica_engine::ChatMessage::new("user", &script.prompt)])?;

    let step = progress.step("starting a chain and making three workers");
    let chain = world.start_chain(WORKERS).await?;
    step.done(&format!("{}, block {}", world.url(), chain.best().await?.number));

    let step = progress.step("funding a new wallet and the workers, registering the model");
    let (witness, first) = Witness::begin(&chain).await?;
    let payer = fund(&chain, world, &model).await?;
    let before = chain.at(payer.funded).account(payer.payer.id()).await?.total();
    step.done(&format!("{} in block {}", amount::format(before), payer.funded.number));

    let step = progress.step("starting the workers");
    world.start_workers(&chain, &model, &step).await?;
    step.done("registered and live");

    let reference = reference(script.max_tokens, prompt.clone());
    let store = Arc::new(Store::open(&world.folder().join("state.redb"))?);
    let question = Question {
        prompt,
        max_new_tokens: script.max_tokens,
        sampling: Sampling::default(),
        logprobs: None,
        terms: Terms::default(),
    };
    let asker = Asker::start(
        payer.payer.clone(),
        store.clone(),
        1,
        Deposits::ONE,
        Box::new(move |line: &str| progress.note(line)),
    )?;
    let answer = asker.ask(&model, &chain.at_best().await?, &question, interrupt, listener).await;
    asker.stop().await;
    let answer = answer?;
    let reference = reference.await.map_err(|error| DemoError::Reference(error.to_string()))??;

    let step = progress.step("closing the channels; the workers redeem");
    payer.payer.close(&answer.channels).await?;
    let last = payer.payer.await_closed(&answer.channels, CLOSE_PATIENCE).await?.block;
    let seen = witness.until(last).await?;
    let head = seen.head(last).ok_or(DemoError::Missed(last))?;
    let after = chain.at(head).account(payer.payer.id()).await?.total();
    step.done(&format!("gone in block {last}"));
    let money =
        proof::Money { payer: payer.payer.id(), before, after, funded: payer.funded.number };
    let Answer { outcome, path, text, .. } = answer;
    Proof::new(
        script,
        &store,
        first,
        last,
        &seen,
        money,
        &path,
        &outcome,
        text,
        reference,
        model.manifest().layers,
    )
}

struct Funded {
    payer: Payer,
    funded: mica_chain::Head,
}

/// One extrinsic of the development account: money for all accounts, and the model's registration.
async fn fund(chain: &Chain, world: &World, model: &LocalModel) -> Result<Funded, DemoError> {
    let rich = Signer::from_suri("//Alice")?;
    let secret = Secret::generate(WordCount::Twelve)?;
    let account = secret.account().clone();
    let per_layer = chain.at_best().await?.registry_parameters().await?.min_stake_per_layer;
    let stake = per_layer.saturating_mul(model.manifest().layers.into());
    let mut calls = vec![Call::Transfer { to: account.account(), amount: PAYER_FUNDS }];
    let worker_funds = stake.saturating_add(WORKER_FUNDS);
    calls.extend(
        world.accounts().iter().map(|worker| Call::Transfer { to: *worker, amount: worker_funds }),
    );
    calls.push(Call::RegisterModel { manifest: model.manifest().clone(), units: UNITS });
    let submitted = chain.submit(&rich, Call::BatchAll(calls), Until::InBlock).await?;
    let payer = Payer {
        chain: chain.clone(),
        account: account.into(),
        signer: secret.channel_signer().into(),
    };
    Ok(Funded { payer, funded: submitted.block })
}

type Reference = tokio::task::JoinHandle<Result<Vec<u32>, DemoError>>;

/// The answer of the same model in one process, computed beside the distributed one.
fn reference(max_tokens: u32, prompt: Vec<u32>) -> Reference {
    tokio::task::spawn_blocking(move || {
        let model = LocalModel::open(None)?;
        generate(&model, &prompt, max_tokens)
            .map_err(|error| DemoError::Reference(error.to_string()))
    })
}

/// Why the model in one process failed.
#[derive(Debug, thiserror::Error)]
enum GenerateError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Forward(#[from] ForwardError),
    #[error("the model gave no logits")]
    NoLogits,
}

fn generate(
    model: &LocalModel,
    prompt: &[u32],
    max_tokens: u32,
) -> Result<Vec<u32>, GenerateError> {
    let layers = mica_primitives::LayerRange { first: 0, end: model.manifest().layers };
    let whole = Model::load(model.file(), layers, Threads::new(1))?;
    let positions = prompt.len() + max_tokens as usize;
    let mut cache = whole.new_cache(positions.min(model.manifest().context as usize))?;
    let sampler = Sampler::greedy();
    let (mut input, mut tokens, mut position) = (prompt.to_vec(), Vec::new(), prompt.len());
    let room = model.manifest().context as usize;
    while tokens.len() < max_tokens as usize && position <= room {
        let Computed::Logits(logits) =
            whole.forward(&mut cache, Input::Tokens(&input), Want::LastLogits)?
        else {
            return Err(GenerateError::NoLogits);
        };
        let token = sampler.sample(&logits, u32::try_from(position).unwrap_or(u32::MAX));
        tokens.push(token);
        if model.end_ids().contains(&token) {
            break;
        }
        input = vec![token];
        position += 1;
    }
    Ok(tokens)
}
