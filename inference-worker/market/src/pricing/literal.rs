//! The paper's own rule, word for word: a fixed step along the gradient of revenue (P2P-LLM eq. 5).
//!
//! Kept to compare against and to draw: with two workers a step of 10 oscillates forever, with 64
//! workers a step of 0.05 creeps, and from a price that is far too high it stalls at any step size,
//! because the probability, and with it the gradient, has vanished. [`super::best_price`] has none
//! of these faults; workers use that.

use super::revenue::{Bounds, Prospect};

/// `p_{t+1} = p_t + η·∂R/∂p_t` (eq. 5), kept within `bounds`.
///
/// `step` is η, in base units squared per unit of profit. With a marginal cost of 0 and units of 1
/// this is the paper's formula.
pub fn literal_step(prospect: &Prospect, bounds: Bounds, price: f64, step: f64) -> f64 {
    bounds.clamp(price + step * prospect.profit_gradient(price))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::{
        ascent::best_price,
        demand::{Demand, Offer},
    };

    /// Largest relative distance from the equilibrium of `n` equal workers after `rounds` rounds of
    /// literal steps.
    fn distance_after(n: usize, start: f64, step: f64, rounds: usize) -> f64 {
        let demand = Demand::paper(0.5).expect("valid");
        let bounds = Bounds::new(0.0, 1e6).expect("ordered");
        let mut prices: Vec<f64> =
            (0..n).map(|i| start * (1.0 + 0.01 * i as f64 / n as f64)).collect();
        for _ in 0..rounds {
            let offers: Vec<Offer> =
                prices.iter().map(|&price| Offer { price, cost: 1.0 }).collect();
            for (i, price) in prices.iter_mut().enumerate() {
                let rivals: Vec<Offer> =
                    offers.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, o)| *o).collect();
                let prospect = Prospect::on_layer(&demand, 1.0, 0.0, &rivals).expect("valid");
                *price = literal_step(&prospect, bounds, *price, step);
            }
        }
        // n equal workers: p* = T·p_unit / (α·(1 − 1/n)).
        let equilibrium = 2.0 / (1.0 - 1.0 / n as f64);
        prices.iter().map(|price| (price / equilibrium - 1.0).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn one_step_is_the_papers_formula() {
        let demand = Demand::paper(0.5).expect("valid");
        let rival = Offer { price: 2.0, cost: 1.0 };
        let prospect = Prospect::on_layer(&demand, 1.0, 0.0, &[rival]).expect("valid");
        let p = demand.probabilities(&[Offer { price: 3.0, cost: 1.0 }, rival])[0];
        let next = literal_step(&prospect, Bounds::new(0.0, 10.0).expect("ordered"), 3.0, 0.7);
        assert!((next - (3.0 + 0.7 * p * (1.0 + 0.5 * 3.0 * (p - 1.0)))).abs() < 1e-14);
    }

    #[test]
    fn a_moderate_step_converges_but_a_great_one_oscillates_and_a_small_one_creeps() {
        assert!(distance_after(2, 5.0, 1.0, 500) < 1e-6);
        assert!(distance_after(2, 5.0, 10.0, 2_000) > 0.1, "oscillates");
        assert!(distance_after(64, 0.1, 0.05, 2_000) > 0.1, "creeps");
        assert!(
            distance_after(8, 50.0, 1.0, 2_000) > 1.0,
            "stalls where the gradient has vanished"
        );
    }

    #[test]
    fn where_the_literal_rule_stalls_the_ascent_does_not() {
        let demand = Demand::paper(0.5).expect("valid");
        let rivals = vec![Offer { price: 2.0, cost: 1.0 }; 7];
        let prospect = Prospect::on_layer(&demand, 1.0, 0.0, &rivals).expect("valid");
        let bounds = Bounds::new(0.0, 1e6).expect("ordered");
        assert_eq!(literal_step(&prospect, bounds, 2_000.0, 10.0), 2_000.0);
        assert!(best_price(&prospect, bounds, 2_000.0).expect("converges").price < 4.0);
    }
}
