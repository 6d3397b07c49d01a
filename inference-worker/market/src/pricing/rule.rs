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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_costs_nothing_more_below_four_fifths_and_a_whole_sale_without_room() {
        for (utilisation, expected) in [(0.0, 2.0), (BUSY, 2.0), (0.9, 6.0), (1.0, 10.0)] {
            let expense = displaced_expense(2.0, 10.0, utilisation);
            assert!((expense - expected).abs() < 1e-12, "{utilisation}: {expense}");
        }
        assert_eq!(displaced_expense(5.0, 4.0, 1.0), 5.0, "a price below the expense adds nothing");
    }
}
