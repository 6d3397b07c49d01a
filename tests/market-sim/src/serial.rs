//! What a path of many sellers costs, against one seller of all layers.
//!
//! A payer needs all layers or none. Each of many sellers that raises its price then loses sales
//! for all the others too and does not mind: prices are marked up once per seller (Cournot 1838).
//! Here the payer's choice between buying a path and doing without is a logit over the sum of what
//! its layers are worth, with a reservation of `layers` times one layer's and a spread that grows
//! with the root of the number of layers, as that of a sum of independent tastes does. On each
//! layer `sellers` equal workers without expense compete by eq. 3.

use mica_market::pricing::{Bounds, Game, Player, PricingError};
use mica_primitives::LayerRange;

use crate::market::Stream;

/// Cost of every seller, µs per layer-token.
const COST_US: f64 = 100.0;
/// Steps of a bisection: more than a float has bits.
const STEPS: u32 = 100;

/// Prices of all layers together, base units per token, and the part of payers who buy.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Markup {
    /// Layers in series.
    pub layers: u16,
    /// Sellers of each layer.
    pub sellers: u16,
    /// What sellers ask by the workers' rule, each of which takes its layer for a market of its
    /// own.
    pub rule: f64,
    /// Part of payers who buy then.
    pub rule_buyers: f64,
    /// What they would ask if each knew how payers choose whole paths.
    pub serial: f64,
    /// Part of payers who buy then.
    pub serial_buyers: f64,
    /// What a single owner of all layers and sellers would ask.
    pub single: f64,
    /// Part of payers who buy then.
    pub single_buyers: f64,
}

/// Compares the three for payers of this stream.
///
/// # Errors
/// [`PricingError`] where the production code cannot price.
pub fn markup(
    stream: &Stream,
    bounds: Bounds,
    layers: u16,
    sellers: u16,
) -> Result<Markup, PricingError> {
    let path = Path { stream, layers: layers.into(), sellers: sellers.into() };
    let own = f64::from(sellers).recip();
    // A seller's margin is the inverse of what a higher price loses it: to rivals on the layer, and
    // with the whole path.
    let serial =
        path.rest(|lost| (stream.per_price * (1.0 - own) + path.per_price() * own * lost).recip());
    let single = path.rest(|lost| (path.per_price() * lost * path.layers).recip());
    let range = LayerRange { first: 0, end: 1 };
    let player = Player { range, cost: COST_US, marginal_cost: 0.0, bounds };
    let game = Game::new(stream.demand, 1, vec![player; sellers.into()])?;
    let settled = game.settle(&vec![2.0 / stream.per_price; sellers.into()], 1e-10, 400)?;
    let rule = settled.prices.first().copied().unwrap_or(0.0);
    Ok(Markup {
        layers,
        sellers,
        rule: rule * path.layers,
        rule_buyers: path.buyers(rule),
        serial: serial * path.layers,
        serial_buyers: path.buyers(serial),
        single: single * path.layers,
        single_buyers: path.buyers(single),
    })
}

struct Path<'a> {
    stream: &'a Stream,
    layers: f64,
    sellers: f64,
}

impl Path<'_> {
    /// How fast the exponent of buying a path falls with its price.
    fn per_price(&self) -> f64 {
        self.stream.per_price / self.layers.sqrt()
    }

    /// Part of payers who buy a path when every layer costs `price`.
    fn buyers(&self, price: f64) -> f64 {
        let layer = (self.sellers * self.stream.mass(price, COST_US)).ln();
        let exponent = layer * self.layers / self.layers.sqrt();
        1.0 / (1.0 + (-exponent).exp())
    }

    /// The price of a layer that is `margin` of the part of payers lost at that price. The margin
    /// falls with the price, because more are lost, so there is one.
    fn rest(&self, margin: impl Fn(f64) -> f64) -> f64 {
        let (mut low, mut high) = (0.0, 1e3 / self.stream.per_price);
        for _ in 0..STEPS {
            let price = 0.5 * (low + high);
            if margin(1.0 - self.buyers(price)) > price { low = price } else { high = price }
        }
        0.5 * (low + high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Market;

    fn of(layers: u16, sellers: u16) -> Markup {
        let market = Market::standard().expect("valid");
        markup(&market.streams[0], market.bounds, layers, sellers).expect("prices")
    }

    #[test]
    fn one_seller_of_one_layer_is_a_single_seller_and_asks_what_the_rule_says() {
        let one = of(1, 1);
        assert!((one.serial / one.single - 1.0).abs() < 1e-9, "{one:?}");
        assert!((one.rule / one.single - 1.0).abs() < 1e-6, "{one:?}");
    }

    #[test]
    fn many_single_sellers_in_series_ask_more_together_and_sell_less_than_one() {
        let many = of(22, 1);
        assert!(many.serial > 1.1 * many.single, "{many:?}");
        assert!(many.serial_buyers < many.single_buyers, "{many:?}");
    }

    #[test]
    fn rivals_on_every_layer_bring_the_path_below_a_single_sellers_price() {
        let rivals = of(22, 8);
        assert!(rivals.serial < rivals.single && rivals.rule < rivals.single, "{rivals:?}");
    }
}
