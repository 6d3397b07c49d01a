//! Climbing to the best price: gradient ascent on log profit in the log of the margin, with
//! backtracking.
//!
//! The paper climbs revenue itself with a fixed step, which oscillates, creeps or stalls (see
//! [`super::literal`]). The logarithm has the same peak and a slope that never vanishes. For one
//! layer it is concave, so the peak inside bounds is the peak without them, clamped. Over several
//! layers there can be several peaks, but all of them lie between the lowest and the highest peak
//! of the single layers: below that range every layer's profit rises, above it every layer's falls.
//! A bounded grid there finds the best start. The optimiser is argmin's; a better solver is a
//! one-line change in `climb`.
//!
//! argmin's line search has no bound of its own, so the problem counts its evaluations and refuses
//! to go past [`MAX_EVALUATIONS`]. (argmin also takes time stamps for its statistics; no result
//! depends on them.)

use std::cell::Cell;

use argmin::{
    core::{
        ArgminFloat, CostFunction, Error, Executor, Gradient, IterState, KV, Problem, Solver,
        State, TerminationReason, TerminationStatus,
    },
    solver::{
        gradientdescent::SteepestDescent,
        linesearch::{BacktrackingLineSearch, condition::LineSearchCondition},
    },
};

use super::{
    PricingError,
    revenue::{Bounds, Prospect},
};

/// Most steps of one climb. 5,000 random markets, started up to six decades off, needed at most 84.
pub const MAX_STEPS: u64 = 1_000;
/// Most evaluations of profit in one climb.
pub const MAX_EVALUATIONS: u32 = 50_000;
/// A step of less than this in the log of the margin ends the climb.
const STEP_TOLERANCE: f64 = 1e-12;
/// Part of the promised gain that a step must bring.
const ARMIJO: f64 = 0.3;
/// Relative rounding error of log profit. Near the peak a step's gain drowns in it, and slopes
/// decide alone.
const ROUNDING: f64 = 1e-14;
/// A slope left over where argmin's budget ends that is not worth a complaint: the price is then
/// right to about this fraction.
const FLAT: f64 = 1e-6;
/// Factor by which a refused step shrinks.
const SHRINK: f64 = 0.5;
/// Points tried, even in the price and again even in its logarithm, where several layers may give
/// several peaks.
const GRID: u32 = 128;

/// The best price and how it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Optimum {
    /// Base units per layer-token, within the bounds.
    pub price: f64,
    /// Expected profit per token of demand: base units, summed over the layers.
    pub profit: f64,
    /// Steps of gradient ascent.
    pub steps: u64,
}

/// The price within `bounds` that maximises the profit of `prospect`, climbing from `start`.
///
/// # Errors
/// [`PricingError::Unprofitable`] if no allowed price exceeds the marginal cost;
/// [`PricingError::Quantity`] if `start` is not a number; [`PricingError::Solver`] if the bounds on
/// work were hit.
pub fn best_price(
    prospect: &Prospect,
    bounds: Bounds,
    start: f64,
) -> Result<Optimum, PricingError> {
    let marginal_cost = prospect.marginal_cost();
    if !start.is_finite() {
        return Err(PricingError::Quantity { what: "start price", value: start });
    }
    if bounds.ceiling <= marginal_cost {
        return Err(PricingError::Unprofitable { ceiling: bounds.ceiling, marginal_cost });
    }
    let highest_margin = bounds.ceiling - marginal_cost;
    // No best margin is below 1/slope, because (p − e)·slope·(1 − P) = 1 there; so this stands in
    // for a floor of nothing.
    let negligible = 1e-9 * highest_margin.min(1.0 / prospect.slope());
    let low = (bounds.floor - marginal_cost).max(negligible).ln();
    let high = highest_margin.ln();
    let start = (bounds.clamp(start) - marginal_cost).max(negligible).ln();

    let (lowest, to_lowest) = climb_layer(&prospect.extreme_layer(true), low, high, start)?;
    let (highest, to_highest) = climb_layer(&prospect.extreme_layer(false), low, high, start)?;
    let (best, to_best) = if highest - lowest > STEP_TOLERANCE {
        climb_from_grid(prospect, lowest, highest)?
    } else {
        (lowest, 0)
    };
    // The way through the logarithm rounds; a bound is met exactly.
    let price =
        if best >= high { bounds.ceiling } else { bounds.clamp(marginal_cost + best.exp()) };
    Ok(Optimum { price, profit: prospect.profit(price), steps: to_lowest + to_highest + to_best })
}

