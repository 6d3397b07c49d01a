//! All sessions of one worker, their channels' ledgers, and the bounds on both.
//!
//! The room of a session is prepaid ([`crate::holding`]), so it is kept as long as was paid for. An
//! account whose sessions repeatedly end unpaid is limited to one session a minute: each unpaid one
//! costs the worker the credit it gave.

use mica_primitives::{BlockNumber, ChannelId, LaneId, PublicKey, WorkerAddresses};
use std::collections::BTreeMap;

use super::{
    Computed, ScoreRecord, StageIdentity, StageInput, StageOffer, StageOutput,
    chain_news::Finality,
    consents::Consents,
    expelled::Expelled,
    openings::{Opening, Openings},
    refusal::Refusal,
    scores::Scores,
    session::{SessionContext, StageSession},
};
use crate::{
    FaultCode, SessionId,
    channel::{ChannelFacts, LedgerError, PayeeLaneRecord, PayeeLedger, Redeemable},
    clock::Now,
    limits::{MAX_SESSIONS, QUOTE_LIFETIME_BLOCKS},
    messages::{Fault, Message, PaymentKind, Quote, QuoteRequest, SignedQuote},
};

/// A worker's state machine.
#[derive(Debug)]
pub struct StageTable {
    pub(super) identity: StageIdentity,
    pub(super) offer: StageOffer,
    pub(super) sessions: BTreeMap<SessionId, StageSession>,
    pub(super) openings: Openings,
    pub(super) ledgers: BTreeMap<ChannelId, PayeeLedger>,
    pub(super) scores: Scores,
    expelled: Expelled,
    pub(super) consents: Consents,
    pub(super) finality: Finality,
    pub(super) draining: bool,
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
            expelled: Expelled::new(),
            consents: Consents::new(),
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

    /// The peers that a session depends on, each with the most bytes of a frame that it may send;
    /// one may be named twice. Nothing if there is no such session.
    pub fn peers(&self, session: &SessionId) -> Vec<(PublicKey, usize)> {
        self.sessions.get(session).map(|session| session.agreed().peers()).unwrap_or_default()
    }

    /// When [`StageInput::Wake`] is due, in milliseconds of [`Now::ms`].
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let free_permille = self.free_permille();
        let sessions = self.sessions.values().filter_map(|session| {
            let ledger = self.ledgers.get(&session.agreed().channel)?;
            let deadline_ms = session.deadline_ms(&self.offer.deadlines, free_permille, ledger);
            let stall_ms = self.finality.deadline_ms(ledger.facts().window);
            let stall_ms = stall_ms.filter(|_| session.is_working());
            Some(stall_ms.map_or(deadline_ms, |stall_ms| stall_ms.min(deadline_ms)))
        });
        sessions.chain(self.openings.next_deadline_ms()).min()
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
                self.disconnected(now, &peer, &mut out);
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
            Message::CloseConsent(consent) => {
                if let Err(refusal) = self.consent(now, consent) {
                    let fault = Fault::new(None, refusal.code, refusal.text);
                    out.push(send(from, Message::Fault(fault)));
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
        let is_tick =
            matches!(&message, Message::Pay(pay) if pay.payment.kind() == PaymentKind::Tick);
        let Some(id) = message.session() else {
            if !is_fault {
                let text = format!("a worker takes no {}", message.kind());
                let fault = Fault::new(None, FaultCode::WrongDirection, text);
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
            None if is_tick && self.expelled.contains(&id, &from) => {
                Refusal::new(FaultCode::BadTick, "the session has ended because of such ticks")
            }
            None => Refusal::new(FaultCode::UnknownSession, format!("no session {id} here")),
        };
        out.push(send(from, Message::Fault(refusal.fault(id))));
    }

    /// Nothing happens to the sessions of others, of which there may be many: strangers come and
    /// go.
    fn disconnected(&mut self, now: Now, peer: &PublicKey, out: &mut Vec<StageOutput>) {
        let theirs = self.sessions.iter().filter(|(_, session)| session.agreed().involves(peer));
        for id in theirs.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.with(now, &id, out, |session, context| session.disconnected(peer, context));
        }
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

    pub(super) fn session_limit(&self) -> usize {
        self.offer.max_sessions.min(MAX_SESSIONS)
    }

    pub(super) fn free_positions(&self) -> u32 {
        let sessions = self.sessions.values().filter(|session| !session.is_settling());
        let taken =
            sessions.map(|session| u64::from(session.agreed().spec.max_positions)).sum::<u64>();
        u32::try_from(u64::from(self.offer.cache_positions).saturating_sub(taken)).unwrap_or(0)
    }

    /// How much of the worker's room is free: the lesser share of its cache and its sessions. One
    /// that takes no sessions for the moment keeps none from anybody.
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

    pub(super) fn with<T>(
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
            if end.fault == Some(FaultCode::BadTick) {
                self.expelled.note(end.session, end.payer);
            }
            if let Some(ledger) = self.ledgers.get(&end.channel) {
                let settle_ms = self.offer.deadlines.settle_ms;
                scores.extend(self.scores.ended(ledger.facts().payer, end, now, settle_ms));
            }
        }
        out.extend(scores.into_iter().map(StageOutput::PersistScore));
    }
}

pub(super) fn send(to: PublicKey, message: Message) -> StageOutput {
    StageOutput::Send { to, addresses: WorkerAddresses::default(), message }
}
