//! A payer's view of one channel: which lanes are free and how much of the deposit they may still
//! promise.
//!
//! A session leases a lane with a budget; budgets and promises together never exceed the deposit,
//! so sessions that run at the same time cannot overspend and need not know of each other.

use ed25519_dalek::SigningKey;
use mica_primitives::{
    Balance, ChannelId, Hash32, LaneId, MAX_LANES, Redeem, domain::blake2_256, settlement,
};
use std::collections::{BTreeMap, BTreeSet};

use super::{ChannelFacts, PayerLane, PayerLaneRecord};
use crate::signing;

/// Why no lane is leased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The deposit does not cover the session.
    #[error(
        "the channel has {free} left and this session may need {budget}: run `mica channel top-up`"
    )]
    Deposit {
        /// Base units not promised and not leased.
        free: Balance,
        /// Base units asked for.
        budget: Balance,
    },
    /// Every lane is leased or cannot be continued.
    #[error(
        "all {MAX_LANES} lanes of the channel are in use: wait for a session to end, or open \
         another channel"
    )]
    NoLane,
    /// The payer's key does not sign for the channel.
    #[error("the channel was opened with another signer: use the key with which it was opened")]
    WrongSigner,
    /// A record or promise of another channel, or not signed by this payer.
    #[error("the record belongs to another channel: restore the right one")]
    Foreign,
    /// A promise beyond everything that was ever put into the channel: this payer never makes one.
    #[error(
        "a promise of {promised} is shown and the channel's deposit is {deposit}: so it is not \
         counted"
    )]
    BeyondDeposit {
        /// What it promises.
        promised: Balance,
        /// The deposit.
        deposit: Balance,
    },
    /// The payer has asked to close the channel.
    #[error("the channel is being closed: open a new one")]
    Closing,
}

/// What came of a promise that a payee showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Adopted {
    /// The lane as it must be on disk now.
    pub record: PayerLaneRecord,
    /// Base units that this payer had promised and did not remember.
    pub recovered: Balance,
    /// Whether the lane cannot be continued: receipts of it are lost.
    pub is_retired: bool,
}

/// The payer's view of one channel.
pub struct PayerLedger {
    genesis: Hash32,
    key: SigningKey,
    facts: ChannelFacts,
    lanes: BTreeMap<LaneId, PayerLaneRecord>,
    leases: BTreeMap<LaneId, Balance>,
    retired: BTreeSet<LaneId>,
    /// Whom the last session on a lane has paid in the end, where that was said.
    users: BTreeMap<LaneId, [u8; 32]>,
}

impl core::fmt::Debug for PayerLedger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PayerLedger")
            .field("facts", &self.facts)
            .field("lanes", &self.lanes)
            .finish_non_exhaustive()
    }
}

