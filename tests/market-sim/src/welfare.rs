//! Welfare: what payers and workers have from the market together, and the most that they could.
//!
//! Payers who choose by eq. 3 act as if each had a taste of its own for every worker; what an offer
//! of many workers is worth to them is then the logarithm of the masses' sum, in money
//! `T·p_unit/α·ln(1 + Σ m)` over doing without. Prices go from one pocket to another. Counted
//! against it are expenses, the difference between what payers believe of a worker's speed and what
//! it is, waiting included, and sales that a full worker cannot serve, at the full worth of a sale.
//!
//! The optimum is an upper bound: all workers ask their expense, payers know every cost, nobody
//! waits, nobody is full, and the masses stand evenly over the layers, since a sum of logarithms is
//! greatest there. No market can be above it.

use crate::{agents::Block, looks::waiting_us, market::STREAMS, world::World};

/// Welfare per token of demand, base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Welfare {
    /// Of the market as it is.
    pub reached: f64,
    /// The bound.
    pub optimum: f64,
    /// What workers take in, base units per token of demand.
    pub revenue: f64,
    /// Part of all layer-tokens that is served, doing without counted as not served.
    pub served: f64,
}

impl Welfare {
    /// Part of the optimum that is reached.
    pub fn part(&self) -> f64 {
        if self.optimum > 0.0 { self.reached / self.optimum } else { 1.0 }
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
    let mut best = [0.0; STREAMS];
    for (block, i) in world.here() {
        let room = f64::from(block.end[i] - block.first[i]);
        for (sum, stream) in best.iter_mut().zip(&world.market.streams) {
            *sum += room * stream.mass(block.expense[i], block.cost_us[i].into());
        }
        add(world, block, i, &worth, &mut total);
    }
    for (sum, stream) in best.iter().zip(&world.market.streams) {
        total.optimum +=
            stream.part * layers * (stream.outside + sum / layers).ln() / stream.per_price;
    }
    total.served /= layers;
    total
}

/// Adds what worker `i` of a block earns, and takes away what payers did not get.
fn add(world: &World, block: &Block, i: usize, worth: &[Vec<f64>; STREAMS], total: &mut Welfare) {
    let utilisation = f64::from(block.utilisation[i]);
    let failing = f64::from(block.kind[i].failure_permille()) / 1_000.0;
    // Who fails every other session takes two sessions for an answer.
    let true_us = waiting_us(block.cost_us[i].into(), utilisation) / (1.0 - failing);
    let served = utilisation.max(1.0).recip();
    let (first, end) = (block.first[i], block.end[i]);
    for (k, stream) in world.market.streams.iter().enumerate() {
        let mass = block.mass[k][i];
        let sales = stream.part * world.fields[k].sales(first, end, mass);
        let lost = stream.part
            * mass
            * (worth[k][usize::from(end)] - worth[k][usize::from(first)])
            * (1.0 - served);
        let slower = stream.per_cost * (true_us - f64::from(block.believed_us[i]));
        total.reached += served * sales * (block.price[i] - block.expense[i])
            - served * sales * slower / stream.per_price
            - lost;
        total.revenue += served * sales * block.price[i];
        total.served += served * sales;
    }
}
