//! From a question to the path that would answer it: quotes, the best path under the payer's terms,
//! and what it can cost. Nothing is promised here.

use mica_chain::Chain;
use mica_primitives::Balance;
use mica_protocol::{SessionSpec, payer::PlanError, session::EndIds};

use super::{AskError, Question, subscribe};
use crate::channels::Need;
use crate::market::{
    Beliefs, ChosenPath, ChosenStage, Collector, Memory, ModelSnapshot, Quotes, Wanted, choose,
};
use crate::model::LocalModel;
use crate::router::Router;
use crate::session::SessionError;

/// A path for a question, and the most that it can cost.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The path.
    pub path: ChosenPath,
    /// What each stage can cost.
    pub needs: Vec<Need>,
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
    let need = |stage: &ChosenStage| Need {
        payee: stage.worker.record.account,
        peer: stage.worker.record.peer,
        budget: stage.unit().saturating_mul(spec.max_positions.into()),
    };
    let needs = path.stages.iter().map(need).collect();
    let SessionSpec { prompt_positions, max_new_tokens, .. } = spec;
    let offer = Offer { path, needs, prompt_positions, max_new_tokens };
    let cost = offer.cost();
    match question.terms.max_total.filter(|limit| *limit < cost) {
        Some(limit) => Err(SessionError::from(PlanError::Limit { cost, limit }).into()),
        None => Ok(offer),
    }
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
