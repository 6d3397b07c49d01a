//! All relays of one hub, the ledgers of the channels to it and from it, and the bounds on them.

use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, BlockNumber, ChannelId, Lane, LaneId, MAX_LANES, PublicKey};
use std::collections::BTreeMap;

use super::{
    HubInput, HubOffer, HubOutput, Payee, RelayId,
    earlier::{EarlierChain, EarlierChains},
    opening::{Opening, refusal_of},
    pauses::Pauses,
    payment::{anchor, forgotten},
    relay::Relay,
};
use crate::{
    FaultCode,
    channel::{
        ChannelFacts, LeaseError, LedgerError, PayeeLaneRecord, PayeeLedger, PayerLaneRecord,
        PayerLedger, Redeemable,
    },
    clock::Now,
    limits::{FINALITY_DEADLINE_MS, QUOTE_LIFETIME_BLOCKS},
    messages::{Account, CloseConsent, Fault, HubQuote, HubQuoteRequest, Message, SignedHubQuote},
    stage::{StageIdentity, consents::Consents, refusal::Refusal},
};

/// A channel of the hub's own.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) payee: Payee,
    pub(super) ledger: PayerLedger,
    /// Lanes on which ticks were lost since the hub started.
    pub(super) lost: usize,
}

/// A hub's state machine.
#[derive(Debug)]
pub struct HubTable {
    pub(super) identity: StageIdentity,
    pub(super) offer: HubOffer,
    pub(super) relays: BTreeMap<RelayId, Relay>,
    pub(super) openings: BTreeMap<RelayId, Opening>,
    pub(super) incoming: BTreeMap<ChannelId, PayeeLedger>,
    pub(super) outgoing: BTreeMap<ChannelId, Outgoing>,
    pub(super) pauses: Pauses,
    /// Chains over which nothing more is promised, and of which ticks may still be shown.
    pub(super) earlier: EarlierChains,
    /// When the chain last had a new final block, as far as anybody has told.
    final_ms: Option<u64>,
    consents: Consents,
    pub(super) draining: bool,
}

impl HubTable {
    /// A hub without channels.
    pub fn new(identity: StageIdentity, offer: HubOffer) -> Self {
        Self {
            identity,
            offer,
            relays: BTreeMap::new(),
            openings: BTreeMap::new(),
            incoming: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            pauses: Pauses::default(),
            earlier: EarlierChains::default(),
            final_ms: None,
            consents: Consents::default(),
            draining: false,
        }
    }

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

    /// What the hub takes relays for from now on. Those that run keep their terms.
    pub const fn set_offer(&mut self, offer: HubOffer) {
        self.offer = offer;
    }

    /// Refuses new relays from now on.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// Relays that run.
    pub fn relays(&self) -> usize {
        self.relays.len()
    }

    /// The ledger of a channel to the hub.
    pub fn ledger(&self, channel: &ChannelId) -> Option<&PayeeLedger> {
        self.incoming.get(channel)
    }

    /// The channels to the hub of which there are ledgers.
    pub fn incoming_channels(&self) -> impl Iterator<Item = ChannelId> {
        self.incoming.keys().copied()
    }

    /// The hub's own channels, with whom they pay and what was promised there.
    pub fn outgoing_channels(&self) -> impl Iterator<Item = (Payee, &PayerLedger)> {
        self.outgoing.values().map(|own| (own.payee, &own.ledger))
    }

    /// Every lane for which the chain would pay the hub in `block`, and whether a relay runs on it:
    /// what that one promises grows, and each redeem costs a fee.
    ///
    /// While ticks of an earlier voucher of a lane may be shown that are worth more than the newest
    /// one, that earlier one is given, with the ticks that are known: a redeem of a newer one would
    /// make it stale.
    pub fn redeemable(&self, now: Now) -> Vec<(Redeemable, bool)> {
        let lanes = self.incoming.values().flat_map(|ledger| ledger.redeemable(now.block));
        let is_busy = |due: &Redeemable| {
            let voucher = &due.redeem.voucher;
            let lane = (voucher.channel, voucher.lane);
            self.relays.values().any(|relay| (relay.channel, relay.lane) == lane)
        };
        lanes
            .filter_map(|due| {
                let (busy, due) = (is_busy(&due), self.at_most_earlier(due)?);
                Some((due, busy))
            })
            .collect()
    }

    /// What can be redeemed of a lane without making stale what may be worth more.
    fn at_most_earlier(&self, due: Redeemable) -> Option<Redeemable> {
        let place = (due.redeem.voucher.channel, due.redeem.voucher.lane);
        let ledger = self.incoming.get(&place.0)?;
        let Some(chain) = self.earlier.oldest(place, ledger.promised(place.1)) else {
            return Some(due);
        };
        if chain.held.voucher.seq >= due.redeem.voucher.seq {
            return Some(due);
        }
        let promised = chain.held.promised()?;
        let gain = promised.saturating_sub(ledger.facts().lane(place.1).claimed).min(due.gain);
        (gain > 0).then(|| Redeemable { redeem: chain.held.clone(), gain })
    }

