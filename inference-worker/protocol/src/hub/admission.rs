//! Admitting a relay: its channel is checked, its first voucher taken, and the payee promised
//! something.

use std::collections::BTreeSet;

use mica_primitives::{Balance, ChannelId, LaneId, PublicKey, Redeem};

use super::{
    HubOutput, HubTable, Payee, RelayId,
    earlier::Place,
    ending::persist_chain,
    opening::{no_relay, unknown},
    relay::{Relay, RelayTerms},
    table::Outgoing,
};
use crate::{
    FaultCode,
    channel::{ChannelFacts, Durability, PayerLane, VoucherKind, VoucherRule},
    clock::Now,
    limits::MAX_LEDGERS,
    messages::{Account, RelayOpen},
    stage::{
        ledgers::{gain, make_ledger},
        refusal::Refusal,
    },
};

impl HubTable {
    /// The second half of an opening: the chain has answered.
    pub(super) fn admit(
        &mut self,
        now: Now,
        from: PublicKey,
        open: &RelayOpen,
        facts: Option<&ChannelFacts>,
        out: &mut Vec<HubOutput>,
    ) -> Result<(), Refusal> {
        let (channel, lane) = (open.voucher.voucher.channel, open.voucher.voucher.lane);
        let facts = facts.ok_or_else(|| {
            Refusal::new(FaultCode::UnknownChannel, format!("no channel {channel} here"))
        })?;
        if facts.window < self.offer.min_window {
            let text = format!(
                "the channel's window is {} blocks and this hub asks for {}",
                facts.window, self.offer.min_window
            );
            return Err(Refusal::new(FaultCode::WindowTooShort, text));
        }
        self.check_moving(now)?;
        self.pauses.check(&facts.payer, now)?;
        // Again, because the fee may have changed while the chain was asked.
        let tick = self.check_terms(open)?;
        self.make_ledger(now, facts)?;
        self.check_deposit(open, tick.unit)?;
        self.check_single(open)?;
        self.check_new_chain(&tick.anchor)?;
        let cost = open.unit.checked_mul(open.positions.into()).ok_or_else(no_relay)?;
        let (ended, held) = self.running_on(channel, lane);
        let running = ended.and_then(|id| self.chain_of(&id, held.as_ref()));
        let (payee, own) = self.lease(&open.payee, cost, (channel, lane)).ok_or_else(no_relay)?;
        let onto = (own.record().channel, own.record().lane);
        let taken = self
            .check_exposed(open, tick.unit, onto, running.as_ref())
            .and_then(|()| self.take_first(now, lane, tick.unit, open));
        let base = match taken {
            Ok(base) => base,
            Err(refusal) => {
                self.give_back(&own);
                return Err(refusal);
            }
        };
        // The new voucher is the same payer's, and newer: what ran on the lane before is over.
        if let Some(id) = ended {
            self.note_chain(&id, held.as_ref(), out);
            self.end(now, &id, false, out);
        }
        self.note_replaced((channel, lane), &open.voucher.voucher, out);
        out.extend(self.earlier.expose((channel, lane), onto).into_iter().map(persist_chain));
        let terms = RelayTerms {
            payer: from,
            unit: tick.unit,
            payee,
            out_unit: open.unit,
            positions: open.positions,
        };
        let own = own.of(open.session);
        let mut relay = Relay::new(terms, &open.voucher.voucher, base, own, now.ms);
        self.persist_incoming(channel, lane, Durability::Disk, out);
        let promise = match relay.promise(&open.voucher, facts, &self.offer, now.block) {
            Ok(promise) => promise,
            Err(refusal) => {
                self.give_back(&relay.out);
                return Err(refusal);
            }
        };
        out.push(HubOutput::Began { peer: from });
        self.first_promise(&relay, open.id(), promise, out);
        self.relays.insert(open.id(), relay);
        Ok(())
    }

