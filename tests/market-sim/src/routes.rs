//! Payers who pick whole paths by the production code's router, and what they pick among.

use mica_market::{
    pricing::Units,
    routing::{
        Availability, Candidate, Frontier, FrontierLimits, Links, Network, Preference, Request,
        RouteError,
    },
};
use mica_primitives::{Balance, LayerRange};

use crate::{
    agents::Block,
    random::{Purpose, unit, word},
    world::World,
};

/// Units of the standard market.
pub const UNITS: Units = Units { price: 1_000_000.0, cost: 100.0 };
/// Most stages of a path.
const MAX_STAGES: u16 = 64;
/// Time that entering a worker takes, µs.
const LINKS_US: (u32, u32) = (1_000, 5_000);

/// A path's price and time per token: base units and µs.
pub type Point = (f64, f64);

/// What payers with preferences from 0 to 1 pick at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Routes {
    /// Payers.
    pub payers: u32,
    /// Mean price per token, base units.
    pub price: f64,
    /// Mean time per token, µs.
    pub time_us: f64,
    /// Mean number of workers on a path.
    pub stages: f64,
    /// Part of the payers that the most picked worker has.
    pub most_picked: f64,
}

/// The workers that serve, as a payer's router sees them.
pub struct Snapshot {
    candidates: Vec<Candidate>,
    links: Links,
    layers: u16,
    seed: u64,
}

impl Snapshot {
    /// Reads a world.
    pub fn new(world: &World) -> Self {
        let candidate = |(block, i): (&Block, usize)| Candidate {
            range: LayerRange { first: block.first[i], end: block.end[i] },
            // Within the bounds of prices, which are far below a balance's.
            price_per_layer_token: block.price[i].round() as Balance,
            cost_us_per_layer_token: block.believed_us[i],
            availability: Availability::Ready { free_positions: 4_096 },
        };
        Self {
            candidates: world
                .here()
                .filter(|(block, i)| block.until[*i] <= world.now)
                .map(candidate)
                .collect(),
            links: Links { hop_us: LINKS_US.0, assumed_us: LINKS_US.1, ..Links::default() },
            layers: world.setting.layers,
            seed: world.setting.seed,
        }
    }

    fn network(&self) -> Result<Network<'_>, RouteError> {
        let request = Request {
            layers: LayerRange { first: 0, end: self.layers },
            positions: 512,
            max_stages: MAX_STAGES,
        };
        Network::new(&self.candidates, &self.links, request, &[])
    }

    /// What this many payers pick, each with a preference drawn evenly.
    ///
    /// # Errors
    /// [`RouteError`] where a layer has no worker.
    pub fn pick(&self, payers: u32) -> Result<Routes, RouteError> {
        let network = self.network()?;
        let mut picked = vec![0u32; self.candidates.len()];
        let mut routes = Routes { payers, ..Routes::default() };
        for payer in 0..payers {
            let alpha = unit(self.seed, Purpose::Payer, payer.into(), 1);
            let path = network.best_path(Preference { alpha, units: UNITS })?;
            routes.price += path.price_per_token as f64 / f64::from(payers);
            routes.time_us += path.time_us_per_token as f64 / f64::from(payers);
            routes.stages += path.stages.len() as f64 / f64::from(payers);
            path.stages.iter().for_each(|stage| picked[stage.worker] += 1);
        }
        let most = picked.into_iter().max().unwrap_or(0);
        routes.most_picked = f64::from(most) / f64::from(payers.max(1));
        Ok(routes)
    }

    /// All paths that no other beats in price and time.
    ///
    /// # Errors
    /// [`RouteError`] where a layer has no worker.
    pub fn frontier(&self) -> Result<Frontier, RouteError> {
        self.network()?.frontier(UNITS, FrontierLimits::default())
    }

    /// Price and time of paths put together at random: at each layer one of those who serve it,
    /// until its range ends. None where a layer has no worker.
    pub fn at_random(&self, paths: u64) -> Vec<Point> {
        (0..paths).filter_map(|path| self.walk(path)).collect()
    }

    fn walk(&self, path: u64) -> Option<Point> {
        let (mut layer, mut price, mut time_us) = (0, 0.0, 0.0);
        while layer < self.layers {
            let here: Vec<&Candidate> =
                self.candidates.iter().filter(|one| one.range.contains(layer)).collect();
            let draw = word(self.seed, Purpose::Sample, path, u64::from(layer) + 1_000);
            let one = here.get((draw % here.len().max(1) as u64) as usize)?;
            let layers = f64::from(one.range.end - layer);
            price += layers * one.price_per_layer_token as f64;
            time_us += layers * f64::from(one.cost_us_per_layer_token)
                + f64::from(LINKS_US.0 + LINKS_US.1);
            layer = one.range.end;
        }
        Some((price, time_us))
    }
}
