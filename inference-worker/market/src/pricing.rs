//! Pricing: what a worker asks for one layer-token, and why (P2P-LLM section 3.3 and 3.4).
//!
//! Data flows through the files in this order: [`demand`] turns offers into the probability that a
//! payer picks them (eq. 1 and 3), [`revenue`] turns that into one worker's expected revenue and
//! its slope (eq. 2), [`ascent`] climbs to its peak, [`literal`] is the paper's own climbing rule
//! (eq. 5), [`game`] lets all workers of a model climb against each other, [`nash`] checks that
//! nobody gains by leaving the point they reach (eq. 6), [`temperature`] fits how sharply payers
//! choose to what was seen, [`rule`] holds what workers believe and when they act, and [`crowd`] is
//! the climb in single steps for millions of workers at once.

pub mod ascent;
pub mod crowd;
pub mod demand;
pub mod game;
pub mod literal;
pub mod nash;
pub mod revenue;
pub mod rule;
pub mod temperature;

pub use ascent::{Optimum, best_price};
pub use demand::{Demand, Offer, Units};
pub use game::{Game, Player, Settled};
pub use literal::literal_step;
pub use nash::{Deviation, NashReport};
pub use revenue::{Bounds, Prospect};
pub use temperature::{Fit, Observation, TemperatureBounds, fit_temperature};

/// Why a price could not be computed. Every message names what to change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PricingError {
    /// α outside `[0, 1]`.
    #[error("alpha is {0}: choose a number from 0 (only time counts) to 1 (only money counts)")]
    Alpha(f64),
    /// T not a positive number.
    #[error("temperature is {0}: it must be positive and finite")]
    Temperature(f64),
    /// A unit of the model's market that is not a positive number.
    #[error("a market unit is {0}: register the model with units of at least 1")]
    Unit(f64),
    /// A price, cost or weight that is not a number, or negative where that has no meaning.
    #[error("{what} is {value}: it must be finite and not negative")]
    Quantity {
        /// The name of the quantity.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// `floor > ceiling`.
    #[error(
        "price floor {floor} is above the ceiling {ceiling}: lower the floor or raise the list \
         price"
    )]
    EmptyBounds {
        /// Least price.
        floor: f64,
        /// Highest price.
        ceiling: f64,
    },
    /// The ceiling does not even pay for the worker's own expense.
    #[error(
        "the ceiling {ceiling} does not exceed the marginal cost {marginal_cost}: raise the list \
         price or stop serving"
    )]
    Unprofitable {
        /// Highest price.
        ceiling: f64,
        /// Expense per layer-token.
        marginal_cost: f64,
    },
    /// A worker without layers has nothing to price.
    #[error("no layer to price: give the worker a range of at least one layer inside the model")]
    NoLayers,
    /// Numbers of prices and players differ.
    #[error("{given} prices for {expected} players")]
    Length {
        /// Prices given.
        given: usize,
        /// Players in the game.
        expected: usize,
    },
    /// The solver gave up; a defect, since log profit has one peak.
    #[error("the price solver failed: {0}")]
    Solver(String),
}
