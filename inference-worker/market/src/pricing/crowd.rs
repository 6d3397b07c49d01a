//! Prices of a crowd: the same ascent on log profit as [`super::best_price`], one step at a time
//! and in constant time whatever the number of rivals and layers.
//!
//! With `m` a worker's mass, `e^{−w/T}` of eq. 3, and `Z_l` the mass of everybody on layer `l`, the
//! outside option included, its probability there is `P_l = m/Z_l`. Its expected sales are then `m`
//! times a sum of `1/Z_l` over its layers, and the slope of its log profit needs besides only the
//! sum of `1/Z_l²`. Sums from the first layer give both for every range.
//!
//! Each step is Newton's on the concave log profit of one layer, so it is also an estimate of how
//! far the peak is, and no step changes the margin by more than a factor of e. It rests where the
//! slope is 0, as [`super::best_price`] does; over several layers, at the peak that is nearest,
//! which need not be the highest.

use super::revenue::Bounds;

/// Most that the log of the margin changes in a step.
const LONGEST_STEP: f64 = 1.0;

/// The masses of all layers of a model at one moment, ready for questions about ranges.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Field {
    /// `Σ_{k<l} 1/Z_k`.
    inverse: Vec<f64>,
    /// `Σ_{k<l} 1/Z_k²`.
    inverse_square: Vec<f64>,
    /// `Σ_{k<l} C_k/Z_k²`, `C` the mass of those who set prices together.
    joint: Vec<f64>,
}

impl Field {
    /// `masses`: of all workers on each layer, without the outside option, whose mass is `outside`.
    /// `joint`: the part of it that belongs to workers who set their prices together. A layer
    /// without any mass counts as sold by whoever asks.
    pub fn set(&mut self, outside: f64, masses: &[f64], joint: &[f64]) {
        for sums in [&mut self.inverse, &mut self.inverse_square, &mut self.joint] {
            sums.clear();
            sums.push(0.0);
        }
        let (mut inverse, mut square, mut together) = (0.0, 0.0, 0.0);
        for (layer, mass) in masses.iter().enumerate() {
            let total = outside + mass.max(0.0);
            let one = if total > 0.0 { total.recip() } else { 0.0 };
            inverse += one;
            square += one * one;
            together += joint.get(layer).copied().unwrap_or(0.0).max(0.0) * one * one;
            self.inverse.push(inverse);
            self.inverse_square.push(square);
            self.joint.push(together);
        }
    }

    /// `Σ_l P_l` over the layers from `first` to before `end`, of a worker of this mass: expected
    /// sales per token of demand, in layer-tokens. The mass must be part of the layers' masses.
    pub fn sales(&self, first: u16, end: u16, mass: f64) -> f64 {
        mass * between(&self.inverse, first, end)
    }

    /// `Σ P_l² / Σ P_l`: the worker's own probability, weighed by where it sells. What it loses by
    /// a higher price is in proportion to one less this.
    pub fn own_share(&self, first: u16, end: u16, mass: f64) -> f64 {
        share(mass * between(&self.inverse_square, first, end), between(&self.inverse, first, end))
    }

    /// The same for a worker that sets its price together with others: their common probability,
    /// weighed by where this worker sells.
    pub fn joint_share(&self, first: u16, end: u16) -> f64 {
        share(between(&self.joint, first, end), between(&self.inverse, first, end))
    }
}

fn between(sums: &[f64], first: u16, end: u16) -> f64 {
    let at = |layer: u16| sums.get(usize::from(layer)).copied().unwrap_or(0.0);
    at(end) - at(first)
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 }
}

/// One step of a worker's price towards its peak.
///
/// `slope`: `α/(T·p_unit)`, [`super::Demand::price_slope`]. `expense`: base units per layer-token.
/// `own_share`: [`Field::own_share`] at the present `price`. `rate`: part of Newton's step that is
/// taken, 1 without noise; let it fall as `1/k` where shares are only estimated. Returns the next
/// price, within `bounds`. A price whose margin is below `1/slope` begins there, since no peak is
/// lower.
pub fn ascend(
    slope: f64,
    expense: f64,
    price: f64,
    own_share: f64,
    rate: f64,
    bounds: Bounds,
) -> f64 {
    let margin = (price - expense).max(slope.recip());
    let lost = slope * margin * (1.0 - own_share);
    let gradient = 1.0 - lost;
    let curvature = lost * (1.0 + slope * margin * own_share);
    let step =
        (rate * gradient / curvature.max(f64::MIN_POSITIVE)).clamp(-LONGEST_STEP, LONGEST_STEP);
    bounds.clamp(expense + margin * step.exp())
}

