//! The payer's side: opening a path, sending the prompt, paying, verifying, settling; directly or
//! through hubs.

mod hops;
mod io;
mod plan;
mod session;
mod stage;

pub use io::{
    PayerDeadlines, PayerInput, PayerOutput, PlannedHub, PlannedStage, SessionFailure, SessionPlan,
    SessionReport, StageReport,
};
pub use plan::PlanError;
pub use session::PayerSession;
