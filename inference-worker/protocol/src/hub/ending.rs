//! The end of a relay, and what is kept of the chains over which it promised.

use mica_primitives::{PublicKey, Redeem, Voucher};

use super::{
    EarlierChain, HubOutput, HubTable, RelayEnd, RelayId,
    earlier::Place,
    pauses::{LEFT, UNUSED},
};
use crate::{SessionId, channel::PayerLane, clock::Now};

impl HubTable {
    /// The payer wants no more of a session.
    pub(super) fn close(
        &mut self,
        now: Now,
        from: PublicKey,
        session: SessionId,
        out: &mut Vec<HubOutput>,
    ) {
        self.openings.retain(|(of, _), opening| *of != session || opening.from != from);
        let (first, last) = ((session, u8::MIN), (session, u8::MAX));
        let theirs = self.relays.range(first..=last).filter(|(_, relay)| relay.payer == from);
        for id in theirs.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(now, &id, false, out);
        }
    }

    /// Ends a relay: its lane is free again, and what was promised on it stays promised.
    pub(super) fn end(&mut self, now: Now, id: &RelayId, settled: bool, out: &mut Vec<HubOutput>) {
        let Some(relay) = self.relays.get(id) else { return };
        let place = (relay.channel, relay.lane);
        let held = self.incoming.get(&place.0).and_then(|ledger| ledger.held(place.1)).cloned();
        self.note_chain(id, held.as_ref(), out);
        let Some(relay) = self.relays.remove(id) else { return };
        self.give_back(&relay.out);
        let Some(ledger) = self.incoming.get(&relay.channel) else { return };
        let (account, positions) = (ledger.facts().payer, relay.paid(ledger));
        match (settled, positions > 0 || relay.was_held(now.ms)) {
            (true, _) if positions > 0 => self.pauses.settled(&account),
            (_, true) => self.pauses.left(account, id.0, LEFT, now),
            (_, false) => self.pauses.left(account, id.0, UNUSED, now),
        }
        out.push(HubOutput::Ended(RelayEnd {
            relay: *id,
            payer: relay.payer,
            account,
            payee: relay.payee.account,
            positions,
            earned: relay.earned(ledger),
            passed_on: relay.passed_on(),
            settled,
        }));
    }

    /// Remembers the chain over which a relay promises, of which the hub `held` so much: it
    /// promises nothing more over it.
    pub(super) fn note_chain(
        &mut self,
        id: &RelayId,
        held: Option<&Redeem>,
        out: &mut Vec<HubOutput>,
    ) {
        let Some(chain) = self.chain_of(id, held) else { return };
        if chain.hides() {
            out.push(persist_chain(chain.clone()));
            out.extend(self.earlier.note(chain).as_ref().and_then(forgotten));
        } else {
            out.extend(forgotten(&chain));
        }
    }

    /// The chain over which a relay promises, of which the hub `held` so much.
    pub(super) fn chain_of(&self, id: &RelayId, held: Option<&Redeem>) -> Option<EarlierChain> {
        let relay = self.relays.get(id)?;
        let account = self.incoming.get(&relay.channel)?.facts().payer;
        relay.chain(held?, account)
    }

    /// A payer's lane has a newer voucher than those over its earlier chains.
    pub(super) fn note_replaced(
        &mut self,
        place: Place,
        voucher: &Voucher,
        out: &mut Vec<HubOutput>,
    ) {
        out.extend(self.earlier.replaced(place, voucher).into_iter().map(persist_chain));
    }

    /// Takes a lane of the hub's own back.
    pub(super) fn give_back(&mut self, lane: &PayerLane) {
        if let Some(own) = self.outgoing.get_mut(&lane.record().channel) {
            own.ledger.give_back(lane.record().clone());
        }
    }
}

/// How a chain is forgotten that was written down.
pub(super) fn forgotten(chain: &EarlierChain) -> Option<HubOutput> {
    let ((channel, lane), anchor) = (chain.place(), chain.anchor()?);
    Some(HubOutput::ForgetChain { channel, lane, anchor })
}

pub(super) fn persist_chain(chain: EarlierChain) -> HubOutput {
    HubOutput::PersistChain(Box::new(chain))
}
