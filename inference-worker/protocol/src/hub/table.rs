//! All relays of one hub, the ledgers of the channels to it and from it, and the bounds on them.

use mica_primitives::{Balance, ChannelId, PublicKey};
use std::collections::BTreeMap;

use super::{
    HubInput, HubOffer, HubOutput, Payee, RelayId,
    earlier::EarlierChains,
    ending::forgotten,
    opening::{Opening, refusal_of},
    pauses::Pauses,
    relay::Relay,
};
use crate::{
    FaultCode,
    channel::{PayeeLedger, PayerLedger},
    clock::Now,
    limits::{FINALITY_DEADLINE_MS, QUOTE_LIFETIME_BLOCKS},
    messages::{Account, Fault, HubQuote, HubQuoteRequest, Message, SignedHubQuote},
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
    pub(super) consents: Consents,
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

    /// Whether a relay runs on a channel to the hub.
    pub fn is_busy(&self, channel: &ChannelId) -> bool {
        self.relays.values().any(|relay| relay.channel == *channel)
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
