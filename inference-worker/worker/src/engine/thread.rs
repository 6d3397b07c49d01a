//! What the engine's thread does: takes commands, keeps the caches, computes what waits.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use mica_engine::{ForwardError, KvCache, Model, Threads, speed};
use mica_primitives::LayerRange;
use mica_protocol::{
    SessionId,
    stage::{ComputeJob, ComputeResult, Computed},
};
use thiserror::Error;
use tokio::sync::mpsc as async_mpsc;

use super::{
    Command, EngineError,
    batch::{Queue, Running, Step},
    observed::Observations,
};
use crate::{causes::with_causes, model::ModelSource};

pub(super) struct EngineThread {
    source: Arc<ModelSource>,
    threads: Threads,
    /// The layers that the worker serves.
    model: Option<Model>,
    /// Each session's cache, for all of these layers or a part of them.
    sessions: HashMap<SessionId, KvCache>,
    queue: Queue,
    answers: async_mpsc::Sender<Computed>,
    pages: Arc<AtomicUsize>,
    observations: Arc<Observations>,
}

/// Why a job has no result. The text goes to the payer.
#[derive(Debug, Error)]
pub(super) enum JobError {
    #[error("no model is loaded")]
    NoModel,
    #[error("the session has no cache; see the worker's log")]
    NoCache,
    #[error("the cache holds {held} positions and the step begins at {first}")]
    Position { held: usize, first: u32 },
    #[error("the session has ended")]
    SessionEnded,
    #[error("the worker moves to other layers")]
    Moving,
    #[error("the engine failed; see the worker's log")]
    Panicked,
    #[error("the model's range does not end where the session's path says")]
    WrongOutput,
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// Nobody listens to the answers any more.
struct AnswersClosed;

impl EngineThread {
    pub(crate) fn new(
        source: Arc<ModelSource>,
        threads: Threads,
        answers: async_mpsc::Sender<Computed>,
        pages: Arc<AtomicUsize>,
        observations: Arc<Observations>,
    ) -> Self {
        Self {
            source,
            threads,
            model: None,
            sessions: HashMap::new(),
            queue: Queue::default(),
            answers,
            pages,
            observations,
        }
    }

    /// Runs until the commands' or the answers' other end is gone.
    pub(crate) fn run(mut self, commands: &mpsc::Receiver<Command>) {
        loop {
            // With work at hand commands are only looked at, without it they are waited for.
            if self.queue.is_empty() {
                let Ok(command) = commands.recv() else { return };
                if self.execute(command).is_err() {
                    return;
                }
            }
            while let Ok(command) = commands.try_recv() {
                if self.execute(command).is_err() {
                    return;
                }
            }
            if self.compute().is_err() {
                return;
            }
        }
    }

    fn execute(&mut self, command: Command) -> Result<(), AnswersClosed> {
        match command {
            // The session's first job will say that there is no cache.
            Command::Open { session, layers, max_positions } => {
                match self.open(layers, max_positions) {
                    Ok(opened) => drop(self.sessions.insert(session, opened)),
                    Err(error) => tracing::error!(%session, "no cache: {}", with_causes(&error)),
                }
            }
            Command::Drop { session } => {
                self.sessions.remove(&session);
                for running in self.queue.remove(|job| job.session == session) {
                    self.answer(&running.job, Err(JobError::SessionEnded))?;
                }
            }
            Command::Load { range, done } => {
                self.sessions.clear();
                for running in self.queue.remove(|_| true) {
                    self.answer(&running.job, Err(JobError::Moving))?;
                }
                // Whoever asked may have stopped waiting.
                let _ = done.send(self.load(range));
            }
            Command::Compute(job) => match self.accept(job) {
                Ok(running) => self.queue.push(running),
                Err((job, error)) => self.answer(&job, Err(error))?,
            },
        }
        Ok(())
    }

