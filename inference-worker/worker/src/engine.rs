//! The engine's own thread: models, caches and computation, away from the async runtime.
//!
//! Jobs come through a bounded queue; a session has at most one job at a time, so the queue holds
//! at most one job per session. Jobs that wait are computed together, so that weights are read once
//! for all of them, and long ones piece by piece, so that a prompt does not keep other sessions
//! waiting. Answers go to the session actor. A session that fails, by an error or a panic, fails
//! alone.

mod batch;
mod observed;
mod thread;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use mica_engine::{ForwardError, LoadError, Sampler, Threads};
use mica_primitives::LayerRange;
use mica_protocol::{
    SessionId,
    limits::MAX_SESSIONS,
    probability::{Candidate, Candidates, LogProbabilities, LogProbability},
    session::Sampling,
    stage::{ComputeJob, Computed},
};
use thiserror::Error;
use tokio::sync::{mpsc as async_mpsc, oneshot};

use crate::model::ModelSource;
use observed::Observations;
pub(crate) use observed::Observed;
use thread::EngineThread;

/// Jobs and commands waiting: every session may open, compute and close.
const QUEUE: usize = 4 * MAX_SESSIONS;

/// Positions of a page: sessions take whole pages.
const PAGE_POSITIONS: usize = mica_engine::cache::PAGE_POSITIONS;

/// Why the engine does not do what it was told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No thread.
    #[error("the system gives no thread for the engine")]
    Thread(#[source] std::io::Error),
    /// It was dropped.
    #[error("the engine has stopped")]
    Stopped,
    /// Its thread has ended or its queue is full.
    #[error("the engine has stopped or does not keep up")]
    Busy,
    /// Its thread ended before it answered.
    #[error("the engine's thread has ended")]
    Ended(#[source] oneshot::error::RecvError),
    /// The layers cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A first computation failed.
    #[error(transparent)]
    Measure(#[from] ForwardError),
    /// Nothing is left for caches.
    #[error("the layers leave no memory for a session: serve fewer with --layers")]
    NoMemory,
}

/// Something for the thread to do.
enum Command {
    Open { session: SessionId, layers: LayerRange, max_positions: u32 },
    Compute(ComputeJob),
    Drop { session: SessionId },
    Load { range: LayerRange, done: oneshot::Sender<Result<u32, EngineError>> },
}

/// What the memory for keys and values holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Room {
    /// Sessions at once.
    pub sessions: usize,
    /// Positions of all of them together.
    pub positions: u32,
}

/// A handle to the engine's thread. Dropping it ends the thread after the job in hand.
pub(crate) struct Engine {
    commands: Option<mpsc::SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
    /// Pages that the pool has for each layer of the loaded range.
    pages: Arc<AtomicUsize>,
    /// How long tokens took.
    observations: Arc<Observations>,
}

impl Engine {
    /// Starts the thread. Load a range before the first session. `nice`: how the thread and those
    /// that compute for it give way to other programs, 0 to 19.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        source: Arc<ModelSource>,
        threads: Threads,
        nice: u8,
        answers: async_mpsc::Sender<Computed>,
    ) -> Result<Self, EngineError> {
        let (commands, received) = mpsc::sync_channel(QUEUE);
        let pages = Arc::new(AtomicUsize::new(0));
        let observations = Arc::new(Observations::default());
        let worker =
            EngineThread::new(source, threads, answers, pages.clone(), observations.clone());
        let thread = std::thread::Builder::new().name("mica-engine".to_owned()).spawn(move || {
            give_way(nice);
            worker.run(&received);
        });
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread.map_err(EngineError::Thread)?),
            pages,
            observations,
        })
    }

    /// What tokens of sessions that decode took since this was asked last, if they were computed by
    /// `range`.
    pub(crate) fn take_observed(&self, range: LayerRange) -> Option<Observed> {
        self.observations.take(range)
    }

    /// Loads `range` in place of what was loaded; all caches are dropped. Returns the cost,
    /// measured: µs per layer-token.
    ///
    /// # Errors
    /// If the model does not have these layers, they do not fit into memory, or a first computation
    /// fails.
    pub(crate) async fn load(&self, range: LayerRange) -> Result<u32, EngineError> {
        let (done, loaded) = oneshot::channel();
        self.send(Command::Load { range, done })?;
        loaded.await.map_err(EngineError::Ended)?
    }

    /// What the memory for keys and values holds, half of what the system had left when the range
    /// was loaded: at most `sessions` sessions, which then always fit, however they share the
    /// positions out among themselves.
    pub(crate) fn room(&self, sessions: usize) -> Room {
        room(self.pages.load(Ordering::Acquire), sessions)
    }

    /// Makes a session's cache, for all layers that are loaded or a part of them.
    ///
    /// # Errors
    /// If the thread has ended or its queue is full.
    pub(crate) fn open(
        &self,
        session: SessionId,
        layers: LayerRange,
        max_positions: u32,
    ) -> Result<(), EngineError> {
        self.send(Command::Open { session, layers, max_positions })
    }

    /// Queues a job; its answer comes through the channel given at the start.
    ///
    /// # Errors
    /// If the thread has ended or its queue is full.
    pub(crate) fn compute(&self, job: ComputeJob) -> Result<(), EngineError> {
        self.send(Command::Compute(job))
    }

    /// Drops a session's cache.
    ///
    /// # Errors
    /// If the thread has ended or its queue is full.
    pub(crate) fn drop_cache(&self, session: SessionId) -> Result<(), EngineError> {
        self.send(Command::Drop { session })
    }

    fn send(&self, command: Command) -> Result<(), EngineError> {
        let commands = self.commands.as_ref().ok_or(EngineError::Stopped)?;
        commands.try_send(command).map_err(|_| EngineError::Busy)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // Its panics are caught; what is left is a thread that could not end, which the process
            // will.
            let _ = thread.join();
        }
    }
}

/// Lets other programs go first. The threads that this one starts inherit it.
fn give_way(nice: u8) {
    // Of a thread, where the system knows such a thing. It is a courtesy and no condition.
    if let Err(error) = rustix::process::setpriority_process(None, nice.into()) {
        tracing::warn!(%error, "the engine does not give way to other programs");
    }
}

/// The engine's sampler for a session's settings.
pub(crate) fn sampler(sampling: &Sampling) -> Sampler {
    Sampler {
        temperature: sampling.temperature(),
        top_k: sampling.top_k,
        top_p: sampling.top_p(),
        seed: sampling.seed,
    }
}

/// How likely the token `drawn` was, and the `count` most likely ones, as it is told to payers.
fn log_probabilities(logits: &[f32], drawn: u32, count: u8) -> LogProbabilities {
    let found = mica_engine::log_probabilities(logits, drawn, count.into());
    let candidate = |(id, value)| Candidate { id, log_probability: LogProbability::new(value) };
    LogProbabilities {
        drawn: LogProbability::new(found.token),
        top: Candidates::truncate_from(found.top.into_iter().map(candidate).collect()),
    }
}

/// Every session may waste less than one page, so that one page for each is kept out of the count.
/// Where there are too few pages for that, half of them are.
fn room(pages: usize, sessions: usize) -> Room {
    let sessions = sessions.min(pages / 2);
    let positions = (pages - sessions).saturating_mul(PAGE_POSITIONS);
    Room { sessions, positions: u32::try_from(positions).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests;
