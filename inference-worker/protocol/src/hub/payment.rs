//! Money for a relay, receipts of its payee, and its end.

use mica_primitives::{ChannelId, Hash32, LaneId, PublicKey, Redeem, TickProof, Voucher};

use super::{
    EarlierChain, HubOutput, HubTable, RelayEnd, RelayId,
    earlier::Place,
    pauses::{LEFT, UNUSED},
    relay::Relay,
    table::send,
};
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

    /// The payer wants no more of a session.
    pub(super) fn close(
        &mut self,
        now: Now,
        from: PublicKey,
        session: crate::SessionId,
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
