//! The engine's own thread: models, caches and computation, away from the async runtime.
//!
//! Jobs come through a bounded queue and are done one after the other; a session has at most one job at a time, so the queue holds at
//! most one job per session. Answers go to the desk. A panic in the engine fails its job and nothing else.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use eyre::{Context, Result, eyre};
use mica_engine::{Input, KvCache, Model, Output, Sampler, Threads, Want as EngineWant};
use mica_primitives::LayerRange;
use mica_protocol::{
    SessionId,
    limits::MAX_SESSIONS,
    messages::Payload,
    session::Sampling,
    stage::{ComputeJob, ComputeResult, Computed, Want},
};
use tokio::sync::{mpsc as async_mpsc, oneshot};

use crate::model::ModelSource;

/// Jobs and orders waiting: every session may open, compute and close.
const QUEUE: usize = 4 * MAX_SESSIONS;
/// Time over which the cost is measured.
const MEASURE: Duration = Duration::from_millis(300);
/// Positions over which the cost is measured at most.
const MEASURE_POSITIONS: usize = 64;

/// Something for the thread to do.
enum Order {
    Open { session: SessionId, layers: LayerRange, max_positions: u32 },
    Compute(ComputeJob),
    Drop { session: SessionId },
    Load { range: LayerRange, done: oneshot::Sender<Result<u32>> },
}

/// A handle to the engine's thread. Dropping it ends the thread after the job in hand.
pub struct Engine {
    orders: Option<mpsc::SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the thread. Load a range before the first session.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(source: Arc<ModelSource>, threads: Threads, answers: async_mpsc::Sender<Computed>) -> Result<Self> {
        let (orders, received) = mpsc::sync_channel(QUEUE);
        let worker = Worker { source, threads, model: None, sessions: HashMap::new(), answers };
        let thread = std::thread::Builder::new().name("mica-engine".to_owned()).spawn(move || worker.run(&received));
        Ok(Self { orders: Some(orders), thread: Some(thread.wrap_err("the system gives no thread for the engine")?) })
    }

    /// Loads `range` in place of what was loaded; all caches are dropped. Returns the cost, measured: µs per layer-token.
    ///
    /// # Errors
    /// If the model does not have these layers, they do not fit into memory, or a first computation fails.
    pub async fn load(&self, range: LayerRange) -> Result<u32> {
        let (done, loaded) = oneshot::channel();
        self.order(Order::Load { range, done })?;
        loaded.await.wrap_err("the engine's thread has ended")?
    }

    /// Makes a session's cache, for all layers that are loaded or a part of them.
    ///
    /// # Errors
    /// If the thread has ended or its queue is full.
    pub fn open(&self, session: SessionId, layers: LayerRange, max_positions: u32) -> Result<()> {
        self.order(Order::Open { session, layers, max_positions })
    }

    /// Queues a job; its answer comes through the channel given at the start.
    ///
    /// # Errors
    /// If the thread has ended or its queue is full.
    pub fn compute(&self, job: ComputeJob) -> Result<()> {
        self.order(Order::Compute(job))
    }

    /// Drops a session's cache.
    ///
    /// # Errors
    /// If the thread has ended or its queue is full.
    pub fn drop_cache(&self, session: SessionId) -> Result<()> {
        self.order(Order::Drop { session })
    }

    fn order(&self, order: Order) -> Result<()> {
        let orders = self.orders.as_ref().ok_or_else(|| eyre!("the engine has stopped"))?;
        orders.try_send(order).map_err(|_| eyre!("the engine has stopped or does not keep up"))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // Its panics are caught; what is left is a thread that could not end, which the process will.
            let _ = thread.join();
        }
    }
}

struct Worker {
    source: Arc<ModelSource>,
    threads: Threads,
    /// The layers that the worker serves.
    model: Option<Model>,
    /// Each session's cache, for all of these layers or a part of them.
    sessions: HashMap<SessionId, KvCache>,
    answers: async_mpsc::Sender<Computed>,
}

