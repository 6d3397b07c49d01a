//! Welfare: what payers and workers have from the market together, and the most that they could.
//!
//! Payers who choose by eq. 3 act as if each had a taste of its own for every worker; what an offer
//! of many workers is worth to them is then the logarithm of the masses' sum, in money
//! `T·p_unit/α·ln(1 + Σ m)` over doing without. Prices go from one pocket to another. Counted
//! against it are expenses, the difference between what payers believe of a worker's speed and what
//! it is, waiting included, and sales that a full worker cannot serve, at the full worth of a sale.
//!
//! The bound is what no market can be above: all workers ask their expense, payers know every cost,
//! nobody waits, nobody is full, and the masses stand evenly over the layers, since a sum of
//! logarithms is greatest there. [`optimum`] is the most that is possible with the workers where
//! they stand: payers know every cost, waits are what they must be, and a planner sets prices so
//! that each payer pays for the wait that it causes to others.

use crate::{agents::Block, looks::waiting_us, market::STREAMS, parallel, world::World};

/// Welfare per token of demand, base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Welfare {
    /// Of the market as it is.
    pub reached: f64,
    /// The bound.
    pub bound: f64,
    /// What workers take in, base units per token of demand.
    pub revenue: f64,
    /// Part of all layer-tokens that is served, doing without counted as not served.
    pub served: f64,
}

impl Welfare {
    /// Part of the bound that is reached.
    pub fn part(&self) -> f64 {
        if self.bound > 0.0 { self.reached / self.bound } else { 1.0 }
    }
}

/// Welfare at this moment. Time is linear in the number of workers.
pub fn welfare(world: &World) -> Welfare {
    let layers = f64::from(world.setting.layers);
    // Worth of a sale on each layer to each stream, and summed from the first layer, weighed by
    // where workers sell: Σ ln(1+M_l)/(1+M_l).
    let mut total = Welfare::default();
    let mut worth: [Vec<f64>; STREAMS] = Default::default();
    for ((stream, masses), sums) in world.market.streams.iter().zip(&world.masses).zip(&mut worth) {
        sums.push(0.0);
        let mut sum = 0.0;
        for mass in masses {
            let everything = stream.outside + mass.max(0.0);
            let value = everything.max(f64::MIN_POSITIVE).ln() / stream.per_price;
            total.reached += stream.part * value;
            sum += value / everything.max(f64::MIN_POSITIVE);
            sums.push(sum);
        }
    }
    let parts = parallel::map(world.setting.threads, world.blocks.len(), |number| {
        let block = &world.blocks[number];
        let mut part = (Welfare::default(), [0.0; STREAMS]);
        for i in (0..block.len()).filter(|i| block.is_here(*i)) {
            let room = f64::from(block.end[i] - block.first[i]);
            for (sum, stream) in part.1.iter_mut().zip(&world.market.streams) {
                *sum += room * stream.mass(block.expense[i], block.cost_us[i].into());
            }
            add(world, block, i, &worth, &mut part.0);
        }
        part
    });
    let mut best = [0.0; STREAMS];
    for (part, masses) in parts {
        total.reached += part.reached;
        total.revenue += part.revenue;
        total.served += part.served;
        best.iter_mut().zip(masses).for_each(|(sum, mass)| *sum += mass);
    }
    for (sum, stream) in best.iter().zip(&world.market.streams) {
        total.bound +=
            stream.part * layers * (stream.outside + sum / layers).ln() / stream.per_price;
    }
    total.served /= layers;
    total
}

