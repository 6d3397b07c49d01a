//! From offers to choices: the weight of an offer (P2P-LLM eq. 1) and the probability that it is
//! picked (eq. 3).
//!
//! The paper leaves two things open, both closed here. Price and cost have units, constants of the
//! model's market, so that base units and microseconds can be added. And the payer has an outside
//! option with a weight of its own: without it a worker alone on a layer is picked at any price, so
//! its best price is infinite.

use mica_primitives::MarketUnits;

use super::PricingError;

/// What one unit of weight is worth in money and in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// Base units per layer-token.
    pub price: f64,
    /// Microseconds per layer-token.
    pub cost: f64,
}

impl Units {
    /// `p_unit = c_unit = 1`: the paper's plain sum.
    pub const PAPER: Self = Self { price: 1.0, cost: 1.0 };
}

impl From<MarketUnits> for Units {
    fn from(units: MarketUnits) -> Self {
        Self { price: units.price_unit as f64, cost: f64::from(units.cost_unit_us) }
    }
}

/// One worker's offer on a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// Base units per layer-token.
    pub price: f64,
    /// Microseconds per layer-token.
    pub cost: f64,
}

/// How payers choose among the workers of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    alpha: f64,
    temperature: f64,
    units: Units,
    reservation_weight: Option<f64>,
}

impl Demand {
    /// `alpha`: weight of money against time, `[0, 1]`. `temperature`: how evenly payers spread
    /// over unequal offers, in units of weight. `reservation_weight`: weight at which a payer
    /// rather does without; `None` for payers who buy at any price.
    ///
    /// # Errors
    /// The [`PricingError`] of the first argument that is out of its range.
    pub fn new(
        alpha: f64,
        temperature: f64,
        units: Units,
        reservation_weight: Option<f64>,
    ) -> Result<Self, PricingError> {
        if !(0.0..=1.0).contains(&alpha) {
            return Err(PricingError::Alpha(alpha));
        }
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(PricingError::Temperature(temperature));
        }
        for unit in [units.price, units.cost] {
            if !(unit > 0.0 && unit.is_finite()) {
                return Err(PricingError::Unit(unit));
            }
        }
        match reservation_weight {
            Some(value) if !value.is_finite() => {
                Err(PricingError::Quantity { what: "reservation weight", value })
            }
            _ => Ok(Self { alpha, temperature, units, reservation_weight }),
        }
    }

    /// The paper's market: units of 1, T = 1, no outside option.
    ///
    /// # Errors
    /// [`PricingError::Alpha`].
    pub fn paper(alpha: f64) -> Result<Self, PricingError> {
        Self::new(alpha, 1.0, Units::PAPER, None)
    }

    /// The same market with another temperature.
    ///
    /// # Errors
    /// [`PricingError::Temperature`].
    pub fn with_temperature(self, temperature: f64) -> Result<Self, PricingError> {
        Self::new(self.alpha, temperature, self.units, self.reservation_weight)
    }

    /// T, in units of weight.
    pub const fn temperature(&self) -> f64 {
        self.temperature
    }

    /// Weight of the outside option.
    pub const fn reservation_weight(&self) -> Option<f64> {
        self.reservation_weight
    }

    /// `w = α·p/p_unit + (1−α)·c/c_unit` (eq. 1).
    pub fn weight(&self, offer: Offer) -> f64 {
        self.alpha * offer.price / self.units.price
            + (1.0 - self.alpha) * offer.cost / self.units.cost
    }

    /// How fast the exponent of eq. 3 grows with the price: `α / (T·p_unit)`, per base unit.
    pub fn price_slope(&self) -> f64 {
        self.alpha / (self.temperature * self.units.price)
    }

    /// `−w/T`: the exponent of eq. 3.
    pub fn exponent(&self, offer: Offer) -> f64 {
        -self.weight(offer) / self.temperature
    }

    /// Exponent of the outside option; −∞ where there is none.
    pub fn outside_exponent(&self) -> f64 {
        self.reservation_weight.map_or(f64::NEG_INFINITY, |weight| -weight / self.temperature)
    }

    /// `P_i` (eq. 3, with the outside option in the sum) of every offer of one layer, in order.
    ///
    /// The greatest exponent is subtracted first, so that neither huge nor tiny weights overflow or
    /// vanish together.
    pub fn probabilities(&self, offers: &[Offer]) -> Vec<f64> {
        let exponents: Vec<f64> = offers.iter().map(|offer| self.exponent(*offer)).collect();
        let greatest = exponents.iter().copied().fold(self.outside_exponent(), f64::max);
        if greatest == f64::NEG_INFINITY {
            return vec![0.0; offers.len()];
        }
        let masses: Vec<f64> =
            exponents.iter().map(|exponent| (exponent - greatest).exp()).collect();
        let total: f64 = masses.iter().sum::<f64>() + (self.outside_exponent() - greatest).exp();
        masses.iter().map(|mass| mass / total).collect()
    }

    /// `ln(Σ_j e^{−w_j/T} + e^{−w_0/T})` over the rivals of a worker: all that it needs to know of
    /// them. −∞ without any.
    pub fn rivals_log_mass(&self, rivals: &[Offer]) -> f64 {
        rivals
            .iter()
            .fold(self.outside_exponent(), |mass, rival| log_add(mass, self.exponent(*rival)))
    }
}

