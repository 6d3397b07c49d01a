//! What a worker can redeem from one channel: every voucher and tick is checked as the chain would
//! check it, and before any work.
//!
//! What a promise is worth is what [`settlement::settle`] makes of it, which is the chain's own
//! rule. Σ over lanes of what is promised never exceeds the deposit, each tick pays exactly what
//! was agreed, and a voucher that could not be redeemed in time is refused. A lane on which the
//! chain is ahead of this ledger (records were lost) takes no session: its receipts cannot be
//! continued.

use codec::{Decode, Encode};
use ed25519_dalek::VerifyingKey;
use mica_primitives::{
    Balance, BlockNumber, ChannelId, Hash32, LaneId, MAX_LANES, Redeem, TickProof,
    settlement::{self, SettleError, Submitter},
};
use std::collections::{BTreeMap, BTreeSet};

use super::{ChannelFacts, LaneReceipts, ticks::TickMeter};
use crate::{
    FaultCode,
    limits::{EXPIRY_MARGIN_BLOCKS, MAX_VOUCHER_BLOCKS},
    signing,
};

/// A lane as it is written to disk.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PayeeLaneRecord {
    /// The channel, with what the chain said of it.
    pub facts: ChannelFacts,
    /// The lane.
    pub lane: LaneId,
    /// The newest promise, ready to redeem.
    pub best: Option<Redeem>,
    /// The lane's receipts.
    pub receipts: LaneReceipts,
}

/// Why money is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The channel's signer is no key.
    #[error(
        "the channel's signer is not an ed25519 key: close the channel and open one with a proper \
         signer"
    )]
    BadSigner,
    /// The lane's number is out of range.
    #[error("lane {0} does not exist: lanes are numbered from 0 to {last}", last = MAX_LANES - 1)]
    NoSuchLane(LaneId),
    /// Another channel's or lane's voucher.
    #[error("the voucher is for another channel or lane: pay with this session's own")]
    Foreign,
    /// Not signed by the channel's signer on this chain.
    #[error("the voucher is not signed by the channel's signer: check key and chain")]
    BadSignature,
    /// A number that was used already.
    #[error(
        "voucher {seq} is not newer than {last}: the payer's records are older than its promises"
    )]
    StaleSeq {
        /// The voucher's number.
        seq: u64,
        /// The newest known.
        last: u64,
    },
    /// It promises less than was promised before.
    #[error(
        "the voucher promises {cumulative} and {promised} was promised before: the payer's \
         records are older than its promises"
    )]
    StaleAmount {
        /// The voucher's amount.
        cumulative: Balance,
        /// What the lane promises.
        promised: Balance,
    },
    /// The deposit does not cover all lanes.
    #[error(
        "all lanes together would promise {total} and the deposit is {deposit}: top the channel up"
    )]
    Overspend {
        /// The sum, saturated.
        total: Balance,
        /// The deposit.
        deposit: Balance,
    },
    /// The voucher lacks the tick chain that its kind needs, or has one that it must not have.
    #[error("a session's vouchers carry a tick chain, and the final one carries none")]
    WrongKind,
    /// A lock.
    #[error("the voucher locks a part of its sum: a session is paid with ticks")]
    Conditional,
    /// Another price.
    #[error("a tick pays {found} and {agreed} was agreed: correct the voucher")]
    WrongUnit {
        /// The agreed unit.
        agreed: Balance,
        /// The voucher's.
        found: Balance,
    },
    /// An empty chain or one too long.
    #[error("a tick chain has 1 to 1024 ticks and this one {0}: correct the voucher")]
    BadChain(u16),
    /// Too little time left.
    #[error(
        "the voucher ends with block {expires} and must live until {needed}: send one that lives \
         longer"
    )]
    Expiring {
        /// Its last block.
        expires: BlockNumber,
        /// The block that it must reach.
        needed: BlockNumber,
    },
    /// Too much time left.
    #[error(
        "the voucher ends with block {expires} and may live until {latest}: send one that lives a \
         shorter time"
    )]
    TooLong {
        /// Its last block.
        expires: BlockNumber,
        /// The last block that it may name now.
        latest: BlockNumber,
    },
    /// Receipts that were not given.
    #[error(
        "the voucher fixes {found} receipts that differ from the {given} given on this lane: \
         records were lost at one side"
    )]
    ReceiptsDiffer {
        /// The voucher's number of receipts.
        found: u64,
        /// Receipts given.
        given: u64,
    },
    /// A tick of which nothing is new: at least as many of its chain are revealed. It was not
    /// hashed.
    #[error("tick {n} pays nothing new, {revealed} ticks are revealed: send the next preimage")]
    OldTick {
        /// The tick.
        n: u16,
        /// Ticks revealed before.
        revealed: u16,
    },
    /// A tick without a chain, or not on it.
    #[error(
        "tick {n} does not extend the chain, of which {revealed} ticks are revealed: send the \
         next preimage or a new voucher"
    )]
    BadTick {
        /// The tick.
        n: u16,
        /// Ticks revealed before.
        revealed: u16,
    },
    /// The payer has asked to close.
    #[error("the channel is being closed and ends in block {ends}: open a new one")]
    Closing {
        /// First block without the channel.
        ends: BlockNumber,
    },
    /// Too many receipts without a voucher.
    #[error("too many receipts wait for a voucher on this lane: settle the session")]
    TooManyReceipts,
}

