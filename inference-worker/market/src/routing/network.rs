//! What is known of the workers, and which of them can serve a request at all.

use std::collections::HashMap;

use mica_primitives::{Balance, LayerRange};

use super::no_path::{ExcludedLayers, Exclusion, NoPath, RouteError};

/// A worker that may be on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The layers that it serves.
    pub range: LayerRange,
    /// Its quote or list price, base units per layer-token.
    pub price_per_layer_token: Balance,
    /// Microseconds per layer-token.
    pub cost_us_per_layer_token: u32,
    /// Whether it can be used now.
    pub availability: Availability,
}

/// Whether a worker can be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It has KV room for this many positions of one more session.
    Ready {
        /// Positions.
        free_positions: u32,
    },
    /// It has missed its heartbeats, is jailed or is leaving.
    Offline,
    /// It failed us lately; see [`super::BackOff`].
    Banned,
    /// It counts as online, but it could not be reached just now.
    Unreachable,
    /// It was asked just now and gave no offer.
    Silent,
    /// It was not asked for an offer.
    NotAsked,
}

/// Time between workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// What entering one more stage costs besides the wire, µs: measured, 18 ms in Petals.
    pub hop_us: u32,
    /// Latency between two workers of whom nothing is known, µs.
    pub assumed_us: u32,
    /// Latency from one worker to another where it was measured, µs, by positions among the
    /// candidates. Workers named here are searched one by one, all others together, so keep it to
    /// thousands of entries.
    pub measured_us: HashMap<(usize, usize), u32>,
}

impl Links {
    /// Latency of the link into `to`, µs; without a sender, the assumed one.
    pub fn latency_us(&self, from: Option<usize>, to: usize) -> u32 {
        from.and_then(|from| self.measured_us.get(&(from, to))).copied().unwrap_or(self.assumed_us)
    }
}

/// What the path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The layers to cover: the whole model, or the part of a lost stage. Workers may serve more;
    /// they compute only these.
    pub layers: LayerRange,
    /// Positions (prompt and answer) for which every stage needs KV room.
    pub positions: u32,
    /// Most stages of a path.
    pub max_stages: u16,
}

/// The workers that can serve a request. Every layer of it has at least one.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    pub(super) candidates: &'a [Candidate],
    pub(super) links: &'a Links,
    pub(super) request: Request,
    /// Usable workers with a range clipped to the request.
    pub(super) usable: Vec<Usable>,
}

/// A usable worker. Layers count from the request's first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usable {
    pub worker: usize,
    pub first: u16,
    pub end: u16,
    /// Whether a link into or out of it was measured; all others are alike but for price and cost.
    pub linked: bool,
}

/// Above this a sum over a path could overflow; see `Path::new`.
const MAX_PRICE: Balance = Balance::MAX / u16::MAX as Balance;

impl<'a> Network<'a> {
    /// Leaves out every candidate that cannot serve `request`, and those in `unwanted` (positions
    /// among the candidates).
    ///
    /// # Errors
    /// [`RouteError::NoLayers`] for an empty request, [`RouteError::NoPath`] if a layer has no
    /// usable worker left.
    pub fn new(
        candidates: &'a [Candidate],
        links: &'a Links,
        request: Request,
        unwanted: &[usize],
    ) -> Result<Self, RouteError> {
        let asked = request.layers;
        if asked.is_empty() {
            return Err(RouteError::NoLayers(asked));
        }
        let mut linked = vec![false; candidates.len()];
        for worker in links.measured_us.keys().flat_map(|(from, to)| [*from, *to]) {
            linked.get_mut(worker).map(|is| *is = true).unwrap_or_default();
        }
        let mut is_unwanted = vec![false; candidates.len()];
        for &worker in unwanted {
            is_unwanted.get_mut(worker).map(|is| *is = true).unwrap_or_default();
        }
        let mut census = Census::new(asked);
        let mut usable = Vec::with_capacity(candidates.len());
        for (worker, candidate) in candidates.iter().enumerate() {
            let first = candidate.range.first.max(asked.first);
            let end = candidate.range.end.min(asked.end);
            if first >= end {
                continue;
            }
            let (first, end) = (first - asked.first, end - asked.first);
            let exclusion = if is_unwanted[worker] {
                Some(Exclusion::Unwanted)
            } else {
                exclusion(candidate, request.positions)
            };
            census.count(first, end, exclusion);
            if exclusion.is_none() {
                usable.push(Usable { worker, first, end, linked: linked[worker] });
            }
        }
        census.verdict()?;
        Ok(Self { candidates, links, request, usable })
    }

    /// Number of workers that can serve at least one of the layers.
    pub fn usable_workers(&self) -> usize {
        self.usable.len()
    }

    /// Layers to cover.
    pub(super) fn layers(&self) -> u16 {
        self.request.layers.len()
    }

    /// The layers `[first, end)` counted from the request's first, in the model's numbering.
    pub(super) fn model_range(&self, first: u16, end: u16) -> LayerRange {
        LayerRange {
            first: self.request.layers.first + first,
            end: self.request.layers.first + end,
        }
    }

    /// Whether a path could have more stages than allowed at all.
    pub(super) fn counts_stages(&self) -> bool {
        self.layers() > self.request.max_stages
    }
}

