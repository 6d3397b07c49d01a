//! One relay: what the hub was promised for it, and what it promises for that.

use mica_primitives::{Balance, BlockNumber, ChannelId, LaneId, PublicKey, Redeem, Tick, Voucher};

use super::{
    HubOffer, Payee,
    earlier::{EarlierChain, Place},
};
use crate::{
    FaultCode, SessionId,
    channel::{ChannelFacts, PayeeLedger, PayerLane, SpendError},
    limits::{
        EXPIRY_MARGIN_BLOCKS, HUB_MARGIN_BLOCKS, HUB_RENEWAL_BLOCKS, HUB_TICKS_BLOCKS,
        OPENING_DEADLINE_MS, RELAY_IDLE_MS, RELAY_OPENING_MS,
    },
    messages::{Account, SessionReceipt},
    receipts::is_signed,
    stage::refusal::Refusal,
};

/// Money in on one lane, and out on another.
#[derive(Debug)]
pub(super) struct Relay {
    /// Who speaks for it.
    pub(super) payer: PublicKey,
    /// The channel and lane on which the hub is promised.
    pub(super) channel: ChannelId,
    pub(super) lane: LaneId,
    /// Base units that it gets for a position.
    pub(super) unit: Balance,
    /// What the lane promised before.
    pub(super) base: Balance,
    pub(super) payee: Payee,
    /// The hub's own lane.
    pub(super) out: PayerLane,
    /// Base units that the payee gets for a position.
    pub(super) out_unit: Balance,
    /// What the hub's lane promised before.
    pub(super) out_base: Balance,
    /// Most positions.
    pub(super) positions: u32,
    /// Positions that the newest promise to the payee reaches to.
    reaches: u32,
    /// Last block of that promise.
    expires: BlockNumber,
    /// Last block of the promise over the payer's chain that lives longest.
    lives_until: BlockNumber,
    /// Positions that the payee's receipts cover.
    receipted: u32,
    /// The payee was shown ticks that the hub was not: nothing more is promised ahead.
    pub(super) is_distrusted: bool,
    /// When it was opened.
    pub(super) opened_ms: u64,
    /// When it last got on: by a tick, or by a receipt.
    pub(super) since_ms: u64,
}

/// What a relay begins with, once both lanes are there.
pub(super) struct RelayTerms {
    pub(super) payer: PublicKey,
    pub(super) unit: Balance,
    pub(super) payee: Payee,
    pub(super) out_unit: Balance,
    pub(super) positions: u32,
}

impl Relay {
    /// One whose first voucher was accepted: the `base` that its lane promises then is for what
    /// came before.
    pub(super) fn new(
        terms: RelayTerms,
        voucher: &Voucher,
        base: Balance,
        out: PayerLane,
        now_ms: u64,
    ) -> Self {
        let RelayTerms { payer, unit, payee, out_unit, positions } = terms;
        Self {
            payer,
            channel: voucher.channel,
            lane: voucher.lane,
            unit,
            base,
            payee,
            out_base: out.promised(),
            out,
            out_unit,
            positions,
            reaches: 0,
            expires: 0,
            lives_until: 0,
            receipted: 0,
            is_distrusted: false,
            opened_ms: now_ms,
            since_ms: now_ms,
        }
    }

    /// Whole positions that `promised` on the incoming lane pays for.
    fn positions_of(&self, promised: Balance) -> u32 {
        let positions = promised.saturating_sub(self.base) / self.unit.max(1);
        u32::try_from(positions).unwrap_or(u32::MAX)
    }

    /// Positions that the hub is paid for.
    pub(super) fn paid(&self, ledger: &PayeeLedger) -> u32 {
        self.positions_of(ledger.promised(self.lane))
    }

    /// When it is over if nothing more is heard of it.
    pub(super) fn ends_ms(&self, ledger: Option<&PayeeLedger>) -> u64 {
        let is_paid = ledger.is_some_and(|ledger| self.paid(ledger) > 0);
        self.since_ms.saturating_add(if is_paid { RELAY_IDLE_MS } else { RELAY_OPENING_MS })
    }

