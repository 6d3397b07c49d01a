//! Lanes for one session: leased with their budgets, and settled with what the session left.

use std::sync::{Arc, atomic::Ordering};

use mica_chain::Submitted;
use mica_primitives::{Balance, ChannelId, LaneId};
use mica_protocol::channel::{PayerLane, PayerLaneRecord};
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    super::{ChannelError, Need, OPENING},
    ChannelPool,
    ledgers::FeeClaim,
};
use crate::store::{Change, ChannelRecord, StoreError};

/// How often a lane is looked for after a channel was opened or topped up: others may take it in
/// between.
const MAX_ATTEMPTS: usize = 64;
/// Most extrinsics for one lease.
const MAX_EXTRINSICS: usize = 2;

/// Lanes for one session, before it begins. Whoever has one passes it to a session or
/// [gives it up](ChannelPool::give_up).
#[must_use]
pub(crate) struct Lease {
    /// One lane per need, in their order.
    pub(crate) lanes: Vec<PayerLane>,
    /// The channels, in the same order.
    pub(crate) channels: Vec<ChannelId>,
    /// The extrinsic, if one was needed.
    pub(crate) submitted: Option<Submitted>,
    /// What is to be settled when the session is over.
    pub(crate) claim: Claim,
}

/// What a session holds of the pool while it pays on its lanes.
#[must_use]
pub(crate) struct Claim {
    /// Under which the pool keeps the fees that are this session's.
    fees: Arc<FeeClaim>,
    guard: LaneGuard,
}

/// Lanes that nobody leases as long as this lives. They go back with what the database has of them
/// when it is dropped.
pub(crate) struct LaneGuard {
    lanes: Vec<(ChannelId, LaneId)>,
    epoch: u64,
    pool: Arc<ChannelPool>,
}

/// What waiting in line comes to.
enum Turn {
    /// There are lanes.
    Leased(Box<Lease>),
    /// A channel must be opened or topped up, and nobody else is about to.
    Send(OwnedMutexGuard<()>),
}

