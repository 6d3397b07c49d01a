//! All sessions of one worker, their channels' ledgers, and the bounds on both.
//!
//! An opening is checked against the offer at once, and against its channel when the chain has
//! answered; only then is a cache allocated. A channel whose sessions repeatedly end unpaid is
//! limited to one session a minute: each unpaid one costs the worker the credit it gave.

use mica_primitives::{BlockNumber, ChannelId, LaneId, PublicKey, WorkerAddresses};
use std::collections::BTreeMap;

use super::{
    Computed, StageIdentity, StageInput, StageOffer, StageOutput,
    account::Account,
    chain_news::{Finality, check_window},
    opening::{Agreed, check_open},
    refusal::Refusal,
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
        MAX_LEDGERS, MAX_OPENINGS, MAX_SESSIONS, MAX_SESSIONS_PER_PEER, QUOTE_LIFETIME_BLOCKS,
    },
    messages::{HeldPromises, Message, Open, Opened, Promises, Quote, QuoteRequest, SignedQuote},
};

#[derive(Debug)]
pub(super) struct Opening {
    pub(super) from: PublicKey,
    pub(super) open: Box<Open>,
    deadline_ms: u64,
}

/// A worker's state machine.
#[derive(Debug)]
pub struct StageTable {
    identity: StageIdentity,
    offer: StageOffer,
    pub(super) sessions: BTreeMap<SessionId, StageSession>,
    pub(super) openings: BTreeMap<SessionId, Opening>,
    pub(super) accounts: BTreeMap<ChannelId, Account>,
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
            openings: BTreeMap::new(),
            accounts: BTreeMap::new(),
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
        let account = match self.accounts.remove(&record.facts.channel) {
            Some(account) => account,
            None => Account::new(PayeeLedger::new(*self.identity.genesis(), record.facts.clone())?),
        };
        let channel = record.facts.channel;
        self.accounts.entry(channel).or_insert(account).ledger.restore(record)
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
        let accounts = self.accounts.values().filter(|account| !account.is_gone);
        accounts.flat_map(|account| account.ledger.redeemable(block)).collect()
    }

    /// The ledger of a channel.
    pub fn ledger(&self, channel: &ChannelId) -> Option<&PayeeLedger> {
        self.accounts.get(channel).map(|account| &account.ledger)
    }

    /// The channels of which there are ledgers.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.accounts.keys().copied()
    }

    /// Lanes of a channel on which a session runs. What they promise grows, and each redeem costs a
    /// fee: a later one pays for both.
    pub fn busy_lanes(&self, channel: &ChannelId) -> Vec<LaneId> {
        let sessions = self.sessions.values().map(StageSession::agreed);
        sessions.filter(|agreed| agreed.channel == *channel).map(|agreed| agreed.lane).collect()
    }

    /// When [`StageInput::Wake`] is due, in milliseconds of [`Now::ms`].
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let sessions =
            self.sessions.values().map(|session| session.deadline_ms(&self.offer.deadlines));
        let is_lent_to = self.sessions.values().any(StageSession::is_working);
        let stall = self.finality.deadline_ms().filter(|_| is_lent_to);
        sessions.chain(self.openings.values().map(|opening| opening.deadline_ms)).chain(stall).min()
    }

    /// Carries an input out. Outputs are to be done in order.
    pub fn handle(&mut self, now: Now, input: StageInput) -> Vec<StageOutput> {
        let mut out = Vec::new();
        match input {
            StageInput::Message { from, message } => self.message(now, from, message, &mut out),
            StageInput::Computed(computed) => self.computed(now, computed, &mut out),
            StageInput::Channel { channel, facts } => self.channel(now, channel, facts, &mut out),
            StageInput::Disconnected { peer } => {
                self.openings.retain(|_, opening| opening.from != peer);
                self.each(now, &mut out, |session, context| session.disconnected(&peer, context));
            }
            StageInput::NotFollowed { channel } => self.refuse_unfollowed(channel, &mut out),
            StageInput::BlockFinal => self.finality.moved(now.ms),
            StageInput::Wake => self.wake(now, &mut out),
        }
        self.sweep(now, &out);
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
        if matches!(message, Message::Close(_))
            && self.openings.get(&id).is_some_and(|opening| opening.from == from)
        {
            self.openings.remove(&id);
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
            self.session_limit() - self.occupied().min(self.session_limit())
        };
        let quote = Quote {
            peer: self.identity.peer(),
            nonce: request.nonce,
            model: offer.model,
            profile: offer.profile,
            range: offer.range,
            price_per_layer_token: offer.price_per_layer_token,
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
        if self.sessions.contains_key(&open.session) || self.openings.contains_key(&open.session) {
            return Err(Refusal::new(FaultCode::SessionExists, "the session's id is taken"));
        }
        if self.openings.len() >= MAX_OPENINGS {
            return Err(Refusal::new(
                FaultCode::TooManySessions,
                "too many openings wait for the chain",
            ));
        }
        self.finality.check(now.ms)?;
        self.check_room(&from, &open)?;
        check_open(&self.identity, &self.offer, from, &open, now.block)?;
        let deadline_ms = now.ms.saturating_add(self.offer.deadlines.opening_ms);
        out.push(StageOutput::ReadChannel(open.channel));
        self.openings.insert(open.session, Opening { from, open, deadline_ms });
        Ok(())
    }

    /// Room for one more session of `from`, openings counted.
    fn check_room(&self, from: &PublicKey, open: &Open) -> Result<(), Refusal> {
        if self.occupied() >= self.session_limit() {
            return Err(Refusal::new(FaultCode::TooManySessions, "the worker is full"));
        }
        let theirs =
            self.sessions.values().filter(|session| session.agreed().payer == *from).count()
                + self.openings.values().filter(|opening| opening.from == *from).count();
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

    fn session_limit(&self) -> usize {
        self.offer.max_sessions.min(MAX_SESSIONS)
    }

    fn occupied(&self) -> usize {
        self.sessions.len() + self.openings.len()
    }

    fn free_positions(&self) -> u32 {
        let sessions = self.sessions.values().filter(|session| !session.is_settling());
        let taken =
            sessions.map(|session| u64::from(session.agreed().spec.max_positions)).sum::<u64>()
                + self
                    .openings
                    .values()
                    .map(|opening| u64::from(opening.open.spec.max_positions))
                    .sum::<u64>();
        u32::try_from(u64::from(self.offer.cache_positions).saturating_sub(taken)).unwrap_or(0)
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
        if let Some(account) = self.accounts.get_mut(&channel) {
            account.is_gone = facts.is_none();
            if let Some(facts) = &facts {
                account.ledger.update(facts.clone());
            }
        }
        self.end_with_channel(now, channel, out);
        let waiting: Vec<SessionId> = self
            .openings
            .iter()
            .filter(|(_, opening)| opening.open.channel == channel)
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            let Some(Opening { from, open, .. }) = self.openings.remove(&id) else { continue };
            if let Err(refusal) = self.admit(now, from, &open, facts.as_ref(), out) {
                out.push(send(from, Message::Fault(refusal.fault(id))));
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
        // Again, because the offer may have changed while the chain was asked.
        let agreed = check_open(&self.identity, &self.offer, from, open, now.block)?;
        let replaced = self.lane_holder(&agreed)?;
        check_window(&self.offer, facts)?;
        self.make_account(now, facts)?;
        let account = self.accounts.get_mut(&open.channel);
        let account = account
            .ok_or_else(|| Refusal::new(FaultCode::UnknownChannel, "no ledger for the channel"))?;
        account.check_paid(now.ms)?;
        let promised = match accept_opening(&mut account.ledger, &agreed, open, now) {
            Ok(promised) => promised,
            Err(refusal) => {
                if may_have_lost_records(refusal.code) {
                    out.extend(show_promises(&account.ledger, from, open, |_| true));
                }
                return Err(refusal);
            }
        };
        if open.voucher.voucher.seq == 1 {
            // A lane that begins while others were used: a payer that has forgotten those would
            // take the deposit for free.
            out.extend(show_promises(&account.ledger, from, open, |lane| lane != open.lane));
        }
        account.begin(now.ms);
        let record = Box::new(account.ledger.record(open.lane));
        if let Some(replaced) = replaced {
            self.with(now, &replaced, out, |session, context| session.end(false, None, context));
        }
        out.push(StageOutput::Persist { record, durability: Durability::Disk });
        let (session, layers, max_positions) =
            (open.session, agreed.own.range, open.spec.max_positions);
        out.push(StageOutput::OpenCache { session, layers, max_positions });
        let opened =
            Opened::sign(agreed.acceptance(), self.identity.key(), self.identity.genesis());
        out.push(send(from, Message::Opened(opened)));
        self.sessions.insert(open.session, StageSession::new(agreed, promised, now));
        Ok(())
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

    fn make_account(&mut self, now: Now, facts: &ChannelFacts) -> Result<(), Refusal> {
        if self.accounts.contains_key(&facts.channel) {
            return Ok(());
        }
        if self.accounts.len() >= MAX_LEDGERS {
            let busy: Vec<ChannelId> =
                self.sessions.values().map(|session| session.agreed().channel).collect();
            self.accounts.retain(|id, account| {
                busy.contains(id)
                    || !(account.is_gone || account.ledger.redeemable(now.block).is_empty())
            });
        }
        if self.accounts.len() >= MAX_LEDGERS {
            return Err(Refusal::new(
                FaultCode::TooManySessions,
                "too many channels wait to be redeemed",
            ));
        }
        let ledger = PayeeLedger::new(*self.identity.genesis(), facts.clone());
        let ledger = ledger.map_err(|error| Refusal::of_money(&error, None))?;
        self.accounts.insert(facts.channel, Account::new(ledger));
        Ok(())
    }

    fn computed(&mut self, now: Now, computed: Computed, out: &mut Vec<StageOutput>) {
        let id = computed.session;
        self.with(now, &id, out, |session, context| session.computed(computed, context));
    }

    fn wake(&mut self, now: Now, out: &mut Vec<StageOutput>) {
        let late: Vec<SessionId> = self
            .openings
            .iter()
            .filter(|(_, opening)| opening.deadline_ms <= now.ms)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(opening) = self.openings.remove(&id) {
                let refusal =
                    Refusal::new(FaultCode::UnknownChannel, "the chain did not answer in time");
                out.push(send(opening.from, Message::Fault(refusal.fault(id))));
            }
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
        let session = self.sessions.get_mut(id)?;
        let account = self.accounts.get_mut(&session.agreed().channel)?;
        let (identity, deadlines) = (&self.identity, &self.offer.deadlines);
        Some(act(
            session,
            &mut SessionContext { identity, deadlines, ledger: &mut account.ledger, now, out },
        ))
    }

    /// Forgets sessions that have ended and remembers who did not pay.
    fn sweep(&mut self, now: Now, out: &[StageOutput]) {
        for output in out {
            let StageOutput::Ended(end) = output else { continue };
            self.sessions.remove(&end.session);
            if let Some(account) = self.accounts.get_mut(&end.channel) {
                account.ended(end, now.ms, self.offer.deadlines.settle_ms);
            }
        }
    }
}

fn accept_opening(
    ledger: &mut PayeeLedger,
    agreed: &Agreed,
    open: &Open,
    now: Now,
) -> Result<mica_primitives::Balance, Refusal> {
    let lane = open.lane;
    let rule =
        VoucherRule { lane, unit: agreed.unit, block: now.block, kind: VoucherKind::Opening };
    // The deposit must cover the whole session: one that is short would end in the middle of an
    // answer. A payer sets that much aside before it opens, unless it has forgotten what it
    // promised.
    let (free, cost) =
        (ledger.free(), agreed.unit.saturating_mul(agreed.spec.needed_positions().into()));
    if cost > free {
        return Err(Refusal::new(
            FaultCode::Overspend,
            format!("the session may cost {cost} and the channel has {free} left"),
        ));
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