    /// Whether it held its lanes for longer than a worker needs to say no.
    pub(super) fn was_held(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.opened_ms) >= OPENING_DEADLINE_MS
    }

    /// Base units that were promised here.
    pub(super) fn earned(&self, ledger: &PayeeLedger) -> Balance {
        ledger.promised(self.lane).saturating_sub(self.base)
    }

    /// Base units of it that are promised on.
    pub(super) fn passed_on(&self) -> Balance {
        self.out.promised().saturating_sub(self.out_base)
    }

    /// What it may still cost its payer beyond what the lane promises.
    pub(super) fn uncovered(&self, ledger: &PayeeLedger) -> Balance {
        let cost = self.unit.saturating_mul(self.positions.into());
        self.base.saturating_add(cost).saturating_sub(ledger.promised(self.lane))
    }

    /// Whether the payee needs another promise: one that reaches further, because half of the
    /// credit is used up and the payer's chain goes on, or one that lives longer.
    pub(super) fn runs_out(
        &self,
        ledger: &PayeeLedger,
        offer: &HubOffer,
        block: BlockNumber,
    ) -> bool {
        let Some(held) = ledger.held(self.lane).filter(|_| !self.is_distrusted) else {
            return false;
        };
        let ahead = self.reaches.saturating_sub(self.paid(ledger));
        let is_low = ahead <= u32::from(offer.credit(self.unit) / 2);
        let aged = self.expires.saturating_add(HUB_RENEWAL_BLOCKS);
        let next = self.may_live_until(&held.voucher, ledger.facts(), block);
        let is_aging = next.is_ok_and(|next| next >= aged);
        (is_low && self.reaches < self.most(held)) || (is_aging && ahead > 0)
    }

    /// Positions that the payer's newest chain reaches to.
    fn most(&self, held: &Redeem) -> u32 {
        let chain = held.voucher.tick.map_or(0, |tick| u32::from(tick.max));
        self.positions_of(held.voucher.cumulative).saturating_add(chain).min(self.positions)
    }

    /// The promise to the payee that goes with what the payer has promised on its channel: over the
    /// same chain, as far as the credit goes beyond the ticks that are known.
    pub(super) fn promise(
        &mut self,
        held: &Redeem,
        facts: &ChannelFacts,
        offer: &HubOffer,
        block: BlockNumber,
    ) -> Result<Redeem, Refusal> {
        let voucher = &held.voucher;
        let no_chain = || Refusal::new(FaultCode::BadTick, "the voucher has no tick chain");
        let tick = voucher.tick.ok_or_else(no_chain)?;
        let before = self.positions_of(voucher.cumulative);
        let known = held.tick.map_or(0, |proof| proof.n);
        let left = u16::try_from(self.positions.saturating_sub(before)).unwrap_or(u16::MAX);
        let credit = offer.credit(self.unit).max(1);
        let max = known.saturating_add(credit).min(tick.max).min(left);
        if max == 0 {
            let text = format!("all {} positions of the session are promised", self.positions);
            return Err(Refusal::new(FaultCode::LimitReached, text));
        }
        let expires = self.may_live_until(voucher, facts, block)?;
        let (cumulative, chain) = (self.out_sum(before), self.out.record().tick);
        let own = Tick { anchor: tick.anchor, unit: self.out_unit, max };
        let promise = self.out.pass_on(cumulative, own, known, expires).map_err(beyond_budget)?;
        let is_same_chain = |known: &Tick| known.anchor == tick.anchor;
        let lived = chain.filter(is_same_chain).map_or(0, |_| self.lives_until);
        (self.reaches, self.expires) = (before.saturating_add(max.into()), expires);
        self.lives_until = expires.max(lived);
        Ok(promise)
    }

    /// The payer's chain over which the newest promise is, of which the hub `held` so much: what
    /// may still be shown of it when the relay goes on without it. Nothing before the first
    /// promise, and after the exact sum.
    pub(super) fn chain(&self, held: &Redeem, account: Account) -> Option<EarlierChain> {
        let tick = self.out.record().tick?;
        let is_held = held.voucher.tick.is_some_and(|held| held.anchor == tick.anchor);
        is_held.then(|| EarlierChain {
            account,
            own: self.own(),
            is_exposed: false,
            held: held.clone(),
            reach: tick.max,
            expires: self.lives_until,
            next: None,
        })
    }

    /// The lane on which it pays.
    pub(super) fn own(&self) -> Place {
        (self.out.record().channel, self.out.record().lane)
    }

    /// The last block of a promise with ticks. A worker that has not redeemed them by then has left
    /// its session long ago; another hub needs as long as there is, for those after it.
    fn may_live_until(
        &self,
        voucher: &Voucher,
        facts: &ChannelFacts,
        block: BlockNumber,
    ) -> Result<BlockNumber, Refusal> {
        let until = ends_before(voucher, facts, block)?;
        let is_worker = self.payee.peer.is_some();
        Ok(if is_worker { until.min(block.saturating_add(HUB_TICKS_BLOCKS)) } else { until })
    }

    /// The exact sum for the payee, once the payer has promised its own. It may live longer than
    /// ticks: all of it is the hub's to claim already.
    pub(super) fn settle(&mut self, held: &Redeem, block: BlockNumber) -> Result<Redeem, Refusal> {
        let positions = self.positions_of(held.voucher.cumulative).min(self.positions);
        let expires = sooner(held.voucher.expires, block, FaultCode::VoucherExpiring)?;
        let sum = self.out_sum(positions).max(self.out.promised());
        self.out.settle(sum, expires).map_err(beyond_budget)
    }

    /// What the hub's lane promises with so many positions.
    fn out_sum(&self, positions: u32) -> Balance {
        // The positions times the unit were checked when the lane was leased.
        self.out_base.saturating_add(self.out_unit.saturating_mul(positions.into()))
    }

    /// Takes note of a receipt of the payee's: the next voucher fixes it. Only the one that comes
    /// next, signed by the worker: a hub's lane is of no more use once it names receipts that the
    /// worker never gave.
    pub(super) fn receipt(
        &mut self,
        session: SessionId,
        message: &SessionReceipt,
        genesis: &mica_primitives::Hash32,
    ) -> bool {
        let SessionReceipt { receipt } = message;
        let leaf = &receipt.leaf;
        let is_next = message.session() == session
            && leaf.lane == self.out.record().lane
            && leaf.first_position == self.receipted
            && leaf.positions > 0;
        let Some(peer) = self.payee.peer.filter(|_| is_next) else { return false };
        if !is_signed(receipt, &peer, genesis) {
            return false;
        }
        self.receipted = self.receipted.saturating_add(leaf.positions);
        self.out.push_receipt(receipt);
        true
    }
}