impl LedgerError {
    /// The code that tells the payer.
    pub const fn fault_code(&self) -> FaultCode {
        match self {
            Self::BadSigner | Self::BadSignature => FaultCode::BadSignature,
            Self::NoSuchLane(_) | Self::Foreign => FaultCode::ForeignVoucher,
            Self::StaleSeq { .. } | Self::StaleAmount { .. } => FaultCode::StaleVoucher,
            Self::Overspend { .. } => FaultCode::Overspend,
            Self::WrongKind | Self::Conditional | Self::WrongUnit { .. } => FaultCode::WrongUnit,
            Self::BadChain(_) | Self::BadTick { .. } | Self::OldTick { .. } => FaultCode::BadTick,
            Self::Expiring { .. } => FaultCode::VoucherExpiring,
            Self::TooLong { .. } => FaultCode::VoucherTooLong,
            Self::ReceiptsDiffer { .. } | Self::TooManyReceipts => FaultCode::ReceiptsDiffer,
            Self::Closing { .. } => FaultCode::ChannelClosing,
        }
    }
}

/// What part a voucher plays in a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VoucherKind {
    /// The first of a session: takes back receipts that the payer did not take.
    Opening,
    /// The next tick chain of a running session.
    Renewal,
    /// The exact sum at the end.
    Final,
}

/// What a voucher must agree with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoucherRule {
    /// The session's lane.
    pub lane: LaneId,
    /// Base units per position.
    pub unit: Balance,
    /// The best block.
    pub block: BlockNumber,
    /// Its part.
    pub kind: VoucherKind,
}

impl VoucherRule {
    /// The block in which the chain must still pay. What is lent on must be good now, and margins
    /// see to it that it stays so; a final voucher has none, and no block before the next one can
    /// take it.
    const fn pays_in(&self) -> BlockNumber {
        match self.kind {
            VoucherKind::Opening | VoucherKind::Renewal => self.block,
            VoucherKind::Final => self.block.saturating_add(1),
        }
    }
}

/// A promise worth redeeming.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redeemable {
    /// What to submit.
    pub redeem: Redeem,
    /// Base units that it brings beyond what the chain has paid on the lane.
    pub gain: Balance,
}

#[derive(Clone, Debug, Default)]
struct LaneState {
    best: Option<Redeem>,
    meter: Option<TickMeter>,
    receipts: LaneReceipts,
}

