//! Money for a relay, and receipts of its payee.

use mica_primitives::{ChannelId, Hash32, LaneId, PublicKey, Redeem, TickProof};

use super::{HubOutput, HubTable, RelayId, ending::persist_chain, relay::Relay, table::send};
use crate::{
    FaultCode, Message,
    channel::{Durability, LedgerError, PayerLane, VoucherKind, VoucherRule},
    clock::Now,
    limits::HUB_RENEWAL_BLOCKS,
    messages::{Payment, PaymentKind, Promises, RelayPay, Relayed, SessionReceipt},
    stage::refusal::Refusal,
};

impl HubTable {
    pub(super) fn pay(
        &mut self,
        now: Now,
        from: PublicKey,
        pay: RelayPay,
        out: &mut Vec<HubOutput>,
    ) -> Result<(), Refusal> {
        let id = (pay.session, pay.stage);
        let relay = self.relays.get(&id).ok_or_else(unknown_relay)?;
        if relay.payer != from {
            return Err(Refusal::new(FaultCode::WrongPeer, "only the payer of a relay pays"));
        }
        let kind = pay.payment.kind();
        // The sum at the end lends nothing.
        if kind != PaymentKind::Final {
            self.check_moving(now)?;
        }
        match pay.payment {
            Payment::Tick(proof) => self.tick(now, id, &proof, out),
            Payment::Voucher(redeem) if kind == PaymentKind::Final => {
                self.last_voucher(now, id, &redeem, out)
            }
            Payment::Voucher(redeem) => self.renewal(now, id, &redeem, out),
        }
    }

    /// Takes the next preimage, and promises the payee more if what it was promised runs out. A
    /// preimage that is not on the chain ends the relay: an honest payer sends none.
    fn tick(
        &mut self,
        now: Now,
        id: RelayId,
        proof: &TickProof,
        out: &mut Vec<HubOutput>,
    ) -> Result<(), Refusal> {
        let (channel, lane) = self.lane_of(&id)?;
        let ledger = self.incoming.get_mut(&channel).ok_or_else(unknown_relay)?;
        // Whatever the chain still pays is taken: nothing is lent on it before the next promise.
        match ledger.claim_tick(lane, proof, now.block) {
            Ok(_) => {}
            // A link repeats itself.
            Err(LedgerError::OldTick { .. }) => return Ok(()),
            Err(error) => {
                let refusal = Refusal::of_money(&error, ledger.held(lane));
                if matches!(error, LedgerError::BadTick { .. }) {
                    self.end(now, &id, false, out);
                }
                return Err(refusal);
            }
        }
        self.persist_incoming(channel, lane, Durability::Process, out);
        let Some(relay) = self.relays.get_mut(&id) else { return Ok(()) };
        relay.since_ms = now.ms;
        relay.out.note_revealed(proof.n);
        out.push(persist(&relay.out, Durability::Process));
        let Some(ledger) = self.incoming.get(&channel) else { return Ok(()) };
        let runs_out = relay.runs_out(ledger, &self.offer, now.block);
        let held = ledger.held(lane).filter(|_| runs_out).cloned();
        match held {
            Some(held) => self.promise(now, id, &held, out),
            None => Ok(()),
        }
    }

