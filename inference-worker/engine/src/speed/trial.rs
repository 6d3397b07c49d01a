//! Timed prompts and answers.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use crate::{
    cache::KvCache,
    error::ForwardError,
    model::{BatchItem, Input, Model, Want},
};

/// Time over which the cost is measured.
const COST_TIME: Duration = Duration::from_millis(300);
/// Positions over which the cost is measured at most.
const COST_POSITIONS: usize = 64;
/// Tokens that are decoded before the clock starts.
const WARM_UP: usize = 2;

/// What a [`Trial`] computes in each round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Workload {
    /// Positions of each session's prompt.
    pub prompt_tokens: usize,
    /// Tokens of each session's answer.
    pub generated_tokens: usize,
    /// Sessions that decode together.
    pub sessions: usize,
}

/// Times of one round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Round {
    /// All sessions' prompts, one after the other.
    pub prefill: Duration,
    /// All sessions' answers, together.
    pub decode: Duration,
}

/// A model and the sessions that it is timed with. Ranges without layer 0 get made-up hidden
/// states.
pub struct Trial<'a> {
    model: &'a Model,
    workload: Workload,
    tokens: Vec<u32>,
    hidden: Vec<f32>,
    caches: Vec<KvCache>,
}

impl<'a> Trial<'a> {
    /// Makes the sessions.
    ///
    /// # Errors
    /// [`ForwardError::Empty`] if a number of the workload is 0, [`ForwardError::Context`] if the
    /// model's context is too short.
    pub fn new(model: &'a Model, workload: Workload) -> Result<Self, ForwardError> {
        let Workload { prompt_tokens, generated_tokens, sessions } = workload;
        if prompt_tokens == 0 || generated_tokens == 0 || sessions == 0 {
            return Err(ForwardError::Empty);
        }
        let positions = prompt_tokens.saturating_add(generated_tokens);
        let caches = (0..sessions).map(|_| model.new_cache(positions)).collect::<Result<_, _>>()?;
        // The time does not depend on the values, so they are simply counted up. A vocabulary has
        // at most 2²⁰ ids.
        let (hidden, vocabulary) = (model.config().hidden, model.config().vocabulary);
        let (tokens, hidden) = if model.takes_tokens() {
            ((0..positions).map(|position| (position % vocabulary) as u32).collect(), Vec::new())
        } else {
            (
                Vec::new(),
                (0..positions * hidden).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect(),
            )
        };
        Ok(Self { model, workload, tokens, hidden, caches })
    }

    /// Bytes of cache that the sessions hold now.
    pub fn cache_bytes(&self) -> usize {
        self.caches.iter().map(KvCache::bytes).sum()
    }

    /// A prompt of one token: the time until the next one is known.
    ///
    /// # Errors
    /// If the step fails.
    pub fn first_token(&mut self) -> Result<Duration, ForwardError> {
        self.caches[0].clear();
        let started = Instant::now();
        self.step(0..1, 0..1)?;
        Ok(started.elapsed())
    }

    /// A prompt and a few tokens that are not timed: the first ones find cold caches and sleeping
    /// threads.
    ///
    /// # Errors
    /// If a step fails.
    pub fn warm_up(&mut self) -> Result<(), ForwardError> {
        let Workload { prompt_tokens, generated_tokens, .. } = self.workload;
        self.caches[0].clear();
        self.step(0..1, 0..prompt_tokens)?;
        for position in prompt_tokens..prompt_tokens + generated_tokens.min(WARM_UP) {
            self.step(0..1, position..position + 1)?;
        }
        self.caches[0].clear();
        Ok(())
    }

    /// One prompt and one answer of every session.
    ///
    /// # Errors
    /// If a step fails.
    pub fn round(&mut self) -> Result<Round, ForwardError> {
        let Workload { prompt_tokens, generated_tokens, sessions } = self.workload;
        self.caches.iter_mut().for_each(KvCache::clear);
        let started = Instant::now();
        for session in 0..sessions {
            self.step(session..session + 1, 0..prompt_tokens)?;
        }
        let prefill = started.elapsed();
        let started = Instant::now();
        for position in prompt_tokens..prompt_tokens + generated_tokens {
            self.step(0..sessions, position..position + 1)?;
        }
        Ok(Round { prefill, decode: started.elapsed() })
    }

