//! The mathematics of the Mica market: what to ask, whom to pick, where to serve.
//!
//! Workers serve ranges of a model's layers and name a price; payers pick a path of workers. This
//! crate is the reasoning behind both, after P2P-LLM (Boessen), sections 3.1 to 3.4, and nothing
//! else: it does no I/O, reads no clock and draws no random numbers. Time and chance are arguments.
//! The worker's daemon, the client's router and simulations share it.
//!
//! # Quantities
//!
//! A worker's **price** `p` (base units) and **cost** `c` (microseconds, measured) are both per
//! layer and token, so that ranges of different width compare. They are added into one **weight**,
//! `w = α·p/p_unit + (1−α)·c/c_unit` (eq. 1): α is the payer's preference, the units are constants
//! of the model's market, registered on chain. Payments are `u128` base units and are summed
//! exactly; prices become `f64` only inside the pricing game, and its caller rounds the result
//! back.
//!
//! # Pricing: [`pricing`]
//!
//! Payers pick a worker with Boltzmann probability (eq. 3), or an outside option. A worker asks the
//! price with the greatest expected profit (eq. 2) given what the others ask now, by gradient
//! ascent on log profit:
//!
//! ```
//! use mica_market::pricing::{Bounds, Demand, Offer, Prospect, Units, best_price};
//!
//! let units = Units { price: 1_000_000.0, cost: 1_000.0 };
//! let demand = Demand::new(0.5, 1.0, units, Some(8.0))?;
//! let rivals = [Offer { price: 900_000.0, cost: 2_500.0 }, Offer { price: 4_000_000.0, cost: 400.0 }];
//! let prospect = Prospect::on_layer(&demand, 1_200.0, 0.0, &rivals)?;
//! let best = best_price(&prospect, Bounds::new(1.0, 1e9)?, 1_000_000.0)?;
//! assert!(prospect.profit(best.price * 1.01) < best.profit && prospect.profit(best.price * 0.99) < best.profit);
//! # Ok::<(), mica_market::pricing::PricingError>(())
//! ```
//!
//! Over several layers the sum is what counts ([`pricing::Prospect::new`]). When every worker does
//! this they settle at the unique equilibrium ([`pricing::Game::settle`]), `p* − e = T·p_unit /
//! (α·(1−P*))` on a single layer, where nobody gains by changing its price (eq. 6,
//! [`pricing::Game::nash_check`]). How sharply payers really choose is fitted to quotes won and
//! lost ([`pricing::fit_temperature`]). The paper's own fixed-size step (eq. 5) is
//! [`pricing::literal_step`].
//!
//! # Routing: [`routing`]
//!
//! ```
//! use mica_market::{pricing::Units, routing::{Availability, Candidate, FrontierLimits, Links, Network, Preference, Request}};
//! use mica_primitives::LayerRange;
//!
//! let worker = |first, end, price, cost| Candidate {
//!     range: LayerRange { first, end },
//!     price_per_layer_token: price,
//!     cost_us_per_layer_token: cost,
//!     availability: Availability::Ready { free_positions: 4_096 },
//! };
//! let candidates = [worker(0, 8, 5, 900), worker(0, 4, 1, 700), worker(2, 8, 2, 800)];
//! let links = Links { hop_us: 500, assumed_us: 1_000, ..Links::default() };
//! let request = Request { layers: LayerRange { first: 0, end: 8 }, positions: 512, max_stages: 16 };
//! let network = Network::new(&candidates, &links, request, &[])?;
//!
//! let units = Units { price: 10.0, cost: 1_000.0 };
//! let cheap = network.best_path(Preference { alpha: 1.0, units })?;
//! assert_eq!((cheap.price_per_token, cheap.stages.len()), (4 + 4 * 2, 2));
//! let frontier = network.frontier(units, FrontierLimits::default())?;
//! let fast = frontier.choose(Some(100), None, Preference { alpha: 0.5, units })?;
//! assert!(fast.time_us_per_token <= cheap.time_us_per_token);
//! # Ok::<(), mica_market::routing::RouteError>(())
//! ```
//!
//! A worker serves from where the stage before it ends to the end of its range. To replace a lost
//! stage, ask for that stage's layers only: ranges are clipped to the request. Workers are
//! identified by their position in the slice of candidates throughout.
//!
//! # Migration: [`migration`]
//!
//! [`migration::Round::decide`] tells a worker whether its share of computing power (eq. 7) would
//! be so much larger elsewhere (eq. 8) that it should move, and whether it is its turn. A newcomer
//! asks [`migration::Supply::best_range`].
//!
//! # Invariants
//!
//! * Every search is bounded: steps and evaluations of an ascent, rounds of a game, labels of a
//!   frontier, waits after a failure.
//! * No worker is on a path twice; a path covers what was asked for exactly; its totals are exact
//!   integers.
//! * A layer that is served and whose workers all follow [`migration`] is never left bare.
//! * With units of 1, T = 1 and no outside option every formula is the paper's.
#![forbid(unsafe_code)]

pub mod migration;
pub mod pricing;
pub mod routing;
