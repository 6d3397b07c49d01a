//! The best path under the payer's terms, from what the registry lists, what the workers quote now
//! and what the payer remembers of them.

use mica_market::routing::{
    Availability, Candidate, Experience, Links, Network, Path, Preference, Request, RouteError,
    Wish,
};
use mica_primitives::{Balance, LayerRange};
use mica_protocol::{
    holding,
    limits::{DEFAULT_CREDIT_POSITIONS, MAX_STAGES},
    messages::SignedQuote,
};

use crate::terms::Terms;

use super::{Beliefs, MarketError, ModelSnapshot, Quotes, Standing, WorkerSnapshot};

/// What one more stage costs besides its computation, µs: measured in Petals (18 ms), and the
/// largest single effect on a path.
const HOP_US: u32 = 18_000;

/// One worker's part.
#[derive(Clone, Debug)]
pub struct ChosenStage {
    /// The worker.
    pub worker: WorkerSnapshot,
    /// The layers that it computes, maybe fewer than it serves.
    pub range: LayerRange,
    /// Base units per layer-token: its quote.
    pub price_per_layer_token: Balance,
    /// Microseconds per layer-token that it counts for: what was measured, and less and less of
    /// what it declares.
    pub cost_us_per_layer_token: u32,
    /// What it asks for room that is held, as in [`mica_protocol::messages::Quote`]: its quote.
    pub holding_price: Balance,
    /// Microseconds per layer-token that it declares.
    pub declared_us_per_layer_token: u32,
    /// What was seen of it.
    pub experience: Experience,
    /// Positions that it computes before it is paid.
    pub credit_positions: u16,
    /// The quote.
    pub quote: Option<SignedQuote>,
}

impl ChosenStage {
    /// Base units for one position.
    pub fn unit(&self) -> Balance {
        self.price_per_layer_token.saturating_mul(self.range.len().into())
    }

    /// Positions that an opening prepays for the room of a session of `positions`: they are lost if
    /// another stage of the path does not take the session.
    pub fn prepaid_positions(&self, positions: u32) -> u16 {
        holding::prepaid_positions(self.holding_price, self.unit(), positions)
    }
}

/// A path that covers the model.
#[derive(Clone, Debug)]
pub struct ChosenPath {
    /// The stages, in order.
    pub stages: Vec<ChosenStage>,
    /// Base units per token.
    pub price_per_token: Balance,
    /// Expected microseconds per token.
    pub time_us_per_token: u64,
}

/// What a path is wanted for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Which path is taken.
    pub terms: Terms,
    /// Positions of prompt and answer together.
    pub positions: u32,
}

/// What is known of a model's workers, as one path is chosen by it.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) snapshot: &'a ModelSnapshot,
    pub(super) quotes: &'a Quotes,
    pub(super) beliefs: &'a Beliefs,
    pub(super) wanted: &'a Wanted,
}

/// What counts for a worker without a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It is left out.
    Out,
    /// Whoever was not asked yet counts as the registry lists it.
    AsListed,
    /// So does whoever may still answer.
    MayAnswer,
}

/// What the answers of those who may still answer can be worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// The path that has answered is not much dearer than theirs.
    Little,
    /// Theirs costs half as much at most.
    Half,
    /// Only theirs is within the payer's limit for an answer.
    All,
}

/// Whether workers are used that did not take a session or did not answer lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Avoided {
    Out,
    In,
}