impl PayerLedger {
    /// The ledger of a channel whose vouchers `key` signs.
    ///
    /// # Errors
    /// [`LeaseError::WrongSigner`].
    pub fn new(genesis: Hash32, key: SigningKey, facts: ChannelFacts) -> Result<Self, LeaseError> {
        if signing::public_key(&key) != facts.signer {
            return Err(LeaseError::WrongSigner);
        }
        let (lanes, leases, retired) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self { genesis, key, facts, lanes, leases, retired, users: BTreeMap::new() })
    }

    /// Takes back a lane's record after a restart.
    ///
    /// # Errors
    /// [`LeaseError::Foreign`].
    pub fn restore(&mut self, record: PayerLaneRecord) -> Result<(), LeaseError> {
        if record.channel != self.facts.channel || u32::from(record.lane) >= MAX_LANES {
            return Err(LeaseError::Foreign);
        }
        self.lanes.insert(record.lane, record);
        Ok(())
    }

    /// Takes back whom the last session on a lane has paid in the end, after a restart.
    pub fn restore_user(&mut self, lane: LaneId, user: [u8; 32]) {
        if u32::from(lane) < MAX_LANES {
            self.users.insert(lane, user);
        }
    }

    /// What the chain says now.
    pub fn update(&mut self, facts: ChannelFacts) {
        if facts.channel == self.facts.channel {
            self.facts = facts;
        }
    }

    /// The channel.
    pub const fn channel(&self) -> ChannelId {
        self.facts.channel
    }

    /// What the chain said last.
    pub const fn facts(&self) -> &ChannelFacts {
        &self.facts
    }

    /// What was promised on the lane; at least what the chain has recorded.
    pub fn promised(&self, lane: LaneId) -> Balance {
        self.lanes
            .get(&lane)
            .map_or(0, PayerLaneRecord::promised)
            .max(self.facts.lane(lane).cumulative)
    }

    /// Base units that lanes promise and the chain has not paid yet; what a running session
    /// promises is not known here before its lane is given back.
    pub fn owed(&self) -> Balance {
        let lanes: BTreeSet<_> = self.lanes.keys().chain(self.facts.lanes.keys()).collect();
        let owed =
            |lane: &LaneId| self.promised(*lane).saturating_sub(self.facts.lane(*lane).claimed);
        lanes.into_iter().map(owed).fold(0, Balance::saturating_add)
    }

    /// Base units that no lane has promised and no session has leased.
    pub fn free(&self) -> Balance {
        self.facts.deposit.saturating_sub(self.used())
    }

    /// What a payee that lends `credit` base units on a lane, and passes on what it is promised,
    /// wants to be covered beyond what was promised: it cannot know that nobody will show more on
    /// the lanes of earlier sessions.
    pub fn reserve(&self, credit: Balance) -> Balance {
        let idle = self.lanes.keys().filter(|lane| !self.leases.contains_key(lane)).count();
        credit.saturating_mul(idle as Balance)
    }

    /// What the deposit lacks for `budget` to be free. Promises may be more than the deposit: those
    /// of another folder that pays from the same channel, learnt afterwards.
    pub fn lacks(&self, budget: Balance) -> Balance {
        self.used().saturating_add(budget).saturating_sub(self.facts.deposit)
    }

    fn used(&self) -> Balance {
        let lanes: BTreeSet<_> =
            self.lanes.keys().chain(self.facts.lanes.keys()).chain(self.leases.keys()).collect();
        lanes.into_iter().fold(0, |sum: Balance, lane| {
            sum.saturating_add(
                self.leases.get(lane).copied().unwrap_or(0).max(self.promised(*lane)),
            )
        })
    }

    /// Leases a free lane to a session that may spend `budget`: the first one whose last session
    /// was settled, else the first one. A lane whose last session was not may still be held by the
    /// payee, who has not noticed that its payer is dead.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn lease(&mut self, budget: Balance) -> Result<PayerLane, LeaseError> {
        self.lease_by(budget, |_, is_open| is_open.into())
    }

    /// Leases a lane like [`Self::lease`] to a session that pays `user` in the end, for payees that
    /// pass on what they are promised: the lane that was last leased for the same one, before one
    /// that was leased for nobody, before the others.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn lease_for(&mut self, budget: Balance, user: [u8; 32]) -> Result<PayerLane, LeaseError> {
        let users = self.users.clone();
        let lane = self.lease_by(budget, |lane, is_open| {
            let rank = match users.get(&lane) {
                Some(last) if *last == user => 0,
                None => 1,
                Some(_) => 2,
            };
            rank + if is_open { 3 } else { 0 }
        })?;
        self.users.insert(lane.record().lane, user);
        Ok(lane)
    }

    /// Leases the free lane with the least `rank`, which is told the lane and whether its last
    /// session was not settled.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub(crate) fn lease_by(
        &mut self,
        budget: Balance,
        rank: impl Fn(LaneId, bool) -> u8,
    ) -> Result<PayerLane, LeaseError> {
        if self.facts.ends.is_some() {
            return Err(LeaseError::Closing);
        }
        let free = self.free();
        if budget > free {
            return Err(LeaseError::Deposit { free, budget });
        }
        let is_open =
            |lane: LaneId| self.lanes.get(&lane).is_some_and(|record| record.tick.is_some());
        let usable = (0..MAX_LANES as LaneId).filter(|lane| self.is_usable(*lane));
        let lane = usable.min_by_key(|lane| (rank(*lane, is_open(*lane)), *lane));
        let lane = lane.ok_or(LeaseError::NoLane)?;
        let mut record = self
            .lanes
            .get(&lane)
            .cloned()
            .unwrap_or_else(|| PayerLaneRecord::unused(self.facts.channel, lane));
        record.seq = record.seq.max(self.facts.lane(lane).seq);
        // The sum stays below the deposit, which was checked above.
        let limit = self.promised(lane).saturating_add(budget);
        self.leases.insert(lane, limit);
        Ok(PayerLane::new(self.genesis, self.key.clone(), record, limit))
    }

    /// Takes a lane back when its session is over: `record` is the last one that the session wanted
    /// persisted. A promise that was adopted meanwhile and goes further is kept, and what either of
    /// the two promises is not forgotten.
    pub fn give_back(&mut self, record: PayerLaneRecord) {
        if record.channel != self.facts.channel || self.leases.remove(&record.lane).is_none() {
            return;
        }
        let Some(known) = self.lanes.get_mut(&record.lane) else {
            self.lanes.insert(record.lane, record);
            return;
        };
        if known.seq <= record.seq && known.promised() <= record.promised() {
            *known = record;
        } else if known.seq < record.seq || known.promised() < record.promised() {
            (known.cumulative, known.tick, known.revealed) =
                (known.promised().max(record.promised()), None, 0);
            known.seq = known.seq.max(record.seq);
            if known.receipts.count() < record.receipts.count() {
                known.receipts = record.receipts;
            }
        }
    }

    /// Keeps a lane that was given back from being leased, without a budget, until it is given back
    /// again. Returns whether it does: somebody else may hold it by now.
    pub fn hold(&mut self, lane: LaneId) -> bool {
        let is_free = !self.leases.contains_key(&lane);
        if is_free {
            self.leases.insert(lane, 0);
        }
        is_free
    }

    /// Takes note of a promise that the payee showed; nothing if it is no news. What was promised
    /// counts, because this payer's key has signed it; a lane of which receipts are lost is not
    /// leased again.
    ///
    /// A payee gains nothing by what it shows. An older promise is no news, and what is known never
    /// falls. A newer one it could have redeemed anyway. A lane that another session than `own`'s
    /// holds is left alone: that session knows more.
    ///
    /// # Errors
    /// [`LeaseError::Foreign`] if this payer never signed it, [`LeaseError::BeyondDeposit`].
    pub fn adopt(&mut self, held: &Redeem, own: LaneId) -> Result<Option<Adopted>, LeaseError> {
        let voucher = &held.voucher;
        // By the chain's own rule: what it would not pay for is not ours.
        let promised = settlement::promise(held).map_err(|_| LeaseError::Foreign)?;
        if !self.is_own(held) {
            return Err(LeaseError::Foreign);
        }
        let (lane, deposit) = (voucher.lane, self.facts.deposit);
        if promised > deposit {
            return Err(LeaseError::BeyondDeposit { promised, deposit });
        }
        let before = self.promised(lane);
        let known = self.lanes.get(&lane);
        let mut record =
            known.cloned().unwrap_or_else(|| PayerLaneRecord::unused(self.facts.channel, lane));
        let is_news = voucher.seq > record.seq || promised > record.promised();
        // A lane that is held back is nobody's: only what the payee shows of it is known.
        let is_in_session = self.leases.get(&lane).is_some_and(|limit| *limit > 0);
        if !is_news || (lane != own && is_in_session) {
            return Ok(None);
        }
        record.cumulative = promised.max(record.promised());
        (record.seq, record.tick, record.revealed) = (voucher.seq.max(record.seq), None, 0);
        let is_retired = voucher.receipts > record.receipts.count();
        if is_retired {
            self.retired.insert(lane);
        }
        self.lanes.insert(lane, record.clone());
        Ok(Some(Adopted { record, recovered: promised.saturating_sub(before), is_retired }))
    }

    /// Whether this payer has signed `held`, and its tick lies on its chain.
    pub fn is_own(&self, held: &Redeem) -> bool {
        let voucher = &held.voucher;
        voucher.channel == self.facts.channel
            && signing::verify(
                &self.facts.signer,
                &voucher.signing_bytes(&self.genesis),
                &held.signature,
            )
            && match (voucher.tick, held.tick) {
                (Some(tick), Some(proof)) => tick.verify(&proof, blake2_256),
                (None, Some(_)) => false,
                (_, None) => true,
            }
    }

    /// Never lease this lane again: the payee knows other receipts on it.
    pub fn retire(&mut self, lane: LaneId) {
        self.retired.insert(lane);
    }

    /// Lanes that sessions hold.
    pub fn leased(&self) -> usize {
        self.leases.len()
    }

    /// Whether one more session may lease a lane, whatever it costs.
    pub fn has_lane(&self) -> bool {
        self.facts.ends.is_none() && (0..MAX_LANES as LaneId).any(|lane| self.is_usable(lane))
    }

    /// Lanes that this payer can never use again: retired, or used further than it remembers.
    pub fn lost_lanes(&self) -> usize {
        (0..MAX_LANES as LaneId).filter(|lane| self.is_lost(*lane)).count()
    }

    /// Whether this payer can never use the lane again, unless it learns what was promised there.
    pub fn is_lost(&self, lane: LaneId) -> bool {
        !self.is_continued(lane)
    }

    /// Whether the chain knows a higher promise on the lane than this payer's records.
    pub fn is_behind(&self, lane: LaneId) -> bool {
        let known = self.lanes.get(&lane).map_or(0, PayerLaneRecord::promised);
        self.facts.lane(lane).cumulative > known
    }

    fn is_usable(&self, lane: LaneId) -> bool {
        self.is_continued(lane) && !self.leases.contains_key(&lane)
    }

    /// Whether this payer knows all that its last session on the lane must go on from.
    fn is_continued(&self, lane: LaneId) -> bool {
        let chain = self.facts.lane(lane);
        let record = self.lanes.get(&lane);
        record.map_or(0, |record| record.receipts.count()) >= chain.receipts
            && record.map_or(0, PayerLaneRecord::promised) >= chain.cumulative
            && !self.retired.contains(&lane)
    }
}
