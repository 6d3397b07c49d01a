//! The market as a payer sees it: who serves which layers of which model at what price, what the
//! payer remembers of them, and the best path through it.

mod snapshot;

mod kept;

mod beliefs;

mod memory;

mod hubs;

mod quotes;

mod route;

pub use beliefs::{Belief, Beliefs, Standing};
pub(crate) use hubs::ask_hubs;
pub use hubs::{FirstHub, HubAddress, HubAddressError, HubTerms};
pub(crate) use kept::{KEPT_FROM, keep, kept};
pub(crate) use memory::SessionNote;
pub use memory::{FORGET_AFTER, MAX_REMEMBERED, Memory};
pub(crate) use quotes::Collector;
pub use quotes::{LONGEST_GRACE, MAX_ASKED, Quotes};
pub use route::{ChosenPath, ChosenStage, Wanted, choose};
pub use snapshot::{ModelSnapshot, WorkerSnapshot, gaps};

use mica_chain::ReadError;
use mica_market::routing::RouteError;
use mica_primitives::BlockNumber;

/// Why there is no model or no path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarketError {
    /// The chain has no such model.
    #[error("no model '{0}' is registered on this chain: see `mica market`")]
    NoModel(String),
    /// The name is not one model's alone.
    #[error("'{name}' names {count} models: pass the id of one of them (see `mica market`)")]
    Ambiguous {
        /// As given.
        name: String,
        /// How many match.
        count: usize,
    },
    /// No path, or none within the limits; says which layers are missing, or what the cheapest and
    /// the fastest path would be.
    #[error("{model}: {source}{absent}")]
    Route {
        /// Name of the model.
        model: Box<str>,
        /// Why.
        source: RouteError,
        /// Which workers could not be reached, at which addresses, for people; empty if all could.
        absent: Box<str>,
    },
    /// A hub gives no quote.
    #[error("hub {hub} gives no quote ({reason}): check its address, or ask without a hub")]
    Hub {
        /// Its address.
        hub: Box<str>,
        /// Why.
        reason: Box<str>,
    },
    /// A hub asks for a channel that locks the deposit for longer than this payer gives.
    #[error(
        "hub {hub} asks for channels whose deposit is locked for {asked} blocks after a request to \
         close, and you give {most} at most: use another hub, or run `mica config set window \
         {asked}` if you want that"
    )]
    HubWindow {
        /// Its address.
        hub: Box<str>,
        /// Blocks that it asks for.
        asked: BlockNumber,
        /// Blocks that the payer gives.
        most: BlockNumber,
    },
    /// The chain could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}
