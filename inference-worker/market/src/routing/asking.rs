//! Whom to ask for a quote: with ten thousand workers not all of them, and not the first ones of
//! some order either.
//!
//! What the registry lists and what the payer remembers is enough to rank paths; a quote then says
//! whether the price holds, whether there is room, and whether anybody is there. So the workers of
//! the few best paths are asked that share no worker with each other: one that is silent, full or
//! lies breaks at most one of them.

use mica_primitives::Balance;

use super::{
    network::Network, no_path::RouteError, pareto::FrontierLimits, path::Path, shortest::Preference,
};

/// What a payer wants of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// How money is weighed against time.
    pub preference: Preference,
    /// Most base units per token.
    pub max_price: Option<Balance>,
    /// Most µs per token.
    pub deadline_us: Option<u64>,
}

impl Wish {
    /// Whether `path` keeps to the limits.
    fn allows(&self, path: &Path) -> bool {
        self.max_price.is_none_or(|most| path.price_per_token <= most)
            && self.deadline_us.is_none_or(|most| path.time_us_per_token <= most)
    }
}

impl Network<'_> {
    /// The path for `wish`: the one of least weight if it keeps to the limits, so that a limit that
    /// is there for safety alone changes nothing; else the one that [`super::Frontier::choose`]
    /// takes.
    ///
    /// # Errors
    /// Those of [`Network::best_path`]; [`RouteError::OverLimits`].
    pub fn choose(&self, wish: &Wish) -> Result<Path, RouteError> {
        let best = self.best_path(wish.preference)?;
        if wish.allows(&best) {
            return Ok(best);
        }
        self.frontier(wish.preference.units, FrontierLimits::default())?
            .choose(wish.max_price, wish.deadline_us, wish.preference)
            .cloned()
    }

    /// The workers of up to `k` paths that share none, best path first, by their positions among
    /// the candidates.
    ///
    /// List prices are ceilings, so where no path is within the limits the cheapest (or with only a
    /// deadline the fastest) stands in: its workers may ask for less.
    ///
    /// # Errors
    /// Those of [`Network::best_path`], for the first path only.
    pub fn workers_to_ask(&self, wish: &Wish, k: usize) -> Result<Vec<usize>, RouteError> {
        let mut left = self.clone();
        let mut asked = Vec::new();
        for _ in 0..k {
            let path = match left.lightest(wish.preference) {
                Some(_) => left.choose(wish).or_else(|_| left.nearest(wish)),
                None => left.best_path(wish.preference),
            };
            match path {
                Ok(path) => {
                    left.usable.retain(|usable| {
                        path.stages.iter().all(|stage| stage.worker != usable.worker)
                    });
                    asked.extend(path.stages.iter().map(|stage| stage.worker));
                }
                Err(error) if asked.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(asked)
    }

    /// The path that comes nearest to the limits of `wish`.
    fn nearest(&self, wish: &Wish) -> Result<Path, RouteError> {
        let alpha = if wish.max_price.is_some() { 1.0 } else { 0.0 };
        self.best_path(Preference { alpha, ..wish.preference })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pricing::Units,
        routing::{Availability, Candidate, Links, Request},
    };
    use mica_primitives::LayerRange;

    const WISH: Wish = Wish {
        preference: Preference { alpha: 0.5, units: Units { price: 1.0, cost: 1.0 } },
        max_price: None,
        deadline_us: None,
    };

    fn worker(first: u16, end: u16, price: Balance, cost_us: u32) -> Candidate {
        Candidate {
            range: LayerRange { first, end },
            price_per_layer_token: price,
            cost_us_per_layer_token: cost_us,
            availability: Availability::Ready { free_positions: 10 },
        }
    }

    fn to_ask(candidates: &[Candidate], wish: &Wish, k: usize) -> Vec<usize> {
        let links = Links::default();
        let request =
            Request { layers: LayerRange { first: 0, end: 8 }, positions: 1, max_stages: 16 };
        let network = Network::new(candidates, &links, request, &[]).expect("covered");
        network.workers_to_ask(wish, k).expect("a path")
    }

    #[test]
    fn the_best_are_asked_wherever_they_stand_in_the_list() {
        let mut candidates = vec![worker(0, 8, 1_000, 1_000); 200];
        candidates.extend([worker(0, 4, 9, 9), worker(4, 8, 9, 9), worker(0, 8, 20, 20)]);
        assert_eq!(to_ask(&candidates, &WISH, 2), [200, 201, 202]);
        let asked = to_ask(&candidates, &WISH, 3);
        assert!(asked.len() == 4 && asked[3] < 200, "{asked:?}");
    }

    #[test]
    fn no_worker_is_asked_twice_and_a_missing_spare_ends_the_list() {
        let candidates = [worker(0, 4, 1, 1), worker(0, 4, 2, 2), worker(4, 8, 1, 1)];
        assert_eq!(to_ask(&candidates, &WISH, 3), [0, 2]);
        assert_eq!(to_ask(&candidates, &WISH, 0), [0; 0]);
    }

    #[test]
    fn a_limit_that_the_best_path_keeps_to_changes_nothing() {
        // The others are faster or cheaper, and within the limits.
        let candidates = [worker(0, 8, 10, 100), worker(0, 8, 60, 90), worker(0, 8, 9, 200)];
        let links = Links::default();
        let request =
            Request { layers: LayerRange { first: 0, end: 8 }, positions: 1, max_stages: 16 };
        let network = Network::new(&candidates, &links, request, &[]).expect("covered");
        let taken = |max_price, deadline_us| {
            let wish = Wish { max_price, deadline_us, ..WISH };
            network.choose(&wish).expect("a path").stages[0].worker
        };
        let far = (Some(1_000_000), Some(1_000_000_000));
        for (max_price, deadline_us) in [(None, None), (far.0, None), (None, far.1), far] {
            assert_eq!(taken(max_price, deadline_us), 0, "{max_price:?} {deadline_us:?}");
        }
        assert_eq!(taken(Some(79), None), 2, "it is too dear");
        let hops = u64::from(links.hop_us) + u64::from(links.assumed_us);
        assert_eq!(taken(None, Some(hops + 799)), 1, "it is too slow");
    }

    #[test]
    fn limits_that_list_prices_miss_lead_to_those_who_come_nearest() {
        let candidates = [worker(0, 8, 50, 1), worker(0, 8, 10, 100), worker(0, 8, 20, 90)];
        let cheap = Wish { max_price: Some(1), ..WISH };
        assert_eq!(to_ask(&candidates, &cheap, 1), [1]);
        let fast = Wish { deadline_us: Some(1), ..WISH };
        assert_eq!(to_ask(&candidates, &fast, 1), [0]);
        let within = Wish { max_price: Some(170), ..WISH };
        assert_eq!(to_ask(&candidates, &within, 2), [2, 1]);
    }
}