    fn open(&self, layers: LayerRange, max_positions: u32) -> Result<KvCache, JobError> {
        let model = self.model.as_ref().ok_or(JobError::NoModel)?;
        Ok(model.new_cache_for(layers, max_positions as usize)?)
    }

    fn load(&mut self, range: LayerRange) -> Result<u32, EngineError> {
        // First, so that two ranges are never in memory together.
        self.model = None;
        self.pages.store(0, Ordering::Release);
        let model = Model::load(&self.source.file, range, self.threads)?;
        let cost_us = speed::cost_us_per_layer_token(&model)?;
        let pool = model.kv_pool();
        let pages = pool.budget_bytes() / pool.page_bytes() / usize::from(range.len());
        if super::room(pages, 1).sessions == 0 {
            return Err(EngineError::NoMemory);
        }
        self.pages.store(pages, Ordering::Release);
        self.model = Some(model);
        Ok(cost_us)
    }

    /// Checks a job against its session.
    fn accept(&self, job: ComputeJob) -> Result<Running, (ComputeJob, JobError)> {
        let Some(model) = &self.model else { return Err((job, JobError::NoModel)) };
        let Some(cache) = self.sessions.get(&job.session) else {
            return Err((job, JobError::NoCache));
        };
        if cache.len() != job.first_position as usize {
            let error = JobError::Position { held: cache.len(), first: job.first_position };
            return Err((job, error));
        }
        Ok(Running::new(job, model.config().hidden))
    }

    /// One pass through the layers for the jobs whose turn it is.
    fn compute(&mut self) -> Result<(), AnswersClosed> {
        let Some(model) = &self.model else { return Ok(()) };
        let mut steps = Vec::new();
        for (running, rows) in self.queue.next() {
            match self.sessions.remove(&running.job.session) {
                Some(cache) => steps.push(Step { running, cache, rows }),
                // Sessions end together with their jobs, and have one at a time.
                None => tracing::error!(session = %running.job.session, "a job without a cache"),
            }
        }
        let (range, outcomes) = (model.range(), forward_batch(model, &mut steps));
        for (mut step, outcome) in steps.into_iter().zip(outcomes) {
            let result = outcome.and_then(|output| step.running.advance(step.rows, output));
            if result.is_err() {
                step.cache.truncate(step.running.job.first_position as usize);
            }
            self.sessions.insert(step.running.job.session, step.cache);
            match result {
                Ok(None) => self.queue.push(step.running),
                Ok(Some(result)) => {
                    if let Some(waited) = step.running.time_of_a_token() {
                        self.observations.note(range, waited);
                    }
                    self.answer(&step.running.job, Ok(result))?
                }
                Err(error) => self.answer(&step.running.job, Err(error))?,
            }
        }
        Ok(())
    }

    fn answer(
        &self,
        job: &ComputeJob,
        result: Result<ComputeResult, JobError>,
    ) -> Result<(), AnswersClosed> {
        let result = result.unwrap_or_else(|error| ComputeResult::Failed(with_causes(&error)));
        let computed =
            Computed { session: job.session, first_position: job.first_position, result };
        self.answers.blocking_send(computed).map_err(|_| AnswersClosed)
    }
}

/// Computes steps at once. If that panics, each is tried alone, so that the one to blame fails
/// alone.
fn forward_batch(model: &Model, steps: &mut [Step]) -> Vec<Result<mica_engine::Output, JobError>> {
    let held: Vec<usize> = steps.iter().map(|step| step.cache.len()).collect();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut items: Vec<_> = steps.iter_mut().map(Step::item).collect();
        model.forward_batch(&mut items)
    }));
    match outcome {
        Ok(outcomes) => outcomes.into_iter().map(|outcome| outcome.map_err(Into::into)).collect(),
        Err(_) => {
            steps.iter_mut().zip(held).for_each(|(step, held)| step.cache.truncate(held));
            match steps {
                [_] => vec![Err(JobError::Panicked)],
                steps => steps.chunks_mut(1).flat_map(|step| forward_batch(model, step)).collect(),
            }
        }
    }
}
