//! Ticks that a payee was shown and the hub was not: learnt from the chain, or from a payer that
//! passes on what its worker holds.

use mica_primitives::{
    Balance, ChannelId, Hash32, LaneId, MAX_LANES, Redeem, TickProof, domain::blake2_256,
};

use super::{
    HubOutput, HubTable, RelayId, earlier::Place, opening::refusal_of, payment::persist,
    relay::Relay, table::send,
};
use crate::{
    FaultCode,
    channel::{Adopted, Durability, LedgerError, PayeeLedger},
    clock::Now,
    limits::{MAX_LOST_LANES, MAX_PREPAID_POSITIONS},
    messages::Account,
    stage::refusal::Refusal,
};

/// What became of a tick that the hub was not shown.
enum Claim {
    /// The hub has it, or was paid for it otherwise.
    Mine,
    /// Its payer has promised the hub no more than it did before, and somebody was paid with it.
    Lost(Account),
    /// The same, and it may be that only the payee is to blame.
    Refused,
    /// Nothing is known of its chain any more.
    Unknown,
}

impl HubTable {
    /// A block shows one of the hub's own promises, perhaps with more ticks than the hub was shown:
    /// the payer has kept them from it. The payee was paid with them, so the hub claims them too: a
    /// tick is the same for both.
    pub(super) fn shown(&mut self, now: Now, held: &Redeem, out: &mut Vec<HubOutput>) {
        let place = (held.voucher.channel, held.voucher.lane);
        let Some(own) = self.outgoing.get(&place.0) else {
            // The payee has closed the channel with it. What is on a payer's chain is the hub's.
            self.claim_or_ban(now, held, out);
            return;
        };
        // Anybody can put bytes into a block.
        if !own.ledger.is_own(held) {
            return;
        }
        let chain = held.voucher.tick.map(|tick| tick.anchor);
        let known = held.tick.map_or(0, |proof| proof.n);
        let running = self.relays.values_mut().find(|relay| {
            let record = relay.out.record();
            (record.channel, record.lane) == place && record.tick.map(|tick| tick.anchor) == chain
        });
        let Some(relay) = running else { return self.adopt(now, held, LaneId::MAX, out) };
        if known > relay.out.record().revealed {
            relay.is_distrusted = true;
            relay.out.note_revealed(known);
            out.push(persist(&relay.out, Durability::Disk));
            self.claim_or_ban(now, held, out);
        }
    }

    /// Takes note of what a payee holds of the hub's promises; it counts from now on, whatever was
    /// thought to be promised. A lane on which the payee was shown ticks that the hub can claim
    /// from nobody is not used again: each lane can cost the hub its credit once.
    pub(super) fn adopt(&mut self, now: Now, held: &Redeem, own: LaneId, out: &mut Vec<HubOutput>) {
        let (channel, lane) = (held.voucher.channel, held.voucher.lane);
        let Some(outgoing) = self.outgoing.get_mut(&channel) else { return };
        let was_lost = outgoing.ledger.is_lost(lane);
        let adopted = match outgoing.ledger.adopt(held, own) {
            Ok(Some(adopted)) => adopted,
            // Another session holds the lane, or it is no news; what can be claimed is claimed.
            Ok(None) => {
                self.claim_or_ban(now, held, out);
                return;
            }
            // The hub has never signed it.
            Err(_) => return,
        };
        let Adopted { record, is_retired, recovered } = adopted;
        let (record, durability) = (Box::new(record), Durability::Disk);
        out.push(HubOutput::PersistOutgoing { record, durability });
        let is_mine = self.claim_or_ban(now, held, out);
        let is_lost = (recovered > 0 || was_lost) && !is_mine;
        if is_retired || is_lost {
            self.lose_lane(channel, lane, is_lost, out);
        }
    }

    /// Never uses a lane of the hub's own again. On a channel with too many on which ticks were
    /// lost nothing more is promised at all.
    fn lose_lane(
        &mut self,
        channel: ChannelId,
        lane: LaneId,
        is_lost: bool,
        out: &mut Vec<HubOutput>,
    ) {
        let Some(own) = self.outgoing.get_mut(&channel) else { return };
        own.ledger.retire(lane);
        own.lost += usize::from(is_lost);
        out.push(HubOutput::Retire(channel, lane));
        if is_lost && own.lost == MAX_LOST_LANES {
            for lane in 0..MAX_LANES as LaneId {
                own.ledger.retire(lane);
                out.push(HubOutput::Retire(channel, lane));
            }
            out.push(HubOutput::GivenUp { channel, payee: own.payee.account });
        }
    }

    /// Claims the tick of a promise of the hub's own. Returns whether the hub has lost nothing by
    /// it; an account that has taken it is promised nothing more.
    fn claim_or_ban(&mut self, now: Now, held: &Redeem, out: &mut Vec<HubOutput>) -> bool {
        let account = match self.claim(now, held, out) {
            Claim::Mine => return true,
            Claim::Unknown | Claim::Refused => return false,
            Claim::Lost(account) => account,
        };
        if let Some((last, forgotten)) = self.pauses.ban(account, now) {
            out.extend(forgotten.map(HubOutput::ForgetBan));
            out.push(HubOutput::Ban(account, last));
        }
        let is_theirs = |relay: &Relay| {
            let ledger = self.incoming.get(&relay.channel);
            ledger.is_some_and(|ledger| ledger.facts().payer == account)
        };
        let theirs: Vec<RelayId> =
            self.relays.iter().filter(|(_, relay)| is_theirs(relay)).map(|(id, _)| *id).collect();
        for id in theirs {
            self.leave(now, id, out);
        }
        false
    }