/// The payee's view of one channel.
#[derive(Clone, Debug)]
pub struct PayeeLedger {
    genesis: Hash32,
    key: VerifyingKey,
    facts: ChannelFacts,
    /// The chain does not know the channel any more: nothing can be redeemed.
    is_gone: bool,
    lanes: BTreeMap<LaneId, LaneState>,
}

impl PayeeLedger {
    /// The ledger of a channel of which no voucher is known.
    ///
    /// # Errors
    /// [`LedgerError::BadSigner`].
    pub fn new(genesis: Hash32, facts: ChannelFacts) -> Result<Self, LedgerError> {
        let key = VerifyingKey::from_bytes(&facts.signer).map_err(|_| LedgerError::BadSigner)?;
        Ok(Self { genesis, key, facts, is_gone: false, lanes: BTreeMap::new() })
    }

    /// Takes back a lane's record. The promise in it is verified again: a damaged record is
    /// refused.
    ///
    /// # Errors
    /// [`LedgerError::Foreign`], [`LedgerError::BadSignature`], [`LedgerError::BadTick`],
    /// [`LedgerError::NoSuchLane`].
    pub fn restore(&mut self, record: PayeeLaneRecord) -> Result<(), LedgerError> {
        check_lane(record.lane)?;
        if record.facts.channel != self.facts.channel {
            return Err(LedgerError::Foreign);
        }
        let mut state = LaneState { best: None, meter: None, receipts: record.receipts };
        if let Some(best) = record.best {
            if best.voucher.channel != self.facts.channel || best.voucher.lane != record.lane {
                return Err(LedgerError::Foreign);
            }
            self.check_signature(&best)?;
            state.meter = best.voucher.tick.and_then(TickMeter::new);
            if let Some(proof) = &best.tick {
                let refused = LedgerError::BadTick { n: proof.n, revealed: 0 };
                state.meter =
                    Some(state.meter.and_then(|meter| meter.advanced(proof)).ok_or(refused)?);
            }
            state.best = Some(best);
        }
        self.lanes.insert(record.lane, state);
        Ok(())
    }

    /// What the chain says now: after a top-up, a redeem, a request to close.
    pub fn update(&mut self, facts: ChannelFacts) {
        if facts.channel == self.facts.channel && facts.signer == self.facts.signer {
            (self.facts, self.is_gone) = (facts, false);
        }
    }

    /// The chain does not know the channel any more: it pays nothing from now on.
    pub const fn set_gone(&mut self) {
        self.is_gone = true;
    }

    /// Whether the chain does not know the channel any more.
    pub const fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// What the chain said last.
    pub const fn facts(&self) -> &ChannelFacts {
        &self.facts
    }

    /// The channel.
    pub const fn channel(&self) -> ChannelId {
        self.facts.channel
    }

    /// What the lane is good for in `block`: what the chain has paid on it, and what it would pay
    /// for the newest promise. More than that may be promised on a lane: the payer can drain the
    /// deposit with vouchers of its own.
    pub fn secured(&self, lane: LaneId, block: BlockNumber) -> Balance {
        let gain = self.gains(block).find(|(of, ..)| *of == lane).map_or(0, |(.., gain)| gain);
        self.facts.lane(lane).claimed.saturating_add(gain)
    }

    /// What the lane promises, ticks included; at least what the chain has recorded.
    pub fn promised(&self, lane: LaneId) -> Balance {
        let known = self
            .lanes
            .get(&lane)
            .and_then(|state| state.best.as_ref())
            .and_then(Redeem::promised)
            .unwrap_or(0);
        known.max(self.facts.lane(lane).cumulative)
    }

    /// Whether the chain has paid anything from the channel.
    pub fn has_paid(&self) -> bool {
        self.facts.lanes.values().any(|lane| lane.claimed > 0)
    }

    /// Base units of the deposit that no lane promises.
    pub fn free(&self) -> Balance {
        self.facts.deposit.saturating_sub(self.promised_except(None))
    }

    /// The newest promise on the lane.
    pub fn held(&self, lane: LaneId) -> Option<&Redeem> {
        self.lanes.get(&lane)?.best.as_ref()
    }