/// Adds what worker `i` of a block earns, and takes away what payers did not get.
fn add(world: &World, block: &Block, i: usize, worth: &[Vec<f64>; STREAMS], total: &mut Welfare) {
    let utilisation = f64::from(block.utilisation[i]);
    let true_us = true_us(block, i, utilisation);
    let served = utilisation.max(1.0).recip();
    let (first, end) = (block.first[i], block.end[i]);
    for (k, stream) in world.market.streams.iter().enumerate() {
        let mass = block.mass[k][i];
        let sales = stream.part * world.fields[k].sales(first, end, mass);
        let lost = stream.part
            * mass
            * (worth[k][usize::from(end)] - worth[k][usize::from(first)])
            * (1.0 - served);
        // Several identities of one machine are no choice of tastes, though payers take them for
        // it.
        let slower = stream.per_cost * (true_us - f64::from(block.believed_us[i]))
            + block.kind[i].identities().ln();
        total.reached += served * sales * (block.price[i] - block.expense[i])
            - served * sales * slower / stream.per_price
            - lost;
        total.revenue += served * sales * block.price[i];
        total.served += served * sales;
    }
}

/// Steps of the planner.
const STEPS: usize = 300;
/// Part of the way that a step goes; more makes it swing.
const STEP: f64 = 0.1;

/// The greatest welfare per token of demand with the workers where they stand, base units.
///
/// The planner's prices are expense and toll. Steps that are too few or a worker that is full leave
/// it below the true optimum, never above. Time: some hundred looks of every worker.
pub fn optimum(world: &World) -> f64 {
    let mut plan = world.clone();
    let mut toll: Vec<(f64, f64)> = Vec::with_capacity(world.setting.workers);
    for block in &plan.blocks {
        toll.extend((0..block.len()).map(|i| (block.expense[i], 0.5)));
    }
    for _ in 0..STEPS {
        for block in &mut plan.blocks {
            for i in 0..block.len() {
                if !block.is_here(i) {
                    continue;
                }
                let (price, utilisation) = toll[block.from + i];
                let true_us = true_us(block, i, utilisation);
                for (mass, stream) in block.mass.iter_mut().zip(&plan.market.streams) {
                    mass[i] = stream.mass(price, true_us);
                }
            }
            block.sum();
        }
        plan.sum();
        for block in &plan.blocks {
            for i in (0..block.len()).filter(|i| block.is_here(*i)) {
                let (price, before) = &mut toll[block.from + i];
                let (sales, worth) = planned(&plan, block, i);
                let cost = f64::from(block.cost_us[i]);
                let utilisation = *before + STEP * (plan.demand * sales * cost - *before);
                // One more sale makes all that come meanwhile wait longer.
                let idle = 1.0 - utilisation.min(crate::looks::MOST_WAITING);
                let waiting = worth * plan.demand * cost * cost / (idle * idle);
                *price += STEP * (block.expense[i] + waiting - *price);
                *before = utilisation;
            }
        }
    }
    let mut total = 0.0;
    for (stream, masses) in plan.market.streams.iter().zip(&plan.masses) {
        let value: f64 = masses.iter().map(|mass| (stream.outside + mass.max(0.0)).ln()).sum();
        total += stream.part * value / stream.per_price;
    }
    for (block, i) in plan.here() {
        total += planned(&plan, block, i).0 * (toll[block.from + i].0 - block.expense[i]);
    }
    total
}

/// Sales of worker `i` per token of demand, and what a microsecond is worth to its payers together.
fn planned(world: &World, block: &Block, i: usize) -> (f64, f64) {
    let (mut sales, mut worth) = (0.0, 0.0);
    for (k, stream) in world.market.streams.iter().enumerate() {
        let one =
            stream.part * world.fields[k].sales(block.first[i], block.end[i], block.mass[k][i]);
        sales += one;
        worth += one * stream.time_worth();
    }
    (sales, worth)
}

/// What a layer-token takes at worker `i`, µs. Who fails every other session takes two for an
/// answer.
fn true_us(block: &Block, i: usize, utilisation: f64) -> f64 {
    let failing = f64::from(block.kind[i].failure_permille()) / 1_000.0;
    waiting_us(block.cost_us[i].into(), utilisation) / (1.0 - failing)
}
