//! Taking a relay: checked against the offer at once, and against its channel when the chain has
//! answered; only then does the hub promise anything.

use mica_primitives::{Balance, ChannelId, LaneId, PublicKey, Redeem, Tick};

use std::collections::{BTreeMap, BTreeSet};

use super::{
    EarlierChain, HubOutput, HubTable, Payee, RelayId,
    earlier::{Exposed, Place},
    payment::{full_lane, persist_chain},
    relay::{Relay, RelayTerms},
    table::{Outgoing, send},
};
use crate::{
    FaultCode,
    channel::{
        ChannelFacts, Durability, LedgerError, PayeeLedger, PayerLane, VoucherKind, VoucherRule,
    },
    clock::Now,
    limits::{
        HUB_TICKS_BLOCKS, MAX_LEDGERS, MAX_OPENINGS, MAX_RELAY_OPENINGS_PER_PEER, MAX_RELAYS,
        MAX_SESSION_POSITIONS, MAX_UNKNOWN_OPENINGS, OPENING_DEADLINE_MS,
    },
    messages::{Account, RelayOpen},
    stage::refusal::Refusal,
};

/// An opening that waits for the chain's word on its channel.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) from: PublicKey,
    pub(super) open: Box<RelayOpen>,
    /// Whether the hub had a ledger of its channel.
    is_known: bool,
    pub(super) deadline_ms: u64,
}

impl RelayOpen {
    /// The relay's name.
    pub(super) const fn id(&self) -> RelayId {
        (self.session, self.stage)
    }
}

impl HubTable {
    pub(super) fn open(
        &mut self,
        now: Now,
        from: PublicKey,
        open: Box<RelayOpen>,
        out: &mut Vec<HubOutput>,
    ) -> Result<(), Refusal> {
        if self.draining {
            return Err(Refusal::new(FaultCode::Draining, "this hub is leaving"));
        }
        let id = open.id();
        if self.relays.contains_key(&id) || self.openings.contains_key(&id) {
            return Err(Refusal::new(FaultCode::SessionExists, "the relay's name is taken"));
        }
        self.check_moving(now)?;
        let theirs = self.openings.values().filter(|opening| opening.from == from).count();
        let is_known = self.incoming.contains_key(&open.voucher.voucher.channel);
        let unknown = self.openings.values().filter(|opening| !opening.is_known).count();
        if self.relays.len() >= self.offer.max_relays.min(MAX_RELAYS)
            || self.openings.len() >= MAX_OPENINGS
            || theirs >= MAX_RELAY_OPENINGS_PER_PEER
            || (!is_known && unknown >= MAX_UNKNOWN_OPENINGS)
        {
            return Err(Refusal::new(FaultCode::TooManySessions, "the hub is full"));
        }
        self.check_terms(&open)?;
        if self.free_for(&open.payee) == 0 {
            return Err(no_relay());
        }
        // What costs a signature comes last, and then the chain's word.
        if let Some(ledger) = self.incoming.get(&open.voucher.voucher.channel) {
            self.pauses.check(&ledger.facts().payer, now)?;
            if !ledger.is_signed(&open.voucher) {
                return Err(Refusal::of_money(&LedgerError::BadSignature, None));
            }
        }
        out.push(HubOutput::ReadChannel(open.voucher.voucher.channel));
        let deadline_ms = now.ms.saturating_add(OPENING_DEADLINE_MS);
        self.openings.insert(id, Opening { from, open, is_known, deadline_ms });
        Ok(())
    }

    /// Whether the terms can work, and the fee is paid. Returns the payer's chain.
    fn check_terms(&self, open: &RelayOpen) -> Result<Tick, Refusal> {
        if !(1..=MAX_SESSION_POSITIONS).contains(&open.positions) {
            let text = format!("{} positions: at least 1", open.positions);
            return Err(Refusal::new(FaultCode::BadLimits, text));
        }
        let tick = open.voucher.voucher.tick.ok_or_else(|| {
            Refusal::new(FaultCode::WrongUnit, "a relay is paid with ticks, and there is no chain")
        })?;
        // Its ticks would be of the new chain, and count as paid what was promised before.
        if open.voucher.tick.is_some() {
            let text =
                "an opening voucher comes without a tick: show that when the hub has promised";
            return Err(Refusal::new(FaultCode::BadTick, text));
        }
        let due = self.offer.fee.with(open.unit).filter(|_| open.unit > 0);
        let due = due.ok_or_else(|| Refusal::new(FaultCode::BadTerms, "a unit of at least 1"))?;
        if tick.unit < due {
            let text = format!("{due} are asked for each position and {} offered", tick.unit);
            return Err(Refusal::new(FaultCode::FeeTooLow, text));
        }
        if self.offer.credit(tick.unit) == 0 {
            let text = format!(
                "a position costs {} and this hub lends {} at most: pay this worker directly",
                tick.unit, self.offer.credit_money
            );
            return Err(Refusal::new(FaultCode::BadTerms, text));
        }
        Ok(tick)
    }

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

