//! The workers, in flat arrays, cut into blocks that threads share out.
//!
//! A block is as long in every run with as many workers, so that sums over it are the same. All
//! workers of a block look at the market in the same chain block, and the blocks take turns.

use mica_market::routing::Experience;

use crate::{actors::Kind, market::STREAMS};

/// Most workers of a block: what it holds fits a core's second cache.
const MOST: usize = 4_096;
/// Fewest blocks of a large world: two for each chain block in which workers look.
const BLOCKS: usize = 20;
/// [`Block::until`] of a worker that has left.
pub const GONE: u32 = u32::MAX;

/// Some of the workers. All arrays are as long as there are workers in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// Number of its first worker.
    pub from: usize,
    /// First layer served.
    pub first: Vec<u16>,
    /// Layer after the last one served.
    pub end: Vec<u16>,
    /// How it behaves.
    pub kind: Vec<Kind>,
    /// What computing takes, µs per layer-token.
    pub cost_us: Vec<u32>,
    /// Expense, base units per layer-token.
    pub expense: Vec<f64>,
    /// What a sale costs by the worker's rule for load, base units per layer-token.
    pub counted: Vec<f64>,
    /// Price, base units per layer-token.
    pub price: Vec<f64>,
    /// Part of its time that is sold; above 1, what payers want beyond it.
    pub utilisation: Vec<f32>,
    /// What payers remember of it.
    pub experience: Vec<Experience>,
    /// What payers believe that it costs, µs per layer-token.
    pub believed_us: Vec<u32>,
    /// Chain block of its registration or last move.
    pub since: Vec<u32>,
    /// Chain block from which on it serves; [`GONE`] for never.
    pub until: Vec<u32>,
    /// Workers that had its slot before.
    pub generation: Vec<u32>,
    /// Its mass for each stream of payers; 0 while it does not serve.
    pub mass: [Vec<f64>; STREAMS],
    /// What it adds to each layer's mass over the layer before, per stream, and last for the
    /// members of the cartel alone.
    pub steps: [Vec<f64>; STREAMS + 1],
    /// Changes of a price at the last look.
    pub changes: u32,
}

impl Block {
    /// Number of workers.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether it holds nobody.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Whether worker `i` is registered.
    pub fn is_here(&self, i: usize) -> bool {
        self.until[i] != GONE
    }

    /// What worker `i` declares, µs per layer-token.
    pub fn declared_us(&self, i: usize) -> u32 {
        self.kind[i].declared_us(self.cost_us[i])
    }

    /// Adds up [`Block::steps`] anew.
    pub fn sum(&mut self) {
        for steps in &mut self.steps {
            steps.fill(0.0);
        }
        let [streams @ .., cartel] = &mut self.steps;
        for (steps, mass) in streams.iter_mut().zip(&self.mass) {
            for ((&first, &end), mass) in self.first.iter().zip(&self.end).zip(mass) {
                steps[usize::from(first)] += mass;
                steps[usize::from(end)] -= mass;
            }
        }
        for (i, mass) in self.mass[0].iter().enumerate() {
            if self.kind[i] == Kind::Cartel {
                cartel[usize::from(self.first[i])] += mass;
                cartel[usize::from(self.end[i])] -= mass;
            }
        }
    }
}

/// Empty blocks for this many workers and layers.
pub fn blocks(workers: usize, layers: u16) -> Vec<Block> {
    let length = workers.div_ceil(BLOCKS).clamp(1, MOST);
    (0..workers)
        .step_by(length)
        .map(|from| Block {
            from,
            steps: std::array::from_fn(|_| vec![0.0; usize::from(layers) + 1]),
            ..Block::default()
        })
        .collect()
}

/// Workers of the block that begins with worker `from`.
pub fn length(workers: usize, from: usize) -> usize {
    workers.div_ceil(BLOCKS).clamp(1, MOST).min(workers.saturating_sub(from))
}
