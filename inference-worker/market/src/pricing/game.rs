//! All workers of a model pricing against each other: best responses until nobody moves (P2P-LLM
//! section 3.4).
//!
//! One round asks every worker for its best price against the prices of the round before. Each
//! needs, on each of its layers, the mass of everybody but itself; sums from the left and from the
//! right give that for all workers at once, without the cancellation of "total minus own" and in
//! time linear in the number of (worker, layer) pairs.

use mica_primitives::LayerRange;

use super::{
    PricingError,
    ascent::best_price,
    demand::{Demand, Offer, log_add},
    revenue::{Bounds, Prospect},
};

/// A worker as the pricing game sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Player {
    /// The layers that it serves.
    pub range: LayerRange,
    /// Microseconds per layer-token.
    pub cost: f64,
    /// Expense, base units per layer-token.
    pub marginal_cost: f64,
    /// The prices that it may ask.
    pub bounds: Bounds,
}

/// The pricing game of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Game {
    demand: Demand,
    layers: u16,
    players: Vec<Player>,
}

/// Where best responses came to rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Base units per layer-token, one per player.
    pub prices: Vec<f64>,
    /// Rounds played.
    pub rounds: u32,
    /// Greatest relative change of a price in the last round.
    pub last_change: f64,
}

/// Rounds after which a game that has not settled begins anew from low prices.
pub const PATIENCE: u32 = 40;

/// How far beyond its best response a player goes.
#[derive(Clone, Copy)]
struct Pace {
    last_move: f64,
    stride: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { last_move: 0.0, stride: 1.0 }
    }
}

impl Pace {
    /// Doubles the stride while `next_move` has the sign and more than half the size of the move
    /// before; else begins anew at 1.
    fn stride(&mut self, next_move: f64) -> f64 {
        let steady =
            next_move * self.last_move > 0.0 && next_move.abs() > 0.5 * self.last_move.abs();
        self.stride = if steady { 2.0 * self.stride } else { 1.0 };
        self.last_move = next_move;
        self.stride
    }
}

impl Game {
    /// # Errors
    /// [`PricingError::NoLayers`] if a player's range is empty or ends beyond `layers`.
    pub fn new(demand: Demand, layers: u16, players: Vec<Player>) -> Result<Self, PricingError> {
        if players.iter().any(|player| !player.range.is_valid_for(layers)) {
            return Err(PricingError::NoLayers);
        }
        Ok(Self { demand, layers, players })
    }

    /// The players, in the order of all prices given to and returned by this game.
    pub fn players(&self) -> &[Player] {
        &self.players
    }

    /// What each player faces when the others ask `prices`.
    ///
    /// # Errors
    /// [`PricingError::Length`]; [`PricingError::Quantity`] for a price that is not a number.
    pub fn prospects(&self, prices: &[f64]) -> Result<Vec<Prospect>, PricingError> {
        if prices.len() != self.players.len() {
            return Err(PricingError::Length { given: prices.len(), expected: self.players.len() });
        }
        if let Some(&value) = prices.iter().find(|price| !price.is_finite()) {
            return Err(PricingError::Quantity { what: "price", value });
        }
        let exponent =
            |i: usize| self.demand.exponent(Offer { price: prices[i], cost: self.players[i].cost });
        // rivals[i][k]: log mass of everybody but player i on the k-th layer of its range.
        let mut rivals: Vec<Vec<f64>> = self
            .players
            .iter()
            .map(|player| Vec::with_capacity(player.range.len().into()))
            .collect();
        for players in self.players_by_layer() {
            let mut from_right = vec![f64::NEG_INFINITY; players.len() + 1];
            for (k, &i) in players.iter().enumerate().rev() {
                from_right[k] = log_add(from_right[k + 1], exponent(i));
            }
            let mut from_left = self.demand.outside_exponent();
            for (k, &i) in players.iter().enumerate() {
                rivals[i].push(log_add(from_left, from_right[k + 1]));
                from_left = log_add(from_left, exponent(i));
            }
        }
        self.players
            .iter()
            .zip(&rivals)
            .map(|(player, masses)| {
                Prospect::new(&self.demand, player.cost, player.marginal_cost, masses)
            })
            .collect()
    }

    /// Each player's best price against the others' `prices`.
    ///
    /// # Errors
    /// Those of [`Game::prospects`] and [`best_price`].
    pub fn best_responses(&self, prices: &[f64]) -> Result<Vec<f64>, PricingError> {
        let prospects = self.prospects(prices)?;
        let best = |((player, prospect), &price): ((&Player, &Prospect), &f64)| {
            best_price(prospect, player.bounds, price).map(|optimum| optimum.price)
        };
        self.players.iter().zip(&prospects).zip(prices).map(best).collect()
    }

