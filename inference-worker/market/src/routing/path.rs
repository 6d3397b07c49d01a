//! A path and what it costs, in exact integers.

use mica_primitives::{Balance, LayerRange};

use super::network::{Candidate, Links};

/// One worker's part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Position of the worker among the candidates.
    pub worker: usize,
    /// The layers that it computes.
    pub range: LayerRange,
}

/// Stages that cover the layers asked for exactly, in order, each by another worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Base units per token: the sum of price · layers.
    pub price_per_token: Balance,
    /// Microseconds per token: the sum of cost · layers, and for each stage the hop constant and
    /// the link into it.
    pub time_us_per_token: u64,
}

impl Path {
    /// Adds up what `stages` cost. The link into the first stage comes from the last one (decode is
    /// a ring) and is charged as the assumed latency: with the measured one the weight of a path
    /// would no longer be a sum over its edges.
    ///
    /// No sum overflows: a network holds only candidates whose price is below `Balance::MAX /
    /// u16::MAX`, the layers of all stages together are at most `u16::MAX`, and so are the stages;
    /// the greatest time is below 2^16 · 3 · 2^32.
    pub(super) fn new(candidates: &[Candidate], links: &Links, stages: Vec<Stage>) -> Self {
        let mut path = Self { stages, price_per_token: 0, time_us_per_token: 0 };
        let mut previous = None;
        for stage in &path.stages {
            let candidate = &candidates[stage.worker];
            let layers = stage.range.len();
            path.price_per_token += candidate.price_per_layer_token * Balance::from(layers);
            path.time_us_per_token += u64::from(candidate.cost_us_per_layer_token)
                * u64::from(layers)
                + u64::from(links.hop_us)
                + u64::from(links.latency_us(previous, stage.worker));
            previous = Some(stage.worker);
        }
        path
    }
}