    /// Whether the deposit covers the whole session, beside what the other relays of the channel
    /// may still cost. A payer sets that much aside before it opens, unless it has forgotten what
    /// it promised.
    fn check_deposit(&self, open: &RelayOpen, unit: Balance) -> Result<(), Refusal> {
        let voucher = &open.voucher.voucher;
        let ledger = self.incoming.get(&voucher.channel).ok_or_else(|| unknown(voucher.channel))?;
        let others = self
            .relays
            .values()
            .filter(|relay| relay.channel == voucher.channel && relay.lane != voucher.lane);
        let committed =
            others.fold(0, |sum: Balance, relay| sum.saturating_add(relay.uncovered(ledger)));
        let earlier = voucher.cumulative.saturating_sub(ledger.promised(voucher.lane));
        let cost = unit.saturating_mul(open.positions.into()).saturating_add(earlier);
        let free = ledger.free().saturating_sub(committed);
        if cost <= free {
            return Ok(());
        }
        let text = format!("the session may cost {cost} and the channel has {free} left");
        Err(Refusal::new(FaultCode::Overspend, text))
    }

    /// Whether the account would not have more exposed than one credit window: positions of earlier
    /// sessions that payees may still be paid for, and that the hub could claim from nobody,
    /// because their lanes pay on others now (`earlier`), or because the deposit does not cover
    /// them. `onto` is the lane of the hub's own on which this one pays on.
    fn check_exposed(
        &self,
        open: &RelayOpen,
        unit: Balance,
        onto: Place,
        running: Option<&EarlierChain>,
    ) -> Result<(), Refusal> {
        let voucher = &open.voucher.voucher;
        let (channel, lane) = (voucher.channel, voucher.lane);
        let ledger = self.incoming.get(&channel).ok_or_else(|| unknown(channel))?;
        if !self.earlier.has_room((channel, lane), ledger.promised(lane)) {
            return Err(full_lane());
        }
        let account = ledger.facts().payer;
        let (before, after) = self.earlier.exposed(&account, ((channel, lane), onto), running);
        let most = Exposed {
            positions: u32::from(self.offer.credit_positions.max(1)),
            money: self.offer.credit_money,
        };
        if after.exceeds(&before) && after.exceeds(&most) {
            let text = format!(
                "{} positions of this account's earlier sessions, worth {}, could be taken from \
                 this hub, and may be {}, worth {}: pay the same worker on this lane, take one \
                 that was not used for {HUB_TICKS_BLOCKS} blocks, or open another channel",
                after.positions, after.money, most.positions, most.money
            );
            return Err(Refusal::new(FaultCode::LaneBusy, text));
        }
        let lacking = self.lacking(ledger, open, unit, running);
        let uncovered = u32::try_from(lacking.div_ceil(unit.max(1))).unwrap_or(u32::MAX);
        let all = after.and(uncovered, lacking);
        if lacking > 0 && all.exceeds(&most) {
            let text = format!(
                "{lacking} of the deposit are missing for what earlier sessions may still be paid: \
                 top the channel up, or wait {HUB_TICKS_BLOCKS} blocks"
            );
            return Err(Refusal::new(FaultCode::Overspend, text));
        }
        Ok(())
    }