    /// Best responses from `start` until no price is further than `tolerance` of itself from its
    /// best response, at most `max_rounds` times. Whether they settled: compare
    /// [`Settled::last_change`] with `tolerance`.
    ///
    /// This computes the resting point; it does not act out the way there. From prices far too high
    /// rivals undercut each other by only a few `T·p_unit/α` a round, and two may take turns at it
    /// for ever so long. So a price that keeps moving one way without slowing down has its next
    /// move doubled, and a game that has not settled after [`PATIENCE`] rounds begins anew from the
    /// floors: a dearer rival makes a dearer best response, so from below prices rise to the
    /// equilibrium without detours.
    ///
    /// # Errors
    /// Those of [`Game::best_responses`].
    pub fn settle(
        &self,
        start: &[f64],
        tolerance: f64,
        max_rounds: u32,
    ) -> Result<Settled, PricingError> {
        let mut settled = Settled { prices: start.to_vec(), rounds: 0, last_change: f64::INFINITY };
        let mut paces = vec![Pace::default(); start.len()];
        while settled.rounds < max_rounds && settled.last_change > tolerance {
            if settled.rounds == PATIENCE {
                settled.prices = self.players.iter().map(|player| player.bounds.floor).collect();
                paces.fill(Pace::default());
            }
            let best = self.best_responses(&settled.prices)?;
            let change =
                |(new, old): (&f64, &f64)| (new - old).abs() / new.abs().max(f64::MIN_POSITIVE);
            settled.last_change = best.iter().zip(&settled.prices).map(change).fold(0.0, f64::max);
            settled.rounds += 1;
            for (((price, best), pace), player) in
                settled.prices.iter_mut().zip(&best).zip(&mut paces).zip(&self.players)
            {
                let stride = pace.stride(best - *price);
                // A stride of 1 is the best response itself, without the rounding of a difference.
                *price = if stride == 1.0 {
                    *best
                } else {
                    player.bounds.clamp(*price + stride * (best - *price))
                };
            }
        }
        Ok(settled)
    }

    /// Expected sales of each player, layer-tokens per token of demand: the sum of its
    /// probabilities (eq. 3) over its layers.
    ///
    /// # Errors
    /// Those of [`Game::prospects`].
    pub fn sales(&self, prices: &[f64]) -> Result<Vec<f64>, PricingError> {
        Ok(self
            .prospects(prices)?
            .iter()
            .zip(prices)
            .map(|(prospect, &price)| prospect.sales(price))
            .collect())
    }

    fn players_by_layer(&self) -> Vec<Vec<usize>> {
        let mut by_layer = vec![Vec::new(); self.layers.into()];
        for (i, player) in self.players.iter().enumerate() {
            for layer in player.range.layers() {
                by_layer[usize::from(layer)].push(i);
            }
        }
        by_layer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::demand::Units;

    fn player(first: u16, end: u16, cost: f64) -> Player {
        let bounds = Bounds::new(0.0, 1e6).expect("ordered");
        Player { range: LayerRange { first, end }, cost, marginal_cost: 0.0, bounds }
    }

    #[test]
    fn sums_from_both_sides_equal_sums_over_the_others() {
        let demand = Demand::new(0.4, 0.7, Units::PAPER, Some(3.0)).expect("valid");
        let players =
            vec![player(0, 3, 1.0), player(1, 4, 2.0), player(2, 3, 0.5), player(0, 4, 1.5)];
        let prices = [1.0, 2.0, 3.0, 4.0];
        let game = Game::new(demand, 4, players.clone()).expect("valid");
        for (i, prospect) in game.prospects(&prices).expect("valid").iter().enumerate() {
            let by_hand: f64 = players[i]
                .range
                .layers()
                .map(|layer| {
                    let on_layer: Vec<usize> =
                        (0..4).filter(|j| players[*j].range.contains(layer)).collect();
                    let offers: Vec<Offer> = on_layer
                        .iter()
                        .map(|&j| Offer { price: prices[j], cost: players[j].cost })
                        .collect();
                    let own = on_layer.iter().position(|j| *j == i).expect("serves it");
                    demand.probabilities(&offers)[own]
                })
                .sum();
            assert!((prospect.sales(prices[i]) - by_hand).abs() < 1e-12);
        }
    }

    #[test]
    fn a_range_outside_the_model_and_a_wrong_number_of_prices_are_refused() {
        let demand = Demand::paper(0.5).expect("valid");
        assert_eq!(Game::new(demand, 4, vec![player(2, 5, 1.0)]), Err(PricingError::NoLayers));
        assert_eq!(Game::new(demand, 4, vec![player(3, 3, 1.0)]), Err(PricingError::NoLayers));
        let game = Game::new(demand, 4, vec![player(2, 4, 1.0)]).expect("valid");
        assert_eq!(game.best_responses(&[]), Err(PricingError::Length { given: 0, expected: 1 }));
        assert!(game.sales(&[f64::NAN]).is_err());
    }
}
