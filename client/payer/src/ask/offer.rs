//! From a question to the path that would answer it: quotes, the best path under the payer's terms,
//! and what it can cost. Nothing is promised here.

use mica_chain::Chain;
use mica_primitives::Balance;
use mica_protocol::{
    SessionSpec,
    payer::{PlanError, PlannedHub},
    session::EndIds,
};

use super::{AskError, Question, subscribe};
use crate::channels::Need;
use crate::market::{
    Beliefs, ChosenPath, ChosenStage, Collector, FirstHub, HubTerms, Memory, ModelSnapshot, Quotes,
    Wanted, choose,
};
use crate::model::LocalModel;
use crate::router::Router;
use crate::session::SessionError;

/// A path for a question, and the most that it can cost.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The path.
    pub path: ChosenPath,
    /// What each stage can cost: paid to its worker, or to the first hub.
    pub needs: Vec<Need>,
    /// For each stage the hubs through which its worker is paid; none if that is paid directly.
    pub hubs: Vec<Vec<PlannedHub>>,
    /// Positions of the prompt.
    pub prompt_positions: u32,
    /// Most tokens of the answer, within the model's context.
    pub max_new_tokens: u32,
}

/// What workers of `snapshot` ask now for what is `wanted`; nothing that the registry does not bear
/// out.
///
/// # Errors
/// [`AskError`] if an offer cannot be held against the chain.
pub async fn quotes(
    router: &Router,
    snapshot: &ModelSnapshot,
    chain: &Chain,
    memory: &Memory,
    beliefs: &Beliefs,
    wanted: &Wanted,
) -> Result<Quotes, AskError> {
    let mut subscription = subscribe(router)?;
    let genesis = chain.genesis_hash();
    let collector = Collector { snapshot, genesis, memory, beliefs, wanted };
    let mut quotes = collector.collect(&mut subscription).await;
    quotes.hold_to_registry(snapshot, chain).await?;
    Ok(quotes)
}

/// The best path for `question`, and what it can cost. Nothing is promised.
///
/// # Errors
/// [`AskError::Market`] if there is no path; a spending limit that is too low.
pub fn offer(
    model: &LocalModel,
    snapshot: &ModelSnapshot,
    quotes: &Quotes,
    beliefs: &Beliefs,
    question: &Question,
) -> Result<Offer, AskError> {
    let spec = spec(model, question);
    let wanted = question.wanted(model);
    let path = choose(snapshot, quotes, beliefs, &wanted)?;
    let hubs: Vec<Vec<PlannedHub>> =
        path.stages.iter().map(|stage| hubs_of(quotes, stage)).collect::<Result<_, _>>()?;
    let first = quotes.hubs().and_then(HubTerms::first);
    let need = |(stage, hubs): (&ChosenStage, &Vec<PlannedHub>)| {
        let record = &stage.worker.record;
        let (unit, worker) = (hubs.first().map_or(stage.unit(), |hub| hub.unit), record.account);
        let budget = unit.saturating_mul(spec.max_positions.into());
        match first {
            Some(FirstHub { account: payee, peer, window, credit_positions }) => {
                let credit = unit.saturating_mul(credit_positions.into());
                Need { payee, peer, budget, worker, credit, window }
            }
            None => Need { payee: worker, peer: record.peer, budget, worker, credit: 0, window: 0 },
        }
    };
    let needs = path.stages.iter().zip(&hubs).map(need).collect();
    let SessionSpec { prompt_positions, max_new_tokens, .. } = spec;
    let offer = Offer { path, needs, hubs, prompt_positions, max_new_tokens };
    let cost = offer.cost();
    match question.terms.max_total.filter(|limit| *limit < cost) {
        Some(limit) => Err(SessionError::from(PlanError::Limit { cost, limit }).into()),
        None => Ok(offer),
    }
}

/// The hubs between the payer and a stage's worker.
fn hubs_of(quotes: &Quotes, stage: &ChosenStage) -> Result<Vec<PlannedHub>, AskError> {
    let Some(terms) = quotes.hubs() else { return Ok(Vec::new()) };
    let planned = terms.planned(stage.unit(), stage.worker.record.account);
    planned.ok_or_else(|| {
        SessionError::from(PlanError::Limit { cost: Balance::MAX, limit: Balance::MAX }).into()
    })
}

/// The question as a session: no longer than the model's context.
fn spec(model: &LocalModel, question: &Question) -> SessionSpec {
    let prompt_positions = u32::try_from(question.prompt.len()).unwrap_or(u32::MAX);
    let room = model.manifest().context.saturating_sub(prompt_positions).max(1);
    let mut spec = SessionSpec {
        prompt_positions,
        max_new_tokens: question.max_new_tokens.min(room),
        max_positions: 0,
        sampling: question.sampling,
        end_ids: EndIds::default(),
        logprobs: question.logprobs,
    };
    spec.max_positions = u32::try_from(spec.needed_positions()).unwrap_or(u32::MAX);
    spec
}

impl Question {
    /// What a path is wanted for, to answer it with `model`.
    pub fn wanted(&self, model: &LocalModel) -> Wanted {
        Wanted { terms: self.terms, positions: spec(model, self).max_positions }
    }
}

impl Offer {
    /// The most that the session can cost, base units over all stages.
    pub fn cost(&self) -> Balance {
        self.needs.iter().fold(0, |sum: Balance, need| sum.saturating_add(need.budget))
    }
}
