//! A market of single payers, held against the best assignment that a solver finds.
//!
//! Where [`crate::welfare`] reckons with streams, here are persons: each has a preference, a budget
//! and a taste for every worker, and each worker has room for a number of them. In the market they
//! come one after the other and take what is best for them among those who have room, at the prices
//! that workers ask. The optimum is the assignment with the greatest sum of worth less expense,
//! which is a flow of least cost from payers to workers; the solver is Kuhn's and Munkres', of the
//! crate `pathfinding`.

use pathfinding::{kuhn_munkres::kuhn_munkres, matrix::Matrix};

use crate::{
    agents::Block,
    market::Stream,
    random::{Purpose, gumbel, unit, word},
    world::World,
};

/// Payers of one layer's market.
const PAYERS: usize = 120;
/// Most workers of it.
const MOST_WORKERS: usize = 40;
/// Most layers that are looked at, evenly over the model.
const MOST_LAYERS: u16 = 6;

/// Sums over the layers that were looked at, millionths of a base unit per layer-token.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Assignment {
    /// Worth less expense of what the market assigns.
    pub market: i64,
    /// The most that any assignment has.
    pub optimum: i64,
    /// Layers that were looked at.
    pub layers: u16,
}

impl Assignment {
    /// Part of the optimum that the market reaches.
    pub fn part(&self) -> f64 {
        if self.optimum > 0 { self.market as f64 / self.optimum as f64 } else { 1.0 }
    }
}

/// Sells some layers of this world to single payers.
pub fn assignment(world: &World) -> Assignment {
    let layers = world.setting.layers;
    let looked_at = layers.min(MOST_LAYERS);
    let mut sum = Assignment { layers: looked_at, ..Assignment::default() };
    for k in 0..looked_at {
        let layer = (u32::from(k) * u32::from(layers) / u32::from(looked_at)) as u16;
        let one = Shop::new(world, layer).sell();
        sum.market += one.0;
        sum.optimum += one.1;
    }
    sum
}

/// One layer's market.
struct Shop<'a> {
    workers: Vec<(&'a Block, usize)>,
    /// Payers for whom each worker has room.
    room: Vec<usize>,
    /// Utility of each worker to each payer but for the price, in units of the exponent, and the
    /// payer's stream.
    tastes: Vec<(Stream, Vec<f64>)>,
}

impl<'a> Shop<'a> {
    fn new(world: &'a World, layer: u16) -> Self {
        let seed = world.setting.seed;
        let mut workers: Vec<(&Block, usize)> = world
            .here()
            .filter(|(block, i)| {
                (block.first[*i]..block.end[*i]).contains(&layer) && block.mass[0][*i] > 0.0
            })
            .collect();
        workers.sort_by_key(|(block, i)| {
            word(seed, Purpose::Sample, (block.from + i) as u64, u64::from(layer) + 1)
        });
        workers.truncate(MOST_WORKERS);
        let power: f64 = workers.iter().map(|(block, i)| speed(block, *i)).sum();
        let slots = PAYERS as f64 / world.setting.load;
        // No more slots than payers at one worker; at least one.
        let room = workers
            .iter()
            .map(|(block, i)| (slots * speed(block, *i) / power).round().clamp(1.0, PAYERS as f64))
            .map(|slots| slots as usize)
            .collect();
        let tastes = (0..PAYERS as u64)
            .map(|payer| {
                let who = payer << 16 | u64::from(layer);
                let stream = stream(world, unit(seed, Purpose::Payer, who, 0));
                let taste = |other: u64| gumbel(unit(seed, Purpose::Taste, who, other));
                let nothing = taste(0);
                let worth = |(k, (block, i)): (usize, &(&Block, usize))| {
                    stream.budget - stream.per_cost * f64::from(block.cost_us[*i])
                        + taste(k as u64 + 1)
                        - nothing
                };
                (stream, workers.iter().enumerate().map(worth).collect())
            })
            .collect();
        Self { workers, room, tastes }
    }

    /// Welfare of the market, and the greatest.
    fn sell(&self) -> (i64, i64) {
        (self.in_turn(), self.best())
    }

    /// Worth less expense of worker `k` to payer `j`, millionths of a base unit.
    fn gain(&self, j: usize, k: usize) -> i64 {
        let (stream, worth) = &self.tastes[j];
        let (block, i) = self.workers[k];
        // Far below 2^63: utilities are within a hundred units of a few million base units.
        ((worth[k] / stream.per_price - block.expense[i]) * 1e6) as i64
    }

    fn in_turn(&self) -> i64 {
        let mut room = self.room.clone();
        let mut sum = 0;
        for (j, (stream, worth)) in self.tastes.iter().enumerate() {
            let surplus = |k: &usize| {
                let (block, i) = self.workers[*k];
                worth[*k] - stream.per_price * block.price[i]
            };
            let best = (0..room.len())
                .filter(|k| room[*k] > 0)
                .max_by(|a, b| surplus(a).total_cmp(&surplus(b)));
            if let Some(k) = best.filter(|k| surplus(k) > 0.0) {
                room[k] -= 1;
                sum += self.gain(j, k);
            }
        }
        sum
    }

    fn best(&self) -> i64 {
        let slots: Vec<usize> = self
            .room
            .iter()
            .enumerate()
            .flat_map(|(k, room)| std::iter::repeat_n(k, *room))
            .collect();
        // As many slots of doing without as there are payers.
        let weights = Matrix::from_fn(self.tastes.len(), slots.len() + self.tastes.len(), |at| {
            slots.get(at.1).map_or(0, |k| self.gain(at.0, *k))
        });
        kuhn_munkres(&weights).0
    }
}

fn speed(block: &Block, i: usize) -> f64 {
    f64::from(block.cost_us[i]).recip()
}

fn stream(world: &World, draw: f64) -> Stream {
    let [first, second, third] = world.market.streams;
    if draw < first.part {
        first
    } else if draw < first.part + second.part {
        second
    } else {
        third
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{market::Market, world::Setting};

    #[test]
    fn no_market_is_above_the_optimum_and_prices_at_random_are_well_below_it() {
        let setting = Setting { workers: 200, layers: 10, ..Setting::default() };
        let mut world = World::new(setting, Market::standard().expect("valid")).expect("valid");
        let at_random = assignment(&world);
        assert!(at_random.market <= at_random.optimum && at_random.part() < 0.95, "{at_random:?}");
        for block in &mut world.blocks {
            block.price.clone_from(&block.expense);
        }
        let at_expense = assignment(&world);
        assert_eq!(at_expense.optimum, at_random.optimum, "prices do not move the optimum");
        assert!(
            at_expense.part() > at_random.part() + 0.02 && at_expense.part() <= 1.0,
            "{at_expense:?}"
        );
    }
}