    /// Whether ticks of this payer's may still be shown that the hub does not know: until then it
    /// does not end the channel.
    pub fn may_be_shown_more(&self, channel: &ChannelId) -> bool {
        self.incoming.get(channel).is_some_and(|ledger| {
            let mut lanes = 0..MAX_LANES as LaneId;
            lanes.any(|lane| self.earlier.oldest((*channel, lane), ledger.promised(lane)).is_some())
        })
    }

    /// Payers' agreements to the end of their channels that the chain would take in `block`, on
    /// channels on which no relay runs and no more can be shown; those that it would not are
    /// forgotten. Each with what it brings, base units.
    pub fn consents(&mut self, block: BlockNumber) -> Vec<(CloseConsent, Balance)> {
        self.consents.keep(&self.incoming, block);
        self.consents.ready(&self.incoming, |id| self.is_busy(id) || self.may_be_shown_more(id))
    }

    /// Whether a relay runs on a channel to the hub.
    pub fn is_busy(&self, channel: &ChannelId) -> bool {
        self.relays.values().any(|relay| relay.channel == *channel)
    }

    /// Forgets a channel to the hub that is gone and on which nothing runs.
    pub fn forget(&mut self, channel: &ChannelId) -> Vec<HubOutput> {
        if self.is_busy(channel) {
            return Vec::new();
        }
        self.incoming.remove(channel);
        self.earlier.forget(channel).iter().filter_map(forgotten).collect()
    }

    /// Whether the chain knows more of a lane of this channel, which the hub has just begun to pay
    /// from, than its records say.
    pub fn is_behind(&self, facts: &ChannelFacts) -> bool {
        let own = self.outgoing.get(&facts.channel);
        own.is_some_and(|own| facts.lanes.keys().any(|lane| own.ledger.is_behind(*lane)))
    }

    /// Whether the chain, as these facts say, knows more of a lane of the hub's own than the hub:
    /// somebody was shown what the hub was not.
    pub fn is_ahead(&self, facts: &ChannelFacts) -> bool {
        let own = self.outgoing.get(&facts.channel);
        let is_ahead = |(lane, found): (&LaneId, &Lane)| {
            let leased = self.relays.values().find(|relay| {
                (relay.out.record().channel, relay.out.record().lane) == (facts.channel, *lane)
            });
            let leased = leased.map_or(0, |relay| relay.out.promised());
            own.is_some_and(|own| found.cumulative > leased.max(own.ledger.promised(*lane)))
        };
        facts.lanes.iter().any(is_ahead)
    }

    /// What the hub has promised on its own channels and nobody has claimed from the chain yet,
    /// base units.
    pub fn owed_out(&self) -> Balance {
        let ended = self.outgoing.values().map(|own| own.ledger.owed());
        let running = self.relays.values().map(|relay| {
            let (channel, lane) = relay.own();
            let known = self.outgoing.get(&channel).map(|own| own.ledger.promised(lane));
            relay.out.promised().saturating_sub(known.unwrap_or(0))
        });
        ended.chain(running).fold(0, Balance::saturating_add)
    }

    /// Accounts that have kept ticks from the hub.
    pub fn banned(&self) -> usize {
        self.pauses.banned()
    }

    /// The most that can be promised to an account in one session, base units.
    pub(super) fn free_for(&self, account: &Account) -> Balance {
        let theirs = self.outgoing.values().filter(|own| own.payee.account == *account);
        let open = theirs.filter(|own| own.ledger.has_lane());
        open.map(|own| own.ledger.free()).max().unwrap_or(0)
    }

    /// Whether the chain moves: a promise is worth what the chain will pay, and a chain that stands
    /// still, or a node that has lost it, says nothing of channels that are being closed.
    ///
    /// # Errors
    /// [`FaultCode::ChainStalled`].
    pub(super) fn check_moving(&self, now: Now) -> Result<(), Refusal> {
        let waited_ms = self.final_ms.map_or(0, |last| now.ms.saturating_sub(last));
        if waited_ms < FINALITY_DEADLINE_MS {
            return Ok(());
        }
        let text = format!("no new final block for {} s", FINALITY_DEADLINE_MS / 1_000);
        Err(Refusal::new(FaultCode::ChainStalled, text))
    }

