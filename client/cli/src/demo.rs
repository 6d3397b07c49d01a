//! The whole market on one machine: a chain, three workers, a paid prompt, and the proof of it.
//!
//! Everything runs for real: `mica-node --dev`, three `mica-worker run` with a third of the
//! model each, and a new wallet funded from a development account. All of it lives in a temporary
//! folder, listens on free loopback ports, and is stopped at the end, on an error and on Ctrl-C;
//! or it keeps running until Ctrl-C, so that one can go on with it.
//!
//! Money: workers and payer count in base units (10⁻¹² MICA).

mod payer;
mod proof;
mod reference;
mod running;
mod seed;
mod source;
mod summary;
mod witness;
mod world;

pub(crate) use proof::{Proof, StageProof, Times};
pub(crate) use running::Running;
pub(crate) use seed::Fetched;
pub(crate) use source::UnknownModel;
pub(crate) use summary::{BlocksSummary, Mismatch, PayerSummary, StageSummary, Summary};

use std::sync::Arc;
use std::time::Duration;

use mica_chain::{Call, Chain, ReadError, Signer, SignerError, SubmitError, Until, amount};
use mica_primitives::{Balance, MarketUnits, UNIT};
use mica_protocol::session::Sampling;

use crate::config::ConfigError;
use crate::local::{LocalError, ProcessError};
use crate::progress::Progress;
use mica_payer::Terms;
use mica_payer::ask::{Answer, AskError, Asker, Event, Listener, Question};
use mica_payer::channels::{ChannelError, Deposits, Payer};
use mica_payer::heads::{HeadError, Heads};
use mica_payer::interrupt::Interrupt;
use mica_payer::market::MarketError;
use mica_payer::model::{LocalModel, ModelError};
use mica_payer::store::{Store, StoreError};
use mica_payer::verify::VerifyError;
use mica_wallet::{KeystoreError, PhraseError, Secret, WordCount, files::FileError};
use payer::PayerFolder;
use source::Source;
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
    /// There is no such model.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
    /// The payer does not get what it needs of the model.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The payer's settings could not be written.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The payer's wallet could not be made.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// A file of the payer could not be written.
    #[error(transparent)]
    File(#[from] FileError),
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
    /// Whether everything keeps running when the answer is there.
    pub keep_running: bool,
    /// The model: a GGUF file or a name. Without it the built-in one.
    pub model: Option<String>,
}

/// Runs the demo. Everything that it started is stopped, whatever happens, unless it succeeds and
/// shall keep running: then the second part of the result stands for it.
///
/// # Errors
/// [`DemoError`].
pub(crate) async fn run(
    script: &Script,
    progress: Progress,
    listener: &mut dyn Listener,
) -> Result<(Proof, Option<Running>), DemoError> {
    let (interrupt, listening) = Interrupt::listen();
    let mut world = World::create(script.keep)?;
    if script.keep {
        progress.note(&format!("everything lies in {}", world.folder().display()));
    }
    let outcome = tokio::select! {
        outcome = play(&mut world, script, progress, interrupt.clone(), listener) => outcome,
        () = interrupt.finish.cancelled() => Err(DemoError::Interrupted),
    };
    match outcome {
        Ok((proof, payer)) if script.keep_running => {
            let model = proof.model.clone();
            let running =
                Running { world, payer, model, interrupt, _listening: listening, progress };
            Ok((proof, Some(running)))
        }
        Ok((proof, _)) => {
            world.stop(progress).await;
            Ok((proof, None))
        }
        Err(error) => {
            // A step that is under way ends before the next one begins.
            let _ = listener.on(Event::Failed);
            world.stop(progress).await;
            Err(error)
        }
    }
}

async fn play(
    world: &mut World,
    script: &Script,
    progress: Progress,
    interrupt: Interrupt,
    listener: &mut dyn Listener,
) -> Result<(Proof, PayerFolder), DemoError> {
    let source = Source::of(script.model.as_deref())?;
    let chat =
        |model: &LocalModel| model.chat(&[mica_engine::ChatMessage::new("user", &script.prompt)]);
    let near = match source.entry() {
        Some(_) => None,
        None => Some(LocalModel::open(source.file())?),
    };
    // What cannot be asked is refused before anything starts, if the model is here.
    near.as_ref().map(&chat).transpose()?;

    let step = progress.step("starting a chain and making three workers");
    let chain = world.start_chain(source.entry().is_some()).await?;
    step.done(&format!("{}, block {}", world.url(), chain.best().await?.number));
    let model = match (near, source.entry()) {
        (None, Some(entry)) => {
            seed::fetch(&world.seed_folder(), world.url(), entry, progress).await?
        }
        (Some(model), _) => model,
        (None, None) => LocalModel::open(None)?,
    };
    let prompt = chat(&model)?;

    let step = progress.step("funding a new wallet and the workers, registering the model");
    let (witness, first) = Witness::begin(&chain).await?;
    let secret = Secret::generate(WordCount::Twelve)?;
    let payer = fund(&chain, world, &model, &secret).await?;
    let before = chain.at(payer.funded).account(payer.payer.id()).await?.total();
    step.done(&format!("{} in block {}", amount::format(before), payer.funded.number));

    let step = progress.step("starting the workers");
    let fetched = world.start_workers(&chain, &model, &source, &step).await?;
    step.done("registered and live");

    let home = PayerFolder::create(world.folder())?;
    if script.keep_running {
        home.settle(&secret, world.url(), source.file())?;
    }
    // With a model of the catalogue the payer has no file: what it needs comes from the workers.
    let head = match source.entry() {
        Some(_) => {
            let heads = Heads::new(home.models());
            Some(heads.model(&chain.at_best().await?, model.id(), |_| ()).await?)
        }
        None => None,
    };
    let store = Arc::new(Store::open(&home.state())?);
    let question = Question {
        prompt: prompt.clone(),
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
    let known = head.as_ref().unwrap_or(&model);
    let answer = asker.ask(known, &chain.at_best().await?, &question, interrupt, listener).await;
    asker.stop().await;
    let answer = answer?;
    let layers = model.manifest().layers;
    // The name by which commands find a model of which there is no file.
    let name = head.map(|head| head.id().to_string());
    // Not before: it would take the processor from the workers.
    let reference = reference::begin(model, prompt, script.max_tokens);

    let step = progress.step("closing the channels; the workers redeem");
    payer.payer.close(&answer.channels).await?;
    let last = payer.payer.await_closed(&answer.channels, CLOSE_PATIENCE).await?.block;
    let seen = witness.until(last).await?;
    let head = seen.head(last).ok_or(DemoError::Missed(last))?;
    let after = chain.at(head).account(payer.payer.id()).await?.total();
    step.done(&format!("gone in block {last}"));
    let step = progress.step("computing the answer again in one process");
    let reference = reference.await.map_err(|error| DemoError::Reference(error.to_string()))??;
    step.done("");
    let money =
        proof::Money { payer: payer.payer.id(), before, after, funded: payer.funded.number };
    let Answer { outcome, path, text, .. } = answer;
    let mut proof = Proof::new(
        script, &store, first, last, &seen, money, &path, &outcome, text, reference, layers,
    )?;
    (proof.fetched, proof.model) = (fetched, name);
    Ok((proof, home))
}

struct Funded {
    payer: Payer,
    funded: mica_chain::Head,
}

/// One extrinsic of the development account: money for all accounts, and the model's registration.
async fn fund(
    chain: &Chain,
    world: &World,
    model: &LocalModel,
    secret: &Secret,
) -> Result<Funded, DemoError> {
    let rich = Signer::from_suri("//Alice")?;
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
