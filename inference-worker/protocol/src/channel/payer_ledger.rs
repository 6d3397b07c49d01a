//! A payer's view of one channel: which lanes are free and how much of the deposit they may still promise.
//!
//! A session leases a lane with a budget; budgets and promises together never exceed the deposit, so sessions that run at the
//! same time cannot overspend and need not know of each other.

use ed25519_dalek::SigningKey;
use mica_primitives::{Balance, ChannelId, Hash32, LaneId, MAX_LANES, Redeem, domain::blake2_256};
use std::collections::{BTreeMap, BTreeSet};

use super::{ChannelFacts, PayerLane, PayerLaneRecord};
use crate::signing;

/// Why no lane is leased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// The deposit does not cover the session.
    #[error("the channel has {free} left and this session may need {budget}: run `mica channel top-up`")]
    Deposit {
        /// Base units not promised and not leased.
        free: Balance,
        /// Base units asked for.
        budget: Balance,
    },
    /// Every lane is leased or cannot be continued.
    #[error("all {MAX_LANES} lanes of the channel are in use: wait for a session to end, or open another channel")]
    NoLane,
    /// The payer's key does not sign for the channel.
    #[error("the channel was opened with another signer: use the key with which it was opened")]
    WrongSigner,
    /// A record or promise of another channel, or not signed by this payer.
    #[error("the record belongs to another channel: restore the right one")]
    Foreign,
    /// The payer has asked to close the channel.
    #[error("the channel is being closed: open a new one")]
    Closing,
}

/// The payer's view of one channel.
pub struct PayerLedger {
    genesis: Hash32,
    key: SigningKey,
    facts: ChannelFacts,
    lanes: BTreeMap<LaneId, PayerLaneRecord>,
    leases: BTreeMap<LaneId, Balance>,
    retired: BTreeSet<LaneId>,
}

impl core::fmt::Debug for PayerLedger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PayerLedger").field("facts", &self.facts).field("lanes", &self.lanes).finish_non_exhaustive()
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
        Ok(Self { genesis, key, facts, lanes, leases, retired })
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
        self.lanes.get(&lane).map_or(0, PayerLaneRecord::promised).max(self.facts.lane(lane).cumulative)
    }

    /// Base units that no lane has promised and no session has leased.
    pub fn free(&self) -> Balance {
        let lanes: BTreeSet<_> = self.lanes.keys().chain(self.facts.lanes.keys()).chain(self.leases.keys()).collect();
        let used = lanes.into_iter().fold(0, |sum: Balance, lane| {
            sum.saturating_add(self.leases.get(lane).copied().unwrap_or(0).max(self.promised(*lane)))
        });
        self.facts.deposit.saturating_sub(used)
    }

    /// Leases the first free lane to a session that may spend `budget`.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn lease(&mut self, budget: Balance) -> Result<PayerLane, LeaseError> {
        if self.facts.ends.is_some() {
            return Err(LeaseError::Closing);
        }
        let free = self.free();
        if budget > free {
            return Err(LeaseError::Deposit { free, budget });
        }
        let lane = (0..MAX_LANES as LaneId).find(|lane| self.usable(*lane)).ok_or(LeaseError::NoLane)?;
        let mut record = self.lanes.get(&lane).cloned().unwrap_or_else(|| PayerLaneRecord::unused(self.facts.channel, lane));
        record.seq = record.seq.max(self.facts.lane(lane).seq);
        // The sum stays below the deposit, which was checked above.
        let limit = self.promised(lane).saturating_add(budget);
        self.leases.insert(lane, limit);
        Ok(PayerLane::new(self.genesis, self.key.clone(), record, limit))
    }

    /// Takes a lane back when its session is over: `record` is the last one that the session wanted persisted. A promise that was
    /// adopted meanwhile and goes further is kept.
    pub fn give_back(&mut self, record: PayerLaneRecord) {
        if record.channel != self.facts.channel || self.leases.remove(&record.lane).is_none() {
            return;
        }
        let further = |known: &PayerLaneRecord| known.seq > record.seq || known.promised() > record.promised();
        if !self.lanes.get(&record.lane).is_some_and(further) {
            self.lanes.insert(record.lane, record);
        }
    }

    /// Takes note of a promise that the payee showed after this payer lost its records. The lane's receipts are lost with them,
    /// so it is not leased again; what was promised on it counts.
    ///
    /// # Errors
    /// [`LeaseError::Foreign`] if this payer never signed it.
    pub fn adopt(&mut self, held: &Redeem) -> Result<PayerLaneRecord, LeaseError> {
        let voucher = &held.voucher;
        let ticked = match (&voucher.tick, &held.tick) {
            (_, None) => true,
            (Some(tick), Some(proof)) => tick.verify(proof, blake2_256),
            (None, Some(_)) => false,
        };
        let signed = signing::verify(&self.facts.signer, &voucher.signing_bytes(&self.genesis), &held.signature);
        if voucher.channel != self.facts.channel || u32::from(voucher.lane) >= MAX_LANES || !ticked || !signed {
            return Err(LeaseError::Foreign);
        }
        let lane = voucher.lane;
        let mut record = self.lanes.remove(&lane).unwrap_or_else(|| PayerLaneRecord::unused(self.facts.channel, lane));
        if voucher.seq > record.seq || held.promised().unwrap_or(0) > record.promised() {
            record.seq = voucher.seq.max(record.seq);
            record.cumulative = voucher.cumulative;
            record.tick = voucher.tick;
            record.revealed = held.tick.map_or(0, |proof| proof.n);
        }
        if voucher.receipts > record.receipts.count() {
            self.retired.insert(lane);
        }
        self.lanes.insert(lane, record.clone());
        Ok(record)
    }

    /// Never lease this lane again: the payee knows other receipts on it.
    pub fn retire(&mut self, lane: LaneId) {
        self.retired.insert(lane);
    }

    fn usable(&self, lane: LaneId) -> bool {
        let chain = self.facts.lane(lane);
        let record = self.lanes.get(&lane);
        let continues = record.map_or(0, |record| record.receipts.count()) >= chain.receipts
            && record.map_or(0, PayerLaneRecord::promised) >= chain.cumulative;
        continues && !self.leases.contains_key(&lane) && !self.retired.contains(&lane)
    }
}
