//! The path of least weight (P2P-LLM Appendix B, weights of eq. 1).
//!
//! Weight of a path: `α·Σ price·layers / p_unit + (1−α)·Σ (cost·layers + hop + latency) / c_unit`;
//! ties go to the faster path.
//!
//! Few edges are looked at. Two workers without measured links that end at the same layer differ
//! only in price and cost, so from any entry layer only the lighter one can be on the best path:
//! one pass over the workers leaves at most one per (entry, end), m²/2 edges for m layers whatever
//! the number of workers. Workers with measured links are kept apart; each of them is entered by
//! its measured links and by one more edge, from the best of all others, since those share one
//! latency. O(V + E) in the vertices kept apart and the links measured. The number of stages is
//! counted only if the best path without counting has too many.

use std::collections::HashMap;

use super::{
    network::{Network, Usable},
    no_path::RouteError,
    path::{Path, Stage},
};
use crate::pricing::Units;

/// How a payer weighs money against time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preference {
    /// α of eq. 1: 0 for time alone, 1 for money alone.
    pub alpha: f64,
    /// The model's exchange rate between money and time.
    pub units: Units,
}

impl Preference {
    /// Weight of base units and microseconds.
    pub(super) fn weight(&self, price: f64, time_us: f64) -> f64 {
        self.alpha * price / self.units.price + (1.0 - self.alpha) * time_us / self.units.cost
    }

    pub(super) fn check(&self) -> Result<(), RouteError> {
        if (0.0..=1.0).contains(&self.alpha) { Ok(()) } else { Err(RouteError::Alpha(self.alpha)) }
    }
}

impl Path {
    /// Weight of the path (eq. 1) under `preference`.
    pub fn weight(&self, preference: Preference) -> f64 {
        preference.weight(self.price_per_token as f64, self.time_us_per_token as f64)
    }
}

impl Network<'_> {
    /// The path of least weight under `preference`.
    ///
    /// # Errors
    /// [`RouteError::Alpha`] outside `[0, 1]`; [`RouteError::TooManyStages`] if no path has few
    /// enough.
    pub fn best_path(&self, preference: Preference) -> Result<Path, RouteError> {
        preference.check()?;
        self.lightest(preference).ok_or(RouteError::TooManyStages(self.request.max_stages))
    }

    /// As [`Network::best_path`]; `None` also where a layer has no worker.
    pub(super) fn lightest(&self, preference: Preference) -> Option<Path> {
        let path = Search::new(self, preference, 0).run()?;
        let most = self.request.max_stages;
        if path.stages.len() <= usize::from(most) {
            Some(path)
        } else {
            Search::new(self, preference, most).run()
        }
    }
}

/// Weight of a partial path; compared by `weight`, then by `time_us`.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Cost {
    weight: f64,
    time_us: f64,
}

impl Cost {
    const UNREACHED: Self = Self { weight: f64::INFINITY, time_us: f64::INFINITY };
}

/// A vertex: everything that ends at one layer and is alike, or one worker with measured links.
#[derive(Clone, Copy)]
enum Node {
    Layer(u16),
    Linked(usize),
}

/// How a vertex was best reached.
#[derive(Clone, Copy)]
struct Arrival {
    cost: Cost,
    /// The vertex before, the worker that led from there (position in `usable`) and where it was
    /// entered.
    from: Option<(Node, usize, u16)>,
}

/// The state of one search. A slot is a number of stages so far, or the only one where stages need
/// no counting.
struct Search<'a> {
    network: &'a Network<'a>,
    preference: Preference,
    layers: u16,
    slots: usize,
    counts: bool,
    /// Lightest unlinked worker (position in `usable`) that covers `[entry, end)` and ends there,
    /// at `end·(layers+1) + entry`.
    lightest: Vec<Option<usize>>,
    /// Workers with measured links, as positions in `usable`.
    linked: Vec<usize>,
    at_layer: Vec<Arrival>,
    at_linked: Vec<Arrival>,
    /// Measured links into each linked worker: sender, as a position in `linked`, and latency in
    /// µs. By rising sender.
    links_into: Vec<Vec<(usize, u32)>>,
}