    /// Makes a ledger for a channel that has none. When there are as many as there may be, those go
    /// of which nothing is to be redeemed, and then those that bring less than a redeem costs.
    fn make_ledger(&mut self, now: Now, facts: &ChannelFacts) -> Result<(), Refusal> {
        let (least, genesis) = (self.offer.least_promise, self.identity.genesis());
        make_ledger(&mut self.incoming, facts, genesis, least, |ledgers| {
            let mut busy: BTreeSet<ChannelId> =
                self.relays.values().map(|relay| relay.channel).collect();
            // From those the hub may still claim what workers are shown.
            busy.extend(self.earlier.channels());
            ledgers.retain(|id, ledger| busy.contains(id) || gain(ledger, now.block) > 0);
            if ledgers.len() >= MAX_LEDGERS {
                ledgers.retain(|id, ledger| busy.contains(id) || gain(ledger, now.block) >= least);
            }
        })
    }

    /// Whether the session does not pay this worker already: it would only hold its lanes. Another
    /// hub may be paid for many stages.
    fn check_single(&self, open: &RelayOpen) -> Result<(), Refusal> {
        let (first, last) = ((open.session, u8::MIN), (open.session, u8::MAX));
        let mut others = self.relays.range(first..=last).map(|(_, relay)| relay);
        let lane = (open.voucher.voucher.channel, open.voucher.voucher.lane);
        let is_same = |relay: &Relay| {
            let is_worker = relay.payee.peer.is_some() && relay.payee.account == open.payee;
            is_worker && (relay.channel, relay.lane) != lane
        };
        if others.any(is_same) {
            let text = "the session has this worker already";
            return Err(Refusal::new(FaultCode::SessionExists, text));
        }
        Ok(())
    }

    /// The relay that runs on a payer's lane, and the lane's newest promise.
    fn running_on(&self, channel: ChannelId, lane: LaneId) -> (Option<RelayId>, Option<Redeem>) {
        let mut relays = self.relays.iter();
        let running = relays.find(|(_, relay)| (relay.channel, relay.lane) == (channel, lane));
        let held = self.incoming.get(&channel).and_then(|ledger| ledger.held(lane).cloned());
        (running.map(|(id, _)| *id), held)
    }

    /// Takes the opening voucher; returns what the lane promises then.
    fn take_first(
        &mut self,
        now: Now,
        lane: LaneId,
        unit: Balance,
        open: &RelayOpen,
    ) -> Result<Balance, Refusal> {
        let rule = VoucherRule { lane, unit, block: now.block, kind: VoucherKind::Opening };
        let channel = open.voucher.voucher.channel;
        let ledger = self.incoming.get_mut(&channel).ok_or_else(|| unknown(channel))?;
        let accepted = ledger.accept_voucher(&open.voucher, &rule);
        accepted.map_err(|error| Refusal::of_money(&error, ledger.held(lane)))
    }

    /// A lane of a channel to this account with so much left: the one on which the payer's lane was
    /// last paid on, if it is free, and if not, one that no other payer's lane goes with.
    fn lease(
        &mut self,
        account: &Account,
        budget: Balance,
        from: Place,
    ) -> Option<(Payee, PayerLane)> {
        let paired = self.earlier.paired(from);
        let is_theirs = |own: &Outgoing| own.payee.account == *account;
        let theirs = self.outgoing.iter().filter(|(_, own)| is_theirs(own));
        let mut channels: Vec<ChannelId> = theirs.map(|(channel, _)| *channel).collect();
        channels.sort_by_key(|channel| paired.is_none_or(|(of, _)| of != *channel));
        let others = self.earlier.all_paired(&channels);
        channels.into_iter().find_map(|channel| {
            let own = self.outgoing.get_mut(&channel)?;
            let lane = own.ledger.lease_by(budget, |lane, is_open| match (channel, lane) {
                // Even if it was not settled: a payee that still holds it says so, and is asked
                // again, while another lane would leave the account exposed.
                place if paired == Some(place) => 0,
                place if !others.contains(&place) => 1 + u8::from(is_open),
                _ => 3 + u8::from(is_open),
            });
            Some((own.payee, lane.ok()?))
        })
    }
}
