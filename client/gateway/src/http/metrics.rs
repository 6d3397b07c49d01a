//! The counters in Prometheus' text format. Seconds and base units, no rates; names end in their
//! unit.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard};

use crate::core::{Counts, Gauges};

/// Requests answered, by route and status: both come from our own fixed sets.
#[derive(Default)]
pub(super) struct RequestCounts(Mutex<BTreeMap<(String, u16), u64>>);

impl RequestCounts {
    /// A request was answered.
    pub(super) fn count(&self, route: &str, status: u16) {
        let mut counts = self.lock();
        let count = counts.entry((route.to_owned(), status)).or_default();
        *count = count.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, u16), u64>> {
        // One number is changed at a time.
        mica_host::lock(&self.0)
    }
}

/// Everything, in Prometheus' text format.
pub(super) fn to_text(requests: &RequestCounts, counts: &Counts, gauges: &Gauges) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "# HELP mica_gateway_requests_total Requests answered, by route and HTTP status."
    );
    let _ = writeln!(text, "# TYPE mica_gateway_requests_total counter");
    for ((route, status), count) in requests.lock().iter() {
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
            "Age of the snapshot of the chain.",
            &age.as_secs_f64(),
        );
    }
    text
}
