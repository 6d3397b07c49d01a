//! Publishes what a token costs under load, when that is no longer what was measured at the start.
//!
//! At the start the layers are timed alone. With sessions of others, or with other programs on the
//! machine, a token takes longer, and payers who choose by the published cost would be misled. So
//! the engine times what it computes for sessions that decode, from the job's arrival to its
//! answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mica_chain::{Call, SubmitError, Until};
use mica_primitives::LayerRange;

use super::{context::WorkerContext, session_handle::Closed};
use crate::{
    engine::{Engine, Observed},
    report::Event,
};

/// Pause between two looks at what the engine has timed.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// Least pause between two publications: each costs a fee.
const LEAST_PAUSE: Duration = Duration::from_secs(600);
/// Tokens on which a look must be based.
const LEAST_TOKENS: u64 = 100;
/// Part of the newest look in what is believed.
const NEW: f64 = 0.5;
/// Part by which the cost must have moved to be worth a fee.
const WORTH_A_FEE: f64 = 0.25;

/// The task that looks at the cost.
pub(crate) struct Costs {
    /// Shared with the other tasks.
    pub context: WorkerContext,
    /// What times it.
    pub engine: Arc<Engine>,
}

/// Why the cost was left as it was.
#[derive(Debug, thiserror::Error)]
enum CostError {
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Costs {
    /// Looks until the worker stops.
    pub(crate) async fn run(self) {
        let stop = self.context.stop.clone();
        let (mut believed, mut published) = (None, None::<Instant>);
        loop {
            let pause = tokio::time::sleep(POLL_INTERVAL);
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
            let range = self.context.offers.current().range;
            believed = believe(believed, self.engine.take_observed(range));
            if !self.context.standings.is_serving()
                || published.is_some_and(|at| at.elapsed() < LEAST_PAUSE)
            {
                continue;
            }
            let offered = self.context.offers.current().cost_us_per_layer_token;
            let Some(cost_us) = believed.and_then(|cost| worth_telling(offered, cost)) else {
                continue;
            };
            published = Some(Instant::now());
            match stop.run_until_cancelled(self.publish(range, cost_us)).await {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::warn!(%error, "the cost stays as it is"),
                None => return,
            }
        }
    }

    async fn publish(&self, range: LayerRange, cost_us: u32) -> Result<(), CostError> {
        let WorkerContext { chain, signer, offers, registration, reporter, .. } = &self.context;
        let mut changed_at = registration.lock().await;
        // What was timed is of other layers.
        if offers.current().range != range {
            return Ok(());
        }
        let submitted = chain.submit(signer, Call::SetCost(cost_us), Until::InBlock).await?;
        *changed_at = submitted.block.number;
        offers.change(|offer| offer.cost_us_per_layer_token = cost_us).await?;
        let block = submitted.block.number;
        reporter.emit(&Event::CostSet { cost_us_per_layer_token: cost_us, block });
        Ok(())
    }
}

/// What is believed after another look, µs per layer-token.
fn believe(before: Option<f64>, observed: Option<Observed>) -> Option<f64> {
    let Some(Observed { us_per_layer_token, tokens }) = observed else { return before };
    if tokens < LEAST_TOKENS {
        return before;
    }
    Some(before.map_or(us_per_layer_token, |before| before + NEW * (us_per_layer_token - before)))
}

/// The cost to publish in place of `offered`; nothing if the difference is not worth a fee.
fn worth_telling(offered: u32, believed: f64) -> Option<u32> {
    let change = believed / f64::from(offered.max(1)) - 1.0;
    // Saturates rather than wraps.
    (change.abs() > WORTH_A_FEE).then_some((believed.round() as u32).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(us_per_layer_token: f64, tokens: u64) -> Option<Observed> {
        Some(Observed { us_per_layer_token, tokens })
    }

    #[test]
    fn a_look_at_few_tokens_says_nothing() {
        assert_eq!(believe(None, observed(500.0, LEAST_TOKENS - 1)), None);
        assert_eq!(believe(Some(40.0), observed(500.0, 1)), Some(40.0));
        assert_eq!(believe(Some(40.0), None), Some(40.0));
    }

    #[test]
    fn one_look_among_others_counts_half() {
        let first = believe(None, observed(100.0, LEAST_TOKENS));
        assert_eq!(first, Some(100.0));
        assert_eq!(believe(first, observed(200.0, LEAST_TOKENS)), Some(150.0));
    }

    #[test]
    fn only_a_cost_that_has_moved_is_worth_a_fee() {
        assert_eq!(worth_telling(100, 125.0), None);
        assert_eq!(worth_telling(100, 126.0), Some(126));
        assert_eq!(worth_telling(100, 75.0), None);
        assert_eq!(worth_telling(100, 74.4), Some(74));
        assert_eq!(worth_telling(0, 0.1), Some(1), "nobody computes in no time");
        assert_eq!(worth_telling(1, f64::MAX), Some(u32::MAX));
    }
}
