//! What the tasks of a serving worker share.

use std::sync::Arc;

use mica_chain::{Chain, Signer};
use mica_primitives::BlockNumber;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    offers::Offers, origin::Origin, registration_lock::RegistrationLock,
    session_handle::SessionHandle, standing::Standings, tally::Tally,
};
use crate::{config::Config, model::ModelSource, report::Reporter};

/// Everything that more than one task needs while one chain is served. Each task has its own clone;
/// the session actor ends when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct WorkerContext {
    /// The chain.
    pub chain: Chain,
    /// The worker's account: holds the stake, pays the fees and is paid.
    pub signer: Signer,
    /// What the operator decided.
    pub config: Arc<Config>,
    /// The model served.
    pub source: Arc<ModelSource>,
    /// Whether the node still follows the chain that this worker registered with. On another one an
    /// extrinsic only costs its fee.
    pub origin: Origin,
    /// Newest finalized block.
    pub block: watch::Receiver<BlockNumber>,
    /// Newest block of the best chain.
    pub best: watch::Receiver<BlockNumber>,
    /// The market's clock as of that block.
    pub clock: watch::Receiver<BlockNumber>,
    /// Sessions and their money.
    pub sessions: SessionHandle,
    /// What is offered to payers.
    pub offers: Arc<Offers>,
    /// Held while the registration is changed.
    pub registration: Arc<RegistrationLock>,
    /// Whether payers are served.
    pub standings: Arc<Standings>,
    /// Why work came or did not.
    pub tally: Arc<Tally>,
    /// Reports to people and programs.
    pub reporter: Reporter,
    /// Cancelled when the tasks shall end.
    pub stop: CancellationToken,
}