impl<'a> Search<'a> {
    /// `most_stages`: 0 to leave the stages uncounted.
    fn new(network: &'a Network<'a>, preference: Preference, most_stages: u16) -> Self {
        let layers = network.layers();
        let slots = usize::from(most_stages) + 1;
        let linked: Vec<usize> =
            (0..network.usable.len()).filter(|u| network.usable[*u].linked).collect();
        let position: HashMap<usize, usize> =
            linked.iter().enumerate().map(|(k, u)| (network.usable[*u].worker, k)).collect();
        let mut links_into = vec![Vec::new(); linked.len()];
        for ((from, to), latency_us) in &network.links.measured_us {
            if let (Some(from), Some(to)) = (position.get(from), position.get(to)) {
                links_into[*to].push((*from, *latency_us));
            }
        }
        links_into.iter_mut().for_each(|links| links.sort_unstable());
        let unreached = Arrival { cost: Cost::UNREACHED, from: None };
        let mut search = Self {
            network,
            preference,
            layers,
            slots,
            counts: most_stages > 0,
            lightest: Vec::new(),
            at_layer: vec![unreached; (usize::from(layers) + 1) * slots],
            at_linked: vec![unreached; linked.len() * slots],
            linked,
            links_into,
        };
        search.at_layer[0].cost = Cost { weight: 0.0, time_us: 0.0 };
        search.lightest = search.lightest_workers();
        search
    }

    /// Relaxes in topological order: layer by layer.
    fn run(mut self) -> Option<Path> {
        for layer in 0..self.layers {
            for slot in 0..self.slots {
                self.leave(layer, slot);
            }
        }
        self.path()
    }

    /// One pass over the workers, then along the entry layers: a worker that can be entered at a
    /// layer can be entered later too.
    fn lightest_workers(&self) -> Vec<Option<usize>> {
        let row = usize::from(self.layers) + 1;
        let mut table: Vec<Option<(Cost, usize)>> = vec![None; row * row];
        let lighter = |a: Option<(Cost, usize)>, b: Option<(Cost, usize)>| match (a, b) {
            (Some((cost_a, _)), Some((cost_b, _))) => {
                if cost_b < cost_a {
                    b
                } else {
                    a
                }
            }
            (a, b) => a.or(b),
        };
        for (u, usable) in
            self.network.usable.iter().enumerate().filter(|(_, usable)| !usable.linked)
        {
            let cell = &mut table[usize::from(usable.end) * row + usize::from(usable.first)];
            *cell = lighter(*cell, Some((self.stage_cost(usable, 1, None), u)));
        }
        for end in 1..row {
            for entry in 1..end {
                table[end * row + entry] =
                    lighter(table[end * row + entry - 1], table[end * row + entry]);
            }
        }
        table.into_iter().map(|cell| cell.map(|(_, u)| u)).collect()
    }

    /// Cost of `layers` layers at a worker; with a latency, that of entering it too.
    fn stage_cost(&self, usable: &Usable, layers: u16, latency_us: Option<u32>) -> Cost {
        let candidate = &self.network.candidates[usable.worker];
        let layers = f64::from(layers);
        let entering_us = latency_us
            .map_or(0.0, |latency| f64::from(latency) + f64::from(self.network.links.hop_us));
        let time_us = f64::from(candidate.cost_us_per_layer_token) * layers + entering_us;
        Cost {
            weight: self
                .preference
                .weight(candidate.price_per_layer_token as f64 * layers, time_us),
            time_us,
        }
    }

    /// Relaxes every edge that leaves the vertices ending at `layer` in `slot`.
    fn leave(&mut self, layer: u16, slot: usize) {
        let next = if self.counts { slot + 1 } else { slot };
        if next >= self.slots {
            return;
        }
        let pool = self.at_layer[usize::from(layer) * self.slots + slot].cost;
        let mut ending: Vec<(Cost, usize)> = (0..self.linked.len())
            .filter(|k| self.network.usable[self.linked[*k]].end == layer)
            .map(|k| (self.at_linked[k * self.slots + slot].cost, k))
            .filter(|(cost, _)| cost.weight.is_finite())
            .collect();
        ending.sort_unstable_by(|a, b| {
            a.0.weight.total_cmp(&b.0.weight).then(a.0.time_us.total_cmp(&b.0.time_us))
        });
        let nearest = match ending.first() {
            Some((cost, k)) if *cost < pool => (*cost, Node::Linked(*k)),
            _ => (pool, Node::Layer(layer)),
        };
        if !nearest.0.weight.is_finite() {
            return;
        }
        let row = usize::from(self.layers) + 1;
        for end in layer + 1..=self.layers {
            if let Some(u) = self.lightest[usize::from(end) * row + usize::from(layer)] {
                let from = (nearest.1, u, layer);
                self.relax(
                    Node::Layer(end),
                    next,
                    nearest.0,
                    self.network.links.assumed_us,
                    from,
                    end - layer,
                );
            }
        }
        for k in 0..self.linked.len() {
            let usable = self.network.usable[self.linked[k]];
            if usable.first <= layer && layer < usable.end {
                self.enter_linked(k, layer, slot, next, &ending);
            }
        }
    }