    /// The newest promise of every lane that has one, in the order of the lanes: at most
    /// [`MAX_LANES`].
    pub fn promises(&self) -> impl Iterator<Item = &Redeem> {
        self.lanes.values().filter_map(|state| state.best.as_ref())
    }

    /// Whether the channel's signer has signed `redeem` on this chain, whatever it promises.
    pub fn is_signed(&self, redeem: &Redeem) -> bool {
        redeem.voucher.channel == self.facts.channel && self.check_signature(redeem).is_ok()
    }

    /// Takes a voucher; returns what the lane promises now. A refused voucher changes nothing.
    ///
    /// It may come with a tick of its chain: then it is worth as much more. A hub signs a voucher
    /// over its payer's chain, of which some ticks were revealed before.
    ///
    /// # Errors
    /// See [`LedgerError`]. Cheap checks come before the signature's, hashes after it.
    pub fn accept_voucher(
        &mut self,
        redeem: &Redeem,
        rule: &VoucherRule,
    ) -> Result<Balance, LedgerError> {
        let voucher = &redeem.voucher;
        check_lane(rule.lane)?;
        if voucher.channel != self.facts.channel || voucher.lane != rule.lane {
            return Err(LedgerError::Foreign);
        }
        // A bounty is another matter: it takes a sixteenth at most, and only from a payee that has
        // slept through half of a window.
        if voucher.lock.is_some() || redeem.preimage.is_some() {
            return Err(LedgerError::Conditional);
        }
        self.check_life(rule)?;
        let meter = match (voucher.tick, redeem.tick, rule.kind) {
            (None, None, VoucherKind::Final) => None,
            (Some(tick), _, VoucherKind::Opening | VoucherKind::Renewal) => {
                if tick.unit != rule.unit {
                    return Err(LedgerError::WrongUnit { agreed: rule.unit, found: tick.unit });
                }
                Some(TickMeter::new(tick).ok_or(LedgerError::BadChain(tick.max))?)
            }
            _ => return Err(LedgerError::WrongKind),
        };
        let last = self
            .held(rule.lane)
            .map_or(0, |best| best.voucher.seq)
            .max(self.facts.lane(rule.lane).seq);
        if voucher.seq <= last {
            return Err(LedgerError::StaleSeq { seq: voucher.seq, last });
        }
        let promised = self.promised(rule.lane);
        let shown = redeem
            .promised()
            .ok_or(LedgerError::Overspend { total: Balance::MAX, deposit: self.facts.deposit })?;
        if shown < promised {
            return Err(LedgerError::StaleAmount { cumulative: shown, promised });
        }
        check_expiry(voucher.expires, rule.block)?;
        check_lifetime(voucher.expires, rule.block)?;
        self.check_sum(rule.lane, shown)?;
        self.check_pays(redeem, shown, rule.pays_in())?;
        let receipts = self.fixed_receipts(redeem, rule)?;
        self.check_signature(redeem)?;
        let meter = match (&redeem.tick, meter) {
            (Some(proof), Some(meter)) => {
                let refused = LedgerError::BadTick { n: proof.n, revealed: 0 };
                Some(meter.advanced(proof).ok_or(refused)?)
            }
            (_, meter) => meter,
        };
        self.lanes.insert(rule.lane, LaneState { best: Some(redeem.clone()), meter, receipts });
        Ok(shown)
    }

    /// Takes a tick; returns what the lane promises now. A refused tick changes nothing. Hashes
    /// come last: one for each position that the tick pays for.
    ///
    /// # Errors
    /// [`LedgerError::OldTick`], [`LedgerError::Overspend`], [`LedgerError::Expiring`];
    /// [`LedgerError::BadTick`] if it does not lie on the chain;
    /// [`LedgerError::StaleSeq`] if the chain has redeemed a newer voucher, which leaves the tick's
    /// own worthless; [`LedgerError::Closing`] if the channel ends too soon.
    pub fn accept_tick(
        &mut self,
        lane: LaneId,
        proof: &TickProof,
        block: BlockNumber,
    ) -> Result<Balance, LedgerError> {
        self.extend(lane, proof, |ledger, extended, promised| {
            ledger.check_end(block)?;
            check_expiry(extended.voucher.expires, block)?;
            ledger.check_sum(lane, promised)?;
            ledger.check_pays(extended, promised, block)
        })
    }

