//! Payers who agree to the end of their channels, with the sum that they owe.
//!
//! The payee submits what a payer has signed and is paid with the same extrinsic; it signs nothing
//! itself, so it may go on serving until the channel is gone. One that does not fit any more,
//! because more was promised since, is dropped.

use std::collections::BTreeMap;

use mica_primitives::{Balance, BlockNumber, ChannelId, Hash32};

use super::{StageTable, refusal::Refusal};
use crate::{
    FaultCode,
    channel::{LedgerError, PayeeLedger},
    clock::Now,
    limits::CONSENT_MARGIN_BLOCKS,
    messages::CloseConsent,
};

/// Payers' agreements to the end of their channels: at most one for each ledger.
#[derive(Debug, Default)]
pub(crate) struct Consents(BTreeMap<ChannelId, CloseConsent>);

impl Consents {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes a payer's agreement to the end of the channel that `ledger` is of.
    pub(crate) fn take(
        &mut self,
        consent: CloseConsent,
        ledger: Option<&PayeeLedger>,
        is_busy: bool,
        block: BlockNumber,
        genesis: &Hash32,
    ) -> Result<(), Refusal> {
        let ledger = ledger.filter(|ledger| !ledger.is_gone()).ok_or_else(|| {
            Refusal::new(FaultCode::UnknownChannel, "nothing is owed on this channel here")
        })?;
        if is_busy {
            return Err(Refusal::new(FaultCode::LaneBusy, "sessions run on the channel"));
        }
        if consent.close.expires < block.saturating_add(CONSENT_MARGIN_BLOCKS) {
            return Err(Refusal::new(FaultCode::VoucherExpiring, "the agreement ends too soon"));
        }
        let owed = owed(ledger);
        if !(owed..=ledger.facts().deposit).contains(&consent.close.total) {
            let text = format!("{} agreed on and {owed} promised", consent.close.total);
            return Err(Refusal::new(FaultCode::Underpaid, text));
        }
        if !consent.verify(&ledger.facts().signer, genesis) {
            return Err(Refusal::of_money(&LedgerError::BadSignature, None));
        }
        self.0.insert(consent.close.channel, consent);
        Ok(())
    }

    /// Forgets those that the chain would not take in `block`, or that are too little by now.
    pub(crate) fn keep(&mut self, ledgers: &BTreeMap<ChannelId, PayeeLedger>, block: BlockNumber) {
        self.0.retain(|channel, consent| {
            let ledger = ledgers.get(channel).filter(|ledger| !ledger.is_gone());
            consent.close.expires > block
                && ledger.is_some_and(|ledger| owed(ledger) <= consent.close.total)
        });
    }

    /// Those on channels that are not busy, each with what it brings, base units.
    pub(crate) fn ready(
        &self,
        ledgers: &BTreeMap<ChannelId, PayeeLedger>,
        is_busy: impl Fn(&ChannelId) -> bool,
    ) -> Vec<(CloseConsent, Balance)> {
        let idle = self.0.iter().filter(|(id, _)| !is_busy(id));
        let found = idle.filter_map(|(id, consent)| {
            let claimed = ledgers.get(id)?.facts().figures().claimed;
            Some((consent.clone(), consent.close.total.saturating_sub(claimed)))
        });
        found.collect()
    }
}

impl StageTable {
    /// Takes a payer's agreement.
    pub(super) fn consent(&mut self, now: Now, consent: CloseConsent) -> Result<(), Refusal> {
        let channel = consent.close.channel;
        let is_busy = !self.busy_lanes(&channel).is_empty();
        let (ledger, genesis) = (self.ledgers.get(&channel), self.identity.genesis());
        self.consents.take(consent, ledger, is_busy, now.block, genesis)
    }

    /// Agreements that the chain would take in `block`, on channels on which no session runs; those
    /// that it would not are forgotten. Each with what it brings, base units.
    pub fn consents(&mut self, block: BlockNumber) -> Vec<(CloseConsent, Balance)> {
        self.consents.keep(&self.ledgers, block);
        self.consents.ready(&self.ledgers, |id| !self.busy_lanes(id).is_empty())
    }
}

/// What all lanes promise together.
fn owed(ledger: &PayeeLedger) -> Balance {
    ledger.facts().deposit.saturating_sub(ledger.free())
}
