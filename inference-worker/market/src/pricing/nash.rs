//! Does anybody gain by changing its price? (P2P-LLM eq. 6)
//!
//! The check is deliberately not the optimiser's: it tries every price of a fine grid and compares
//! profits, so that a fault in the climb cannot hide here.

use super::{PricingError, game::Game, revenue::Bounds, revenue::Prospect};

/// Prices tried per worker between its bounds, evenly in the logarithm.
pub const GRID_OVER_BOUNDS: u32 = 1_000;
/// Prices tried per worker within ±20 % of the price that it asks, evenly.
pub const GRID_AROUND_PRICE: u32 = 400;
/// Decades below the ceiling at which the grid begins when the floor is lower than that.
const DECADES: i32 = 12;

/// What one worker would gain by leaving its price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Position of the worker in the game.
    pub player: usize,
    /// The price that it asks, base units per layer-token.
    pub price: f64,
    /// Its expected profit there, base units per token of demand.
    pub profit: f64,
    /// The best price of the grid.
    pub better_price: f64,
    /// Expected profit at the better price.
    pub better_profit: f64,
}

impl Deviation {
    /// Gain as a fraction of the better profit: 0 at a best response, near 1 when nearly everything
    /// is given away.
    pub fn relative_gain(&self) -> f64 {
        if self.better_profit > 0.0 {
            ((self.better_profit - self.profit) / self.better_profit).max(0.0)
        } else {
            0.0
        }
    }
}

/// The outcome for all workers.
#[derive(Clone, Debug, PartialEq)]
pub struct NashReport {
    /// One entry per player, in the game's order.
    pub deviations: Vec<Deviation>,
}

impl NashReport {
    /// The player that would gain most, if there are any.
    pub fn worst(&self) -> Option<&Deviation> {
        self.deviations.iter().max_by(|a, b| a.relative_gain().total_cmp(&b.relative_gain()))
    }

    /// Whether nobody gains more than the fraction `epsilon` of what it could earn (eq. 6).
    pub fn holds(&self, epsilon: f64) -> bool {
        self.worst().is_none_or(|deviation| deviation.relative_gain() <= epsilon)
    }
}

impl Game {
    /// Tries for every player every price of a fine grid against the others' `prices`.
    ///
    /// # Errors
    /// Those of [`Game::prospects`].
    pub fn nash_check(&self, prices: &[f64]) -> Result<NashReport, PricingError> {
        let prospects = self.prospects(prices)?;
        let deviations = prospects
            .iter()
            .zip(prices)
            .enumerate()
            .map(|(player, (prospect, &price))| {
                let profit = prospect.profit(price);
                let (better_price, better_profit) =
                    best_on_grid(prospect, self.players()[player].bounds, price);
                Deviation { player, price, profit, better_price, better_profit }
            })
            .collect();
        Ok(NashReport { deviations })
    }
}

/// Best (price, profit) of the grid; the price asked is in it when the bounds allow it.
fn best_on_grid(prospect: &Prospect, bounds: Bounds, price: f64) -> (f64, f64) {
    let low = bounds.floor.max(bounds.ceiling * 10f64.powi(-DECADES));
    let ratio = if low > 0.0 { (bounds.ceiling / low).ln() } else { 0.0 };
    let over = (0..=GRID_OVER_BOUNDS)
        .map(|i| low * (ratio * f64::from(i) / f64::from(GRID_OVER_BOUNDS)).exp());
    let around = (0..=GRID_AROUND_PRICE)
        .map(|i| price * (0.8 + 0.4 * f64::from(i) / f64::from(GRID_AROUND_PRICE)));
    let start = bounds.clamp(price);
    over.chain(around).map(|candidate| bounds.clamp(candidate)).fold(
        (start, prospect.profit(start)),
        |best, candidate| {
            let profit = prospect.profit(candidate);
            if profit > best.1 { (candidate, profit) } else { best }
        },
    )
}

#[cfg(test)]
mod tests {
    use mica_primitives::LayerRange;

    use super::*;
    use crate::pricing::{Bounds, Demand, Player};

    #[test]
    fn an_equilibrium_passes_and_a_price_off_by_a_third_is_found() {
        let bounds = Bounds::new(0.0, 1e4).expect("ordered");
        let range = LayerRange { first: 0, end: 1 };
        let players: Vec<Player> = [1.0, 2.0, 2.5]
            .iter()
            .map(|&cost| Player { range, cost, marginal_cost: 0.2, bounds })
            .collect();
        let game = Game::new(Demand::paper(0.5).expect("valid"), 1, players).expect("valid");
        let mut settled = game.settle(&[1.0, 1.0, 1.0], 1e-10, 200).expect("settles");
        assert!(game.nash_check(&settled.prices).expect("valid").holds(1e-9));
        settled.prices[1] *= 1.3;
        let report = game.nash_check(&settled.prices).expect("valid");
        assert!(!report.holds(1e-3));
        assert_eq!(report.worst().map(|deviation| deviation.player), Some(1));
    }
}
