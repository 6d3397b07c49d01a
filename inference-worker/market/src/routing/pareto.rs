//! All paths that no other beats in both price and time (P2P-LLM section 3.2), by label setting
//! with dominance pruning.
//!
//! A label is a partial path: its price, its time, its last worker. Labels move from layer to layer
//! in topological order; at each layer dominated labels are dropped. With measured links a label
//! dominates another only if it still does when its next link is the worst possible and the other's
//! the best, so nothing that could win later is lost.
//!
//! A frontier can grow with every layer, so labels per layer and workers per edge are bounded.
//! Where a bound is reached, evenly spaced ones are kept, the best paths for a range of α are
//! added, and [`Frontier::is_exact`] is false.

use mica_primitives::Balance;

use super::{
    network::Network,
    no_path::RouteError,
    path::{Path, Stage},
    shortest::Preference,
};
use crate::pricing::Units;

/// Bounds on the work of a frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontierLimits {
    /// Most labels kept at a layer, and most paths returned but for those of the row of α; at least
    /// 2.
    pub labels: usize,
    /// Most workers tried per pair of entry and end layer, besides those with measured links; at
    /// least 2.
    pub workers: usize,
}

impl Default for FrontierLimits {
    fn default() -> Self {
        Self { labels: 128, workers: 16 }
    }
}

/// Values of α whose best paths join a frontier that was thinned out.
const ALPHAS: u32 = 32;
/// Labels waiting at a layer above which they are pruned early.
const MAX_WAITING: usize = 1 << 16;

/// Paths by rising price and falling time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    paths: Vec<Path>,
    exact: bool,
}

impl Frontier {
    /// The paths, cheapest first, fastest last; at least one.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Whether this is the whole frontier.
    pub const fn is_exact(&self) -> bool {
        self.exact
    }

    /// The path for a payer with limits: with only a price limit the fastest within it, with only a
    /// deadline the cheapest within it, with both or neither the one of least weight within them.
    ///
    /// # Errors
    /// [`RouteError::OverLimits`] if no path is within the limits.
    pub fn choose(
        &self,
        max_price: Option<Balance>,
        deadline_us: Option<u64>,
        preference: Preference,
    ) -> Result<&Path, RouteError> {
        let within = self.paths.iter().filter(|path| {
            max_price.is_none_or(|most| path.price_per_token <= most)
                && deadline_us.is_none_or(|most| path.time_us_per_token <= most)
        });
        let chosen = match (max_price, deadline_us) {
            (Some(_), None) => within.min_by_key(|path| path.time_us_per_token),
            (None, Some(_)) => within.min_by_key(|path| path.price_per_token),
            _ => within.min_by(|a, b| a.weight(preference).total_cmp(&b.weight(preference))),
        };
        chosen.ok_or(RouteError::OverLimits {
            max_price,
            deadline_us,
            cheapest: self
                .paths
                .iter()
                .map(|path| path.price_per_token)
                .min()
                .unwrap_or(Balance::MAX),
            fastest_us: self
                .paths
                .iter()
                .map(|path| path.time_us_per_token)
                .min()
                .unwrap_or(u64::MAX),
        })
    }
}

impl Network<'_> {
    /// The Pareto frontier of (price, time) per token. `units` only place the row of α where the
    /// frontier had to be thinned out.
    ///
    /// # Errors
    /// [`RouteError::TooManyStages`] if no path has few enough stages.
    pub fn frontier(&self, units: Units, limits: FrontierLimits) -> Result<Frontier, RouteError> {
        let limits =
            FrontierLimits { labels: limits.labels.max(2), workers: limits.workers.max(2) };
        let mut labels = Labels::new(self, limits);
        let last = labels.run();
        let mut paths: Vec<Path> = last.into_iter().map(|label| labels.path(label)).collect();
        if !labels.exact {
            let row =
                (0..=ALPHAS).map(|i| Preference { alpha: f64::from(i) / f64::from(ALPHAS), units });
            paths.extend(row.filter_map(|preference| self.lightest(preference)));
        }
        paths.sort_by_key(|path| (path.price_per_token, path.time_us_per_token));
        let mut fastest = u64::MAX;
        paths.retain(|path| {
            let faster = path.time_us_per_token < fastest;
            fastest = fastest.min(path.time_us_per_token);
            faster
        });
        if paths.is_empty() {
            Err(RouteError::TooManyStages(self.request.max_stages))
        } else {
            Ok(Frontier { paths, exact: labels.exact })
        }
    }
}

