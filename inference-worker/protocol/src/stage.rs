//! The worker's side: openings, steps, credit, receipts, the account at the end.

mod admission;
mod chain_news;
pub(crate) mod consents;
mod expelled;
mod io;
pub(crate) mod ledgers;
mod offer;
mod opening;
mod openings;
pub(crate) mod refusal;
mod scores;
mod session;
mod table;

pub use io::{
    ComputeJob, ComputeResult, Computed, Drawn, JobOutput, SessionEnd, StageInput, StageOutput,
};
pub use offer::{StageDeadlines, StageIdentity, StageOffer};
pub use scores::ScoreRecord;
pub use table::StageTable;
