//! Payers who agree to the end of their channels, with the sum that they owe.
//!
//! The worker submits what a payer has signed and is paid with the same extrinsic; it signs nothing
//! itself, so it may go on serving until the channel is gone. One that does not fit any more,
//! because more was promised since, is dropped.

use mica_primitives::{Balance, BlockNumber};

use super::{StageTable, refusal::Refusal};
use crate::{
    FaultCode,
    channel::{LedgerError, PayeeLedger},
    clock::Now,
    limits::CONSENT_MARGIN_BLOCKS,
    messages::CloseConsent,
};

impl StageTable {
    /// Takes a payer's agreement.
    pub(super) fn consent(&mut self, now: Now, consent: CloseConsent) -> Result<(), Refusal> {
        let channel = consent.close.channel;
        let genesis = *self.identity.genesis();
        let ledger = self.ledgers.get(&channel).filter(|ledger| !ledger.is_gone());
        let ledger = ledger.ok_or_else(|| {
            Refusal::new(FaultCode::UnknownChannel, "nothing is owed on this channel here")
        })?;
        if !self.busy_lanes(&channel).is_empty() {
            return Err(Refusal::new(FaultCode::LaneBusy, "sessions run on the channel"));
        }
        if consent.close.expires < now.block.saturating_add(CONSENT_MARGIN_BLOCKS) {
            return Err(Refusal::new(FaultCode::VoucherExpiring, "the agreement ends too soon"));
        }
        let owed = owed(ledger);
        if !(owed..=ledger.facts().deposit).contains(&consent.close.total) {
            let text = format!("{} agreed on and {owed} promised", consent.close.total);
            return Err(Refusal::new(FaultCode::Underpaid, text));
        }
        if !consent.verify(&ledger.facts().signer, &genesis) {
            return Err(Refusal::of_money(&LedgerError::BadSignature, None));
        }
        self.consents.insert(channel, consent);
        Ok(())
    }

    /// Agreements that the chain would take in `block`, on channels on which no session runs; those
    /// that it would not are forgotten. Each with what it brings, base units.
    pub fn consents(&mut self, block: BlockNumber) -> Vec<(CloseConsent, Balance)> {
        let ledgers = &self.ledgers;
        self.consents.retain(|channel, consent| {
            consent.close.expires > block
                && ledgers
                    .get(channel)
                    .is_some_and(|ledger| !ledger.is_gone() && owed(ledger) <= consent.close.total)
        });
        let idle = self.consents.iter().filter(|(id, _)| self.busy_lanes(id).is_empty());
        let found = idle.filter_map(|(id, consent)| {
            let claimed = self.ledgers.get(id)?.facts().figures().claimed;
            Some((consent.clone(), consent.close.total.saturating_sub(claimed)))
        });
        found.collect()
    }
}

/// What all lanes promise together.
fn owed(ledger: &PayeeLedger) -> Balance {
    ledger.facts().deposit.saturating_sub(ledger.free())
}
