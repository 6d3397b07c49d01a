//! One worker's expected revenue (P2P-LLM eq. 2), its profit and its slope, over all layers that it
//! serves.
//!
//! A worker posts one price and earns on each of its layers with that layer's probability, so what
//! it maximises is the sum: `R(p) = (p − e)·Σ_l P_l(p)`, with `e` its own expense per layer-token
//! (0 in the paper).

use super::{
    PricingError,
    demand::{Demand, Offer, logistic, softplus},
};

/// The prices that a worker may ask, base units per layer-token, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Least price.
    pub floor: f64,
    /// Highest price: the list price on chain.
    pub ceiling: f64,
}

impl Bounds {
    /// # Errors
    /// [`PricingError::Quantity`] for a negative or non-finite bound, [`PricingError::EmptyBounds`]
    /// if `floor > ceiling`.
    pub fn new(floor: f64, ceiling: f64) -> Result<Self, PricingError> {
        for (what, value) in [("price floor", floor), ("price ceiling", ceiling)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(PricingError::Quantity { what, value });
            }
        }
        if floor > ceiling {
            return Err(PricingError::EmptyBounds { floor, ceiling });
        }
        Ok(Self { floor, ceiling })
    }

    /// The allowed price nearest to `price`.
    pub fn clamp(&self, price: f64) -> f64 {
        price.clamp(self.floor, self.ceiling)
    }
}

/// What a worker faces: its own cost and expense, and on each of its layers the mass of everybody
/// else.
#[derive(Clone, Debug, PartialEq)]
pub struct Prospect {
    slope: f64,
    marginal_cost: f64,
    /// Per layer: `L + (1−α)·c/(T·c_unit)`, so that the logit of *not* being picked at price `p` is
    /// this plus `slope·p`.
    offsets: Vec<f64>,
}

