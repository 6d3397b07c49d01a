//! Counters of the gateway, in Prometheus' text format. Seconds and base units, no rates; names end
//! in their unit.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mica_primitives::Balance;

use super::report::Report;

/// All counters.
#[derive(Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// By route and status: both come from our own fixed sets.
    requests: BTreeMap<(String, u16), u64>,
    answers: u64,
    failures: u64,
    prompt_tokens: u64,
    generated_tokens: u64,
    paid: Balance,
    fees: Balance,
    load: Duration,
    prefill: Duration,
    decode: Duration,
}

/// What is not counted but read at the moment of asking.
#[derive(Clone, Copy, Debug)]
pub struct Gauges {
    /// Sessions that run.
    pub running: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Base units spent or set aside today.
    pub spent_today: Balance,
    /// Age of the model_snapshot of the chain.
    pub state_age: Option<Duration>,
}

impl Metrics {
    /// A request was answered.
    pub fn request(&self, route: &str, status: u16) {
        let mut counts = self.lock();
        let count = counts.requests.entry((route.to_owned(), status)).or_default();
        *count = count.saturating_add(1);
    }

    /// A session ended well.
    pub fn answer(&self, report: &Report) {
        let mut counts = self.lock();
        counts.answers += 1;
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
    pub fn failure(&self, paid: Balance) {
        let mut counts = self.lock();
        counts.failures += 1;
        counts.paid = counts.paid.saturating_add(paid);
    }

    /// Everything, in Prometheus' text format.
    pub fn to_text(&self, gauges: Gauges) -> String {
        let counts = self.lock();
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "# HELP mica_gateway_requests_total Requests answered, by route and HTTP status."
        );
        let _ = writeln!(text, "# TYPE mica_gateway_requests_total counter");
        for ((route, status), count) in &counts.requests {
            let _ = writeln!(
                text,
                "mica_gateway_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        let mut metric = |name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(
                text,
                "# HELP mica_gateway_{name} {help}\n# TYPE mica_gateway_{name} \
                 {kind}\nmica_gateway_{name} {value}"
            );
        };
        metric("answers_total", "counter", "Sessions that came to their end.", &counts.answers);
        metric(
            "failures_total",
            "counter",
            "Sessions that failed or were broken off.",
            &counts.failures,
        );
        metric("prompt_tokens_total", "counter", "Tokens of prompts.", &counts.prompt_tokens);
        metric("generated_tokens_total", "counter", "Tokens of answers.", &counts.generated_tokens);
        metric("paid_base_units_total", "counter", "Promised to workers.", &counts.paid);
        metric(
            "fees_base_units_total",
            "counter",
            "Fees of opening and topping up channels.",
            &counts.fees,
        );
        metric(
            "load_seconds_total",
            "counter",
            "Time until paths were ready.",
            &counts.load.as_secs_f64(),
        );
        metric(
            "prefill_seconds_total",
            "counter",
            "Time from there to first tokens.",
            &counts.prefill.as_secs_f64(),
        );
        metric(
            "decode_seconds_total",
            "counter",
            "Time from first tokens to last ones.",
            &counts.decode.as_secs_f64(),
        );
        metric("sessions_running", "gauge", "Sessions that run now.", &gauges.running);
        metric("requests_waiting", "gauge", "Requests that wait for a session.", &gauges.waiting);
        metric(
            "spent_today_base_units",
            "gauge",
            "Spent or set aside today (UTC).",
            &gauges.spent_today,
        );
        if let Some(age) = gauges.state_age {
            metric(
                "state_age_seconds",
                "gauge",
                "Age of the model_snapshot of the chain.",
                &age.as_secs_f64(),
            );
        }
        text
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // A panic between two counters leaves both true.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