/// `ln(e^a + e^b)` without overflow.
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln(1 + e^x)` without overflow.
pub(crate) fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// `1 / (1 + e^{−x})`, exact in both tails.
pub(crate) fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_constants_give_the_papers_formulas() {
        let demand = Demand::paper(0.3).expect("valid");
        let offers = [
            Offer { price: 1.0, cost: 2.0 },
            Offer { price: 0.5, cost: 4.0 },
            Offer { price: 3.0, cost: 0.25 },
        ];
        let weights: Vec<f64> =
            offers.iter().map(|o| 0.3 * o.price + (1.0 - 0.3) * o.cost).collect();
        let total: f64 = weights.iter().map(|w| (-w).exp()).sum();
        for ((offer, weight), probability) in
            offers.iter().zip(&weights).zip(demand.probabilities(&offers))
        {
            assert_eq!(demand.weight(*offer), *weight, "eq. 1");
            assert!((probability - (-weight).exp() / total).abs() < 1e-15, "eq. 3");
        }
    }

    #[test]
    fn weights_far_beyond_the_exponentials_range_still_add_to_one() {
        let demand = Demand::paper(1.0).expect("valid");
        let offers = [
            Offer { price: 1e6, cost: 0.0 },
            Offer { price: 1e6 + 1.0, cost: 0.0 },
            Offer { price: 1e9, cost: 0.0 },
        ];
        let p = demand.probabilities(&offers);
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((p[0] / p[1] - std::f64::consts::E).abs() < 1e-9);
        assert_eq!(p[2], 0.0);
    }

    #[test]
    fn the_outside_option_takes_its_share() {
        let demand = Demand::new(1.0, 1.0, Units::PAPER, Some(2.0)).expect("valid");
        let p = demand.probabilities(&[Offer { price: 2.0, cost: 9.0 }]);
        assert!((p[0] - 0.5).abs() < 1e-15);
        assert!(demand.probabilities(&[]).is_empty());
    }

    #[test]
    fn arguments_out_of_range_are_named() {
        assert_eq!(Demand::paper(1.5), Err(PricingError::Alpha(1.5)));
        assert!(matches!(Demand::paper(f64::NAN), Err(PricingError::Alpha(_))));
        assert_eq!(Demand::new(0.5, 0.0, Units::PAPER, None), Err(PricingError::Temperature(0.0)));
        assert_eq!(
            Demand::new(0.5, 1.0, Units { price: 0.0, cost: 1.0 }, None),
            Err(PricingError::Unit(0.0))
        );
        assert!(Demand::new(0.5, 1.0, Units::PAPER, Some(f64::INFINITY)).is_err());
    }
}
