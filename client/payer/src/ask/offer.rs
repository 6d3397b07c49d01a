//! From a question to the path that would answer it: quotes, the best path under the payer's terms,
//! and what it can cost. Nothing is promised here.

use std::time::Duration;

use mica_chain::Chain;
use mica_primitives::Balance;
use mica_protocol::{SessionSpec, payer::PlanError, session::EndIds};

use super::{AskError, Question, subscribe};
use crate::channels::Need;
use crate::market::{self, ChosenPath, ChosenStage, ModelSnapshot, Quotes, choose};
use crate::model::LocalModel;
use crate::router::Router;
use crate::session::SessionError;

/// Longest wait for quotes.
const QUOTE_PATIENCE: Duration = Duration::from_secs(10);

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

/// What the live workers of `snapshot` ask now; no price above the list price that the chain shows.
///
/// # Errors
/// [`AskError`] if a price that has risen cannot be held against the chain.
pub async fn quotes(
    router: &Router,
    snapshot: &ModelSnapshot,
    chain: &Chain,
) -> Result<Quotes, AskError> {
    let mut subscription = subscribe(router)?;
    let mut quotes =
        market::collect_quotes(&mut subscription, snapshot, &chain.genesis_hash(), QUOTE_PATIENCE)
            .await;
    quotes.hold_to_list_prices(snapshot, chain).await?;
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
    question: &Question,
) -> Result<Offer, AskError> {
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
    let path = choose(snapshot, quotes, &question.terms, spec.max_positions)?;
    let need = |stage: &ChosenStage| Need {
        payee: stage.worker.record.account,
        peer: stage.worker.record.peer,
        budget: stage.unit().saturating_mul(spec.max_positions.into()),
    };
    let needs = path.stages.iter().map(need).collect();
    let offer = Offer { path, needs, prompt_positions, max_new_tokens: spec.max_new_tokens };
    let cost = offer.cost();
    match question.terms.max_total.filter(|limit| *limit < cost) {
        Some(limit) => Err(SessionError::from(PlanError::Limit { cost, limit }).into()),
        None => Ok(offer),
    }
}

impl Offer {
    /// The most that the session can cost, base units over all stages.
    pub fn cost(&self) -> Balance {
        self.needs.iter().fold(0, |sum: Balance, need| sum.saturating_add(need.budget))
    }
}
