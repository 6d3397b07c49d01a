//! A worker's look at the market: what it has sold, what payers now think of it, and its next
//! price.
//!
//! The rules are the production code's: the expense of a busy worker ([`rule`]), what payers
//! believe ([`believed_cost_us`]), the ascent ([`crowd::ascend`]) and the change that is worth a
//! fee.

use mica_market::{
    pricing::{
        crowd::{self, Field},
        rule,
    },
    routing::{Experience, believed_cost_us},
};

use crate::{
    actors::Kind,
    agents::Block,
    market::{Market, STREAMS},
    world::{LoadRule, World},
};

/// Utilisation above which waiting times are no longer reckoned with: ten times the cost.
pub const MOST_WAITING: f64 = 0.9;
/// Sessions after which an experience is as full as it gets.
const SESSIONS: u32 = 1_000;
/// A new measurement's part of a remembered mean, as in the production code.
const MEMORY: u16 = 4;
/// Part of the way that a worker's view of its utilisation goes at each look.
const SMOOTHING: f64 = 0.5;

/// What a layer-token takes at a worker that is busy, waiting included, µs: of one that serves one
/// after the other and is met at random, `c/(1−u)`.
pub fn waiting_us(cost_us: f64, utilisation: f64) -> f64 {
    cost_us / (1.0 - utilisation.min(MOST_WAITING))
}

/// What all workers see at one moment.
pub(crate) struct Looker<'a> {
    market: &'a Market,
    fields: &'a [Field; STREAMS],
    demand: f64,
    reference_us: u32,
    load_rule: LoadRule,
    now: u32,
}

impl<'a> Looker<'a> {
    /// What is seen in `world`, whose blocks may be elsewhere.
    pub(crate) fn new(world: &'a World) -> Self {
        Self {
            market: &world.market,
            fields: &world.fields,
            demand: world.demand,
            reference_us: world.reference_us,
            load_rule: world.setting.load_rule,
            now: world.now,
        }
    }

    /// Payers see the workers of a block for the first time.
    pub(crate) fn appear(&self, block: &mut Block) {
        for i in 0..block.len() {
            let declared_us = block.declared_us(i);
            block.believed_us[i] =
                believed_cost_us(declared_us, block.experience[i], self.reference_us);
            self.show(block, i);
        }
        block.sum();
    }

    /// One look of every worker of a block.
    pub(crate) fn look(&self, block: &mut Block) {
        block.changes = 0;
        for i in 0..block.len() {
            if block.until[i] > self.now {
                continue;
            }
            self.remember(block, i);
            self.price(block, i);
            self.show(block, i);
        }
        block.sum();
    }

    /// What worker `i` sold since its last look, and what payers learn from it.
    fn remember(&self, block: &mut Block, i: usize) {
        let sales: f64 = self
            .market
            .streams
            .iter()
            .zip(self.fields)
            .zip(&block.mass)
            .map(|((stream, field), mass)| {
                stream.part * field.sales(block.first[i], block.end[i], mass[i])
            })
            .sum();
        let cost = f64::from(block.cost_us[i]);
        let before = f64::from(block.utilisation[i]);
        let utilisation = before + SMOOTHING * (self.demand * sales * cost - before);
        block.utilisation[i] = utilisation as f32;
        let experience = &mut block.experience[i];
        if sales > 0.0 {
            // A cast ends at the type's bounds; the factor is at most ten.
            experience.measured(waiting_us(cost, utilisation) as u32);
            experience.sessions = experience.sessions.min(SESSIONS);
            settle(experience, block.kind[i].failure_permille());
        }
        let declared_us = block.kind[i].declared_us(block.cost_us[i]);
        block.believed_us[i] =
            believed_cost_us(declared_us, block.experience[i], self.reference_us);
    }

    fn price(&self, block: &mut Block, i: usize) {
        let (first, end) = (block.first[i], block.end[i]);
        let share = match block.kind[i] {
            Kind::Cartel => self.fields[0].joint_share(first, end),
            _ => self.fields[0].own_share(first, end, block.mass[0][i]),
        };
        let price = block.price[i];
        self.count(block, i);
        let expense = block.counted[i];
        let slope = self.market.streams[0].per_price;
        let next = crowd::ascend(slope, expense, price, share, 1.0, self.market.bounds);
        if (next / price - 1.0).abs() >= self.market.worth_a_fee {
            block.price[i] = next;
            block.changes += 1;
        }
    }

    /// What a sale costs worker `i` by its rule for load.
    fn count(&self, block: &mut Block, i: usize) {
        let (expense, utilisation) = (block.expense[i], f64::from(block.utilisation[i]));
        block.counted[i] = match self.load_rule {
            LoadRule::Displaced => {
                rule::displaced_expense(expense, block.price[i], utilisation.min(1.0))
            }
            LoadRule::Waiting => {
                let worth = self.market.streams[0].time_worth();
                let cost_us = f64::from(block.cost_us[i]);
                let now = rule::waiting_expense(expense, worth, cost_us, utilisation);
                block.counted[i] + rule::CALM * (now - block.counted[i])
            }
        };
    }

    /// Payers see worker `i` as it is now.
    fn show(&self, block: &mut Block, i: usize) {
        let identities = block.kind[i].identities();
        let (price, cost) = (block.price[i], f64::from(block.believed_us[i]));
        for (stream, mass) in self.market.streams.iter().zip(&mut block.mass) {
            mass[i] = identities * stream.mass(price, cost);
        }
    }
}

/// Moves the remembered failures towards their mean: what the average of many payers remembers.
fn settle(experience: &mut Experience, failure_permille: u16) {
    let remembered = experience.failure_permille;
    experience.failure_permille = remembered - remembered / MEMORY + failure_permille / MEMORY;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_worker_keeps_payers_waiting_but_not_for_ever() {
        assert_eq!(waiting_us(100.0, 0.0), 100.0);
        assert_eq!(waiting_us(100.0, 0.5), 200.0);
        assert!((waiting_us(100.0, 7.0) - 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn failures_are_remembered_and_forgotten() {
        let mut experience = Experience::default();
        (0..40).for_each(|_| settle(&mut experience, 500));
        assert!(experience.failure_permille.abs_diff(500) <= 4, "{experience:?}");
        (0..40).for_each(|_| settle(&mut experience, 0));
        assert!(experience.failure_permille < 4, "{experience:?}");
    }
}
