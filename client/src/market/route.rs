//! The best path under the payer's wish, from what the registry lists and what the workers quote
//! now.

use mica_market::routing::{
    Availability, Candidate, FrontierLimits, Links, Network, Preference, Request,
};
use mica_primitives::{Balance, LayerRange};
use mica_protocol::{
    StageNumber,
    limits::{DEFAULT_CREDIT_POSITIONS, MAX_STAGES},
    messages::SignedQuote,
};

use super::{MarketError, ModelPicture, WorkerPicture, picture::short};
use crate::{output::table, session::Quotes};

/// What one more stage costs besides its computation, µs: measured in Petals (18 ms), and the
/// largest single effect on a path.
const HOP_US: u32 = 18_000;

/// What the payer wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// α of P2P-LLM eq. 1: 0 for time alone, 1 for money alone.
    pub alpha: f64,
    /// Most base units per token, over all layers.
    pub max_price: Option<Balance>,
    /// Most µs per token.
    pub deadline_us: Option<u64>,
    /// Positions of prompt and answer together.
    pub positions: u32,
}

/// One worker's part.
#[derive(Clone, Debug)]
pub struct ChosenStage {
    /// The worker.
    pub worker: WorkerPicture,
    /// The layers that it computes, maybe fewer than it serves.
    pub range: LayerRange,
    /// Base units per layer-token: its quote.
    pub price_per_layer_token: Balance,
    /// Microseconds per layer-token: its quote.
    pub cost_us_per_layer_token: u32,
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

/// The best path through `picture` for `wish`. A live worker that gave no quote is left out: it did
/// not answer just now.
///
/// # Errors
/// [`MarketError::Route`] names the layers that are missing, or what limits would have to be raised
/// to.
pub fn choose(
    picture: &ModelPicture,
    quotes: &Quotes,
    wish: &Wish,
) -> Result<ChosenPath, MarketError> {
    let candidates: Vec<Candidate> =
        picture.workers.iter().map(|worker| candidate(worker, quotes)).collect();
    let links = Links { hop_us: HOP_US, ..Links::default() };
    let layers = LayerRange { first: 0, end: picture.layers() };
    let request = Request { layers, positions: wish.positions, max_stages: MAX_STAGES as u16 };
    let preference = Preference { alpha: wish.alpha, units: picture.record.units.into() };
    let refused = |source| MarketError::Route {
        model: picture.name().into(),
        source,
        absent: quotes.absent(picture).into(),
    };
    let network = Network::new(&candidates, &links, request, &[]).map_err(refused)?;
    let mut path = network.best_path(preference).map_err(refused)?;
    if wish.max_price.is_some() || wish.deadline_us.is_some() {
        let frontier =
            network.frontier(preference.units, FrontierLimits::default()).map_err(refused)?;
        path =
            frontier.choose(wish.max_price, wish.deadline_us, preference).map_err(refused)?.clone();
    }
    let stages = path.stages.iter().filter_map(|stage| {
        let worker = picture.workers.get(stage.worker)?;
        let candidate = candidates.get(stage.worker)?;
        let quote = quotes.of(worker).copied();
        Some(ChosenStage {
            worker: worker.clone(),
            range: stage.range,
            price_per_layer_token: candidate.price_per_layer_token,
            cost_us_per_layer_token: candidate.cost_us_per_layer_token,
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

fn candidate(worker: &WorkerPicture, quotes: &Quotes) -> Candidate {
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

impl ChosenPath {
    /// The path for people: one line per stage and what a token costs.
    pub fn to_text(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .stages
            .iter()
            .enumerate()
            .map(|(index, stage)| row(StageNumber(index), stage))
            .collect();
        let stages = table(
            &[
                "STAGE",
                "WORKER",
                "LAYERS",
                "PRICE (base/layer-token)",
                "PER TOKEN (base)",
                "COST (µs/layer-token)",
            ],
            &rows,
        );
        let milliseconds = self.time_us_per_token as f64 / 1000.0;
        format!(
            "{stages}{} base units per token, about {milliseconds:.1} ms per token\n",
            self.price_per_token
        )
    }
}

fn row(number: StageNumber, stage: &ChosenStage) -> Vec<String> {
    vec![
        number.to_string(),
        short(&stage.worker.record.account),
        stage.range.to_string(),
        stage.price_per_layer_token.to_string(),
        stage.unit().to_string(),
        stage.cost_us_per_layer_token.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::picture::tests::worker;

    fn stage(account: u8, first: u16, end: u16, price: Balance) -> ChosenStage {
        ChosenStage {
            worker: worker(account, first, end, price, 30),
            range: LayerRange { first, end },
            price_per_layer_token: price,
            cost_us_per_layer_token: 30,
            credit_positions: 16,
            quote: None,
        }
    }

    #[test]
    fn the_path_is_printed_stage_by_stage() {
        let path = ChosenPath {
            stages: vec![stage(1, 0, 3, 1_000_000), stage(2, 3, 8, 900_000)],
            price_per_token: 7_500_000,
            time_us_per_token: 36_240,
        };
        let text = path.to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[1].starts_with("1 ")
                && lines[1].contains("[0, 3)")
                && lines[1].contains("3000000"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("2 ")
                && lines[2].contains("[3, 8)")
                && lines[2].contains("4500000"),
            "{text}"
        );
        assert_eq!(lines[3], "7500000 base units per token, about 36.2 ms per token");
    }

    #[test]
    fn a_live_worker_without_a_quote_and_an_offline_one_are_left_out() {
        let picture = crate::market::picture::tests::picture(8, vec![worker(1, 0, 8, 1, 1)]);
        let wish = Wish { alpha: 0.5, max_price: None, deadline_us: None, positions: 10 };
        let error = choose(&picture, &Quotes::default(), &wish).expect_err("nobody answers");
        assert!(error.to_string().contains("[0, 8)"), "{error}");
        let mut offline = worker(1, 3, 8, 1, 1);
        offline.is_online = false;
        let picture = crate::market::picture::tests::picture(8, vec![offline]);
        let error = choose(&picture, &Quotes::default(), &wish).expect_err("nobody serves");
        assert!(
            error.to_string().contains("[0, 3)") && error.to_string().contains("[3, 8)"),
            "{error}"
        );
    }
}
