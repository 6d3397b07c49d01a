//! The market's constants: units, payers, and between what prices may move.

use mica_market::pricing::{Bounds, Demand, Offer, PricingError, Units, rule};

/// Streams of payers that differ in what they prefer.
pub const STREAMS: usize = 3;

/// Payers of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stream {
    /// How they choose.
    pub demand: Demand,
    /// Their part of all demand.
    pub part: f64,
    /// `α/(T·p_unit)`: how fast their exponent falls with the price.
    pub per_price: f64,
    /// `(1−α)/(T·c_unit)`: how fast it falls with the cost.
    pub per_cost: f64,
    /// Exponent of an offer that is free and takes no time, over that of doing without: their
    /// budget. 0 where they cannot do without.
    pub budget: f64,
    /// Mass of doing without, in the same measure: 1 or 0.
    pub outside: f64,
}

impl Stream {
    /// Payers who choose by `demand` and are this part of all.
    pub fn new(demand: Demand, part: f64) -> Self {
        let outside = demand.outside_exponent();
        Self {
            demand,
            part,
            per_price: demand.price_slope(),
            per_cost: -demand.exponent(Offer { price: 0.0, cost: 1.0 }),
            budget: if outside.is_finite() { -outside } else { 0.0 },
            outside: if outside.is_finite() { 1.0 } else { 0.0 },
        }
    }

    /// What a microsecond per layer-token is worth to them, base units.
    pub fn time_worth(&self) -> f64 {
        self.per_cost / self.per_price
    }

    /// `e^{(w_0−w)/T}`: mass of an offer where doing without has a mass of 1.
    pub fn mass(&self, price: f64, cost_us: f64) -> f64 {
        (self.budget - self.per_price * price - self.per_cost * cost_us).exp()
    }
}

/// One model's market.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Market {
    /// Payers. Workers believe that all of them are as those of the first stream.
    pub streams: [Stream; STREAMS],
    /// Between what prices may move, base units per layer-token.
    pub bounds: Bounds,
    /// Least relative change of a price that is made.
    pub worth_a_fee: f64,
}

impl Market {
    /// Units of a million base units and 100 µs; half of the payers as workers believe, a quarter
    /// fonder of time and a quarter fonder of money, with smaller and larger budgets.
    ///
    /// # Errors
    /// [`PricingError`], never with these constants.
    pub fn standard() -> Result<Self, PricingError> {
        let units = Units { price: 1_000_000.0, cost: 100.0 };
        let payers = |alpha, weight| Demand::new(alpha, rule::TEMPERATURE, units, Some(weight));
        Ok(Self {
            streams: [
                Stream::new(rule::believed_demand(units)?, 0.5),
                Stream::new(payers(0.25, 3.5)?, 0.25),
                Stream::new(payers(0.75, 4.5)?, 0.25),
            ],
            bounds: Bounds::new(1.0, 1e9)?,
            worth_a_fee: rule::WORTH_A_FEE,
        })
    }

    /// One kind of payers, and every change of a price is made.
    pub fn of_one(demand: Demand, bounds: Bounds) -> Self {
        let none = Stream::new(demand, 0.0);
        Self { streams: [Stream::new(demand, 1.0), none, none], bounds, worth_a_fee: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_are_the_probabilities_of_the_production_code() {
        let market = Market::standard().expect("valid");
        let offers = [(2e6, 70.0), (1e6, 300.0)].map(|(price, cost)| Offer { price, cost });
        for stream in market.streams {
            let masses = offers.map(|offer| stream.mass(offer.price, offer.cost));
            let total = 1.0 + masses.iter().sum::<f64>();
            for (mass, expected) in masses.iter().zip(stream.demand.probabilities(&offers)) {
                assert!((mass / total - expected).abs() < 1e-12);
            }
        }
    }
}