    /// Relaxes the edges into one worker with measured links.
    fn enter_linked(
        &mut self,
        k: usize,
        layer: u16,
        slot: usize,
        next: usize,
        ending: &[(Cost, usize)],
    ) {
        let u = self.linked[k];
        let length = self.network.usable[u].end - layer;
        let assumed_us = self.network.links.assumed_us;
        let pool = self.arrival(Node::Layer(layer), slot).cost;
        if pool.weight.is_finite() {
            self.relax(
                Node::Linked(k),
                next,
                pool,
                assumed_us,
                (Node::Layer(layer), u, layer),
                length,
            );
        }
        let links = std::mem::take(&mut self.links_into[k]);
        for &(before, latency_us) in &links {
            let cost = self.arrival(Node::Linked(before), slot).cost;
            if self.network.usable[self.linked[before]].end == layer && cost.weight.is_finite() {
                self.relax(
                    Node::Linked(k),
                    next,
                    cost,
                    latency_us,
                    (Node::Linked(before), u, layer),
                    length,
                );
            }
        }
        let is_measured =
            |before: &usize| links.binary_search_by_key(before, |(from, _)| *from).is_ok();
        if let Some((cost, before)) = ending.iter().find(|(_, before)| !is_measured(before)) {
            self.relax(
                Node::Linked(k),
                next,
                *cost,
                assumed_us,
                (Node::Linked(*before), u, layer),
                length,
            );
        }
        self.links_into[k] = links;
    }

    fn relax(
        &mut self,
        node: Node,
        slot: usize,
        before: Cost,
        latency_us: u32,
        from: (Node, usize, u16),
        length: u16,
    ) {
        let stage = self.stage_cost(&self.network.usable[from.1], length, Some(latency_us));
        let cost =
            Cost { weight: before.weight + stage.weight, time_us: before.time_us + stage.time_us };
        let arrival = match node {
            Node::Layer(layer) => &mut self.at_layer[usize::from(layer) * self.slots + slot],
            Node::Linked(k) => &mut self.at_linked[k * self.slots + slot],
        };
        if cost < arrival.cost {
            *arrival = Arrival { cost, from: Some(from) };
        }
    }

    fn arrival(&self, node: Node, slot: usize) -> &Arrival {
        match node {
            Node::Layer(layer) => &self.at_layer[usize::from(layer) * self.slots + slot],
            Node::Linked(k) => &self.at_linked[k * self.slots + slot],
        }
    }

    /// Follows the best arrival at the last layer back to the start.
    fn path(&self) -> Option<Path> {
        let last = (0..self.linked.len())
            .filter(|k| self.network.usable[self.linked[*k]].end == self.layers)
            .map(Node::Linked)
            .chain([Node::Layer(self.layers)]);
        let (mut node, mut slot) = last
            .flat_map(|node| (0..self.slots).map(move |slot| (node, slot)))
            .reduce(|a, b| {
                if self.arrival(b.0, b.1).cost < self.arrival(a.0, a.1).cost { b } else { a }
            })?;
        if !self.arrival(node, slot).cost.weight.is_finite() {
            return None;
        }
        let mut stages = Vec::new();
        let mut end = self.layers;
        // Every step leads to an earlier layer, so there are at most as many as layers.
        while let Some((before, u, entry)) = self.arrival(node, slot).from {
            stages.push(Stage {
                worker: self.network.usable[u].worker,
                range: self.network.model_range(entry, end),
            });
            (node, end) = (before, entry);
            slot -= usize::from(self.counts);
        }
        stages.reverse();
        Some(Path::new(self.network.candidates, self.network.links, stages))
    }
}
