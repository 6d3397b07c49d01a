//! The payer's side: opening a path, sending the prompt, paying, verifying, settling.

mod io;
mod session;

pub use io::{PayerDeadlines, PayerInput, PayerOutput, PlannedStage, SessionFailure, SessionPlan, SessionReport, StageReport};
pub use session::{PayerSession, PlanError};
