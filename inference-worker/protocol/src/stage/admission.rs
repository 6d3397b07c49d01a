//! Taking a session: checked against the offer at once, and against its channel and its account
//! when the chain has answered; only then is there room for it, and a cache is allocated.

use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, PublicKey};
use std::collections::BTreeSet;

use super::{
    StageOutput, StageTable,
    chain_news::check_window,
    ledgers::{gain, make_ledger},
    opening::{Agreed, check_open},
    openings::Opening,
    refusal::Refusal,
    session::StageSession,
    table::send,
};
use crate::{
    FaultCode, SessionId,
    channel::{ChannelFacts, Durability, LedgerError, PayeeLedger, VoucherKind, VoucherRule},
    clock::Now,
    limits::{MAX_LEDGERS, MAX_SESSIONS_PER_ACCOUNT, MAX_SESSIONS_PER_PEER},
    messages::{HeldPromises, Message, Open, Opened, Promises},
};

impl StageTable {
    pub(super) fn open(
        &mut self,
        now: Now,
        from: PublicKey,
        open: Box<Open>,
        out: &mut Vec<StageOutput>,
    ) -> Result<(), Refusal> {
        if self.draining {
            return Err(Refusal::new(FaultCode::Draining, "this worker is leaving"));
        }
        if self.sessions.contains_key(&open.session) || self.openings.contains(&open.session) {
            return Err(Refusal::new(FaultCode::SessionExists, "the session's id is taken"));
        }
        // Of a channel that is not known yet, the chain says first how long its window is.
        let known = self.ledgers.get(&open.channel);
        let window = known.map_or(BlockNumber::MAX, |ledger| ledger.facts().window);
        self.finality.check(now.ms, window)?;
        self.check_room(&from, &open)?;
        let voucher = &open.voucher.voucher;
        if voucher.channel != open.channel || voucher.lane != open.lane {
            return Err(Refusal::of_money(&LedgerError::Foreign, None));
        }
        // What costs signatures comes last: those of a quote, of a voucher, and then the chain's
        // word.
        self.openings.check(&open.channel, known.is_some(), now.ms)?;
        // Whoever has left too much unpaid waits, and costs nothing meanwhile.
        if let Some(ledger) = known {
            self.scores.check(&ledger.facts().payer, now)?;
        }
        check_open(&self.identity, &self.offer, from, &open, now.block)?;
        // Whoever names a channel that is known must sign for it before the chain is asked.
        if known.is_some_and(|ledger| !ledger.is_signed(&open.voucher)) {
            return Err(Refusal::of_money(&LedgerError::BadSignature, None));
        }
        let is_known = known.is_some();
        let deadline_ms = now.ms.saturating_add(self.offer.deadlines.opening_ms);
        out.push(StageOutput::ReadChannel(open.channel));
        self.openings.insert(Opening { from, open, is_known, deadline_ms });
        Ok(())
    }

    /// Room for one more session of `from`. Openings that wait keep none, and count for their peer
    /// alone.
    fn check_room(&self, from: &PublicKey, open: &Open) -> Result<(), Refusal> {
        if self.sessions.len() >= self.session_limit() {
            return Err(Refusal::new(FaultCode::TooManySessions, "the worker is full"));
        }
        let theirs =
            self.sessions.values().filter(|session| session.agreed().payer == *from).count()
                + self.openings.count_of(from);
        if theirs >= self.offer.max_sessions_per_peer.min(MAX_SESSIONS_PER_PEER) {
            return Err(Refusal::new(
                FaultCode::TooManySessions,
                format!("you have {theirs} sessions here already"),
            ));
        }
        let free = self.free_positions();
        if open.spec.max_positions > free {
            let text = format!("{} positions asked for, {free} free", open.spec.max_positions);
            return Err(Refusal::new(FaultCode::NoCacheRoom, text));
        }
        Ok(())
    }

