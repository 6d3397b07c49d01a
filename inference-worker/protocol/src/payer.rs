//! The payer's side: opening a path, sending the prompt, paying, verifying, settling.

mod io;
mod plan;
mod session;
mod stage;

pub use io::{
    PayerDeadlines, PayerInput, PayerOutput, PlannedStage, SessionFailure, SessionPlan,
    SessionReport, StageReport,
};
pub use plan::PlanError;
pub use session::PayerSession;