/// A partial path.
#[derive(Clone, Copy)]
struct Label {
    price: Balance,
    time_us: u64,
    stages: u16,
    /// Last worker (position in `usable`) and the layer at which it was entered; none at the start.
    last: Option<(usize, u16)>,
    /// Position of the label before in the arena.
    before: usize,
}

struct Labels<'a> {
    network: &'a Network<'a>,
    limits: FrontierLimits,
    exact: bool,
    /// Labels that were kept, at all layers.
    arena: Vec<Label>,
    /// Unlinked workers that may serve up to a layer, from the entry layer reached so far on: none
    /// dearer and slower than another.
    skylines: Vec<Vec<usize>>,
    /// Least and greatest latency of a link out of each linked worker, by position in `usable`.
    latency_out_us: std::collections::HashMap<usize, (u32, u32)>,
}

impl<'a> Labels<'a> {
    fn new(network: &'a Network<'a>, limits: FrontierLimits) -> Self {
        let position: std::collections::HashMap<usize, usize> = network
            .usable
            .iter()
            .enumerate()
            .filter(|(_, usable)| usable.linked)
            .map(|(u, usable)| (usable.worker, u))
            .collect();
        let assumed = network.links.assumed_us;
        let mut latency_out_us: std::collections::HashMap<usize, (u32, u32)> =
            position.values().map(|u| (*u, (assumed, assumed))).collect();
        for ((from, _), &latency) in &network.links.measured_us {
            if let Some((least, greatest)) =
                position.get(from).and_then(|u| latency_out_us.get_mut(u))
            {
                *least = latency.min(*least);
                *greatest = latency.max(*greatest);
            }
        }
        let skylines = vec![Vec::new(); usize::from(network.layers()) + 1];
        Self { network, limits, exact: true, arena: Vec::new(), skylines, latency_out_us }
    }

    /// Moves labels through all layers; returns those at the last.
    fn run(&mut self) -> Vec<Label> {
        let layers = self.network.layers();
        let mut waiting: Vec<Vec<Label>> = vec![Vec::new(); usize::from(layers) + 1];
        waiting[0].push(Label { price: 0, time_us: 0, stages: 0, last: None, before: 0 });
        let mut entered_at: Vec<Vec<usize>> = vec![Vec::new(); layers.into()];
        for (u, usable) in self.network.usable.iter().enumerate() {
            entered_at[usize::from(usable.first)].push(u);
        }
        let mut linked: Vec<usize> = Vec::new();
        for layer in 0..layers {
            linked.retain(|u| self.network.usable[*u].end > layer);
            for &u in &entered_at[usize::from(layer)] {
                let usable = &self.network.usable[u];
                if usable.linked {
                    linked.push(u)
                } else {
                    self.skylines[usize::from(usable.end)].push(u)
                }
            }
            let kept = self.prune(std::mem::take(&mut waiting[usize::from(layer)]), layer);
            let first = self.arena.len();
            self.arena.extend(kept);
            if self.arena.len() == first {
                continue;
            }
            for end in layer + 1..=layers {
                let mut workers = self.skyline(end);
                workers.extend(linked.iter().filter(|u| self.network.usable[**u].end == end));
                for u in workers {
                    for before in first..self.arena.len() {
                        waiting[usize::from(end)].extend(self.extend(before, u, layer, end));
                    }
                    if waiting[usize::from(end)].len() > MAX_WAITING {
                        waiting[usize::from(end)] =
                            self.prune(std::mem::take(&mut waiting[usize::from(end)]), end);
                    }
                }
            }
        }
        let last = std::mem::take(&mut waiting[usize::from(layers)]);
        self.prune(last, layers)
    }