    /// Room for one more session of an account, under whatever peer keys and on whatever channels
    /// it has the others.
    fn check_account(&self, account: &[u8; 32]) -> Result<(), Refusal> {
        let is_theirs = |session: &&StageSession| {
            let ledger = self.ledgers.get(&session.agreed().channel);
            ledger.is_some_and(|ledger| ledger.facts().payer == *account)
        };
        let theirs = self.sessions.values().filter(is_theirs).count();
        if theirs >= self.offer.max_sessions_per_account.min(MAX_SESSIONS_PER_ACCOUNT) {
            return Err(Refusal::new(
                FaultCode::TooManySessions,
                format!("your account has {theirs} sessions here already"),
            ));
        }
        Ok(())
    }

    /// The second half of an opening: the chain has answered.
    pub(super) fn admit(
        &mut self,
        now: Now,
        from: PublicKey,
        open: &Open,
        facts: Option<&ChannelFacts>,
        out: &mut Vec<StageOutput>,
    ) -> Result<(), Refusal> {
        let facts = facts.ok_or_else(|| {
            Refusal::new(FaultCode::UnknownChannel, format!("no channel {} here", open.channel))
        })?;
        // Again, because offer and room may have changed while the chain was asked.
        let agreed = check_open(&self.identity, &self.offer, from, open, now.block)?;
        self.check_room(&from, open)?;
        let replaced = self.lane_holder(&agreed)?;
        check_window(&self.offer, facts)?;
        self.finality.check(now.ms, facts.window)?;
        self.check_account(&facts.payer)?;
        self.scores.check(&facts.payer, now)?;
        self.make_ledger(now, facts)?;
        let committed = self.committed(&open.channel);
        let ledger = self.ledgers.get_mut(&open.channel);
        let ledger = ledger
            .ok_or_else(|| Refusal::new(FaultCode::UnknownChannel, "no ledger for the channel"))?;
        let promised = match accept_opening(ledger, &agreed, open, committed, now) {
            Ok(promised) => promised,
            Err(refusal) => {
                if may_have_lost_records(refusal.code) {
                    out.extend(show_promises(ledger, from, open, |_| true));
                }
                return Err(refusal);
            }
        };
        // All but the prepayment is for what came before.
        let base = promised.saturating_sub(agreed.prepayment());
        if open.voucher.voucher.seq == 1 {
            // A lane that begins while others were used: a payer that has forgotten those would
            // take the deposit for free.
            out.extend(show_promises(ledger, from, open, |lane| lane != open.lane));
        }
        let record = Box::new(ledger.record(open.lane));
        let session = StageSession::new(agreed, base, now);
        self.scores.begin(&facts.payer, now);
        if let Some(replaced) = replaced {
            self.with(now, &replaced, out, |session, context| session.make_way(base, context));
        }
        out.push(StageOutput::Persist { record, durability: Durability::Disk });
        let agreed = session.agreed();
        out.push(StageOutput::OpenCache {
            session: open.session,
            layers: agreed.own.range,
            max_positions: open.spec.max_positions,
        });
        let opened =
            Opened::sign(agreed.acceptance(), self.identity.key(), self.identity.genesis());
        out.push(send(from, Message::Opened(opened)));
        self.sessions.insert(open.session, session);
        Ok(())
    }

    /// What the sessions that run on a channel may still cost beyond what is promised: the deposit
    /// must cover all of them together.
    fn committed(&self, channel: &ChannelId) -> Balance {
        let Some(ledger) = self.ledgers.get(channel) else { return 0 };
        let sessions = self.sessions.values().filter(|session| {
            session.agreed().channel == *channel && !session.is_settling() && !session.is_ended()
        });
        sessions.fold(0, |sum: Balance, session| sum.saturating_add(session.uncovered(ledger)))
    }

    /// A lane serves one session. One that only waits for its final voucher makes room for the
    /// next: also for that of another peer, because a payer that has died comes back under another
    /// name, and the new voucher, checked before the old session ends, proves that it is the same
    /// payer.
    fn lane_holder(&self, agreed: &Agreed) -> Result<Option<SessionId>, Refusal> {
        let mut holders = self.sessions.iter().filter(|(_, session)| {
            let other = session.agreed();
            other.channel == agreed.channel && other.lane == agreed.lane && !session.is_ended()
        });
        match holders.next() {
            None => Ok(None),
            Some((id, session)) if session.is_settling() => Ok(Some(*id)),
            Some(_) => Err(Refusal::new(
                FaultCode::LaneBusy,
                format!("lane {} serves another session", agreed.lane),
            )),
        }
    }