    /// Gives a relay up, because its payer has kept ticks from the hub.
    fn leave(&mut self, now: Now, id: RelayId, out: &mut Vec<HubOutput>) {
        let payer = self.relays.get(&id).map(|relay| relay.payer);
        self.end(now, &id, false, out);
        let text = "this account has paid with ticks that it kept from this hub";
        let refusal = Refusal::new(FaultCode::Underpaid, text);
        out.extend(payer.map(|payer| send(payer, refusal_of(id, refusal))));
    }

    /// Claims the tick of a promise of the hub's own from the payer on whose chain it lies: with
    /// the lane's newest voucher, or with an earlier one. It proves itself: it lies on the payer's
    /// chain, or does not.
    fn claim(&mut self, now: Now, held: &Redeem, out: &mut Vec<HubOutput>) -> Claim {
        let (Some(tick), Some(proof)) = (held.voucher.tick, held.tick) else {
            return Claim::Unknown;
        };
        if let Some((channel, lane)) = self.newest_over(&tick.anchor) {
            let Some(ledger) = self.incoming.get_mut(&channel) else { return Claim::Unknown };
            return match ledger.claim_tick(lane, &proof, now.block) {
                Ok(_) => {
                    self.persist_incoming(channel, lane, Durability::Disk, out);
                    Claim::Mine
                }
                Err(LedgerError::OldTick { .. }) => Claim::Mine,
                Err(_) => Claim::Unknown,
            };
        }
        self.claim_earlier(now, &tick.anchor, &proof, out)
    }

    /// The payer's lane whose newest voucher is over this chain.
    fn newest_over(&self, anchor: &Hash32) -> Option<Place> {
        let promises = self.incoming.values().flat_map(PayeeLedger::promises);
        let mut vouchers = promises.map(|promise| &promise.voucher);
        let found =
            vouchers.find(|voucher| voucher.tick.is_some_and(|tick| tick.anchor == *anchor));
        found.map(|voucher| (voucher.channel, voucher.lane))
    }

    /// Whether nobody has promised anything over this chain yet. Of one that pays on two lanes a
    /// preimage pays two payees, and the hub would claim once with it.
    ///
    /// # Errors
    /// [`FaultCode::BadTick`].
    pub(super) fn check_new_chain(&self, anchor: &Hash32) -> Result<(), Refusal> {
        if self.newest_over(anchor).is_none() && self.earlier.find(anchor).is_none() {
            return Ok(());
        }
        let text = "another voucher is over this tick chain already: make a new one";
        Err(Refusal::new(FaultCode::BadTick, text))
    }

    fn claim_earlier(
        &mut self,
        now: Now,
        anchor: &Hash32,
        proof: &TickProof,
        out: &mut Vec<HubOutput>,
    ) -> Claim {
        let Some(chain) = self.earlier.find(anchor) else { return Claim::Unknown };
        // Nobody is blamed for what was made up.
        if !chain.held.voucher.tick.is_some_and(|tick| tick.verify(proof, blake2_256)) {
            return Claim::Unknown;
        }
        let known = chain.held.tick.map_or(0, |proof| proof.n);
        // What came after it pays for all of them.
        let is_paid = chain.next.is_some_and(|next: Balance| next >= chain.with_ticks(proof.n));
        if proof.n <= known || is_paid {
            return Claim::Mine;
        }
        let (channel, lane) = (chain.held.voucher.channel, chain.held.voucher.lane);
        let (earlier, next) = (chain.held.clone(), chain.next);
        // A worker is shown what prepays its room when it is asked, and the hub when it has
        // accepted. One that refuses and is paid for it all the same is no fault of the payer's,
        // which has taken that back. The lane to the worker is lost, and soon the worker.
        let may_be_refused = known == 0 && proof.n <= MAX_PREPAID_POSITIONS;
        let lost = if may_be_refused { Claim::Refused } else { Claim::Lost(chain.account) };
        // The channel is gone, and with it what could be claimed.
        let Some(ledger) = self.incoming.get_mut(&channel) else { return lost };
        let before = ledger.promised(lane);
        let newest = ledger.held(lane).cloned();
        match ledger.claim_earlier(&earlier, proof, now.block) {
            Ok(_) => {}
            Err(LedgerError::BadTick { .. }) => return Claim::Unknown,
            Err(_) => return lost,
        }
        self.persist_incoming(channel, lane, Durability::Disk, out);
        // What runs on the lane is over another chain, which is worth less now.
        let mut relays = self.relays.iter();
        let running = relays.find(|(_, relay)| (relay.channel, relay.lane) == (channel, lane));
        if let Some(id) = running.map(|(id, _)| *id) {
            self.note_chain(&id, newest.as_ref(), out);
            self.leave(now, id, out);
        }
        // Other sessions have paid on the lane since: what they paid is a part of this now.
        if next.is_some_and(|next| before > next) { lost } else { Claim::Mine }
    }
}