impl Worker {
    fn run(mut self, orders: &mpsc::Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            match order {
                // The session's first job will say that there is no cache.
                Order::Open { session, layers, max_positions } => match self.open(layers, max_positions) {
                    Ok(opened) => drop(self.sessions.insert(session, opened)),
                    Err(error) => tracing::error!(%session, "no cache: {error:#}"),
                },
                Order::Drop { session } => {
                    self.sessions.remove(&session);
                }
                Order::Load { range, done } => {
                    self.sessions.clear();
                    // Nobody waiting any more is no harm.
                    let _ = done.send(self.load(range));
                }
                Order::Compute(job) => {
                    let (session, first_position) = (job.session, job.first_position);
                    let result = catch_unwind(AssertUnwindSafe(|| self.compute(&job)));
                    let result = result.unwrap_or_else(|_| Err(eyre!("the engine failed; see the worker's log")));
                    let result = result.unwrap_or_else(|error| ComputeResult::Failed(format!("{error:#}")));
                    if self.answers.blocking_send(Computed { session, first_position, result }).is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn open(&self, layers: LayerRange, max_positions: u32) -> Result<KvCache> {
        let model = self.model.as_ref().ok_or_else(|| eyre!("no model is loaded"))?;
        Ok(model.new_cache_for(layers, max_positions as usize)?)
    }

    fn load(&mut self, range: LayerRange) -> Result<u32> {
        // First, so that two ranges are never in memory together.
        self.model = None;
        let model = Model::load(&self.source.file, range, self.threads)?;
        let cost_us = measure(&model, self.source.manifest.hidden as usize)?;
        self.model = Some(model);
        Ok(cost_us)
    }

    fn compute(&mut self, job: &ComputeJob) -> Result<ComputeResult> {
        let cache = self.sessions.get_mut(&job.session).ok_or_else(|| eyre!("the session has no cache; see the worker's log"))?;
        let model = self.model.as_ref().ok_or_else(|| eyre!("no model is loaded"))?;
        if cache.len() != job.first_position as usize {
            return Err(eyre!("the cache holds {} positions and the step begins at {}", cache.len(), job.first_position));
        }
        let hidden = job.payload.to_f32();
        let input = match (&job.payload, &hidden) {
            (Payload::Tokens(tokens), _) => Input::Tokens(tokens),
            (Payload::Hidden(_), Some(values)) => Input::Hidden(values),
            (Payload::Hidden(_), None) => return Err(eyre!("the step's payload holds no values")),
        };
        let want = match job.want {
            Want::Sample { .. } => EngineWant::LastLogits,
            Want::Hidden | Want::Nothing => EngineWant::Nothing,
        };
        match (model.forward(cache, input, want)?, job.want) {
            (Output::Hidden(rows), Want::Hidden) => Ok(ComputeResult::Hidden(le_bytes(&rows))),
            (Output::Logits(logits), Want::Sample { sampling, position }) => {
                Ok(ComputeResult::Sampled(Some(sampler(&sampling).sample(&logits, position))))
            }
            (Output::Nothing, Want::Nothing) => Ok(ComputeResult::Sampled(None)),
            _ => Err(eyre!("the model's range does not end where the session's path says")),
        }
    }
}

/// The engine's sampler for a session's settings.
pub fn sampler(sampling: &Sampling) -> Sampler {
    Sampler { temperature: sampling.temperature(), top_k: sampling.top_k, top_p: sampling.top_p(), seed: sampling.seed }
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    match Payload::from_f32(values) {
        Payload::Hidden(bytes) => bytes,
        Payload::Tokens(_) => Vec::new(),
    }
}

/// Decodes token by token for a while: µs per layer-token, at least 1.
fn measure(model: &Model, hidden: usize) -> Result<u32> {
    let range = model.range();
    let rows = vec![0.01; hidden];
    let mut cache = model.new_cache(MEASURE_POSITIONS)?;
    let started = Instant::now();
    let mut positions = 0;
    while positions < MEASURE_POSITIONS && (positions < 2 || started.elapsed() < MEASURE) {
        let input = if range.first == 0 { Input::Tokens(&[0]) } else { Input::Hidden(&rows) };
        model.forward(&mut cache, input, EngineWant::Nothing)?;
        positions += 1;
    }
    let layer_tokens = positions as u128 * u128::from(range.len());
    Ok(u32::try_from(started.elapsed().as_micros() / layer_tokens.max(1)).unwrap_or(u32::MAX).max(1))
}

#[cfg(test)]
mod tests;