/// Peak of a single layer's log profit in `[low, high]`, and the steps taken.
fn climb_layer(
    layer: &Prospect,
    low: f64,
    high: f64,
    start: f64,
) -> Result<(f64, u64), PricingError> {
    if layer.log_profit_gradient(high) >= 0.0 {
        return Ok((high, 0));
    }
    if layer.log_profit_gradient(low) <= 0.0 {
        return Ok((low, 0));
    }
    let (peak, steps) = climb(layer, start.clamp(low, high))?;
    Ok((peak.clamp(low, high), steps))
}

/// Highest peak of the sum over layers between the lowest and the highest peak of the single
/// layers.
fn climb_from_grid(prospect: &Prospect, low: f64, high: f64) -> Result<(f64, u64), PricingError> {
    let even_in_log = (0..=GRID).map(|i| low + (high - low) * f64::from(i) / f64::from(GRID));
    let (cheap, dear) = (low.exp(), high.exp());
    let even_in_price =
        (1..GRID).map(|i| (cheap + (dear - cheap) * f64::from(i) / f64::from(GRID)).ln());
    let better =
        |a: f64, b: f64| if prospect.log_profit(b) > prospect.log_profit(a) { b } else { a };
    let best = even_in_log.chain(even_in_price).fold(low, better);
    let (peak, steps) = climb(prospect, best)?;
    Ok((better(best, peak.clamp(low, high)), steps))
}

/// Steepest ascent with backtracking from `start`, without bounds.
fn climb(prospect: &Prospect, start: f64) -> Result<(f64, u64), PricingError> {
    let solver_error = |error: Error| PricingError::Solver(error.to_string());
    let line_search =
        BacktrackingLineSearch::new(GainWithoutOvershoot).rho(SHRINK).map_err(solver_error)?;
    let solver = UntilStill { inner: SteepestDescent::new(line_search) };
    let problem = NegatedLogProfit { prospect, evaluations: Cell::new(0) };
    let result = Executor::new(problem, solver)
        .configure(|state| state.param(start).max_iters(MAX_STEPS))
        .timer(false)
        .ctrlc(false)
        .run()
        .map_err(solver_error)?;
    let peak = result
        .state
        .get_param()
        .copied()
        .ok_or_else(|| PricingError::Solver("no price returned".into()))?;
    if result.state.get_iter() >= MAX_STEPS && prospect.log_profit_gradient(peak).abs() > FLAT {
        return Err(PricingError::Solver(format!(
            "no peak within {MAX_STEPS} steps, stopped at margin {}",
            peak.exp()
        )));
    }
    Ok((peak, result.state.get_iter()))
}

/// What argmin minimises.
struct NegatedLogProfit<'a> {
    prospect: &'a Prospect,
    evaluations: Cell<u32>,
}

impl CostFunction for NegatedLogProfit<'_> {
    type Param = f64;
    type Output = f64;

    fn cost(&self, log_margin: &f64) -> Result<f64, Error> {
        let evaluations = self.evaluations.get() + 1;
        self.evaluations.set(evaluations);
        if evaluations > MAX_EVALUATIONS {
            return Err(Error::msg(format!("more than {MAX_EVALUATIONS} evaluations")));
        }
        Ok(-self.prospect.log_profit(*log_margin))
    }
}

impl Gradient for NegatedLogProfit<'_> {
    type Param = f64;
    type Gradient = f64;

    fn gradient(&self, log_margin: &f64) -> Result<f64, Error> {
        Ok(-self.prospect.log_profit_gradient(*log_margin))
    }
}

/// Accepts a step that gains (Armijo's condition) and either stops short of the peak or at least
/// halves the slope.
///
/// Armijo's condition alone lets steps jump from one side of the peak to the other for ever once
/// their gain is below rounding.
#[derive(Clone)]
struct GainWithoutOvershoot;

impl LineSearchCondition<f64, f64, f64> for GainWithoutOvershoot {
    fn evaluate_condition(
        &self,
        current_cost: f64,
        current_gradient: Option<&f64>,
        initial_cost: f64,
        initial_gradient: &f64,
        search_direction: &f64,
        step_length: f64,
    ) -> bool {
        let promised = ARMIJO * step_length * initial_gradient * search_direction;
        let gains = current_cost <= initial_cost + promised + ROUNDING * (1.0 + initial_cost.abs());
        let overshoots = current_gradient.is_none_or(|slope| {
            slope * initial_gradient < 0.0 && slope.abs() > SHRINK * initial_gradient.abs()
        });
        gains && !overshoots
    }

