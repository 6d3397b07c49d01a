//! One lane in a payer's hands: vouchers, ticks and the spending limit of the session that holds
//! it.

use codec::{Decode, Encode};
use ed25519_dalek::SigningKey;
use mica_primitives::{
    Balance, BlockNumber, ChannelId, Hash32, LaneId, MAX_TICKS, Receipt, ReceiptTree, Redeem, Tick,
    TickProof, Voucher, settlement::BOUNTY_PART,
};

use super::ticks::TickChain;
use crate::{SessionId, messages::Payment, signing};

/// Context string of the tick chains' secrets. Its version is that of the derivation: a chain ends
/// with its session and is never made again from what is on disk, so that records of any version go
/// on under a new one.
const SECRET_CONTEXT: &str = "mica/tick-secret/v3";

/// A lane as it is written to disk. It holds no secret: a chain ends with its session, and the next
/// voucher begins another.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PayerLaneRecord {
    /// The channel.
    pub channel: ChannelId,
    /// The lane.
    pub lane: LaneId,
    /// Number of the last voucher; 0 before the first.
    pub seq: u64,
    /// What the last voucher promises without ticks.
    pub cumulative: Balance,
    /// The last voucher's chain.
    pub tick: Option<Tick>,
    /// Ticks of it that were revealed.
    pub revealed: u16,
    /// Receipts that were verified on the lane.
    pub receipts: ReceiptTree,
}

impl PayerLaneRecord {
    /// A lane that was never used.
    pub fn unused(channel: ChannelId, lane: LaneId) -> Self {
        Self {
            channel,
            lane,
            seq: 0,
            cumulative: 0,
            tick: None,
            revealed: 0,
            receipts: ReceiptTree::default(),
        }
    }

    /// What was promised on the lane, ticks included. Saturates, which no accepted lane reaches.
    pub fn promised(&self) -> Balance {
        let ticks = self.tick.map_or(0, |tick| tick.unit.saturating_mul(self.revealed.into()));
        self.cumulative.saturating_add(ticks)
    }
}

/// Why a payer does not pay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpendError {
    /// The lane's share of deposit and spending limit is used up.
    #[error(
        "this would bring the lane to {promised} and it may promise {limit}: raise the limit or \
         top the channel up"
    )]
    Limit {
        /// The promise asked for, saturated.
        promised: Balance,
        /// The lane's limit.
        limit: Balance,
    },
    /// A payment before the first voucher of the session.
    #[error("the lane has no tick chain yet: open the session first")]
    NotOpened,
    /// A promise below what was promised.
    #[error(
        "{cumulative} is below the {promised} that the lane promises already: a promise cannot be \
         taken back"
    )]
    Lower {
        /// The promise asked for.
        cumulative: Balance,
        /// What is promised.
        promised: Balance,
    },
}

/// A lane, leased to one session. Every change must be persisted ([`PayerLane::record`]) before
/// what it returned is sent.
#[derive(Clone)]
pub struct PayerLane {
    genesis: Hash32,
    key: SigningKey,
    record: PayerLaneRecord,
    limit: Balance,
    /// Name of the session that holds the lane.
    session: Hash32,
    chain: Option<TickChain>,
}

