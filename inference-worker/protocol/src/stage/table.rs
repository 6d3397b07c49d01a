//! All sessions of one worker, their channels' ledgers, and the bounds on both.
//!
//! An opening is checked against the offer at once, and against its channel when the chain has
//! answered; only then is there room for it and a cache allocated. The room is prepaid
//! ([`crate::holding`]). An account whose sessions repeatedly end unpaid is limited to one session a
//! minute: each unpaid one costs the worker the credit it gave.

use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, PublicKey, WorkerAddresses};
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Computed, ScoreRecord, StageIdentity, StageInput, StageOffer, StageOutput,
    chain_news::{Finality, check_window},
    opening::{Agreed, check_open},
    openings::{Opening, Openings},
    refusal::Refusal,
    scores::Scores,
    session::{SessionContext, StageSession},
};
use crate::{
    FaultCode, SessionId,
    channel::{
        ChannelFacts, Durability, LedgerError, PayeeLaneRecord, PayeeLedger, Redeemable,
        VoucherKind, VoucherRule,
    },
    clock::Now,
    limits::{
        MAX_LEDGERS, MAX_SESSIONS, MAX_SESSIONS_PER_ACCOUNT, MAX_SESSIONS_PER_PEER,
        QUOTE_LIFETIME_BLOCKS,
    },
    messages::{HeldPromises, Message, Open, Opened, Promises, Quote, QuoteRequest, SignedQuote},
};

/// A worker's state machine.
#[derive(Debug)]
pub struct StageTable {
    identity: StageIdentity,
    offer: StageOffer,
    pub(super) sessions: BTreeMap<SessionId, StageSession>,
    pub(super) openings: Openings,
    pub(super) ledgers: BTreeMap<ChannelId, PayeeLedger>,
    scores: Scores,
    pub(super) finality: Finality,
    draining: bool,
}

impl StageTable {
    /// A worker without sessions.
    pub const fn new(identity: StageIdentity, offer: StageOffer) -> Self {
        Self {
            identity,
            offer,
            sessions: BTreeMap::new(),
            openings: Openings::new(),
            ledgers: BTreeMap::new(),
            scores: Scores::new(),
            finality: Finality::UNKNOWN,
            draining: false,
        }
    }

    /// Takes back a lane's record after a restart, before any input. Nothing is lost that was
    /// persisted.
    ///
    /// # Errors
    /// [`LedgerError`] if the record is not what this crate has written.
    pub fn restore(&mut self, record: PayeeLaneRecord) -> Result<(), LedgerError> {
        let ledger = match self.ledgers.remove(&record.facts.channel) {
            Some(ledger) => ledger,
            None => PayeeLedger::new(*self.identity.genesis(), record.facts.clone())?,
        };
        let channel = record.facts.channel;
        self.ledgers.entry(channel).or_insert(ledger).restore(record)
    }

    /// Takes back what is known of an account that left something unpaid, after a restart.
    pub fn restore_score(&mut self, record: ScoreRecord, now: Now) {
        self.scores.restore(record, now);
    }

    /// What the worker offers from now on. Running sessions keep their terms.
    pub fn set_offer(&mut self, offer: StageOffer) {
        self.offer = offer;
    }

    /// The current offer.
    pub const fn offer(&self) -> &StageOffer {
        &self.offer
    }

    /// Refuses new sessions from now on. Running ones go on until they end.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Every lane for which the chain would pay in `block`, busy ones included (see
    /// [`StageTable::busy_lanes`]). Nothing of channels that are gone.
    pub fn redeemable(&self, block: BlockNumber) -> Vec<Redeemable> {
        self.ledgers.values().flat_map(|ledger| ledger.redeemable(block)).collect()
    }

    /// The ledger of a channel.
    pub fn ledger(&self, channel: &ChannelId) -> Option<&PayeeLedger> {
        self.ledgers.get(channel)
    }

