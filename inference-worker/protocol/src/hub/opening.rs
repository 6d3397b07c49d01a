//! The first half of taking a relay: it is checked against the offer, and waits for the chain's
//! word on its channel.

use mica_primitives::{ChannelId, PublicKey, Tick};

use super::{HubOutput, HubTable, RelayId};
use crate::{
    FaultCode,
    channel::LedgerError,
    clock::Now,
    limits::{
        MAX_OPENINGS, MAX_RELAY_OPENINGS_PER_PEER, MAX_RELAYS, MAX_SESSION_POSITIONS,
        MAX_UNKNOWN_OPENINGS, OPENING_DEADLINE_MS,
    },
    messages::RelayOpen,
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
    pub(super) fn check_terms(&self, open: &RelayOpen) -> Result<Tick, Refusal> {
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
}

/// A refusal of a relay as it is told.
pub(super) fn refusal_of(id: RelayId, refusal: Refusal) -> crate::Message {
    let (session, stage) = id;
    let fault = refusal.fault(session);
    crate::Message::RelayRefused(crate::messages::RelayRefused { stage, fault })
}

pub(super) fn no_relay() -> Refusal {
    Refusal::new(FaultCode::NoRelay, "the hub has no channel to this account with enough left")
}

pub(super) fn unknown(channel: ChannelId) -> Refusal {
    Refusal::new(FaultCode::UnknownChannel, format!("no channel {channel} here"))
}