impl core::fmt::Debug for PayerLane {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PayerLane")
            .field("record", &self.record)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl PayerLane {
    pub(super) const fn new(
        genesis: Hash32,
        key: SigningKey,
        record: PayerLaneRecord,
        limit: Balance,
    ) -> Self {
        Self { genesis, key, record, limit, session: [0; 32], chain: None }
    }

    /// Names the session that pays from the lane: its name is drawn at random, and every chain's
    /// secret depends on it.
    #[must_use]
    pub fn of(mut self, session: SessionId) -> Self {
        self.session = session.0;
        self
    }

    /// The lane as it must be on disk now.
    pub const fn record(&self) -> &PayerLaneRecord {
        &self.record
    }

    /// What was promised on the lane so far.
    pub fn promised(&self) -> Balance {
        self.record.promised()
    }

    /// The most that the lane may promise while it is leased.
    pub const fn limit(&self) -> Balance {
        self.limit
    }

    /// Notes a verified receipt: vouchers from now on fix it.
    pub fn push_receipt(&mut self, receipt: &Receipt) {
        self.record.receipts.push(receipt.leaf.hash());
    }

    /// A new voucher for what is promised and `positions` more, with a fresh chain of `ticks` ticks
    /// of `unit` each.
    ///
    /// # Errors
    /// [`SpendError::Limit`].
    pub fn renew(
        &mut self,
        positions: u32,
        unit: Balance,
        ticks: u16,
        expires: BlockNumber,
    ) -> Result<Redeem, SpendError> {
        let cumulative = self.within_limit(
            unit.checked_mul(positions.into()).and_then(|more| more.checked_add(self.promised())),
        )?;
        let seq = self.record.seq + 1;
        // What the voucher will say; the anchor alone follows from it.
        let ticks = ticks.clamp(1, MAX_TICKS);
        let draft = Tick { anchor: [0; 32], unit, max: ticks };
        let draft = self.voucher(seq, cumulative, Some(draft), expires);
        let chain = TickChain::new(self.secret(&draft), ticks);
        let tick = chain.tick(unit);
        self.chain = Some(chain);
        Ok(self.sign(seq, cumulative, Some(tick), expires))
    }

    /// Pays `positions` more: with the next tick, or with a new voucher when the chain is used up.
    ///
    /// # Errors
    /// [`SpendError::Limit`], [`SpendError::NotOpened`].
    pub fn pay(&mut self, positions: u32, expires: BlockNumber) -> Result<Payment, SpendError> {
        let (Some(tick), Some(chain)) = (self.record.tick, self.chain.as_mut()) else {
            return Err(SpendError::NotOpened);
        };
        let n = u32::from(self.record.revealed).saturating_add(positions);
        let proof = u16::try_from(n).ok().and_then(|n| chain.proof(n));
        let Some(proof) = proof else {
            return self
                .renew(positions, tick.unit, tick.max, expires)
                .map(|redeem| Payment::Voucher(Box::new(redeem)));
        };
        let promised = tick
            .unit
            .checked_mul(proof.n.into())
            .and_then(|ticks| ticks.checked_add(self.record.cumulative));
        self.within_limit(promised)?;
        self.record.revealed = proof.n;
        Ok(Payment::Tick(proof))
    }

    /// Ticks of the last voucher's chain that are not revealed yet; nothing without a chain of this
    /// payer's own.
    pub fn ticks_left(&self) -> Option<u16> {
        let chain = self.chain.as_ref()?;
        Some(chain.max().saturating_sub(self.record.revealed))
    }

    /// The last preimage that was revealed of this payer's own chain.
    pub fn last_tick(&mut self) -> Option<TickProof> {
        self.chain.as_mut()?.proof(self.record.revealed)
    }

    /// A voucher over a chain that somebody else makes, as a hub signs it over its payer's:
    /// `cumulative` without ticks, and `tick.max` ticks of which `revealed` are known already.
    ///
    /// # Errors
    /// [`SpendError::Lower`], [`SpendError::Limit`]: all ticks of the chain count.
    pub fn pass_on(
        &mut self,
        cumulative: Balance,
        tick: Tick,
        revealed: u16,
        expires: BlockNumber,
    ) -> Result<Redeem, SpendError> {
        let with_ticks = |n: u16| {
            tick.unit.checked_mul(n.into()).and_then(|ticks| ticks.checked_add(cumulative))
        };
        let promised = self.promised();
        let known = with_ticks(revealed.min(tick.max)).unwrap_or(Balance::MAX);
        if known < promised {
            return Err(SpendError::Lower { cumulative: known, promised });
        }
        self.within_limit(with_ticks(tick.max))?;
        self.chain = None;
        let redeem = self.sign(self.record.seq + 1, cumulative, Some(tick), expires);
        self.record.revealed = revealed.min(tick.max);
        Ok(redeem)
    }

    /// Notes that `n` ticks of somebody else's chain are known: the payee may have them.
    pub fn note_revealed(&mut self, n: u16) {
        let most = self.record.tick.map_or(0, |tick| tick.max);
        self.record.revealed = self.record.revealed.max(n.min(most));
    }

    /// Takes back what was revealed of the last voucher's chain, because the payee has refused the
    /// voucher that it was to pay with. Its number stays used.
    pub(crate) fn take_back(&mut self) {
        (self.chain, self.record.tick, self.record.revealed) = (None, None, 0);
    }

    /// Takes back what the last voucher promised beyond `cumulative`, because the payee has refused
    /// the voucher: nothing was revealed of its chain. Its number stays used.
    pub(crate) fn withdraw(&mut self, cumulative: Balance) {
        self.record.cumulative = self.record.cumulative.min(cumulative);
        self.chain = None;
    }

    /// The final voucher: exactly `cumulative`, no ticks, all verified receipts fixed.
    ///
    /// # Errors
    /// [`SpendError::Lower`], [`SpendError::Limit`].
    pub fn settle(
        &mut self,
        cumulative: Balance,
        expires: BlockNumber,
    ) -> Result<Redeem, SpendError> {
        let promised = self.promised();
        if cumulative < promised {
            return Err(SpendError::Lower { cumulative, promised });
        }
        let cumulative = self.within_limit(Some(cumulative))?;
        self.chain = None;
        Ok(self.sign(self.record.seq + 1, cumulative, None, expires))
    }

    fn within_limit(&self, promised: Option<Balance>) -> Result<Balance, SpendError> {
        match promised {
            Some(promised) if promised <= self.limit => Ok(promised),
            _ => Err(SpendError::Limit {
                promised: promised.unwrap_or(Balance::MAX),
                limit: self.limit,
            }),
        }
    }

    fn sign(
        &mut self,
        seq: u64,
        cumulative: Balance,
        tick: Option<Tick>,
        expires: BlockNumber,
    ) -> Redeem {
        let voucher = self.voucher(seq, cumulative, tick, expires);
        let signature = signing::sign(&self.key, &voucher.signing_bytes(&self.genesis));
        (self.record.seq, self.record.cumulative, self.record.tick, self.record.revealed) =
            (seq, cumulative, tick, 0);
        Redeem { voucher, signature, tick: None, preimage: None }
    }

    /// A voucher of this lane that fixes the receipts verified so far.
    fn voucher(
        &self,
        seq: u64,
        cumulative: Balance,
        tick: Option<Tick>,
        expires: BlockNumber,
    ) -> Voucher {
        let receipts = &self.record.receipts;
        let (receipts_root, receipts) = (receipts.root(), receipts.count());
        let (channel, lane) = (self.record.channel, self.record.lane);
        // A session pays as it goes: nothing waits for a preimage. Whoever redeems for a payee that
        // is away may keep as much as the chain allows, of whatever the lane may come to.
        let (lock, bounty) = (None, self.limit / BOUNTY_PART);
        Voucher {
            channel,
            lane,
            seq,
            cumulative,
            receipts_root,
            receipts,
            expires,
            tick,
            lock,
            bounty,
        }
    }

    /// A payer whose records were restored from an older copy uses a number again before it learns
    /// better. Two vouchers of one number do no harm by themselves: a lane is worth the most that
    /// any of its vouchers promises, never their sum, and the later ones go on from what is known.
    /// But chains of one secret and of different lengths lie on top of each other, and the first
    /// preimages of the shorter one would be late ones of the longer: each would pay many ticks of
    /// the old voucher. So a secret follows from everything that its voucher says, the length and
    /// the worth of its ticks included, and from the session's name, 32 random bytes: two vouchers
    /// that differ in anything have chains that share nothing, even where a whole process is
    /// restored in the middle of a session. Nothing has to make a secret again, because a chain
    /// lives no longer than its session.
    fn secret(&self, draft: &Voucher) -> Hash32 {
        let mut hasher = blake3::Hasher::new_derive_key(SECRET_CONTEXT);
        hasher.update(self.key.as_bytes());
        hasher.update(&self.genesis);
        hasher.update(&self.session);
        hasher.update(&draft.encode());
        *hasher.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lane() -> PayerLane {
        let record = PayerLaneRecord::unused(ChannelId([1; 32]), 0);
        let lane = PayerLane::new([2; 32], SigningKey::from_bytes(&[3; 32]), record, 1_000_000);
        lane.of(SessionId([4; 32]))
    }

    /// Every preimage that the chain of the lane's last voucher can reveal, and its anchor.
    fn values(lane: &mut PayerLane) -> BTreeSet<Hash32> {
        let anchor = lane.record().tick.expect("a chain").anchor;
        let chain = lane.chain.as_mut().expect("a chain");
        let proofs: Vec<_> = (1..=chain.max()).filter_map(|n| chain.proof(n)).collect();
        proofs.into_iter().map(|proof| proof.preimage).chain([anchor]).collect()
    }

    #[test]
    fn chains_of_vouchers_that_differ_in_anything_share_no_value() {
        // The same session goes on twice from the same number, as after a restored copy of all of
        // it: with other terms, another sum, another end, and after another receipt.
        let renew = |positions, unit, ticks, expires| {
            let mut lane = lane();
            lane.renew(positions, unit, ticks, expires).expect("within the limit");
            values(&mut lane)
        };
        let long = renew(0, 5, 64, 100);
        for other in
            [renew(0, 5, 8, 100), renew(1, 5, 64, 100), renew(0, 4, 64, 100), renew(0, 5, 64, 101)]
        {
            assert!(long.is_disjoint(&other), "a preimage of one chain pays on the other");
        }
        assert_eq!(long, renew(0, 5, 64, 100), "the same voucher is the same promise");
    }
}