    /// The channels of which there are ledgers.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.ledgers.keys().copied()
    }

    /// Lanes of a channel on which a session runs. What they promise grows, and each redeem costs a
    /// fee: a later one pays for both.
    pub fn busy_lanes(&self, channel: &ChannelId) -> Vec<LaneId> {
        let sessions = self.sessions.values().map(StageSession::agreed);
        sessions.filter(|agreed| agreed.channel == *channel).map(|agreed| agreed.lane).collect()
    }

    /// The peers that a session depends on, each with the most bytes of a frame that it may send; one
    /// may be named twice. Nothing if there is no such session.
    pub fn peers(&self, session: &SessionId) -> Vec<(PublicKey, usize)> {
        self.sessions.get(session).map(|session| session.agreed().peers()).unwrap_or_default()
    }

    /// When [`StageInput::Wake`] is due, in milliseconds of [`Now::ms`].
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let free_permille = self.free_permille();
        let sessions = self.sessions.values().filter_map(|session| {
            let ledger = self.ledgers.get(&session.agreed().channel)?;
            Some(session.deadline_ms(&self.offer.deadlines, free_permille, ledger))
        });
        let is_lent_to = self.sessions.values().any(StageSession::is_working);
        let stall = self.finality.deadline_ms().filter(|_| is_lent_to);
        sessions.chain(self.openings.next_deadline_ms()).chain(stall).min()
    }

    /// Carries an input out. Outputs are to be done in order.
    pub fn handle(&mut self, now: Now, input: StageInput) -> Vec<StageOutput> {
        let mut out = Vec::new();
        match input {
            StageInput::Message { from, message } => self.message(now, from, message, &mut out),
            StageInput::Computed(computed) => self.computed(now, computed, &mut out),
            StageInput::Channel { channel, facts } => self.channel(now, channel, facts, &mut out),
            StageInput::Disconnected { peer } => {
                self.openings.disconnected(&peer);
                self.each(now, &mut out, |session, context| session.disconnected(&peer, context));
            }
            StageInput::NotFollowed { channel } => self.refuse_unfollowed(channel, &mut out),
            StageInput::BlockFinal => self.finality.moved(now.ms),
            StageInput::Wake => self.wake(now, &mut out),
        }
        self.sweep(now, &mut out);
        out
    }

    fn message(&mut self, now: Now, from: PublicKey, message: Message, out: &mut Vec<StageOutput>) {
        match message {
            Message::QuoteRequest(request) => {
                out.push(send(from, Message::Quote(self.quote(now, &request))))
            }
            Message::Open(open) => {
                let session = open.session;
                if let Err(refusal) = self.open(now, from, open, out) {
                    out.push(send(from, Message::Fault(refusal.fault(session))));
                }
            }
            message => self.session_message(now, from, message, out),
        }
    }

    fn session_message(
        &mut self,
        now: Now,
        from: PublicKey,
        message: Message,
        out: &mut Vec<StageOutput>,
    ) {
        let is_fault = matches!(message, Message::Fault(_));
        let Some(id) = message.session() else {
            if !is_fault {
                let text = format!("a worker takes no {}", message.kind());
                let fault = crate::messages::Fault::new(None, FaultCode::WrongDirection, text);
                out.push(send(from, Message::Fault(fault)));
            }
            return;
        };
        // A payer may think better of it while the chain is asked.
        if matches!(message, Message::Close(_)) {
            self.openings.withdraw(&id, &from);
        }
        let result =
            self.with(now, &id, out, |session, context| session.message(from, message, context));
        // A fault is never answered: two peers could go on for ever.
        let refusal = match result {
            _ if is_fault => return,
            Some(Ok(())) => return,
            Some(Err(refusal)) => refusal,
            None => Refusal::new(FaultCode::UnknownSession, format!("no session {id} here")),
        };
        out.push(send(from, Message::Fault(refusal.fault(id))));
    }

    fn quote(&self, now: Now, request: &QuoteRequest) -> SignedQuote {
        let offer = &self.offer;
        let free_sessions = if self.draining {
            0
        } else {
            self.session_limit().saturating_sub(self.sessions.len())
        };
        let quote = Quote {
            peer: self.identity.peer(),
            nonce: request.nonce,
            model: offer.model,
            profile: offer.profile,
            range: offer.range,
            price_per_layer_token: offer.price_per_layer_token,
            holding_price: offer.holding_price(),
            cost_us_per_layer_token: offer.cost_us_per_layer_token,
            credit_positions: offer.credit_positions,
            free_positions: self.free_positions(),
            free_sessions: u16::try_from(free_sessions).unwrap_or(u16::MAX),
            valid_until: now.block.saturating_add(QUOTE_LIFETIME_BLOCKS),
        };
        SignedQuote::sign(quote, self.identity.key(), self.identity.genesis())
    }

    fn open(
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
        self.finality.check(now.ms)?;
        self.check_room(&from, &open)?;
        check_open(&self.identity, &self.offer, from, &open, now.block)?;
        let known = self.ledgers.get(&open.channel);
        self.openings.check(&open.channel, known.is_some(), now.ms)?;
        let voucher = &open.voucher.voucher;
        if voucher.channel != open.channel || voucher.lane != open.lane {
            return Err(Refusal::of_money(&LedgerError::Foreign, None));
        }
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

    /// Room for one more session of an account, under whatever peer keys and on whatever channels it
    /// has the others.
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

    fn session_limit(&self) -> usize {
        self.offer.max_sessions.min(MAX_SESSIONS)
    }

    fn free_positions(&self) -> u32 {
        let sessions = self.sessions.values().filter(|session| !session.is_settling());
        let taken =
            sessions.map(|session| u64::from(session.agreed().spec.max_positions)).sum::<u64>();
        u32::try_from(u64::from(self.offer.cache_positions).saturating_sub(taken)).unwrap_or(0)
    }

    /// How much of the worker's room is free: the lesser share of its cache and its sessions. One that
    /// takes no sessions for the moment keeps none from anybody.
    fn free_permille(&self) -> u32 {
        let share = |free: u64, all: u64| free.saturating_mul(1_000).checked_div(all);
        let sessions = self.session_limit();
        let free_sessions = sessions.saturating_sub(self.sessions.len());
        let shares = [
            share(self.free_positions().into(), self.offer.cache_positions.into()),
            share(free_sessions as u64, sessions as u64),
        ];
        let free = shares.into_iter().flatten().min().unwrap_or(1_000);
        u32::try_from(free).unwrap_or(1_000)
    }

    /// News of a channel: for its ledger, and for the openings that wait for it.
    fn channel(
        &mut self,
        now: Now,
        channel: ChannelId,
        facts: Option<ChannelFacts>,
        out: &mut Vec<StageOutput>,
    ) {
        let facts = facts.filter(|facts| facts.channel == channel);
        if let Some(ledger) = self.ledgers.get_mut(&channel) {
            match &facts {
                Some(facts) => ledger.update(facts.clone()),
                None => ledger.set_gone(),
            }
        }
        self.end_with_channel(now, channel, out);
        let waiting = self.openings.answered(channel);
        match facts.is_some() {
            true => self.openings.allow(&channel),
            false if waiting.is_empty() => {}
            false => self.openings.refuse(channel, now.ms),
        }
        for Opening { from, open, .. } in waiting {
            if let Err(refusal) = self.admit(now, from, &open, facts.as_ref(), out) {
                out.push(send(from, Message::Fault(refusal.fault(open.session))));
            }
        }
    }

    /// The second half of an opening: the chain has answered.
    fn admit(
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
        if self.ledgers.contains_key(&facts.channel) {
            return Ok(());
        }
        let claimed = facts.lanes.values().map(|lane| lane.claimed);
        let left = claimed.fold(facts.deposit, Balance::saturating_sub);
        let least = self.offer.least_promise;
        if left < least {
            let text = format!("{left} are left in the channel and a redeem costs {least}");
            return Err(Refusal::new(FaultCode::TooLittle, text));
        }
        if self.ledgers.len() >= MAX_LEDGERS {
            let busy: BTreeSet<ChannelId> =
                self.sessions.values().map(|session| session.agreed().channel).collect();
            self.ledgers.retain(|id, ledger| busy.contains(id) || gain(ledger, now.block) > 0);
            if self.ledgers.len() >= MAX_LEDGERS {
                let idle = self.ledgers.iter().filter(|(id, _)| !busy.contains(*id));
                let poorest = idle.map(|(id, ledger)| (gain(ledger, now.block), *id)).min();
                if let Some((_, id)) = poorest.filter(|(gain, _)| *gain < least) {
                    self.ledgers.remove(&id);
                }
            }
        }
        if self.ledgers.len() >= MAX_LEDGERS {
            return Err(Refusal::new(
                FaultCode::TooManySessions,
                "too many channels wait to be redeemed",
            ));
        }
        let ledger = PayeeLedger::new(*self.identity.genesis(), facts.clone());
        let ledger = ledger.map_err(|error| Refusal::of_money(&error, None))?;
        self.ledgers.insert(facts.channel, ledger);
        Ok(())
    }

    fn computed(&mut self, now: Now, computed: Computed, out: &mut Vec<StageOutput>) {
        let id = computed.session;
        self.with(now, &id, out, |session, context| session.computed(computed, context));
    }

    fn wake(&mut self, now: Now, out: &mut Vec<StageOutput>) {
        for opening in self.openings.late(now.ms) {
            let refusal =
                Refusal::new(FaultCode::UnknownChannel, "the chain did not answer in time");
            out.push(send(opening.from, Message::Fault(refusal.fault(opening.open.session))));
        }
        self.end_in_stall(now, out);
        self.each(now, out, StageSession::wake);
    }

    pub(super) fn each(
        &mut self,
        now: Now,
        out: &mut Vec<StageOutput>,
        mut act: impl FnMut(&mut StageSession, &mut SessionContext<'_>),
    ) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.with(now, &id, out, &mut act);
        }
    }

    fn with<T>(
        &mut self,
        now: Now,
        id: &SessionId,
        out: &mut Vec<StageOutput>,
        act: impl FnOnce(&mut StageSession, &mut SessionContext<'_>) -> T,
    ) -> Option<T> {
        let free_permille = self.free_permille();
        let session = self.sessions.get_mut(id)?;
        let ledger = self.ledgers.get_mut(&session.agreed().channel)?;
        let (identity, deadlines) = (&self.identity, &self.offer.deadlines);
        Some(act(
            session,
            &mut SessionContext { identity, deadlines, free_permille, ledger, now, out },
        ))
    }

    /// Forgets sessions that have ended and remembers who did not pay.
    fn sweep(&mut self, now: Now, out: &mut Vec<StageOutput>) {
        let mut scores = Vec::new();
        for output in out.iter() {
            let StageOutput::Ended(end) = output else { continue };
            self.sessions.remove(&end.session);
            if let Some(ledger) = self.ledgers.get(&end.channel) {
                let settle_ms = self.offer.deadlines.settle_ms;
                scores.extend(self.scores.ended(ledger.facts().payer, end, now, settle_ms));
            }
        }
        out.extend(scores.into_iter().map(StageOutput::PersistScore));
    }
}

/// What redeeming all lanes of a channel would bring in `block`.
fn gain(ledger: &PayeeLedger, block: BlockNumber) -> Balance {
    let lanes = ledger.redeemable(block).into_iter();
    lanes.fold(0, |sum: Balance, lane| sum.saturating_add(lane.gain))
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
    let is_short = (ledger.promised(lane)..due).contains(&voucher.cumulative);
    let is_of_this_price = voucher.tick.is_some_and(|tick| tick.unit == agreed.unit);
    if is_newer && is_short && is_of_this_price {
        let text = format!(
            "the voucher promises {} and with the prepayment {due} are due",
            voucher.cumulative
        );
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

pub(super) fn send(to: PublicKey, message: Message) -> StageOutput {
    StageOutput::Send { to, addresses: WorkerAddresses::default(), message }
}
