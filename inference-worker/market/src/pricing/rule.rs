//! What a worker believes of its payers, what being busy is worth to it, and which change of price
//! is worth a transaction. Workers and simulations share these.

use super::{
    PricingError,
    demand::{Demand, Units},
};

/// α that payers are taken to have: as fond of money as of time.
pub const ALPHA: f64 = 0.5;
/// How evenly payers spread over unequal offers, in units of weight: the paper's 1.
pub const TEMPERATURE: f64 = 1.0;
/// Weight at which a payer rather does without. It keeps the price of a worker without rivals
/// finite: about six price units.
pub const RESERVATION_WEIGHT: f64 = 4.0;
/// Utilisation above which a sale displaces another one.
pub const BUSY: f64 = 0.8;
/// Least relative change of the price that is worth a transaction.
pub const WORTH_A_FEE: f64 = 0.01;
/// Blocks between two looks at the market.
pub const LOOK_BLOCKS: u32 = 10;

/// What a worker believes of the payers of a model with these units.
///
/// # Errors
/// [`PricingError::Unit`] for units of zero.
pub fn believed_demand(units: Units) -> Result<Demand, PricingError> {
    Demand::new(ALPHA, TEMPERATURE, units, Some(RESERVATION_WEIGHT))
}

/// How far a worker is overloaded, 0 to 1, when `utilisation` of its room is taken.
pub fn overload(utilisation: f64) -> f64 {
    ((utilisation - BUSY) / (1.0 - BUSY)).clamp(0.0, 1.0)
}

/// What a sale costs a worker, base units per layer-token: its expense and, because a worker that
/// is nearly full loses one sale with every other sale, a part of the present `price` that rises
/// with the overload.
pub fn displaced_expense(expense: f64, price: f64, utilisation: f64) -> f64 {
    expense + overload(utilisation) * (price - expense).max(0.0)
}

/// Most utilisation that [`waiting_expense`] reckons with: there a sale takes ten times as long as
/// at an idle worker.
pub const MOST_UTILISATION: f64 = 0.9;
/// Part of the way that a worker goes at each look towards the present [`waiting_expense`]. Payers
/// come back to a worker about as slowly as they learn of its queue; a quicker one answers queues
/// that are gone, and all swing together.
pub const CALM: f64 = 0.05;

/// What a sale costs everybody: the worker's expense, and the time for which it keeps all other
/// payers of the worker waiting, in money.
///
/// Where sales come at random and are served in turn, one takes `c/(1−u)`, and a further one makes
/// the `u/c` that come meanwhile wait `c²/(1−u)²` longer in all. `time_worth` is what payers give
/// for a microsecond, `(1−α)/α·p_unit/c_unit`; `cost_us` is per layer-token. A rule for busy
/// workers that acts before they are full, unlike [`displaced_expense`].
pub fn waiting_expense(expense: f64, time_worth: f64, cost_us: f64, utilisation: f64) -> f64 {
    let utilisation = utilisation.clamp(0.0, MOST_UTILISATION);
    expense + time_worth * cost_us * utilisation / (1.0 - utilisation).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_costs_others_nothing_at_an_idle_worker_and_more_and_more_at_a_busy_one() {
        let cost = |utilisation| waiting_expense(7.0, 10.0, 50.0, utilisation);
        assert_eq!(cost(0.0), 7.0);
        assert!((cost(0.5) - (7.0 + 1_000.0)).abs() < 1e-9);
        assert!(cost(0.9) > 10.0 * cost(0.5) && cost(5.0) == cost(0.9));
    }

    #[test]
    fn a_sale_costs_nothing_more_below_four_fifths_and_a_whole_sale_without_room() {
        for (utilisation, expected) in [(0.0, 2.0), (BUSY, 2.0), (0.9, 6.0), (1.0, 10.0)] {
            let expense = displaced_expense(2.0, 10.0, utilisation);
            assert!((expense - expected).abs() < 1e-12, "{utilisation}: {expense}");
        }
        assert_eq!(displaced_expense(5.0, 4.0, 1.0), 5.0, "a price below the expense adds nothing");
    }
}