fn exclusion(candidate: &Candidate, positions: u32) -> Option<Exclusion> {
    match candidate.availability {
        Availability::Offline => Some(Exclusion::Offline),
        Availability::Banned => Some(Exclusion::Banned),
        Availability::Unreachable => Some(Exclusion::Unreachable),
        Availability::Silent => Some(Exclusion::Silent),
        Availability::NotAsked => Some(Exclusion::NotAsked),
        Availability::Ready { free_positions } if free_positions < positions => {
            Some(Exclusion::NoKvRoom)
        }
        Availability::Ready { .. } if candidate.price_per_layer_token > MAX_PRICE => {
            Some(Exclusion::Unpayable)
        }
        Availability::Ready { .. } => None,
    }
}

/// Counts usable and excluded workers per layer, by differences at the ends of their ranges: O(1)
/// per worker.
struct Census {
    asked: LayerRange,
    usable: Vec<i64>,
    excluded: HashMap<Exclusion, Vec<i64>>,
}

impl Census {
    fn new(asked: LayerRange) -> Self {
        Self { asked, usable: vec![0; usize::from(asked.len()) + 1], excluded: HashMap::new() }
    }

    fn count(&mut self, first: u16, end: u16, exclusion: Option<Exclusion>) {
        let differences = match exclusion {
            None => &mut self.usable,
            Some(reason) => {
                self.excluded.entry(reason).or_insert_with(|| vec![0; self.usable.len()])
            }
        };
        differences[usize::from(first)] += 1;
        differences[usize::from(end)] -= 1;
    }

    fn verdict(mut self) -> Result<(), NoPath> {
        let mut no_path = NoPath { uncovered: Vec::new(), excluded: Vec::new() };
        std::iter::once(&mut self.usable).chain(self.excluded.values_mut()).for_each(|counts| {
            let mut sum = 0;
            for count in counts.iter_mut() {
                sum += *count;
                *count = sum;
            }
        });
        for layer in (0..self.asked.len()).filter(|layer| self.usable[usize::from(*layer)] == 0) {
            let first = self.asked.first + layer;
            let one = LayerRange { first, end: first + 1 };
            let mut reasons: Vec<(Exclusion, u32)> = self
                .excluded
                .iter()
                .map(|(reason, counts)| {
                    (*reason, u32::try_from(counts[usize::from(layer)]).unwrap_or(u32::MAX))
                })
                .filter(|(_, count)| *count > 0)
                .collect();
            reasons.sort_unstable();
            if reasons.is_empty() {
                match no_path.uncovered.last_mut() {
                    Some(last) if last.end == first => last.end += 1,
                    _ => no_path.uncovered.push(one),
                }
            } else {
                match no_path.excluded.last_mut() {
                    Some(last) if last.layers.end == first && last.reasons == reasons => {
                        last.layers.end += 1
                    }
                    _ => no_path.excluded.push(ExcludedLayers { layers: one, reasons }),
                }
            }
        }
        if no_path.uncovered.is_empty() && no_path.excluded.is_empty() {
            Ok(())
        } else {
            Err(no_path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(first: u16, end: u16, availability: Availability) -> Candidate {
        let range = LayerRange { first, end };
        Candidate { range, price_per_layer_token: 5, cost_us_per_layer_token: 7, availability }
    }

    #[test]
    fn gaps_are_told_apart_by_their_cause() {
        let ready = Availability::Ready { free_positions: 100 };
        let tight = Availability::Ready { free_positions: 99 };
        let mut dear = candidate(9, 10, ready);
        dear.price_per_layer_token = Balance::MAX;
        let candidates = [
            candidate(0, 3, ready),
            candidate(4, 7, Availability::Banned),
            candidate(4, 6, tight),
            candidate(7, 8, Availability::Offline),
            candidate(8, 9, ready),
            dear,
        ];
        let request =
            Request { layers: LayerRange { first: 0, end: 11 }, positions: 100, max_stages: 16 };
        let error = Network::new(&candidates, &Links::default(), request, &[4]).expect_err("gaps");
        let range = |first, end| LayerRange { first, end };
        let gap = |layers, reasons: &[(Exclusion, u32)]| ExcludedLayers {
            layers,
            reasons: reasons.to_vec(),
        };
        assert_eq!(
            error,
            RouteError::NoPath(NoPath {
                uncovered: vec![range(3, 4), range(10, 11)],
                excluded: vec![
                    gap(range(4, 6), &[(Exclusion::Banned, 1), (Exclusion::NoKvRoom, 1)]),
                    gap(range(6, 7), &[(Exclusion::Banned, 1)]),
                    gap(range(7, 8), &[(Exclusion::Offline, 1)]),
                    gap(range(8, 9), &[(Exclusion::Unwanted, 1)]),
                    gap(range(9, 10), &[(Exclusion::Unpayable, 1)]),
                ],
            })
        );
    }

    #[test]
    fn an_empty_request_is_refused() {
        let request =
            Request { layers: LayerRange { first: 4, end: 4 }, positions: 1, max_stages: 16 };
        assert!(matches!(
            Network::new(&[], &Links::default(), request, &[]),
            Err(RouteError::NoLayers(_))
        ));
    }
}
