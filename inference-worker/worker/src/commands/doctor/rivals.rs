//! The price against the rivals': whether the path that payers take goes through this worker, and
//! at what price it would.

use mica_chain::{AccountId, amount};
use mica_market::{
    pricing::Units,
    routing::{Availability, Candidate, Links, Network, Preference, Request},
};
use mica_primitives::{Balance, LayerRange, ModelRecord, WorkerRecord};
use mica_protocol::limits::MAX_STAGES;

use super::Finding;
use crate::pricing::ALPHA;

/// What payers' programs count for one more stage besides its computation, µs.
const HOP_US: u32 = 18_000;
/// Positions of a session of usual length.
const POSITIONS: u32 = 512;

/// How payers that weigh money and time alike see the worker, by list prices.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Rivalry {
    /// The best path goes through it.
    Chosen {
        /// Base units per token of the whole path.
        path_price: Balance,
        /// Other workers that could be on it.
        rivals: usize,
    },
    /// It would, at this price or less, base units per layer-token.
    TooDear { price: Balance },
    /// Not even for next to nothing: others are faster, or serve it in fewer stages.
    TooSlow {
        /// µs per layer-token of the fastest other worker on its layers.
        fastest_us: u32,
    },
    /// No path leads through the model.
    NoPath,
}

impl Rivalry {
    /// Of the worker with this record, taken to be online.
    pub(super) fn of(
        record: &WorkerRecord<AccountId>,
        workers: &[(WorkerRecord<AccountId>, bool)],
        model: &ModelRecord<AccountId>,
    ) -> Self {
        let rivals: Vec<&WorkerRecord<AccountId>> = workers
            .iter()
            .filter(|(worker, online)| *online && worker.account != record.account)
            .map(|(worker, _)| worker)
            .collect();
        let mut candidates: Vec<Candidate> =
            std::iter::once(record).chain(rivals.iter().copied()).map(candidate).collect();
        let layers = LayerRange { first: 0, end: model.manifest.layers };
        let preference = Preference { alpha: ALPHA, units: Units::from(model.units) };
        let mut chosen_at = |price: Balance| -> Option<(bool, Balance)> {
            candidates[0].price_per_layer_token = price;
            let links = Links { hop_us: HOP_US, ..Links::default() };
            let max_stages = u16::try_from(MAX_STAGES).unwrap_or(u16::MAX);
            let request = Request { layers, positions: POSITIONS, max_stages };
            let network = Network::new(&candidates, &links, request, &[]).ok()?;
            let path = network.best_path(preference).ok()?;
            let is_chosen = path.stages.iter().any(|stage| stage.worker == 0);
            Some((is_chosen, path.price_per_token))
        };
        let price = record.list_price_per_layer_token;
        match chosen_at(price) {
            None => return Self::NoPath,
            Some((true, path_price)) => {
                let meets = |rival: &&&WorkerRecord<AccountId>| {
                    record.range.layers().any(|layer| rival.range.contains(layer))
                };
                return Self::Chosen { path_price, rivals: rivals.iter().filter(meets).count() };
            }
            Some((false, _)) => {}
        }
        let mut is_chosen = |price| chosen_at(price).is_some_and(|(is_chosen, _)| is_chosen);
        if !is_chosen(1) {
            let fastest = rivals
                .iter()
                .filter(|rival| record.range.layers().any(|layer| rival.range.contains(layer)))
                .map(|rival| rival.cost_us_per_layer_token)
                .min();
            return Self::TooSlow { fastest_us: fastest.unwrap_or(0) };
        }
        // The dearer it is, the less it is chosen: halving finds the bound.
        let (mut chosen, mut refused) = (1, price);
        while refused - chosen > 1 {
            let middle = chosen + (refused - chosen) / 2;
            match is_chosen(middle) {
                true => chosen = middle,
                false => refused = middle,
            }
        }
        Self::TooDear { price: chosen }
    }
}

fn candidate(worker: &WorkerRecord<AccountId>) -> Candidate {
    Candidate {
        range: worker.range,
        price_per_layer_token: worker.list_price_per_layer_token,
        cost_us_per_layer_token: worker.cost_us_per_layer_token,
        availability: Availability::Ready { free_positions: u32::MAX },
    }
}

