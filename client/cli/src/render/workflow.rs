//! The result of a workflow.

use mica_chain::amount;
use mica_workflow::{Finished, StepResult};

/// Every step with what it took, the result last.
pub(crate) fn finished(finished: &Finished) -> String {
    let mut text = String::new();
    for (number, step) in (1..).zip(&finished.steps) {
        text.push_str(&format!(
            "[{number}] {} · {}\n{}\n{}\n\n",
            step.name,
            step.model,
            step.text.trim_end(),
            metrics(step)
        ));
    }
    let cost = finished.cost.map_or("a cost that was not told".into(), amount::format);
    text.push_str(&format!(
        "{:.2} s, {cost}, fees {}\n",
        seconds(finished.total_duration),
        amount::format(finished.fees)
    ));
    text
}

fn metrics(step: &StepResult) -> String {
    let metrics = &step.metrics;
    format!(
        "    {} + {} tokens, {:.1} tokens/s; total {:.3} s, load {:.3} s, prompt {:.3} s, answer \
         {:.3} s, network {:.3} s; {}",
        metrics.prompt_eval_count,
        metrics.eval_count,
        step.token_per_second,
        seconds(metrics.total_duration),
        seconds(metrics.load_duration),
        seconds(metrics.prompt_eval_duration),
        seconds(metrics.eval_duration),
        seconds(step.network_duration),
        step.cost.map_or("cost not told".into(), amount::format),
    )
}

fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}