/// The best path through `snapshot` under the terms of `wanted`. A live worker that gave no quote
/// is left out: it was not asked, or did not answer just now. One that is to be avoided is on it
/// only if there is no path without.
///
/// # Errors
/// [`MarketError::Route`] names the layers that are missing, or what limits would have to be raised
/// to.
pub fn choose(
    snapshot: &ModelSnapshot,
    quotes: &Quotes,
    beliefs: &Beliefs,
    wanted: &Wanted,
) -> Result<ChosenPath, MarketError> {
    let known = Known { snapshot, quotes, beliefs, wanted };
    let (candidates, path) =
        known.first_path(Unanswered::Out).map_err(|source| MarketError::Route {
            model: snapshot.name().into(),
            source,
            absent: quotes.absent(snapshot).into(),
        })?;
    let stages = path.stages.iter().filter_map(|stage| {
        let worker = snapshot.workers.get(stage.worker)?;
        let candidate = candidates.get(stage.worker)?;
        let quote = quotes.of(worker).copied();
        Some(ChosenStage {
            worker: worker.clone(),
            range: stage.range,
            price_per_layer_token: candidate.price_per_layer_token,
            cost_us_per_layer_token: candidate.cost_us_per_layer_token,
            holding_price: quote
                .map_or(holding::UNKNOWN_PRICE, |signed| signed.quote.holding_price),
            declared_us_per_layer_token: known.declared_us(worker),
            experience: beliefs.of(stage.worker).experience,
            credit_positions: quote
                .map_or(DEFAULT_CREDIT_POSITIONS, |signed| signed.quote.credit_positions),
            quote,
        })
    });
    Ok(ChosenPath {
        stages: stages.collect(),
        price_per_token: path.price_per_token,
        time_us_per_token: path.time_us_per_token,
    })
}