    /// Takes a voucher with the payer's next chain, or with more ticks of the present one, as
    /// another hub sends it.
    fn renewal(
        &mut self,
        now: Now,
        id: RelayId,
        redeem: &Redeem,
        out: &mut Vec<HubOutput>,
    ) -> Result<(), Refusal> {
        let (channel, lane) = self.lane_of(&id)?;
        let relay = self.relays.get(&id).ok_or_else(unknown_relay)?;
        let unit = relay.unit;
        if relay.is_distrusted {
            let text = "the payee was shown ticks that this hub was not: nothing more is promised";
            return Err(Refusal::new(FaultCode::Underpaid, text));
        }
        let ledger = self.incoming.get_mut(&channel).ok_or_else(unknown_relay)?;
        let old = ledger.held(lane).cloned();
        // Each renewal is a signature to check, one to make and two flushes: one that brings
        // nothing new is refused before all of them. Another hub's may do no more than live longer.
        let reaches = |redeem: &Redeem| {
            let tick = redeem.voucher.tick;
            let chain = tick.map_or(0, |tick| tick.unit.saturating_mul(tick.max.into()));
            redeem.voucher.cumulative.saturating_add(chain)
        };
        let is_more = ledger.held(lane).is_none_or(|held| reaches(redeem) > reaches(held));
        let lives_on = ledger.held(lane).is_some_and(|held| {
            let aged = held.voucher.expires.saturating_add(HUB_RENEWAL_BLOCKS);
            redeem.voucher.expires >= aged
        });
        if !is_more && !lives_on && redeem.promised() <= Some(ledger.promised(lane)) {
            let text = "a renewal must promise more, have a longer chain, or live much longer";
            return Err(Refusal::new(FaultCode::StaleVoucher, text));
        }
        let is_other = old.as_ref().is_none_or(|old| anchor(old) != anchor(redeem));
        if is_other && !self.earlier.has_room((channel, lane), ledger.promised(lane)) {
            return Err(full_lane());
        }
        if let Some(anchor) = anchor(redeem).filter(|_| is_other) {
            self.check_new_chain(&anchor)?;
        }
        let ledger = self.incoming.get_mut(&channel).ok_or_else(unknown_relay)?;
        let rule = VoucherRule { lane, unit, block: now.block, kind: VoucherKind::Renewal };
        let before = ledger.promised(lane);
        let promised = ledger
            .accept_voucher(redeem, &rule)
            .map_err(|error| Refusal::of_money(&error, ledger.held(lane)))?;
        if is_other {
            self.note_chain(&id, old.as_ref(), out);
            self.note_replaced((channel, lane), &redeem.voucher, out);
        }
        if let Some(relay) = self.relays.get_mut(&id).filter(|_| promised > before) {
            relay.since_ms = now.ms;
        }
        self.persist_incoming(channel, lane, Durability::Disk, out);
        self.promise(now, id, redeem, out)
    }

    /// Takes the exact sum, promises the payee its own, and is done.
    fn last_voucher(
        &mut self,
        now: Now,
        id: RelayId,
        redeem: &Redeem,
        out: &mut Vec<HubOutput>,
    ) -> Result<(), Refusal> {
        let (channel, lane) = self.lane_of(&id)?;
        let unit = self.relays.get(&id).map_or(0, |relay| relay.unit);
        let ledger = self.incoming.get_mut(&channel).ok_or_else(unknown_relay)?;
        let old = ledger.held(lane).cloned();
        let rule = VoucherRule { lane, unit, block: now.block, kind: VoucherKind::Final };
        ledger
            .accept_voucher(redeem, &rule)
            .map_err(|error| Refusal::of_money(&error, ledger.held(lane)))?;
        self.note_chain(&id, old.as_ref(), out);
        self.note_replaced((channel, lane), &redeem.voucher, out);
        self.persist_incoming(channel, lane, Durability::Disk, out);
        let relay = self.relays.get_mut(&id).ok_or_else(unknown_relay)?;
        let promise = relay.settle(redeem, now.block)?;
        out.push(persist(&relay.out, Durability::Disk));
        out.push(send(relay.payer, relayed(id, promise)));
        self.end(now, &id, true, out);
        Ok(())
    }

    /// Promises the payee what goes with `held`.
    fn promise(
        &mut self,
        now: Now,
        id: RelayId,
        held: &Redeem,
        out: &mut Vec<HubOutput>,
    ) -> Result<(), Refusal> {
        let relay = self.relays.get_mut(&id).ok_or_else(unknown_relay)?;
        let ledger = self.incoming.get(&relay.channel).ok_or_else(unknown_relay)?;
        let promise = relay.promise(held, ledger.facts(), &self.offer, now.block)?;
        out.extend(relay.chain(held, ledger.facts().payer).map(persist_chain));
        out.push(persist(&relay.out, Durability::Disk));
        out.push(send(relay.payer, relayed(id, promise)));
        Ok(())
    }

