//! The worker's side: openings, steps, credit, receipts, the account at the end.

mod account;
mod chain_news;
mod io;
mod offer;
mod opening;
mod refusal;
mod session;
mod table;

pub use io::{
    ComputeJob, ComputeResult, Computed, Drawn, JobOutput, SessionEnd, StageInput, StageOutput,
};
pub use offer::{StageDeadlines, StageIdentity, StageOffer};
pub use table::StageTable;
