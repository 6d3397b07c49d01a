//! A payer's session.

use super::{PayerInput, PayerOutput, SessionPlan};
use crate::{
    SessionId,
    channel::PayerLaneRecord,
    clock::Now,
    path::PathError,
    session::{SpecError, TermsError},
};
use mica_primitives::Balance;

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
    #[error("stage {stage}: {source}")]
    Terms {
        /// The stage, from 0.
        stage: usize,
        /// What is wrong.
        source: TermsError,
    },
    /// The session may cost more than the payer allows.
    #[error("the session may cost {cost} and the limit is {limit}: raise the limit or ask for a shorter answer")]
    Limit {
        /// Most that it can cost.
        cost: Balance,
        /// The limit.
        limit: Balance,
    },
    /// A lane was leased with too small a budget.
    #[error("stage {stage} may cost {cost} and its lane was leased for {budget}: lease it with the larger budget")]
    Lane {
        /// The stage, from 0.
        stage: usize,
        /// Most that it can cost.
        cost: Balance,
        /// What the lane may still promise.
        budget: Balance,
    },
}

/// A session from the payer's side.
#[derive(Debug)]
pub struct PayerSession {
    plan: SessionPlan,
}

impl PayerSession {
    /// Starts the session: returns it with the openings to send.
    ///
    /// # Errors
    /// [`PlanError`]; nothing was promised then, and the lanes are to be given back as they are.
    pub fn start(plan: SessionPlan, now: Now) -> Result<(Self, Vec<PayerOutput>), PlanError> {
        let _ = now;
        Ok((Self { plan }, Vec::new()))
    }

    /// The session's name.
    pub const fn id(&self) -> SessionId {
        self.plan.session
    }

    /// Carries an input out.
    pub fn handle(&mut self, now: Now, input: PayerInput) -> Vec<PayerOutput> {
        let _ = (now, input);
        Vec::new()
    }

    /// When [`PayerInput::Wake`] is due, in milliseconds of [`Now::ms`].
    pub fn next_deadline_ms(&self) -> Option<u64> {
        None
    }

    /// Whether [`PayerOutput::Finished`] has been given.
    pub fn is_finished(&self) -> bool {
        false
    }

    /// The lanes' records as they are now, to be given back to their ledgers.
    pub fn lane_records(&self) -> Vec<PayerLaneRecord> {
        self.plan.stages.iter().map(|stage| stage.lane.record().clone()).collect()
    }
}