    /// Makes a ledger for a channel that has none. When there are as many as there may be, those go
    /// of which nothing is to be redeemed, and then the one that brings least, if that is less than
    /// a redeem costs: nobody fills the worker's memory with channels that are worth nothing.
    fn make_ledger(&mut self, now: Now, facts: &ChannelFacts) -> Result<(), Refusal> {
        let (least, genesis) = (self.offer.least_promise, self.identity.genesis());
        make_ledger(&mut self.ledgers, facts, genesis, least, |ledgers| {
            let busy: BTreeSet<ChannelId> =
                self.sessions.values().map(|session| session.agreed().channel).collect();
            ledgers.retain(|id, ledger| busy.contains(id) || gain(ledger, now.block) > 0);
            if ledgers.len() >= MAX_LEDGERS {
                let idle = ledgers.iter().filter(|(id, _)| !busy.contains(*id));
                let poorest = idle.map(|(id, ledger)| (gain(ledger, now.block), *id)).min();
                if let Some((_, id)) = poorest.filter(|(gain, _)| *gain < least) {
                    ledgers.remove(&id);
                }
            }
        })
    }
}

/// Takes the opening voucher, if the deposit covers the session beside the `committed` costs of the
/// others and the room is prepaid.
fn accept_opening(
    ledger: &mut PayeeLedger,
    agreed: &Agreed,
    open: &Open,
    committed: Balance,
    now: Now,
) -> Result<Balance, Refusal> {
    let (lane, voucher) = (open.lane, &open.voucher.voucher);
    let rule =
        VoucherRule { lane, unit: agreed.unit, block: now.block, kind: VoucherKind::Opening };
    // The deposit must cover the whole session: one that is short would end in the middle of an
    // answer. A payer sets that much aside before it opens, unless it has forgotten what it
    // promised.
    let (free, cost) = (ledger.free().saturating_sub(committed), agreed.cost());
    if cost > free {
        return Err(Refusal::new(
            FaultCode::Overspend,
            format!("the session may cost {cost} and the channel has {free} left"),
        ));
    }
    // One that is older than what is held says that its payer has lost records: that is told first.
    let known = ledger.held(lane).map_or(0, |held| held.voucher.seq);
    let is_newer = voucher.seq > known.max(ledger.facts().lane(lane).seq);
    let due = ledger.promised(lane).saturating_add(agreed.prepayment());
    // The prepayment is a part of the voucher's sum, or comes as ticks of its chain.
    let shown = open.voucher.promised().unwrap_or(Balance::MAX);
    let is_short = (ledger.promised(lane)..due).contains(&shown);
    let is_of_this_price = voucher.tick.is_some_and(|tick| tick.unit == agreed.unit);
    if is_newer && is_short && is_of_this_price {
        let text = format!("the voucher promises {shown} and with the prepayment {due} are due");
        return Err(Refusal::new(FaultCode::HoldingUnpaid, text));
    }
    let accepted = ledger.accept_voucher(&open.voucher, &rule);
    accepted.map_err(|error| Refusal::of_money(&error, ledger.held(lane)))
}

/// Refusals that an honest payer meets only if it, or this worker, has lost records.
const fn may_have_lost_records(code: FaultCode) -> bool {
    matches!(code, FaultCode::StaleVoucher | FaultCode::ReceiptsDiffer | FaultCode::Overspend)
}

/// What is held on the lanes of `open`'s channel that `wanted` picks, if there is anything and the
/// channel's signer asks.
fn show_promises(
    ledger: &PayeeLedger,
    to: PublicKey,
    open: &Open,
    wanted: impl Fn(LaneId) -> bool,
) -> Option<StageOutput> {
    let held: Vec<_> =
        ledger.promises().filter(|held| wanted(held.voucher.lane)).cloned().collect();
    // The signature costs more than the look, and is checked only where there is something to show.
    if held.is_empty() || !ledger.is_signed(&open.voucher) {
        return None;
    }
    let held = HeldPromises::truncate_from(held);
    Some(send(to, Message::Promises(Promises { session: open.session, held })))
}
