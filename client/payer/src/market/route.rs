//! The best path under the payer's terms, from what the registry lists and what the workers quote
//! now.

use mica_market::routing::{
    Availability, Candidate, FrontierLimits, Links, Network, Preference, Request,
};
use mica_primitives::{Balance, LayerRange};
use mica_protocol::{
    holding,
    limits::{DEFAULT_CREDIT_POSITIONS, MAX_STAGES},
    messages::SignedQuote,
};

use crate::terms::Terms;

use super::{MarketError, ModelSnapshot, Quotes, WorkerSnapshot};

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
    /// Microseconds per layer-token: its quote.
    pub cost_us_per_layer_token: u32,
    /// What it asks for room that is held, as in [`mica_protocol::messages::Quote`]: its quote.
    pub holding_price: Balance,
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

/// The best path through `snapshot` under `terms`, for `positions` of prompt and answer together. A
/// live worker that gave no quote is left out: it did not answer just now.
///
/// # Errors
/// [`MarketError::Route`] names the layers that are missing, or what limits would have to be raised
/// to.
pub fn choose(
    snapshot: &ModelSnapshot,
    quotes: &Quotes,
    terms: &Terms,
    positions: u32,
) -> Result<ChosenPath, MarketError> {
    let candidates: Vec<Candidate> =
        snapshot.workers.iter().map(|worker| candidate(worker, quotes)).collect();
    let links = Links { hop_us: HOP_US, ..Links::default() };
    let layers = LayerRange { first: 0, end: snapshot.layers() };
    let request = Request { layers, positions, max_stages: MAX_STAGES as u16 };
    let preference = Preference { alpha: terms.alpha, units: snapshot.record.units.into() };
    let refused = |source| MarketError::Route {
        model: snapshot.name().into(),
        source,
        absent: quotes.absent(snapshot).into(),
    };
    let network = Network::new(&candidates, &links, request, &[]).map_err(refused)?;
    let mut path = network.best_path(preference).map_err(refused)?;
    if terms.max_price_per_token.is_some() || terms.deadline_us.is_some() {
        let frontier =
            network.frontier(preference.units, FrontierLimits::default()).map_err(refused)?;
        path = frontier
            .choose(terms.max_price_per_token, terms.deadline_us, preference)
            .map_err(refused)?
            .clone();
    }
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

fn candidate(worker: &WorkerSnapshot, quotes: &Quotes) -> Candidate {
    let (record, quote) = (&worker.record, quotes.of(worker));
    let absent = if quotes.is_unreachable(worker) {
        Availability::Unreachable
    } else {
        Availability::Silent
    };
    let mut candidate = Candidate {
        range: record.range,
        price_per_layer_token: record.list_price_per_layer_token,
        cost_us_per_layer_token: record.cost_us_per_layer_token,
        availability: if worker.is_live() { absent } else { Availability::Offline },
    };
    if let (true, Some(signed)) = (worker.is_live(), quote) {
        let quote = &signed.quote;
        candidate.price_per_layer_token = quote.price_per_layer_token;
        candidate.cost_us_per_layer_token = quote.cost_us_per_layer_token;
        let free_positions = if quote.free_sessions == 0 { 0 } else { quote.free_positions };
        candidate.availability = Availability::Ready { free_positions };
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::snapshot::tests::worker;

    #[test]
    fn a_live_worker_without_a_quote_and_an_offline_one_are_left_out() {
        let snapshot = crate::market::snapshot::tests::snapshot(8, vec![worker(1, 0, 8, 1, 1)]);
        let terms = Terms::default();
        let error = choose(&snapshot, &Quotes::default(), &terms, 10).expect_err("nobody answers");
        assert!(error.to_string().contains("[0, 8)"), "{error}");
        let mut offline = worker(1, 3, 8, 1, 1);
        offline.is_online = false;
        let snapshot = crate::market::snapshot::tests::snapshot(8, vec![offline]);
        let error = choose(&snapshot, &Quotes::default(), &terms, 10).expect_err("nobody serves");
        assert!(
            error.to_string().contains("[0, 3)") && error.to_string().contains("[3, 8)"),
            "{error}"
        );
    }
}