/// The last block of a promise with ticks that the hub may not know yet: they must be shown to the
/// chain while the hub can still claim them, so it ends before the payer's voucher does, and before
/// the payer's channel can.
fn ends_before(
    voucher: &Voucher,
    facts: &ChannelFacts,
    block: BlockNumber,
) -> Result<BlockNumber, Refusal> {
    if let Some(ends) = facts.ends.filter(|_| facts.ends_soon(block)) {
        let text = format!("the channel ends with block {ends}: nothing more is lent on it");
        return Err(Refusal::new(FaultCode::ChannelClosing, text));
    }
    // The payer may ask to close in the next block.
    let ends = facts.ends.unwrap_or(block.saturating_add(facts.window));
    let code = if facts.ends.is_some() && ends < voucher.expires {
        FaultCode::ChannelClosing
    } else {
        FaultCode::VoucherExpiring
    };
    sooner(voucher.expires.min(ends), block, code)
}

/// A margin before `until`, which must leave the payee its own.
fn sooner(until: BlockNumber, block: BlockNumber, code: FaultCode) -> Result<BlockNumber, Refusal> {
    let own = until.saturating_sub(HUB_MARGIN_BLOCKS);
    if own >= block.saturating_add(EXPIRY_MARGIN_BLOCKS) {
        return Ok(own);
    }
    let needed = u64::from(block) + u64::from(EXPIRY_MARGIN_BLOCKS + HUB_MARGIN_BLOCKS);
    let text = format!("what is promised ends with block {until} and must last until {needed}");
    Err(Refusal::new(code, text))
}

fn beyond_budget(error: SpendError) -> Refusal {
    Refusal::new(FaultCode::LimitReached, error)
}