#[cfg(test)]
mod tests {
    use mica_primitives::LayerRange;

    use super::*;
    use crate::pricing::{Demand, Game, Offer, Player, Units};

    const LAYERS: u16 = 6;

    fn demand() -> Demand {
        Demand::new(0.5, 1.0, Units { price: 100.0, cost: 10.0 }, Some(4.0)).expect("valid")
    }

    fn players() -> Vec<Player> {
        let bounds = Bounds::new(0.0, 1e6).expect("ordered");
        [
            (0, 6, 5.0, 0.0),
            (0, 3, 20.0, 10.0),
            (2, 4, 8.0, 0.0),
            (3, 6, 40.0, 25.0),
            (1, 5, 9.0, 5.0),
        ]
        .map(|(first, end, cost, marginal_cost)| Player {
            range: LayerRange { first, end },
            cost,
            marginal_cost,
            bounds,
        })
        .to_vec()
    }

    fn masses(players: &[Player], prices: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let demand = demand();
        let own: Vec<f64> = players
            .iter()
            .zip(prices)
            .map(|(player, &price)| demand.exponent(Offer { price, cost: player.cost }).exp())
            .collect();
        let mut layers = vec![0.0; LAYERS.into()];
        for (player, mass) in players.iter().zip(&own) {
            player.range.layers().for_each(|layer| layers[usize::from(layer)] += mass);
        }
        (own, layers)
    }

    #[test]
    fn sums_from_the_first_layer_say_what_prospects_say() {
        let players = players();
        let game = Game::new(demand(), LAYERS, players.clone()).expect("valid");
        let prices = [250.0, 300.0, 180.0, 90.0, 400.0];
        let (own, layers) = masses(&players, &prices);
        let mut field = Field::default();
        field.set(demand().outside_exponent().exp(), &layers, &layers);
        for (i, sales) in game.sales(&prices).expect("valid").iter().enumerate() {
            let LayerRange { first, end } = players[i].range;
            assert!((field.sales(first, end, own[i]) - sales).abs() < 1e-12, "worker {i}");
            assert!(field.own_share(first, end, own[i]) < field.joint_share(first, end));
        }
    }

    #[test]
    fn steps_of_everybody_rest_where_best_responses_do_from_any_start() {
        let players = players();
        let game = Game::new(demand(), LAYERS, players.clone()).expect("valid");
        let rest = game.settle(&[200.0; 5], 1e-12, 200).expect("settles");
        for start in [1e-3, 1.0, 200.0, 5_000.0, 9e5] {
            let mut prices = vec![start; 5];
            let mut field = Field::default();
            for _ in 0..120 {
                let (own, layers) = masses(&players, &prices);
                field.set(demand().outside_exponent().exp(), &layers, &[]);
                for (i, player) in players.iter().enumerate() {
                    let share = field.own_share(player.range.first, player.range.end, own[i]);
                    prices[i] = ascend(
                        demand().price_slope(),
                        player.marginal_cost,
                        prices[i],
                        share,
                        1.0,
                        player.bounds,
                    );
                }
            }
            for (found, expected) in prices.iter().zip(&rest.prices) {
                assert!((found / expected - 1.0).abs() < 1e-7, "{start}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn a_layer_without_any_mass_and_bounds_are_kept() {
        let mut field = Field::default();
        field.set(0.0, &[0.0, 0.0], &[]);
        assert_eq!((field.sales(0, 2, 1.0), field.own_share(0, 2, 1.0)), (0.0, 0.0));
        let bounds = Bounds::new(3.0, 4.0).expect("ordered");
        assert_eq!(ascend(1.0, 0.0, 1e9, 0.0, 1.0, bounds), 4.0);
        assert_eq!(ascend(1.0, 0.0, 1.0, 0.0, 1.0, bounds), 3.0);
    }
}