    /// Takes a tick on which nothing is lent: it is good as long as the chain can still pay for it
    /// in the block after `block`, however soon the voucher or the channel ends, and as far as the
    /// deposit reaches. Returns what the lane promises now.
    ///
    /// # Errors
    /// [`LedgerError::OldTick`], [`LedgerError::BadTick`], [`LedgerError::StaleSeq`],
    /// [`LedgerError::Expiring`], [`LedgerError::Closing`].
    pub fn claim_tick(
        &mut self,
        lane: LaneId,
        proof: &TickProof,
        block: BlockNumber,
    ) -> Result<Balance, LedgerError> {
        self.extend(lane, proof, |ledger, extended, promised| {
            ledger.check_claim(extended, promised, block)
        })
    }

    /// Goes back to an `earlier` voucher of the lane, which this ledger has accepted before, with a
    /// tick that became known since: if that comes to more than the newest voucher, and the chain
    /// still takes it. Returns what the lane promises now.
    ///
    /// # Errors
    /// [`LedgerError::OldTick`] if the newest voucher comes to as much; otherwise as
    /// [`Self::claim_tick`].
    pub fn claim_earlier(
        &mut self,
        earlier: &Redeem,
        proof: &TickProof,
        block: BlockNumber,
    ) -> Result<Balance, LedgerError> {
        let lane = earlier.voucher.lane;
        let refused = LedgerError::BadTick { n: proof.n, revealed: 0 };
        if earlier.voucher.channel != self.facts.channel {
            return Err(LedgerError::Foreign);
        }
        let extended = Redeem { tick: Some(*proof), ..earlier.clone() };
        let promised = extended
            .promised()
            .ok_or(LedgerError::Overspend { total: Balance::MAX, deposit: self.facts.deposit })?;
        if promised <= self.promised(lane) {
            return Err(LedgerError::OldTick { n: proof.n, revealed: proof.n });
        }
        self.check_claim(&extended, promised, block)?;
        let meter = earlier.voucher.tick.and_then(TickMeter::new).ok_or(refused)?;
        let meter = meter.advanced(proof).ok_or(refused)?;
        let state = self.lanes.entry(lane).or_default();
        (state.best, state.meter) = (Some(extended), Some(meter));
        Ok(promised)
    }

