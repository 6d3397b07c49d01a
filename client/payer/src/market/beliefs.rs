//! What a payer believes of the workers of one snapshot: what each costs, and whether it should be
//! used.

use mica_market::routing::{Experience, believed_cost_us, reference_cost_us};

use super::ModelSnapshot;

/// Whether a worker is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks against it.
    #[default]
    Fair,
    /// It did not take a session or did not answer lately: only where there is no path without it.
    Avoided,
    /// It failed a session lately, or this very question: not used.
    Banned,
}

/// What is believed of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belief {
    /// Whether it is used.
    pub standing: Standing,
    /// What was seen of it.
    pub experience: Experience,
}

/// What is believed of the workers of one snapshot, in the snapshot's order.
#[derive(Clone, Debug)]
pub struct Beliefs {
    workers: Vec<Belief>,
    reference_us: u32,
}

impl Beliefs {
    /// Of the workers of `snapshot`, each as `belief` says by its place there.
    pub(super) fn new(snapshot: &ModelSnapshot, belief: impl Fn(usize) -> Belief) -> Self {
        let workers: Vec<Belief> = (0..snapshot.workers.len()).map(belief).collect();
        let live = snapshot
            .workers
            .iter()
            .zip(&workers)
            .filter(|(worker, _)| worker.is_live())
            .map(|(worker, belief)| (worker.record.cost_us_per_layer_token, belief.experience));
        Self { reference_us: reference_cost_us(live), workers }
    }

    /// Of a payer that remembers nothing.
    pub fn none(snapshot: &ModelSnapshot) -> Self {
        Self::new(snapshot, |_| Belief::default())
    }

    /// What is believed of the worker at this place of the snapshot.
    pub fn of(&self, worker: usize) -> Belief {
        self.workers.get(worker).copied().unwrap_or_default()
    }

    /// What the worker at this place counts for, µs per layer-token, when it declares
    /// `declared_us`.
    pub fn cost_us(&self, worker: usize, declared_us: u32) -> u32 {
        believed_cost_us(declared_us, self.of(worker).experience, self.reference_us)
    }
}