    /// When [`HubInput::Wake`] is due, in milliseconds of [`Now::ms`].
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let relays =
            self.relays.values().map(|relay| relay.ends_ms(self.incoming.get(&relay.channel)));
        relays.chain(self.openings.values().map(|opening| opening.deadline_ms)).min()
    }

    /// Carries an input out. Outputs are to be done in order.
    pub fn handle(&mut self, now: Now, input: HubInput) -> Vec<HubOutput> {
        let mut out = Vec::new();
        match input {
            HubInput::Message { from, message } => self.message(now, from, message, &mut out),
            HubInput::Incoming { channel, facts } => self.incoming(now, channel, facts, &mut out),
            HubInput::Outgoing { channel, facts } => self.outgoing(now, channel, facts, &mut out),
            HubInput::Shown(held) => self.shown(now, &held, &mut out),
            HubInput::BlockFinal => {
                self.final_ms = Some(now.ms);
                out.extend(self.earlier.keep(now.block).iter().filter_map(forgotten));
                out.extend(self.pauses.keep(now.block).into_iter().map(HubOutput::ForgetBan));
            }
            HubInput::Wake => self.wake(now, &mut out),
        }
        out
    }

    fn message(&mut self, now: Now, from: PublicKey, message: Message, out: &mut Vec<HubOutput>) {
        match message {
            Message::HubQuoteRequest(request) => {
                let quote = Box::new(self.quote(now, &request));
                out.push(send(from, Message::HubQuote(quote)));
            }
            Message::RelayOpen(open) => {
                let id = open.id();
                if let Err(refusal) = self.open(now, from, open, out) {
                    out.push(send(from, refusal_of(id, refusal)));
                }
            }
            Message::RelayPay(pay) => {
                let id = (pay.session, pay.stage);
                if let Err(refusal) = self.pay(now, from, pay, out) {
                    out.push(send(from, refusal_of(id, refusal)));
                }
            }
            Message::Receipt(receipt) => self.receipt(now, from, &receipt, out),
            Message::Promises(shown) => self.promises(now, from, shown, out),
            Message::Close(close) => self.close(now, from, close.session, out),
            Message::CloseConsent(consent) => {
                if let Err(refusal) = self.consent(now, consent) {
                    let fault = Fault::new(None, refusal.code, refusal.text);
                    out.push(send(from, Message::Fault(fault)));
                }
            }
            // A fault is never answered: two peers could go on for ever.
            Message::Fault(_) => {}
            other => {
                let text = format!("a hub takes no {}", other.kind());
                let fault = Fault::new(other.session(), FaultCode::WrongDirection, text);
                out.push(send(from, Message::Fault(fault)));
            }
        }
    }

    fn consent(&mut self, now: Now, consent: CloseConsent) -> Result<(), Refusal> {
        let channel = consent.close.channel;
        let is_busy = self.is_busy(&channel);
        let (ledger, genesis) = (self.incoming.get(&channel), self.identity.genesis());
        self.consents.take(consent, ledger, is_busy, now.block, genesis)
    }

    fn quote(&self, now: Now, request: &HubQuoteRequest) -> SignedHubQuote {
        let free =
            request.payees.iter().map(|payee| if self.draining { 0 } else { self.free_for(payee) });
        let quote = HubQuote {
            peer: self.identity.peer(),
            account: self.offer.account,
            nonce: request.nonce,
            fee: self.offer.fee,
            credit_positions: self.offer.credit_positions,
            min_window: self.offer.min_window,
            // As many as were asked for, which are no more than there may be.
            free: bounded_collections::BoundedVec::truncate_from(free.collect()),
            valid_until: now.block.saturating_add(QUOTE_LIFETIME_BLOCKS),
        };
        SignedHubQuote::sign(quote, self.identity.key(), self.identity.genesis())
    }

    /// News of a channel of the hub's own. Relays on one that is gone can promise nothing more.
    fn outgoing(
        &mut self,
        now: Now,
        channel: ChannelId,
        facts: Option<ChannelFacts>,
        out: &mut Vec<HubOutput>,
    ) {
        if let Some(facts) = facts {
            if let Some(own) = self.outgoing.get_mut(&channel) {
                own.ledger.update(facts);
            }
            return;
        }
        if self.outgoing.remove(&channel).is_none() {
            return;
        }
        let gone = self.relays.iter().filter(|(_, relay)| relay.out.record().channel == channel);
        for id in gone.map(|(id, _)| *id).collect::<Vec<_>>() {
            let payer = self.relays.get(&id).map(|relay| relay.payer);
            self.end(now, &id, false, out);
            let refusal = Refusal::new(FaultCode::NoRelay, "the hub's channel is closed and gone");
            out.extend(payer.map(|payer| send(payer, refusal_of(id, refusal))));
        }
    }

    fn wake(&mut self, now: Now, out: &mut Vec<HubOutput>) {
        let late = self.openings.iter().filter(|(_, opening)| now.ms >= opening.deadline_ms);
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            let Some(opening) = self.openings.remove(&id) else { continue };
            let text = "the chain did not answer in time";
            let refusal = Refusal::new(FaultCode::UnknownChannel, text);
            out.push(send(opening.from, refusal_of(id, refusal)));
        }
        let idle = self
            .relays
            .iter()
            .filter(|(_, relay)| now.ms >= relay.ends_ms(self.incoming.get(&relay.channel)));
        for id in idle.map(|(id, _)| *id).collect::<Vec<_>>() {
            let payer = self.relays.get(&id).map(|relay| relay.payer);
            self.end(now, &id, false, out);
            let refusal = Refusal::new(FaultCode::Silent, "nothing was heard of the relay");
            out.extend(payer.map(|payer| send(payer, refusal_of(id, refusal))));
        }
    }
}

pub(super) fn send(to: PublicKey, message: Message) -> HubOutput {
    HubOutput::Send { to, message }
}