    /// The lane's newest promise with the tick `proof`, once `check` has nothing against that.
    fn extend(
        &mut self,
        lane: LaneId,
        proof: &TickProof,
        check: impl FnOnce(&Self, &Redeem, Balance) -> Result<(), LedgerError>,
    ) -> Result<Balance, LedgerError> {
        let none = LedgerError::BadTick { n: proof.n, revealed: 0 };
        let state = self.lanes.get(&lane).ok_or(none)?;
        let (best, meter) = state.best.as_ref().zip(state.meter).ok_or(none)?;
        if proof.n <= meter.revealed() {
            return Err(LedgerError::OldTick { n: proof.n, revealed: meter.revealed() });
        }
        let extended = Redeem { tick: Some(*proof), ..best.clone() };
        let promised = extended
            .promised()
            .ok_or(LedgerError::Overspend { total: Balance::MAX, deposit: self.facts.deposit })?;
        check(self, &extended, promised)?;
        let meter = meter
            .advanced(proof)
            .ok_or(LedgerError::BadTick { n: proof.n, revealed: meter.revealed() })?;
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.best = Some(extended);
            state.meter = Some(meter);
        }
        Ok(promised)
    }

    /// Appends a receipt's leaf hash to the lane; returns its index.
    ///
    /// # Errors
    /// [`LedgerError::TooManyReceipts`].
    pub fn push_receipt(&mut self, lane: LaneId, leaf: Hash32) -> Result<u64, LedgerError> {
        check_lane(lane)?;
        self.lanes.entry(lane).or_default().receipts.push(leaf).ok_or(LedgerError::TooManyReceipts)
    }

    /// The lane's receipts.
    pub fn receipts(&self, lane: LaneId) -> LaneReceipts {
        self.lanes.get(&lane).map(|state| state.receipts.clone()).unwrap_or_default()
    }

    /// The lane as it must be on disk now.
    pub fn record(&self, lane: LaneId) -> PayeeLaneRecord {
        let state = self.lanes.get(&lane).cloned().unwrap_or_default();
        PayeeLaneRecord {
            facts: self.facts.clone(),
            lane,
            best: state.best,
            receipts: state.receipts,
        }
    }

    /// What the chain pays in `block` for the newest promises, lane by lane in this order. It pays
    /// further ticks of a voucher that it has redeemed already, and nothing for a voucher that is
    /// older than that, has expired, or comes after the window.
    pub fn redeemable(&self, block: BlockNumber) -> Vec<Redeemable> {
        let gains = self.gains(block).filter(|(.., gain)| !self.is_gone && *gain > 0);
        gains.map(|(_, redeem, gain)| Redeemable { redeem: redeem.clone(), gain }).collect()
    }

    /// The newest promise of each lane and what the chain pays for it, if those before it are
    /// redeemed first.
    fn gains(&self, block: BlockNumber) -> impl Iterator<Item = (LaneId, &Redeem, Balance)> {
        let mut channel = self.facts.figures();
        self.promises().filter_map(move |redeem| {
            let lane = self.facts.lane(redeem.voucher.lane);
            let done = settlement::settle(&channel, &lane, redeem, Submitter::Payee, block).ok()?;
            channel.claimed = channel.claimed.saturating_add(done.paid);
            Some((redeem.voucher.lane, redeem, done.paid))
        })
    }

    /// Whether the chain pays all of `promised`, which `redeem` promises, or has paid it already.
    fn check_pays(
        &self,
        redeem: &Redeem,
        promised: Balance,
        block: BlockNumber,
    ) -> Result<(), LedgerError> {
        let (voucher, channel) = (&redeem.voucher, self.facts.figures());
        let lane = self.facts.lane(voucher.lane);
        let deposit = channel.deposit;
        match settlement::settle(&channel, &lane, redeem, Submitter::Payee, block) {
            Ok(done) if done.missing == 0 => Ok(()),
            Ok(done) => {
                let total = deposit.saturating_add(done.missing);
                Err(LedgerError::Overspend { total, deposit })
            }
            // Somebody else has shown this promise, or a higher one, to the chain.
            Err(SettleError::NothingToPay | SettleError::AmountFell)
                if lane.claimed >= promised =>
            {
                Ok(())
            }
            Err(SettleError::AmountFell) => {
                Err(LedgerError::StaleAmount { cumulative: promised, promised: lane.cumulative })
            }
            Err(SettleError::NothingToPay | SettleError::AmountOverflow) => {
                let total = channel.claimed.saturating_add(promised.saturating_sub(lane.claimed));
                Err(LedgerError::Overspend { total, deposit })
            }
            Err(SettleError::StaleVoucher) => {
                Err(LedgerError::StaleSeq { seq: voucher.seq, last: lane.seq })
            }
            Err(SettleError::WindowOver) => {
                Err(LedgerError::Closing { ends: channel.ends.unwrap_or(block) })
            }
            Err(SettleError::Expired) => {
                Err(LedgerError::Expiring { expires: voucher.expires, needed: block })
            }
            Err(SettleError::LaneOutOfRange) => Err(LedgerError::NoSuchLane(voucher.lane)),
            Err(SettleError::BadTick) => Err(LedgerError::WrongKind),
            Err(SettleError::BadLock | SettleError::LockExpired) => Err(LedgerError::Conditional),
        }
    }

    /// Whether the chain can pay for `redeem` in the next block, if the deposit reaches so far.
    fn check_claim(
        &self,
        redeem: &Redeem,
        promised: Balance,
        block: BlockNumber,
    ) -> Result<(), LedgerError> {
        match self.check_pays(redeem, promised, block.saturating_add(1)) {
            Err(LedgerError::Overspend { .. }) => Ok(()),
            other => other,
        }
    }

    /// Whether a voucher of this kind may still be lent on. A final one settles what is done and
    /// lends nothing.
    fn check_life(&self, rule: &VoucherRule) -> Result<(), LedgerError> {
        match (rule.kind, self.facts.ends) {
            (VoucherKind::Opening, Some(ends)) => Err(LedgerError::Closing { ends }),
            (VoucherKind::Opening | VoucherKind::Renewal, _) => self.check_end(rule.block),
            (VoucherKind::Final, _) => Ok(()),
        }
    }

    fn check_end(&self, block: BlockNumber) -> Result<(), LedgerError> {
        match self.facts.ends {
            Some(ends) if self.facts.ends_soon(block) => Err(LedgerError::Closing { ends }),
            _ => Ok(()),
        }
    }

    fn fixed_receipts(
        &self,
        redeem: &Redeem,
        rule: &VoucherRule,
    ) -> Result<LaneReceipts, LedgerError> {
        let voucher = &redeem.voucher;
        let mut receipts = self.receipts(rule.lane);
        let refused =
            LedgerError::ReceiptsDiffer { found: voucher.receipts, given: receipts.count() };
        // The chain fixed receipts that this ledger does not know: the tree cannot be continued.
        if self.facts.lane(rule.lane).receipts > receipts.count() {
            return Err(refused);
        }
        receipts = receipts.fix(voucher.receipts, &voucher.receipts_root).ok_or(refused)?;
        if rule.kind == VoucherKind::Opening {
            receipts.drop_unfixed();
        }
        Ok(receipts)
    }

    fn check_sum(&self, lane: LaneId, promised: Balance) -> Result<(), LedgerError> {
        let total = self.promised_except(Some(lane)).saturating_add(promised);
        if total > self.facts.deposit {
            Err(LedgerError::Overspend { total, deposit: self.facts.deposit })
        } else {
            Ok(())
        }
    }

    fn promised_except(&self, lane: Option<LaneId>) -> Balance {
        let lanes: BTreeSet<LaneId> =
            self.lanes.keys().chain(self.facts.lanes.keys()).copied().collect();
        let others = lanes.into_iter().filter(|other| Some(*other) != lane);
        others.fold(0, |sum: Balance, other| sum.saturating_add(self.promised(other)))
    }

    fn check_signature(&self, redeem: &Redeem) -> Result<(), LedgerError> {
        let bytes = redeem.voucher.signing_bytes(&self.genesis);
        if signing::verify_with(&self.key, &bytes, &redeem.signature) {
            Ok(())
        } else {
            Err(LedgerError::BadSignature)
        }
    }
}

fn check_lane(lane: LaneId) -> Result<(), LedgerError> {
    if u32::from(lane) < MAX_LANES { Ok(()) } else { Err(LedgerError::NoSuchLane(lane)) }
}

fn check_lifetime(expires: BlockNumber, block: BlockNumber) -> Result<(), LedgerError> {
    let latest = block.saturating_add(MAX_VOUCHER_BLOCKS);
    if expires <= latest { Ok(()) } else { Err(LedgerError::TooLong { expires, latest }) }
}

fn check_expiry(expires: BlockNumber, block: BlockNumber) -> Result<(), LedgerError> {
    let needed = block.saturating_add(EXPIRY_MARGIN_BLOCKS);
    if expires >= needed { Ok(()) } else { Err(LedgerError::Expiring { expires, needed }) }
}