    /// `positions` of some sessions together, with the logits of the last one where the range has
    /// them.
    fn step(
        &mut self,
        sessions: Range<usize>,
        positions: Range<usize>,
    ) -> Result<(), ForwardError> {
        let width = self.model.config().hidden;
        let input = if self.model.takes_tokens() {
            Input::Tokens(&self.tokens[positions])
        } else {
            Input::Hidden(&self.hidden[positions.start * width..positions.end * width])
        };
        let item = |cache| BatchItem { cache, input, want: Want::LastLogits };
        let mut items: Vec<_> = self.caches[sessions].iter_mut().map(item).collect();
        self.model.forward_batch(&mut items).into_iter().try_for_each(|outcome| outcome.map(drop))
    }
}

/// What a token costs this machine in the model's range: µs per layer-token, at least 1. Embedding
/// and head count as part of the layers, since a token passes them too. Takes about 0.3 s, or three
/// tokens if they take longer.
///
/// # Errors
/// If a step fails.
pub fn cost_us_per_layer_token(model: &Model) -> Result<u32, ForwardError> {
    let positions = COST_POSITIONS.min(model.config().context);
    let workload = Workload {
        prompt_tokens: 1,
        generated_tokens: positions.saturating_sub(1).max(1),
        sessions: 1,
    };
    let mut trial = Trial::new(model, workload)?;
    trial.warm_up()?;
    let started = Instant::now();
    let mut done = 0;
    while done < positions && (done < 1 || started.elapsed() < COST_TIME) {
        trial.step(0..1, done..done + 1)?;
        done += 1;
    }
    let layer_tokens = done as u128 * u128::from(model.range().len());
    Ok(u32::try_from(started.elapsed().as_micros() / layer_tokens.max(1))
        .unwrap_or(u32::MAX)
        .max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GgufFile, LayerRange, Threads, embedded};

    fn load(first: u16, end: u16) -> Model {
        let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
        Model::load(&file, LayerRange { first, end }, Threads::new(1)).expect("loads")
    }

    #[test]
    fn every_range_is_timed_with_all_its_sessions() {
        let workload = Workload { prompt_tokens: 9, generated_tokens: 3, sessions: 2 };
        for (first, end) in [(0, 8), (0, 3), (3, 5), (5, 8)] {
            let model = load(first, end);
            let mut trial = Trial::new(&model, workload).expect("fits");
            assert!(!trial.first_token().expect("a step").is_zero());
            trial.warm_up().expect("steps");
            for _ in 0..2 {
                let round = trial.round().expect("steps");
                assert!(!round.prefill.is_zero() && !round.decode.is_zero());
                assert!(
                    trial.caches.iter().all(|cache| cache.len() == 12),
                    "layers {first}..{end}"
                );
            }
            assert!(trial.cache_bytes() >= 24 * model.cache_bytes_per_position());
        }
    }

    #[test]
    fn a_workload_must_have_work_and_fit_the_context() {
        let model = load(0, 1);
        let workload = Workload { prompt_tokens: 4, generated_tokens: 4, sessions: 1 };
        for empty in [
            Workload { prompt_tokens: 0, ..workload },
            Workload { generated_tokens: 0, ..workload },
            Workload { sessions: 0, ..workload },
        ] {
            assert!(matches!(Trial::new(&model, empty), Err(ForwardError::Empty)));
        }
        let long = Workload { prompt_tokens: model.config().context, ..workload };
        assert!(matches!(Trial::new(&model, long), Err(ForwardError::Context { .. })));
        let longest = Workload { prompt_tokens: usize::MAX, ..workload };
        assert!(matches!(Trial::new(&model, longest), Err(ForwardError::Context { .. })));
    }

    #[test]
    fn cost_is_per_layer() {
        let (narrow, wide) = (load(2, 3), load(0, 8));
        // The least of several: on a busy machine a single measurement may contain somebody else's
        // turn.
        let least = |model: &Model| {
            (0..5)
                .map(|_| cost_us_per_layer_token(model).expect("steps"))
                .min()
                .expect("five measurements")
        };
        let (one, eight) = (least(&narrow), least(&wide));
        // The wide range's share of the head is added; a cost by range instead of by layer would be
        // eight times as high.
        assert!(
            eight < one * 8,
            "{one} µs for one layer, {eight} µs per layer for eight and the head"
        );
    }
}
