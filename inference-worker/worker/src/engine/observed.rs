//! What tokens take while payers are served.

use std::{sync::Mutex, time::Duration};

use mica_host::lock;
use mica_primitives::LayerRange;

/// The mean of what some tokens took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Observed {
    /// µs per layer-token, from a job's arrival to its answer.
    pub us_per_layer_token: f64,
    /// Tokens that it is the mean of.
    pub tokens: u64,
}

/// Tokens that were timed since somebody asked.
#[derive(Debug, Default)]
pub(super) struct Observations(Mutex<Option<Sum>>);

#[derive(Clone, Copy, Debug)]
struct Sum {
    range: LayerRange,
    time: Duration,
    tokens: u64,
}

impl Observations {
    /// A token has passed `range` in this time. What was timed of other layers is forgotten.
    pub(super) fn note(&self, range: LayerRange, time: Duration) {
        let mut held = lock(&self.0);
        let before = held.filter(|sum| sum.range == range);
        let before = before.unwrap_or(Sum { range, time: Duration::ZERO, tokens: 0 });
        let time = before.time.saturating_add(time);
        *held = Some(Sum { range, time, tokens: before.tokens.saturating_add(1) });
    }

    /// What was timed of `range`; it is forgotten then.
    pub(super) fn take(&self, range: LayerRange) -> Option<Observed> {
        let sum = lock(&self.0).take().filter(|sum| sum.range == range)?;
        let layer_tokens = sum.tokens as f64 * f64::from(range.len().max(1));
        let us_per_layer_token = sum.time.as_secs_f64() * 1e6 / layer_tokens;
        Some(Observed { us_per_layer_token, tokens: sum.tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: LayerRange = LayerRange { first: 0, end: 4 };
    const OTHER: LayerRange = LayerRange { first: 4, end: 8 };

    #[test]
    fn the_mean_is_per_layer_and_token_and_taken_once() {
        let observations = Observations::default();
        assert_eq!(observations.take(RANGE), None);
        observations.note(RANGE, Duration::from_micros(400));
        observations.note(RANGE, Duration::from_micros(800));
        let seen = observations.take(RANGE).expect("two tokens");
        assert!((seen.us_per_layer_token - 150.0).abs() < 1e-9 && seen.tokens == 2, "{seen:?}");
        assert_eq!(observations.take(RANGE), None);
    }

    #[test]
    fn what_was_timed_of_other_layers_says_nothing() {
        let observations = Observations::default();
        observations.note(RANGE, Duration::from_micros(400));
        observations.note(OTHER, Duration::from_micros(40));
        let seen = observations.take(OTHER).expect("one token");
        assert!((seen.us_per_layer_token - 10.0).abs() < 1e-9 && seen.tokens == 1, "{seen:?}");
        observations.note(RANGE, Duration::from_micros(400));
        assert_eq!(observations.take(OTHER), None);
    }
}
