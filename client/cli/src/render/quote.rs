//! What a prompt would cost.

use mica_chain::amount;
use mica_host::json::{Layers, Money};
use mica_payer::ask::Offer;
use mica_payer::market::{ChosenStage, ModelSnapshot};
use mica_primitives::Balance;
use serde::Serialize;

use super::path;

/// The path that a prompt would take, and the most that it would cost.
#[derive(Serialize)]
pub(crate) struct Quote {
    model: String,
    prompt_tokens: u32,
    max_tokens: u32,
    price_per_token: Money,
    ms_per_token: f64,
    prompt_cost: Money,
    most: Money,
    /// Most money for one answer, unless `mica ask` is told otherwise.
    max_total: Money,
    stages: Vec<Stage>,
}

#[derive(Serialize)]
struct Stage {
    worker: String,
    layers: Layers,
    price_per_layer_token: Money,
    cost_us_per_layer_token: u32,
    /// What the opening prepays for room: a part of `most`.
    prepaid: Money,
    declared_us_per_layer_token: u32,
    measured_us_per_layer_token: Option<u32>,
    most: Money,
}

impl Quote {
    /// Of an offer of this model's workers, to a payer who pays `max_total` base units at most.
    pub(crate) fn new(snapshot: &ModelSnapshot, offer: &Offer, max_total: Balance) -> Self {
        let positions =
            (offer.prompt_positions.saturating_add(offer.max_new_tokens)).saturating_sub(1);
        let prepaid = |stage: &ChosenStage| {
            stage.unit().saturating_mul(stage.prepaid_positions(positions).into())
        };
        let stages = offer.path.stages.iter().zip(&offer.needs).map(|(stage, need)| Stage {
            worker: stage.worker.record.account.to_string(),
            layers: Layers(stage.range),
            price_per_layer_token: Money(stage.price_per_layer_token),
            cost_us_per_layer_token: stage.cost_us_per_layer_token,
            prepaid: Money(prepaid(stage)),
            declared_us_per_layer_token: stage.declared_us_per_layer_token,
            measured_us_per_layer_token: (stage.experience.sessions > 0)
                .then_some(stage.experience.cost_us),
            most: Money(need.budget),
        });
        let prompt_cost = offer.path.price_per_token.saturating_mul(offer.prompt_positions.into());
        Self {
            model: snapshot.name(),
            prompt_tokens: offer.prompt_positions,
            max_tokens: offer.max_new_tokens,
            price_per_token: Money(offer.path.price_per_token),
            ms_per_token: offer.path.time_us_per_token as f64 / 1000.0,
            prompt_cost: Money(prompt_cost),
            most: Money(offer.cost()),
            max_total: Money(max_total),
            stages: stages.collect(),
        }
    }

    /// For people, the path first.
    pub(crate) fn to_text(&self, offer: &Offer) -> String {
        let limit = if self.most.0 > self.max_total.0 {
            format!(
                "\nThat is above the limit of {} for one answer: `mica ask` needs --max-total.",
                amount::format(self.max_total.0)
            )
        } else {
            String::new()
        };
        format!(
            "{}{} tokens of prompt cost {}; with an answer of at most {} tokens at most {}. \
             Nothing was spent.{limit}",
            path::path(&offer.path),
            self.prompt_tokens,
            amount::format(self.prompt_cost.0),
            self.max_tokens,
            amount::format(self.most.0),
        )
    }
}
