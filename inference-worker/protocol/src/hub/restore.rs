//! Taking back, after a restart, what was written down: promises to the hub, chains over which more
//! may be shown, bans, and the channels of the hub's own.

use ed25519_dalek::SigningKey;
use mica_primitives::LaneId;

use super::{EarlierChain, HubTable, Payee, payment::anchor, table::Outgoing};
use crate::{
    channel::{
        ChannelFacts, LeaseError, LedgerError, PayeeLaneRecord, PayeeLedger, PayerLaneRecord,
        PayerLedger,
    },
    messages::Account,
};

impl HubTable {
    /// Takes back what the hub was promised on a lane, after a restart and before any input.
    /// Nothing is lost that was persisted; relays that ran are over.
    ///
    /// # Errors
    /// [`LedgerError`] if the record is not what this crate has written.
    pub fn restore(&mut self, record: PayeeLaneRecord) -> Result<(), LedgerError> {
        let channel = record.facts.channel;
        let ledger = match self.incoming.remove(&channel) {
            Some(ledger) => ledger,
            None => PayeeLedger::new(*self.identity.genesis(), record.facts.clone())?,
        };
        self.incoming.entry(channel).or_insert(ledger).restore(record)
    }

    /// Takes back a chain over which more may be shown, after a restart, once every lane is back
    /// ([`Self::restore`]) and before any input. A chain of a relay that ran then is one of them
    /// now.
    pub fn restore_chain(&mut self, chain: EarlierChain) {
        let (channel, lane) = chain.place();
        let held = self.incoming.get(&channel).and_then(|ledger| ledger.held(lane));
        let chain = match held {
            // The lane's record has the newest tick.
            Some(held) if anchor(held) == chain.anchor() => {
                EarlierChain { held: held.clone(), ..chain }
            }
            Some(held) => {
                EarlierChain { next: chain.next.or(Some(held.voucher.cumulative)), ..chain }
            }
            None => chain,
        };
        // No more were written than there may be.
        self.earlier.insert(chain);
    }

    /// Takes back a ban, after a restart: the account and the last block of it.
    pub fn restore_ban(&mut self, account: Account, last: u64) {
        // No more were written than there may be.
        self.pauses.restore_ban(account, last);
    }

    /// From now on the hub pays `payee` from this channel, whose vouchers `signer` signs. `records`
    /// are what it promised there before, and `retired` the lanes that it does not use any more.
    /// One that is known already is left as it is.
    ///
    /// # Errors
    /// [`LeaseError::WrongSigner`], [`LeaseError::Foreign`].
    pub fn pay_from(
        &mut self,
        payee: Payee,
        signer: SigningKey,
        facts: ChannelFacts,
        records: Vec<PayerLaneRecord>,
        retired: Vec<LaneId>,
    ) -> Result<(), LeaseError> {
        let channel = facts.channel;
        if self.outgoing.contains_key(&channel) {
            return Ok(());
        }
        let mut ledger = PayerLedger::new(*self.identity.genesis(), signer, facts)?;
        for record in records {
            ledger.restore(record)?;
        }
        retired.into_iter().for_each(|lane| ledger.retire(lane));
        self.outgoing.insert(channel, Outgoing { payee, ledger, lost: 0 });
        Ok(())
    }
}