    /// Writes down and sends the first promise of a relay.
    pub(super) fn first_promise(
        &self,
        relay: &Relay,
        id: RelayId,
        promise: Redeem,
        out: &mut Vec<HubOutput>,
    ) {
        if let Some(ledger) = self.incoming.get(&relay.channel)
            && let Some(held) = ledger.held(relay.lane)
        {
            out.extend(relay.chain(held, ledger.facts().payer).map(persist_chain));
        }
        out.push(persist(&relay.out, Durability::Disk));
        out.push(send(relay.payer, relayed(id, promise)));
    }

    fn lane_of(&self, id: &RelayId) -> Result<(ChannelId, LaneId), Refusal> {
        let relay = self.relays.get(id).ok_or_else(unknown_relay)?;
        Ok((relay.channel, relay.lane))
    }

    pub(super) fn persist_incoming(
        &self,
        channel: ChannelId,
        lane: LaneId,
        durability: Durability,
        out: &mut Vec<HubOutput>,
    ) {
        if let Some(ledger) = self.incoming.get(&channel) {
            let record = Box::new(ledger.record(lane));
            out.push(HubOutput::PersistIncoming { record, durability });
        }
    }

    /// A payer passes a worker's receipt on. One that is not the next of any of its relays is
    /// ignored: the payer has checked it before, and only its own receipts stay unfixed.
    pub(super) fn receipt(
        &mut self,
        now: Now,
        from: PublicKey,
        message: &SessionReceipt,
        out: &mut Vec<HubOutput>,
    ) {
        let session = message.session();
        let (first, last) = ((session, u8::MIN), (session, u8::MAX));
        let theirs = self.relays.range_mut(first..=last).filter(|(_, relay)| relay.payer == from);
        for (_, relay) in theirs {
            if relay.receipt(session, message, self.identity.genesis()) {
                relay.since_ms = now.ms;
                out.push(persist(&relay.out, Durability::Process));
                return;
            }
        }
    }

    /// A payer shows what a payee holds of the hub's promises: more than the hub remembers, if the
    /// hub was killed, or the payer has not shown it a tick. Each proves itself by the hub's own
    /// signature and the payer's preimages.
    pub(super) fn promises(
        &mut self,
        now: Now,
        from: PublicKey,
        shown: Promises,
        out: &mut Vec<HubOutput>,
    ) {
        let (first, last) = ((shown.session, u8::MIN), (shown.session, u8::MAX));
        let theirs = self.relays.range(first..=last).filter(|(_, relay)| relay.payer == from);
        let own: Vec<(ChannelId, LaneId)> = theirs
            .map(|(_, relay)| (relay.out.record().channel, relay.out.record().lane))
            .collect();
        for held in shown.held {
            // Only about a channel that the session uses: each costs a signature.
            let leased = own.iter().find(|(channel, _)| *channel == held.voucher.channel);
            if let Some((_, lane)) = leased {
                self.adopt(now, &held, *lane, out);
            }
        }
    }
}

pub(super) fn anchor(redeem: &Redeem) -> Option<Hash32> {
    redeem.voucher.tick.map(|tick| tick.anchor)
}

fn relayed((session, stage): RelayId, promise: Redeem) -> Message {
    Message::Relayed(Relayed { session, stage, promise: Box::new(promise) })
}

pub(super) fn persist(lane: &PayerLane, durability: Durability) -> HubOutput {
    HubOutput::PersistOutgoing { record: Box::new(lane.record().clone()), durability }
}

/// The lane has too many chains over which ticks may still be shown.
pub(super) fn full_lane() -> Refusal {
    let text = "too many sessions of this lane may still be shown ticks: take another lane";
    Refusal::new(FaultCode::LaneBusy, text)
}

fn unknown_relay() -> Refusal {
    Refusal::new(FaultCode::UnknownSession, "no such relay here")
}