impl ChannelPool {
    /// A lane for every need, with its whole budget; opens and tops up channels in one extrinsic
    /// where there is none. Nothing if `stop` is cancelled before: what was sent until then is
    /// followed to its end all the same, and its fee is the next session's.
    ///
    /// # Errors
    /// [`ChannelError::NoFunds`] before anything is sent; [`ChannelError::Submit`] if the chain
    /// refuses.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        needs: &[Need],
        stop: &CancellationToken,
    ) -> Result<Option<Lease>, ChannelError> {
        let sending = tokio::select! {
            turn = self.wait_in_line(needs) => match turn? {
                Turn::Leased(lease) => return Ok(Some(*lease)),
                Turn::Send(sending) => sending,
            },
            () = stop.cancelled() => return Ok(None),
        };
        let (result, mut waiting) = oneshot::channel();
        // Cancelled by `stop`, and when the caller itself is dropped.
        let unwanted = stop.child_token();
        let _cancels = unwanted.clone().drop_guard();
        let (pool, needs) = (self.clone(), needs.to_vec());
        self.follow(OPENING, async move {
            let _sending = sending;
            let leased = pool.open_and_lease(&needs, &unwanted).await;
            // Nobody may be waiting any more.
            if let Err(Ok(Some(lease))) = result.send(leased) {
                pool.give_up(lease);
            }
        });
        tokio::select! {
            leased = &mut waiting => leased.unwrap_or_else(|_| self.broken_off()),
            () = stop.cancelled() => {
                waiting.close();
                if let Ok(Ok(Some(lease))) = waiting.try_recv() {
                    self.give_up(lease);
                }
                Ok(None)
            }
        }
    }

    /// What it means that the task that opens channels is gone without a word.
    fn broken_off(&self) -> Result<Option<Lease>, ChannelError> {
        let is_stopped = self.closing.is_cancelled() || self.abandoned.is_cancelled();
        if is_stopped { Ok(None) } else { Err(ChannelError::BrokenOff) }
    }

    /// Lanes of what is open, or the right to send an extrinsic.
    async fn wait_in_line(self: &Arc<Self>, needs: &[Need]) -> Result<Turn, ChannelError> {
        self.refresh_if_stale().await?;
        if let Some(lease) = self.try_lease(needs)? {
            self.top_up_ahead(needs);
            return Ok(Turn::Leased(Box::new(lease)));
        }
        let sending = self.sending.clone().lock_owned().await;
        self.refresh_if_stale().await?;
        // Somebody else may have opened or topped up channels while we waited.
        Ok(match self.try_lease(needs)? {
            Some(lease) => Turn::Leased(Box::new(lease)),
            None => Turn::Send(sending),
        })
    }

    /// Opens and tops up channels until there are lanes, or `unwanted` is cancelled.
    async fn open_and_lease(
        self: &Arc<Self>,
        needs: &[Need],
        unwanted: &CancellationToken,
    ) -> Result<Option<Lease>, ChannelError> {
        let mut fees = 0;
        match self.open_until_leased(needs, unwanted, &mut fees).await {
            Ok(Some(lease)) => {
                self.lock().add_fees(&lease.claim.fees, fees);
                Ok(Some(lease))
            }
            other => {
                self.carry_fees(fees);
                other
            }
        }
    }

    /// Adds to `fees` what it takes, whether there are lanes in the end or not.
    async fn open_until_leased(
        self: &Arc<Self>,
        needs: &[Need],
        unwanted: &CancellationToken,
        fees: &mut Balance,
    ) -> Result<Option<Lease>, ChannelError> {
        let (mut submitted, mut sent) = (None, 0);
        for _ in 0..MAX_ATTEMPTS {
            let missing = self.missing(needs).await?;
            if unwanted.is_cancelled() || self.closing.is_cancelled() {
                return Ok(None);
            }
            if let Some(one) = self.submit(missing).await? {
                *fees = fees.saturating_add(one.fee);
                (submitted, sent) = (Some(one), sent + 1);
            }
            self.refresh().await?;
            // What was free a moment ago may be somebody else's by now: then try again.
            if let Some(lease) = self.try_lease(needs)? {
                return Ok(Some(Lease { submitted, ..lease }));
            }
            if sent == MAX_EXTRINSICS {
                break;
            }
        }
        let payees: Vec<String> = needs.iter().map(|need| need.payee.to_string()).collect();
        Err(ChannelError::NotThere(payees.join(", ")))
    }

    /// All needs from what is open, or nothing.
    fn try_lease(self: &Arc<Self>, needs: &[Need]) -> Result<Option<Lease>, ChannelError> {
        let mut ledgers = self.lock();
        if !ledgers.is_fresh {
            return Ok(None);
        }
        let Some(leased) = ledgers.lease(needs) else { return Ok(None) };
        let epoch = ledgers.epoch;
        drop(ledgers);
        let ids = leased.iter().map(|(channel, lane)| (*channel, lane.record().lane)).collect();
        let guard = LaneGuard::new(self, epoch, ids);
        let (channels, lanes): (Vec<_>, Vec<_>) = leased.into_iter().unzip();
        self.record_channels(needs, &channels)?;
        // Last: from here on the lease has an owner who accounts for it.
        let fees = self.lock().claim_fees();
        Ok(Some(Lease { lanes, channels, submitted: None, claim: Claim { fees, guard } }))
    }

    /// Writes down whose the channels are: receipts are verified with it when the chain has
    /// forgotten them.
    fn record_channels(&self, needs: &[Need], channels: &[ChannelId]) -> Result<(), StoreError> {
        let mut changes = Vec::new();
        for (need, id) in needs.iter().zip(channels) {
            let new = self
                .lock()
                .open
                .get(id)
                .filter(|open| !open.is_recorded)
                .map(|open| open.ledger.facts().signer);
            let Some(signer) = new else { continue };
            let (genesis, payer) = (self.payer.chain.genesis_hash(), self.payer.id().0);
            let record =
                ChannelRecord { genesis, payer, payee: need.payee.0, peer: need.peer, signer };
            if self.store.channel(*id)?.as_ref() != Some(&record) {
                changes.push(Change::Channel(*id, record));
            }
        }
        self.store.apply(&changes)?;
        if !self.is_use_counted.swap(true, Ordering::AcqRel) {
            self.store.count_use()?;
        }
        let mut ledgers = self.lock();
        for id in channels {
            if let Some(open) = ledgers.open.get_mut(id) {
                open.is_recorded = true;
            }
        }
        Ok(())
    }

    /// Takes back the lanes of a session with their last records, and returns the fees that are the
    /// session's, base units. A lane without a record goes back with what the database has of it.
    #[must_use = "fees are somebody's"]
    pub(crate) fn settle(&self, claim: Claim, records: Vec<PayerLaneRecord>) -> Balance {
        let Claim { fees, mut guard } = claim;
        records.into_iter().for_each(|record| guard.give_back(record));
        self.lock().settle_fees(&fees)
    }

    /// Takes back a lease that no session used; its fees are the next session's.
    pub(crate) fn give_up(&self, lease: Lease) {
        let records = lease.lanes.iter().map(|lane| lane.record().clone()).collect();
        let fees = self.settle(lease.claim, records);
        self.carry_fees(fees);
    }

    /// The lane as the database has it: never less than what was sent.
    fn on_disk(&self, channel: ChannelId, lane: LaneId) -> Result<PayerLaneRecord, StoreError> {
        let known = self.store.lanes(channel)?.into_iter().find(|record| record.lane == lane);
        Ok(known.unwrap_or_else(|| PayerLaneRecord::unused(channel, lane)))
    }
}

impl Claim {
    /// The pool that the lanes are from.
    pub(crate) fn pool(&self) -> &ChannelPool {
        &self.guard.pool
    }

    /// Whether the chain began anew since: nothing may be promised on these lanes any more, nor
    /// written down of them.
    pub(crate) fn is_void(&self) -> bool {
        self.guard.pool.lock().epoch != self.guard.epoch
    }
}

impl LaneGuard {
    pub(super) fn new(
        pool: &Arc<ChannelPool>,
        epoch: u64,
        lanes: Vec<(ChannelId, LaneId)>,
    ) -> Self {
        Self { lanes, epoch, pool: pool.clone() }
    }

    /// Gives one lane back with its last record.
    fn give_back(&mut self, record: PayerLaneRecord) {
        let held = self.lanes.len();
        self.lanes.retain(|(channel, lane)| (*channel, *lane) != (record.channel, record.lane));
        if self.lanes.len() < held {
            self.return_to_pool(record);
        }
    }

    fn return_to_pool(&self, record: PayerLaneRecord) {
        let mut ledgers = self.pool.lock();
        if ledgers.epoch == self.epoch {
            ledgers.give_back(record);
        }
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        for (channel, lane) in std::mem::take(&mut self.lanes) {
            match self.pool.on_disk(channel, lane) {
                Ok(record) => self.return_to_pool(record),
                // What was promised on it is not known, so it stays leased.
                Err(error) => {
                    tracing::error!(%error, %channel, lane, "a lane cannot be given back")
                }
            }
        }
    }
}