    /// What the deposit lacks for all that may still be claimed on the channel: on each lane what
    /// its relay may cost or its earlier chains come to, whichever is more, and on its own what
    /// `open` may cost.
    fn lacking(
        &self,
        ledger: &PayeeLedger,
        open: &RelayOpen,
        unit: Balance,
        running: Option<&EarlierChain>,
    ) -> Balance {
        let voucher = &open.voucher.voucher;
        let mut wanted: BTreeMap<LaneId, Balance> = BTreeMap::new();
        let relays = self.relays.values().filter(|relay| relay.channel == voucher.channel);
        for relay in relays.filter(|relay| relay.lane != voucher.lane) {
            wanted.insert(relay.lane, relay.uncovered(ledger));
        }
        let cost = unit.saturating_mul(open.positions.into());
        let promised = ledger.promised(voucher.lane);
        let cost = cost.saturating_add(voucher.cumulative.saturating_sub(promised));
        wanted.insert(voucher.lane, cost);
        let running = running.map(|chain| (voucher.lane, chain.with_ticks(chain.reach)));
        for (lane, most) in self.earlier.most(voucher.channel).chain(running) {
            let more = most.saturating_sub(ledger.promised(lane));
            let known = wanted.entry(lane).or_default();
            *known = more.max(*known);
        }
        let wanted = wanted.into_values().fold(0, Balance::saturating_add);
        wanted.saturating_sub(ledger.free())
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

    /// Makes a ledger for a channel that has none. When there are as many as there may be, those go
    /// of which nothing is to be redeemed, and then those that bring less than a redeem costs.
    fn make_ledger(&mut self, now: Now, facts: &ChannelFacts) -> Result<(), Refusal> {
        if self.incoming.contains_key(&facts.channel) {
            return Ok(());
        }
        let claimed = facts.lanes.values().map(|lane| lane.claimed);
        let left = claimed.fold(facts.deposit, Balance::saturating_sub);
        let least = self.offer.least_promise;
        if left < least {
            let text = format!("{left} are left in the channel and a redeem costs {least}");
            return Err(Refusal::new(FaultCode::TooLittle, text));
        }
        if self.incoming.len() >= MAX_LEDGERS {
            self.make_room(now, 1);
        }
        if self.incoming.len() >= MAX_LEDGERS {
            self.make_room(now, least);
        }
        if self.incoming.len() >= MAX_LEDGERS {
            let text = "too many channels wait to be redeemed";
            return Err(Refusal::new(FaultCode::TooManySessions, text));
        }
        let ledger = PayeeLedger::new(*self.identity.genesis(), facts.clone());
        let ledger = ledger.map_err(|error| Refusal::of_money(&error, None))?;
        self.incoming.insert(facts.channel, ledger);
        Ok(())
    }
}

impl HubTable {
    /// Forgets channels on which no relay runs, that bring less than `least`, and from which
    /// nothing can be claimed that workers may still be shown.
    fn make_room(&mut self, now: Now, least: Balance) {
        let mut busy: BTreeSet<ChannelId> =
            self.relays.values().map(|relay| relay.channel).collect();
        busy.extend(self.earlier.channels());
        self.incoming.retain(|id, ledger| {
            let lanes = ledger.redeemable(now.block).into_iter();
            let gain = lanes.fold(0, |sum: Balance, lane| sum.saturating_add(lane.gain));
            busy.contains(id) || gain >= least
        });
    }
}

fn no_relay() -> Refusal {
    Refusal::new(FaultCode::NoRelay, "the hub has no channel to this account with enough left")
}

fn unknown(channel: ChannelId) -> Refusal {
    Refusal::new(FaultCode::UnknownChannel, format!("no channel {channel} here"))
}

impl HubTable {
    /// News of a channel to the hub: for its ledger, and for the openings that wait for it.
    pub(super) fn incoming(
        &mut self,
        now: Now,
        channel: ChannelId,
        facts: Option<ChannelFacts>,
        out: &mut Vec<HubOutput>,
    ) {
        let facts = facts.filter(|facts| facts.channel == channel);
        if let Some(ledger) = self.incoming.get_mut(&channel) {
            match &facts {
                Some(facts) => ledger.update(facts.clone()),
                None => ledger.set_gone(),
            }
        }
        let waiting: Vec<RelayId> = self
            .openings
            .iter()
            .filter(|(_, opening)| opening.open.voucher.voucher.channel == channel)
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            let Some(Opening { from, open, .. }) = self.openings.remove(&id) else { continue };
            if let Err(refusal) = self.admit(now, from, &open, facts.as_ref(), out) {
                out.push(send(from, refusal_of(id, refusal)));
            }
        }
    }
}

/// A refusal of a relay as it is told.
pub(super) fn refusal_of(id: RelayId, refusal: Refusal) -> crate::Message {
    let (session, stage) = id;
    let fault = refusal.fault(session);
    crate::Message::RelayRefused(crate::messages::RelayRefused { stage, fault })
}
