//! Counters of sessions: tokens, base units and times.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use mica_primitives::Balance;

use super::report::Report;

/// The counters of sessions.
#[derive(Default)]
pub(crate) struct Metrics {
    counts: Mutex<Counts>,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Sessions that came to their end.
    pub(crate) answers: u64,
    /// Sessions that failed or were broken off.
    pub(crate) failures: u64,
    /// Tokens of prompts.
    pub(crate) prompt_tokens: u64,
    /// Tokens of answers.
    pub(crate) generated_tokens: u64,
    /// Base units promised to workers.
    pub(crate) paid: Balance,
    /// Base units of fees of opening and topping up channels.
    pub(crate) fees: Balance,
    /// Time until paths were ready.
    pub(crate) load: Duration,
    /// Time from there to first tokens.
    pub(crate) prefill: Duration,
    /// Time from first tokens to last ones.
    pub(crate) decode: Duration,
}

/// What is not counted but read when it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges {
    /// Sessions that run.
    pub(crate) running: usize,
    /// Requests that wait.
    pub(crate) waiting: usize,
    /// Base units spent or set aside today.
    pub(crate) spent_today: Balance,
    /// Age of the market snapshot.
    pub(crate) state_age: Option<Duration>,
}

impl Metrics {
    /// A session ended well.
    pub(crate) fn answer(&self, report: &Report) {
        let mut counts = self.lock();
        counts.answers = counts.answers.saturating_add(1);
        counts.prompt_tokens = counts.prompt_tokens.saturating_add(report.prompt.len() as u64);
        counts.generated_tokens =
            counts.generated_tokens.saturating_add(report.tokens.len() as u64);
        counts.paid = counts.paid.saturating_add(report.cost.paid);
        counts.fees = counts.fees.saturating_add(report.cost.fees);
        counts.load = counts.load.saturating_add(report.durations.load);
        counts.prefill = counts.prefill.saturating_add(report.durations.prefill);
        counts.decode = counts.decode.saturating_add(report.durations.decode);
    }

    /// A session failed; `paid` base units were promised until then.
    pub(crate) fn failure(&self, paid: Balance) {
        let mut counts = self.lock();
        counts.failures = counts.failures.saturating_add(1);
        counts.paid = counts.paid.saturating_add(paid);
    }

    /// All counters, as they are now.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // A panic between two counters leaves both true.
        mica_host::lock(&self.counts)
    }
}