impl Prospect {
    /// `cost`: own microseconds per layer-token. `marginal_cost`: own expense, base units per
    /// layer-token. `rivals_log_mass`: [`Demand::rivals_log_mass`] of each layer served, without
    /// ourselves.
    ///
    /// # Errors
    /// [`PricingError::NoLayers`] without a layer, [`PricingError::Quantity`] for a number that
    /// makes no sense.
    pub fn new(
        demand: &Demand,
        cost: f64,
        marginal_cost: f64,
        rivals_log_mass: &[f64],
    ) -> Result<Self, PricingError> {
        if rivals_log_mass.is_empty() {
            return Err(PricingError::NoLayers);
        }
        for (what, value) in [("cost", cost), ("marginal cost", marginal_cost)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(PricingError::Quantity { what, value });
            }
        }
        if let Some(&value) =
            rivals_log_mass.iter().find(|mass| mass.is_nan() || **mass == f64::INFINITY)
        {
            return Err(PricingError::Quantity { what: "rivals' log mass", value });
        }
        let own = -demand.exponent(Offer { price: 0.0, cost });
        Ok(Self {
            slope: demand.price_slope(),
            marginal_cost,
            offsets: rivals_log_mass.iter().map(|mass| mass + own).collect(),
        })
    }

    /// Prospect on one layer with the given rivals.
    ///
    /// # Errors
    /// As [`Prospect::new`].
    pub fn on_layer(
        demand: &Demand,
        cost: f64,
        marginal_cost: f64,
        rivals: &[Offer],
    ) -> Result<Self, PricingError> {
        Self::new(demand, cost, marginal_cost, &[demand.rivals_log_mass(rivals)])
    }

    /// Expense per layer-token, base units.
    pub const fn marginal_cost(&self) -> f64 {
        self.marginal_cost
    }

    /// `α / (T·p_unit)`.
    pub(super) const fn slope(&self) -> f64 {
        self.slope
    }

    /// The prospect on only the layer where rivals are strongest (its peak is the lowest of all
    /// layers), or weakest (the highest).
    pub(super) fn extreme_layer(&self, strongest: bool) -> Self {
        let pick = if strongest { f64::max } else { f64::min };
        let offset = self.offsets.iter().copied().reduce(pick).unwrap_or(f64::NEG_INFINITY);
        Self { offsets: vec![offset], ..*self }
    }

    /// `Σ_l P_l(p)`: expected sales per token of demand, in layer-tokens.
    pub fn sales(&self, price: f64) -> f64 {
        self.offsets.iter().map(|offset| logistic(-(offset + self.slope * price))).sum()
    }

    /// `p·Σ P_l` (eq. 2).
    pub fn revenue(&self, price: f64) -> f64 {
        price * self.sales(price)
    }

    /// `(p − e)·Σ P_l`.
    pub fn profit(&self, price: f64) -> f64 {
        (price - self.marginal_cost) * self.sales(price)
    }

    /// `∂/∂p (p − e)·Σ P_l = Σ P_l·(1 + slope·(p − e)·(P_l − 1))`; with e = 0 and units of 1, the
    /// paper's gradient.
    pub fn profit_gradient(&self, price: f64) -> f64 {
        let margin = price - self.marginal_cost;
        self.offsets
            .iter()
            .map(|offset| {
                let logit = offset + self.slope * price;
                logistic(-logit) * (1.0 - self.slope * margin * logistic(logit))
            })
            .sum()
    }

    /// `ln((p − e)·Σ P_l)` as a function of `y = ln(p − e)`. It never vanishes, however dear the
    /// price.
    pub fn log_profit(&self, log_margin: f64) -> f64 {
        let price = self.marginal_cost + log_margin.exp();
        let mut greatest = f64::NEG_INFINITY;
        let mut total = 0.0;
        for offset in &self.offsets {
            let log_share = -softplus(offset + self.slope * price);
            if log_share > greatest {
                total = total * (greatest - log_share).exp() + 1.0;
                greatest = log_share;
            } else if log_share > f64::NEG_INFINITY {
                total += (log_share - greatest).exp();
            }
        }
        log_margin + greatest + f64::ln(total)
    }

    /// Slope of [`Prospect::log_profit`] in `y`: `1 − slope·e^y·Σ π_l·(1 − P_l)`, `π_l` the layer's
    /// part in the sales.
    ///
    /// For e = 0 this is `d log R / d log p = 1 + slope·p·(P − 1)`. Concave in `y` for one layer,
    /// hence one peak.
    pub fn log_profit_gradient(&self, log_margin: f64) -> f64 {
        let margin = log_margin.exp();
        let price = self.marginal_cost + margin;
        let logits = self.offsets.iter().map(|offset| offset + self.slope * price);
        let greatest =
            logits.clone().map(|logit| -softplus(logit)).fold(f64::NEG_INFINITY, f64::max);
        if greatest == f64::NEG_INFINITY {
            return 1.0 - self.slope * margin;
        }
        let (mut sales, mut lost) = (0.0, 0.0);
        for logit in logits {
            let share = (-softplus(logit) - greatest).exp();
            sales += share;
            lost += share * logistic(logit);
        }
        1.0 - self.slope * margin * lost / sales
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::demand::Units;

    #[test]
    fn gradient_is_the_papers_and_matches_finite_differences() {
        let alpha = 0.4;
        let demand = Demand::paper(alpha).expect("valid");
        let rivals = [Offer { price: 2.0, cost: 1.0 }, Offer { price: 1.0, cost: 3.0 }];
        let prospect = Prospect::on_layer(&demand, 1.5, 0.0, &rivals).expect("valid");
        for price in [0.1, 1.0, 2.5, 7.0, 30.0] {
            let own = Offer { price, cost: 1.5 };
            let p = demand.probabilities(&[own, rivals[0], rivals[1]])[0];
            let paper = p * (1.0 + alpha * price * (p - 1.0));
            assert!((prospect.profit_gradient(price) - paper).abs() < 1e-14);
            assert!((prospect.revenue(price) - price * p).abs() < 1e-14, "eq. 2");
            let h = 1e-5;
            let numeric = (prospect.profit(price + h) - prospect.profit(price - h)) / (2.0 * h);
            assert!((prospect.profit_gradient(price) - numeric).abs() < 1e-8);
        }
    }

    #[test]
    fn log_gradient_matches_finite_differences_over_several_layers() {
        let demand =
            Demand::new(0.6, 0.5, Units { price: 10.0, cost: 100.0 }, Some(3.0)).expect("valid");
        let prospect = Prospect::new(&demand, 120.0, 2.0, &[-1.0, f64::NEG_INFINITY, 0.5, -4.0])
            .expect("valid");
        for y in [-6.0, -1.0, 0.0, 2.0, 3.5, 5.0] {
            let h = 1e-5;
            let numeric = (prospect.log_profit(y + h) - prospect.log_profit(y - h)) / (2.0 * h);
            assert!(
                (prospect.log_profit_gradient(y) - numeric).abs() < 1e-6 * (1.0 + numeric.abs()),
                "at {y}"
            );
            assert!((prospect.log_profit(y) - prospect.profit(2.0 + y.exp()).ln()).abs() < 1e-10);
        }
    }

    #[test]
    fn bad_numbers_are_refused() {
        let demand = Demand::paper(0.5).expect("valid");
        assert_eq!(Prospect::new(&demand, 1.0, 0.0, &[]), Err(PricingError::NoLayers));
        assert!(Prospect::new(&demand, -1.0, 0.0, &[0.0]).is_err());
        assert!(Prospect::new(&demand, 1.0, f64::NAN, &[0.0]).is_err());
        assert!(Prospect::new(&demand, 1.0, 0.0, &[f64::NAN]).is_err());
        assert_eq!(
            Bounds::new(2.0, 1.0),
            Err(PricingError::EmptyBounds { floor: 2.0, ceiling: 1.0 })
        );
        assert!(Bounds::new(-1.0, 1.0).is_err());
    }
}
