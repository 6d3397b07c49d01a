//! Checking a plan before anything is promised: path, lengths, terms, and that neither limit nor
//! lanes can be exceeded.

use mica_primitives::Balance;

use super::SessionPlan;
use crate::{
    channel::SpendError,
    holding::prepaid_positions,
    limits::MAX_HUBS,
    path::{Path, PathError, PathStage, StageNumber},
    session::{PaymentTerms, SessionSpec, SpecError, TermsError},
};

/// Why a plan cannot be carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The stages form no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Lengths or sampling are out of range.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The terms of a stage cannot work.
    #[error("stage {}: {source}", StageNumber(*.stage))]
    Terms {
        /// The stage, from 0.
        stage: usize,
        /// What is wrong.
        source: TermsError,
    },
    /// The session may cost more than the payer allows.
    #[error(
        "the session may cost {cost} and the limit is {limit}: raise the limit or ask for a \
         shorter answer"
    )]
    Limit {
        /// Most that it can cost.
        cost: Balance,
        /// The limit.
        limit: Balance,
    },
    /// A lane was leased with too small a budget.
    #[error("stage {} may cost {cost} and its lane was leased for {budget}: lease it with the larger budget", StageNumber(*.stage))]
    Lane {
        /// The stage, from 0.
        stage: usize,
        /// Most that it can cost.
        cost: Balance,
        /// What the lane may still promise.
        budget: Balance,
    },
    /// More hubs than a payment may pass.
    #[error("stage {} would be paid through {hubs} hubs and there may be {MAX_HUBS}: choose a shorter way", StageNumber(*.stage))]
    Hubs {
        /// The stage, from 0.
        stage: usize,
        /// How many.
        hubs: usize,
    },
    /// A worker's room must be prepaid further than the payer pays ahead of receipts.
    #[error("stage {} must be prepaid {prepaid} positions and the exposure is {exposure}: raise the exposure", StageNumber(*.stage))]
    Exposure {
        /// The stage, from 0.
        stage: usize,
        /// Positions to prepay.
        prepaid: u16,
        /// The plan's exposure.
        exposure: u16,
    },
    /// A lane cannot pay.
    #[error("stage {}: {source}", StageNumber(*.stage))]
    Spend {
        /// The stage, from 0.
        stage: usize,
        /// What is wrong.
        source: SpendError,
    },
}

/// What follows from a plan that can be carried out.
pub(super) struct CheckedPlan {
    pub(super) path: Path,
    pub(super) spec: SessionSpec,
    /// What each stage is paid.
    pub(super) stages: Vec<StagePay>,
}

/// What one stage is paid.
#[derive(Clone, Copy, Debug)]
pub(super) struct StagePay {
    pub(super) terms: PaymentTerms,
    /// Base units per position for the worker.
    pub(super) unit: Balance,
    /// Base units per position for the lane, with the fees of hubs.
    pub(super) lane_unit: Balance,
    /// Positions that the opening voucher pays for.
    pub(super) prepaid: u16,
}

pub(super) fn check_plan(plan: &SessionPlan) -> Result<CheckedPlan, PlanError> {
    let stage = |stage: &super::PlannedStage| PathStage {
        peer: stage.peer,
        range: stage.range,
        addresses: stage.addresses.clone(),
    };
    let path = Path::new(plan.stages.iter().map(stage).collect(), plan.model_layers)?;
    let prompt_positions = u32::try_from(plan.prompt.len()).unwrap_or(u32::MAX);
    let needed = (u64::from(prompt_positions) + u64::from(plan.max_new_tokens)).saturating_sub(1);
    let spec = SessionSpec {
        prompt_positions,
        max_new_tokens: plan.max_new_tokens,
        max_positions: u32::try_from(needed).unwrap_or(u32::MAX),
        sampling: plan.sampling,
        end_ids: plan.end_ids.clone(),
        logprobs: plan.logprobs,
    };
    spec.check()?;
    let mut cost: Balance = 0;
    let mut stages = Vec::with_capacity(plan.stages.len());
    for (index, stage) in plan.stages.iter().enumerate() {
        let stage_terms = PaymentTerms {
            price_per_layer_token: stage.price_per_layer_token,
            credit_positions: stage.credit_positions,
            exposure_positions: plan.exposure_positions,
        };
        let unit = stage_terms
            .check(stage.range.len())
            .map_err(|source| PlanError::Terms { stage: index, source })?;
        if stage.hubs.len() > MAX_HUBS {
            return Err(PlanError::Hubs { stage: index, hubs: stage.hubs.len() });
        }
        let lane_unit = stage.hubs.first().map_or(unit, |hub| hub.unit);
        let stage_cost = lane_unit.saturating_mul(needed.into());
        let budget = stage.lane.limit().saturating_sub(stage.lane.promised());
        if stage_cost > budget {
            return Err(PlanError::Lane { stage: index, cost: stage_cost, budget });
        }
        cost = cost.saturating_add(stage_cost);
        // They are the first positions that the stage computes: the cost of the session is the
        // same.
        let prepaid = prepaid_positions(stage.holding_price, unit, spec.max_positions);
        if prepaid > plan.exposure_positions {
            let exposure = plan.exposure_positions;
            return Err(PlanError::Exposure { stage: index, prepaid, exposure });
        }
        stages.push(StagePay { terms: stage_terms, unit, lane_unit, prepaid });
    }
    if cost > plan.spending_limit {
        return Err(PlanError::Limit { cost, limit: plan.spending_limit });
    }
    Ok(CheckedPlan { path, spec, stages })
}