/// What is to be said of it.
pub(super) fn finding(record: &WorkerRecord<AccountId>, rivalry: &Rivalry) -> Finding {
    let own = amount::format(record.list_price_per_layer_token);
    match rivalry {
        Rivalry::Chosen { path_price, rivals } => Finding::good(
            "price",
            format!(
                "{own} per layer and token: the path that payers take goes through it, for {} a \
                 token in all, against {rivals} rivals",
                amount::format(*path_price)
            ),
        ),
        Rivalry::TooDear { price } => Finding::note(
            "price",
            format!(
                "{own} per layer and token: payers take others, and would take it at {} or less",
                amount::format(*price)
            ),
            Some(format!(
                "let the price follow the market (market.pricing), or: mica-worker config set \
                 market.price {price}u"
            )),
        ),
        Rivalry::TooSlow { fastest_us } => Finding::note(
            "price",
            format!(
                "{own} per layer and token: payers take others at any price, because it needs {} \
                 µs for a layer and the fastest other one {fastest_us} µs, or takes one more stage",
                record.cost_us_per_layer_token
            ),
            Some(
                "give it more cores (machine.share), or other layers: mica-worker run without \
                 --layers"
                    .to_owned(),
            ),
        ),
        Rivalry::NoPath => Finding::note(
            "price",
            format!("{own} per layer and token; no path leads through the model's layers"),
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use mica_primitives::{MarketUnits, ModelManifest};

    use super::{super::State, *};
    use crate::pricing::tests::worker;

    fn model() -> ModelRecord<AccountId> {
        ModelRecord {
            owner: AccountId::from([0; 32]),
            manifest: ModelManifest {
                name: Default::default(),
                architecture: Default::default(),
                quantisation: Default::default(),
                layers: 8,
                hidden: 8,
                vocabulary: 8,
                context: 8,
                weights_root: [0; 32],
                tokenizer_hash: [0; 32],
                profile: [0; 32],
            },
            units: MarketUnits { price_unit: 1_000_000, cost_unit_us: 100 },
            deposit: 0,
        }
    }

    fn rivalry(own: &WorkerRecord<AccountId>, others: &[WorkerRecord<AccountId>]) -> Rivalry {
        let workers: Vec<_> = others.iter().map(|other| (other.clone(), true)).collect();
        Rivalry::of(own, &workers, &model())
    }

    #[test]
    fn alone_it_is_chosen_and_without_the_other_layers_nobody_is() {
        let own = worker(1, 0, 8, 5_000_000, 50);
        assert_eq!(rivalry(&own, &[]), Rivalry::Chosen { path_price: 40_000_000, rivals: 0 });
        assert_eq!(rivalry(&worker(1, 0, 4, 1, 50), &[]), Rivalry::NoPath);
    }

    #[test]
    fn one_that_is_too_dear_is_told_at_what_price_it_is_chosen() {
        let own = worker(1, 0, 8, 9_000_000, 50);
        let other = worker(2, 0, 8, 4_000_000, 50);
        let Rivalry::TooDear { price } = rivalry(&own, std::slice::from_ref(&other)) else {
            panic!("too dear")
        };
        let at = |price| {
            let own = worker(1, 0, 8, price, 50);
            matches!(rivalry(&own, std::slice::from_ref(&other)), Rivalry::Chosen { .. })
        };
        assert!(at(price) && !at(price + 1) && price <= 4_000_000, "{price}");
        let found = finding(&own, &Rivalry::TooDear { price });
        assert!(found.mend.is_some_and(|mend| mend.contains(&format!("{price}u"))));
    }

    #[test]
    fn one_that_is_too_slow_is_told_by_how_much() {
        let own = worker(1, 0, 8, 2, 5_000_000);
        let found = rivalry(&own, &[worker(2, 0, 8, 1_000_000, 40)]);
        assert_eq!(found, Rivalry::TooSlow { fastest_us: 40 });
        assert_eq!(finding(&own, &found).state, State::Note);
    }
}