    fn requires_current_gradient(&self) -> bool {
        true
    }
}

/// A solver that ends once its steps have become negligible; argmin's steepest descent alone would
/// go on to the last iteration.
struct UntilStill<S> {
    inner: S,
}

impl<O, G, F, S> Solver<O, IterState<F, G, (), (), (), F>> for UntilStill<S>
where
    S: Solver<O, IterState<F, G, (), (), (), F>>,
    G: Clone,
    F: ArgminFloat,
{
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn next_iter(
        &mut self,
        problem: &mut Problem<O>,
        state: IterState<F, G, (), (), (), F>,
    ) -> Result<(IterState<F, G, (), (), (), F>, Option<KV>), Error> {
        self.inner.next_iter(problem, state)
    }

    fn terminate(&mut self, state: &IterState<F, G, (), (), (), F>) -> TerminationStatus {
        match (state.get_param(), state.get_prev_param(), F::from(STEP_TOLERANCE)) {
            (Some(now), Some(before), Some(tolerance))
                if (*now - *before).abs() <= tolerance && state.get_iter() > 0 =>
            {
                TerminationStatus::Terminated(TerminationReason::SolverConverged)
            }
            _ => TerminationStatus::NotTerminated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::demand::{Demand, Offer, Units};

    #[test]
    fn a_monopolist_with_an_outside_option_stays_finite_and_without_one_hits_the_ceiling() {
        let bounds = Bounds::new(0.0, 1e6).expect("ordered");
        let with = Demand::new(0.5, 1.0, Units::PAPER, Some(4.0)).expect("valid");
        let optimum =
            best_price(&Prospect::on_layer(&with, 1.0, 0.0, &[]).expect("valid"), bounds, 1.0)
                .expect("converges");
        assert!(optimum.price < 100.0 && optimum.steps > 0);
        let without = Demand::paper(0.5).expect("valid");
        let optimum =
            best_price(&Prospect::on_layer(&without, 1.0, 0.0, &[]).expect("valid"), bounds, 1.0)
                .expect("converges");
        assert_eq!(optimum.price, 1e6);
    }

    #[test]
    fn bounds_hold_on_both_sides() {
        let demand = Demand::paper(0.5).expect("valid");
        let prospect = Prospect::on_layer(&demand, 1.0, 0.0, &[Offer { price: 1.0, cost: 1.0 }])
            .expect("valid");
        let free = best_price(&prospect, Bounds::new(0.0, 1e3).expect("ordered"), 1.0)
            .expect("converges")
            .price;
        let above = best_price(&prospect, Bounds::new(free + 1.0, 1e3).expect("ordered"), 500.0)
            .expect("converges");
        assert_eq!(above.price, free + 1.0);
        let below = best_price(&prospect, Bounds::new(0.0, free / 2.0).expect("ordered"), 0.0)
            .expect("converges");
        assert!((below.price - free / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_ceiling_below_the_expense_is_refused() {
        let demand = Demand::paper(0.5).expect("valid");
        let prospect = Prospect::on_layer(&demand, 1.0, 5.0, &[]).expect("valid");
        let bounds = Bounds::new(0.0, 5.0).expect("ordered");
        assert!(matches!(
            best_price(&prospect, bounds, 1.0),
            Err(PricingError::Unprofitable { .. })
        ));
        assert!(matches!(
            best_price(&prospect, bounds, f64::NAN),
            Err(PricingError::Quantity { .. })
        ));
    }

    #[test]
    fn two_peaks_the_higher_one_wins_from_any_start() {
        // Nine layers with strong rivals want a low price, one nearly free of rivals a high one.
        let demand = Demand::new(1.0, 1.0, Units::PAPER, None).expect("valid");
        for lonely in [-12.0, -20.0, -40.0, -80.0] {
            let mut masses = vec![1.0; 9];
            masses.push(lonely);
            let prospect = Prospect::new(&demand, 0.0, 0.0, &masses).expect("valid");
            let bounds = Bounds::new(0.0, 1e4).expect("ordered");
            let scan =
                (1..100_000).map(|i| prospect.profit(f64::from(i) * 1e-3)).fold(0.0, f64::max);
            for start in [0.0, 1.0, 10.0, 50.0, 1e4] {
                let found = best_price(&prospect, bounds, start).expect("converges");
                assert!(
                    found.profit >= scan * (1.0 - 1e-9),
                    "lonely {lonely}, start {start}: {} < {scan}",
                    found.profit
                );
            }
        }
    }
}
