//! How sharply do payers choose? The temperature of eq. 3, fitted to the quotes that a worker won
//! and lost.
//!
//! One parameter, maximum likelihood. The likelihood of a loss is not concave in T, so the fit
//! first scans a bounded grid and then closes in on the best cell by golden section. A floor keeps
//! a lucky streak from making the market look infinitely sharp, where undercutting by next to
//! nothing would win everything.

use super::{
    PricingError,
    demand::{log_add, softplus},
};

/// Fewest observations that move the temperature at all.
pub const MIN_OBSERVATIONS: usize = 16;
/// Cells of the scan between the bounds.
const CELLS: u32 = 64;
/// Golden-section steps: each shrinks the cell to 0.618 of itself.
const REFINEMENTS: u32 = 48;

/// One quote that a payer took or did not take.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Weight (eq. 1) of our own quote.
    pub own_weight: f64,
    /// Weights of the other choices that the payer had, the outside option among them if there is
    /// one.
    pub rival_weights: Vec<f64>,
    /// Whether the payer took ours.
    pub won: bool,
}

impl Observation {
    /// Logarithm of the probability of what happened, at temperature `t`.
    fn log_likelihood(&self, t: f64) -> f64 {
        let rivals = self
            .rival_weights
            .iter()
            .fold(f64::NEG_INFINITY, |mass, weight| log_add(mass, -weight / t));
        let logit = rivals + self.own_weight / t;
        if self.won { -softplus(logit) } else { -softplus(-logit) }
    }
}

/// The range in which a temperature is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemperatureBounds {
    /// Never sharper than this.
    pub floor: f64,
    /// Never duller than this.
    pub ceiling: f64,
}

/// A fitted temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// T, in units of weight.
    pub temperature: f64,
    /// Mean log-likelihood per observation used, at that T.
    pub log_likelihood: f64,
    /// Observations used.
    pub observations: usize,
}

/// The temperature under which `observations` were most likely, or `None` if fewer than
/// [`MIN_OBSERVATIONS`] say anything.
///
/// A quote without rivals says nothing and is left out. Time is linear in the number of rival
/// weights.
///
/// # Errors
/// [`PricingError::Temperature`] for bounds that are not positive or reversed;
/// [`PricingError::Quantity`] for a weight that is not a number.
pub fn fit_temperature(
    observations: &[Observation],
    bounds: TemperatureBounds,
) -> Result<Option<Fit>, PricingError> {
    if !(bounds.floor > 0.0 && bounds.floor.is_finite()) {
        return Err(PricingError::Temperature(bounds.floor));
    }
    if !(bounds.ceiling >= bounds.floor && bounds.ceiling.is_finite()) {
        return Err(PricingError::Temperature(bounds.ceiling));
    }
    let weights = observations.iter().flat_map(|o| o.rival_weights.iter().chain([&o.own_weight]));
    if let Some(&value) = weights.into_iter().find(|weight| !weight.is_finite()) {
        return Err(PricingError::Quantity { what: "weight", value });
    }
    let informative: Vec<&Observation> =
        observations.iter().filter(|o| !o.rival_weights.is_empty()).collect();
    if informative.len() < MIN_OBSERVATIONS {
        return Ok(None);
    }
    let mean = |log_t: f64| {
        informative.iter().map(|o| o.log_likelihood(log_t.exp())).sum::<f64>()
            / informative.len() as f64
    };

    let (low, high) = (bounds.floor.ln(), bounds.ceiling.ln());
    let cell = (high - low) / f64::from(CELLS);
    let at = |i: u32| low + cell * f64::from(i);
    let best = (0..=CELLS).max_by(|a, b| mean(at(*a)).total_cmp(&mean(at(*b)))).unwrap_or(0);
    let log_t = golden_section(&mean, (at(best) - cell).max(low), (at(best) + cell).min(high));
    // At a bound the section only comes close: take the grid's point if that is no worse.
    let log_t = if mean(at(best)) >= mean(log_t) { at(best) } else { log_t };
    let temperature = log_t.exp().clamp(bounds.floor, bounds.ceiling);
    Ok(Some(Fit { temperature, log_likelihood: mean(log_t), observations: informative.len() }))
}

/// Peak of `f` between `low` and `high`, where it has one.
fn golden_section(f: &impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (f(a), f(b));
    for _ in 0..REFINEMENTS {
        if at_a > at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = f(b);
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: TemperatureBounds = TemperatureBounds { floor: 0.05, ceiling: 20.0 };

    /// Observations whose wins happen exactly as often as `t` says: every situation is repeated,
    /// with wins in proportion.
    fn drawn_at(t: f64) -> Vec<Observation> {
        let mut observations = Vec::new();
        for i in 0..40 {
            let own_weight = f64::from(i) * 0.1;
            let rival_weights = vec![1.0, 2.0 + f64::from(i % 3)];
            let one = Observation { own_weight, rival_weights, won: true };
            let wins = (one.log_likelihood(t).exp() * 400.0).round() as usize;
            observations.extend((0..400).map(|k| Observation { won: k < wins, ..one.clone() }));
        }
        observations
    }

    #[test]
    fn the_temperature_behind_the_choices_is_found() {
        for t in [0.3, 1.0, 4.0] {
            let fit = fit_temperature(&drawn_at(t), BOUNDS).expect("valid").expect("enough");
            assert!((fit.temperature / t - 1.0).abs() < 0.02, "{} for {t}", fit.temperature);
        }
    }

    #[test]
    fn a_streak_of_wins_against_dearer_rivals_stops_at_the_floor() {
        let streak = vec![Observation { own_weight: 1.0, rival_weights: vec![2.0], won: true }; 50];
        let fit = fit_temperature(&streak, BOUNDS).expect("valid").expect("enough");
        assert!((fit.temperature - BOUNDS.floor).abs() < 1e-9);
        let upset = vec![Observation { own_weight: 2.0, rival_weights: vec![1.0], won: true }; 50];
        let fit = fit_temperature(&upset, BOUNDS).expect("valid").expect("enough");
        assert!((fit.temperature - BOUNDS.ceiling).abs() < 1e-9);
    }

    #[test]
    fn too_little_or_nonsense_moves_nothing() {
        let few = vec![
            Observation { own_weight: 1.0, rival_weights: vec![2.0], won: true };
            MIN_OBSERVATIONS - 1
        ];
        assert_eq!(fit_temperature(&few, BOUNDS), Ok(None));
        let alone = vec![Observation { own_weight: 1.0, rival_weights: vec![], won: true }; 100];
        assert_eq!(fit_temperature(&alone, BOUNDS), Ok(None));
        let nan =
            vec![Observation { own_weight: f64::NAN, rival_weights: vec![1.0], won: true }; 100];
        assert!(matches!(fit_temperature(&nan, BOUNDS), Err(PricingError::Quantity { .. })));
        assert!(fit_temperature(&[], TemperatureBounds { floor: 0.0, ceiling: 1.0 }).is_err());
        assert!(fit_temperature(&[], TemperatureBounds { floor: 2.0, ceiling: 1.0 }).is_err());
    }
}
