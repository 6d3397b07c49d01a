//! Which jobs are computed together, and how far each is.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use mica_engine::{BatchItem, Input, KvCache, Output, Want};
use mica_protocol::{
    messages::Payload,
    stage::{ComputeJob, ComputeResult, Drawn, JobOutput},
};

use super::{log_probabilities, sampler, thread::JobError};

/// Rows computed together.
pub(super) const BATCH_ROWS: usize = 64;

/// Of them, rows of jobs that have more than one row left: what a session that decodes waits for at
/// most. A job that waits alone keeps nobody waiting and may have all.
pub(super) const PREFILL_ROWS: usize = 32;

/// A job and what was computed of it.
pub(super) struct Running {
    pub job: ComputeJob,
    /// The rows that came in, if they are hidden states.
    values: Vec<f32>,
    hidden: usize,
    rows: usize,
    done: usize,
    /// The rows that go out, as bytes.
    out: Vec<u8>,
    /// When it came.
    came: Instant,
}

impl Running {
    pub(crate) fn new(job: ComputeJob, hidden: usize) -> Self {
        let values = job.payload.to_f32().unwrap_or_default();
        let rows = match &job.payload {
            Payload::Tokens(tokens) => tokens.len(),
            // What is not whole rows passes in one piece to the engine, which says so.
            Payload::Hidden(_) if values.len().is_multiple_of(hidden) => values.len() / hidden,
            Payload::Hidden(_) => 1,
        };
        Self { job, values, hidden, rows, done: 0, out: Vec::new(), came: Instant::now() }
    }

    /// How long it has taken until now, if it is of a session that decodes: one token.
    pub(crate) fn time_of_a_token(&self) -> Option<Duration> {
        (self.rows == 1 && self.job.first_position > 0).then(|| self.came.elapsed())
    }

    const fn left(&self) -> usize {
        self.rows - self.done
    }

    fn input(&self, rows: usize) -> Input<'_> {
        match &self.job.payload {
            Payload::Tokens(tokens) => Input::Tokens(&tokens[self.done..self.done + rows]),
            Payload::Hidden(_) if self.values.len() == self.rows * self.hidden => Input::Hidden(
                &self.values[self.done * self.hidden..(self.done + rows) * self.hidden],
            ),
            Payload::Hidden(_) => Input::Hidden(&self.values),
        }
    }

    /// Takes the outcome of the next rows in; the answer if they were the last.
    ///
    /// # Errors
    /// If the outcome is not of the kind that the job wants.
    pub(crate) fn advance(
        &mut self,
        rows: usize,
        output: Output,
    ) -> Result<Option<ComputeResult>, JobError> {
        self.done += rows;
        let last = self.left() == 0;
        match (output, self.job.want) {
            (Output::Hidden(values), JobOutput::Hidden) => {
                self.out.reserve(self.left() * self.hidden * size_of::<f32>());
                self.out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                Ok(last.then(|| ComputeResult::Hidden(std::mem::take(&mut self.out))))
            }
            (Output::Logits(logits), JobOutput::Sample { sampling, position, logprobs }) => {
                let id = sampler(&sampling).sample(&logits, position);
                let log_probabilities = logprobs.map(|count| log_probabilities(&logits, id, count));
                Ok(Some(ComputeResult::Sampled(Some(Drawn { id, log_probabilities }))))
            }
            (Output::Nothing, JobOutput::Sample { .. }) if !last => Ok(None),
            (Output::Nothing, JobOutput::Nothing) => {
                Ok(last.then_some(ComputeResult::Sampled(None)))
            }
            _ => Err(JobError::WrongOutput),
        }
    }
}

/// Rows of a job that are computed next, with the session's cache.
pub(super) struct Step {
    pub running: Running,
    pub cache: KvCache,
    pub rows: usize,
}

impl Step {
    pub(crate) fn item(&mut self) -> BatchItem<'_> {
        let want = match self.running.job.want {
            JobOutput::Sample { .. } if self.rows == self.running.left() => Want::LastLogits,
            _ => Want::Nothing,
        };
        BatchItem { cache: &mut self.cache, input: self.running.input(self.rows), want }
    }
}

/// Jobs that wait, in the order in which they came or were last computed.
#[derive(Default)]
pub(super) struct Queue {
    jobs: VecDeque<Running>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(crate) fn push(&mut self, running: Running) {
        self.jobs.push_back(running);
    }

    /// Takes out the jobs that `which` names.
    pub(crate) fn remove(&mut self, which: impl Fn(&ComputeJob) -> bool) -> Vec<Running> {
        let (removed, kept) =
            self.jobs.drain(..).partition::<VecDeque<_>, _>(|running| which(&running.job));
        self.jobs = kept;
        removed.into()
    }

    /// Takes out the jobs whose turn it is, each with the number of its rows: from the front, at
    /// most [`BATCH_ROWS`] rows, of which at most [`PREFILL_ROWS`] are of jobs with more than one
    /// row left. Both bounds hold at least one job.
    pub(crate) fn next(&mut self) -> Vec<(Running, usize)> {
        let (mut taken, mut kept) = (Vec::new(), VecDeque::new());
        let (mut all, mut prefill) =
            (BATCH_ROWS, if self.jobs.len() == 1 { BATCH_ROWS } else { PREFILL_ROWS });
        for running in self.jobs.drain(..) {
            let rows = match running.left() {
                rows @ ..=1 => rows.min(all),
                rows => rows.min(all).min(prefill),
            };
            // A job without rows is for the engine to refuse.
            if rows == 0 && running.left() > 0 {
                kept.push_back(running);
                continue;
            }
            all -= rows;
            if running.left() > 1 {
                prefill -= rows;
            }
            taken.push((running, rows));
        }
        self.jobs = kept;
        taken
    }
}
