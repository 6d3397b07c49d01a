//! All sessions of one worker, their channels' ledgers, and the bounds on both.

use mica_primitives::{ChannelId, LaneId};

use super::{StageIdentity, StageInput, StageOffer, StageOutput};
use crate::{
    channel::{LedgerError, PayeeLaneRecord, PayeeLedger, Redeemable},
    clock::Now,
};

/// A worker's state machine.
#[derive(Debug)]
pub struct StageTable {
    identity: StageIdentity,
    offer: StageOffer,
}

impl StageTable {
    /// A worker without sessions.
    pub fn new(identity: StageIdentity, offer: StageOffer) -> Self {
        Self { identity, offer }
    }

    /// Takes back a lane's record after a restart, before any input. Nothing is lost that was persisted.
    ///
    /// # Errors
    /// [`LedgerError`] if the record is not what this crate has written.
    pub fn restore(&mut self, record: PayeeLaneRecord) -> Result<(), LedgerError> {
        let _ = record;
        Ok(())
    }

    /// What the worker offers from now on. Running sessions keep their terms.
    pub fn set_offer(&mut self, offer: StageOffer) {
        self.offer = offer;
    }

    /// The current offer.
    pub const fn offer(&self) -> &StageOffer {
        &self.offer
    }

    /// Refuses new sessions from now on.
    pub fn drain(&mut self) {}

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        0
    }

    /// Carries an input out.
    pub fn handle(&mut self, now: Now, input: StageInput) -> Vec<StageOutput> {
        let _ = (now, input, &self.identity);
        Vec::new()
    }

    /// When [`StageInput::Wake`] is due, in milliseconds of [`Now::ms`].
    pub fn next_deadline_ms(&self) -> Option<u64> {
        None
    }

    /// Every lane that promises more than the chain has paid.
    pub fn redeemable(&self) -> Vec<Redeemable> {
        Vec::new()
    }

    /// The ledger of a channel.
    pub fn ledger(&self, channel: &ChannelId) -> Option<&PayeeLedger> {
        let _ = channel;
        None
    }

    /// Lanes of a channel on which a session runs.
    pub fn busy_lanes(&self, channel: &ChannelId) -> Vec<LaneId> {
        let _ = channel;
        Vec::new()
    }
}