    /// Unlinked workers up to `end` that no other beats in price and cost, thinned out to the
    /// bound.
    fn skyline(&mut self, end: u16) -> Vec<usize> {
        let candidate = |u: usize| &self.network.candidates[self.network.usable[u].worker];
        let skyline = &mut self.skylines[usize::from(end)];
        skyline.sort_by_key(|u| {
            (candidate(*u).price_per_layer_token, candidate(*u).cost_us_per_layer_token)
        });
        let mut least = u64::MAX;
        skyline.retain(|u| {
            let cost = u64::from(candidate(*u).cost_us_per_layer_token);
            let faster = cost < least;
            least = least.min(cost);
            faster
        });
        self.exact &= skyline.len() <= self.limits.workers;
        thin(skyline, self.limits.workers)
    }

    /// The label of `before` going through a worker, if stages are left.
    fn extend(&self, before: usize, u: usize, entry: u16, end: u16) -> Option<Label> {
        let label = &self.arena[before];
        if label.stages >= self.network.request.max_stages {
            return None;
        }
        let usable = &self.network.usable[u];
        let candidate = &self.network.candidates[usable.worker];
        let links = self.network.links;
        let sender = label
            .last
            .map(|(u, _)| &self.network.usable[u])
            .filter(|sender| sender.linked && usable.linked);
        let latency_us = links.latency_us(sender.map(|sender| sender.worker), usable.worker);
        let length = end - entry;
        Some(Label {
            price: label.price + candidate.price_per_layer_token * Balance::from(length),
            time_us: label.time_us
                + u64::from(candidate.cost_us_per_layer_token) * u64::from(length)
                + u64::from(links.hop_us)
                + u64::from(latency_us),
            stages: label.stages + 1,
            last: Some((u, entry)),
            before,
        })
    }

    /// Drops every label that another one beats whatever comes next, and thins out to the bound.
    fn prune(&mut self, labels: Vec<Label>, layer: u16) -> Vec<Label> {
        let at_end = layer == self.network.layers();
        let out = |label: &Label| match label.last.and_then(|(u, _)| self.latency_out_us.get(&u)) {
            _ if at_end => (0, 0),
            Some((least, greatest)) => (u64::from(*least), u64::from(*greatest)),
            None => {
                (u64::from(self.network.links.assumed_us), u64::from(self.network.links.assumed_us))
            }
        };
        let stages = |label: &Label| {
            if self.network.counts_stages() && !at_end { usize::from(label.stages) } else { 0 }
        };
        let mut ordered: Vec<(Label, u64, u64)> = labels
            .into_iter()
            .map(|label| (label, label.time_us + out(&label).0, label.time_us + out(&label).1))
            .collect();
        ordered.sort_by_key(|(label, _, latest)| (label.price, *latest, label.stages));
        // latest[s]: the least time, at its worst, of a label kept with at most s stages; none kept
        // so far is dearer.
        let mut latest = vec![u64::MAX; usize::from(self.network.request.max_stages) + 1];
        ordered.retain(|(label, at_best, at_worst)| {
            let stages = stages(label);
            if latest[stages] <= *at_best {
                return false;
            }
            latest[stages..].iter_mut().for_each(|time| *time = (*time).min(*at_worst));
            true
        });
        let kept: Vec<Label> = ordered.into_iter().map(|(label, _, _)| label).collect();
        self.exact &= kept.len() <= self.limits.labels;
        let shortest = kept.iter().min_by_key(|label| label.stages).copied();
        let mut thinned = thin(&kept, self.limits.labels);
        if thinned.len() < kept.len() {
            // Keep a way through where stages are scarce.
            thinned.extend(shortest);
        }
        thinned
    }

    fn path(&self, label: Label) -> Path {
        let mut stages = Vec::with_capacity(label.stages.into());
        let (mut label, mut end) = (label, self.network.layers());
        while let Some((u, entry)) = label.last {
            stages.push(Stage {
                worker: self.network.usable[u].worker,
                range: self.network.model_range(entry, end),
            });
            (label, end) = (self.arena[label.before], entry);
        }
        stages.reverse();
        Path::new(self.network.candidates, self.network.links, stages)
    }
}

/// At most `most` of `all`, evenly spaced, with the first and the last. `most` is at least 2.
fn thin<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most {
        all.to_vec()
    } else {
        (0..most).map(|i| all[i * (all.len() - 1) / (most - 1)]).collect()
    }
}