impl Known<'_> {
    /// The best path, without workers that are to be avoided if there is one that the payer wants
    /// to pay for.
    fn first_path(&self, unanswered: Unanswered) -> Result<(Vec<Candidate>, Path), RouteError> {
        let find = |avoided| {
            let candidates = self.candidates(unanswered, avoided);
            let path = self.on_network(&candidates, |network, wish| network.choose(wish))?;
            Ok((candidates, path))
        };
        let is_within = |(_, path): &(_, Path)| self.is_within_limit(path.price_per_token);
        match find(Avoided::Out) {
            Ok(found) if is_within(&found) => Ok(found),
            Ok(dear) => Ok(find(Avoided::In).ok().filter(is_within).unwrap_or(dear)),
            Err(_) => find(Avoided::In),
        }
    }

    /// Whether an answer at this price, base units per token, costs no more than the payer wants to
    /// pay for it.
    fn is_within_limit(&self, price_per_token: Balance) -> bool {
        let cost = price_per_token.saturating_mul(self.wanted.positions.into());
        self.wanted.terms.max_total.is_none_or(|most| cost <= most)
    }

    /// Whether there is a path within the limits. As long as somebody may answer, one above the
    /// highest price counts: list prices are ceilings.
    pub(super) fn has_path(&self, unanswered: Unanswered) -> bool {
        match self.first_path(unanswered) {
            Ok(_) => true,
            Err(RouteError::OverLimits { max_price: Some(_), deadline_us: None, .. }) => {
                unanswered != Unanswered::Out
            }
            Err(_) => false,
        }
    }

    /// What it can be worth to wait for those who were asked and have not answered, once a whole
    /// path has: by their list prices, which are ceilings.
    pub(super) fn worth(&self) -> Worth {
        let price = |unanswered| self.first_path(unanswered).map(|(_, path)| path.price_per_token);
        let (Ok(now), Ok(then)) = (price(Unanswered::Out), price(Unanswered::MayAnswer)) else {
            return Worth::Little;
        };
        match (self.is_within_limit(now), self.is_within_limit(then)) {
            (false, true) => Worth::All,
            _ if then <= now / 2 => Worth::Half,
            _ => Worth::Little,
        }
    }

    /// Whether there is one of those at `places` alone, by what they have answered.
    pub(super) fn is_answered(&self, places: &[usize]) -> bool {
        let found = self.with_fewest_doubts(|avoided| {
            let candidates: Vec<Candidate> = places
                .iter()
                .filter_map(|place| Some((*place, self.snapshot.workers.get(*place)?)))
                .map(|(place, worker)| self.candidate(place, worker, Unanswered::Out, avoided))
                .collect();
            self.on_network(&candidates, |network, wish| network.choose(wish))
        });
        found.is_ok()
    }

    /// Places of the workers of the `k` best paths that share none.
    pub(super) fn workers_to_ask(&self, k: usize) -> Vec<usize> {
        let found = self.with_fewest_doubts(|avoided| {
            let candidates = self.candidates(Unanswered::AsListed, avoided);
            self.on_network(&candidates, |network, wish| network.workers_to_ask(wish, k))
        });
        found.unwrap_or_default()
    }

    /// What `find` finds without the workers that are to be avoided, else with them.
    fn with_fewest_doubts<T>(
        &self,
        find: impl Fn(Avoided) -> Result<T, RouteError>,
    ) -> Result<T, RouteError> {
        find(Avoided::Out).or_else(|_| find(Avoided::In))
    }

    fn on_network<T>(
        &self,
        candidates: &[Candidate],
        find: impl Fn(&Network<'_>, &Wish) -> Result<T, RouteError>,
    ) -> Result<T, RouteError> {
        let Wanted { terms, positions } = *self.wanted;
        let links = Links { hop_us: HOP_US, ..Links::default() };
        let layers = LayerRange { first: 0, end: self.snapshot.layers() };
        let request = Request { layers, positions, max_stages: MAX_STAGES as u16 };
        let units = self.snapshot.record.units.into();
        let wish = Wish {
            preference: Preference { alpha: terms.alpha, units },
            max_price: terms.max_price_per_token,
            deadline_us: terms.deadline_us,
        };
        find(&Network::new(candidates, &links, request, &[])?, &wish)
    }

    fn candidates(&self, unanswered: Unanswered, avoided: Avoided) -> Vec<Candidate> {
        let workers = self.snapshot.workers.iter().enumerate();
        workers.map(|(place, worker)| self.candidate(place, worker, unanswered, avoided)).collect()
    }

    fn candidate(
        &self,
        place: usize,
        worker: &WorkerSnapshot,
        unanswered: Unanswered,
        avoided: Avoided,
    ) -> Candidate {
        let quote = self.quotes.of(worker).map(|signed| &signed.quote);
        Candidate {
            range: worker.record.range,
            price_per_layer_token: quote
                .map_or(worker.record.list_price_per_layer_token, |quote| {
                    quote.price_per_layer_token
                }),
            cost_us_per_layer_token: self.beliefs.cost_us(place, self.declared_us(worker)),
            availability: match (self.beliefs.of(place).standing, avoided) {
                _ if !worker.is_live() => Availability::Offline,
                (Standing::Banned, _) | (Standing::Avoided, Avoided::Out) => Availability::Banned,
                _ => match quote {
                    Some(quote) if quote.free_sessions == 0 => {
                        Availability::Ready { free_positions: 0 }
                    }
                    Some(quote) => Availability::Ready { free_positions: quote.free_positions },
                    None => self.unanswered(worker, unanswered),
                },
            },
        }
    }

    /// Whether a worker without a quote can be used.
    fn unanswered(&self, worker: &WorkerSnapshot, unanswered: Unanswered) -> Availability {
        let may_come = match unanswered {
            Unanswered::Out => false,
            Unanswered::AsListed => !self.quotes.was_asked(worker),
            Unanswered::MayAnswer => {
                !self.quotes.was_asked(worker) || self.quotes.is_awaited(worker)
            }
        };
        if may_come {
            Availability::Ready { free_positions: u32::MAX }
        } else if self.quotes.is_unreachable(worker) {
            Availability::Unreachable
        } else if self.quotes.was_asked(worker) {
            Availability::Silent
        } else {
            Availability::NotAsked
        }
    }

    /// What the worker says that it costs, µs per layer-token: in its quote, if that is more than
    /// in the registry.
    fn declared_us(&self, worker: &WorkerSnapshot) -> u32 {
        let quoted =
            self.quotes.of(worker).map_or(0, |signed| signed.quote.cost_us_per_layer_token);
        worker.record.cost_us_per_layer_token.max(quoted)
    }
}

#[cfg(test)]
mod tests;
