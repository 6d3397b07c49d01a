//! The payer's open channels as one process shares them: sessions that run side by side lease lanes
//! of the same ledgers.
//!
//! A ledger is read once from the chain and from the payer's database and then kept, because only
//! here it is known which lanes are leased. A lane comes back by itself when its [`Leases`] go, at
//! the latest with what the database has of it, which is never less than what a worker may hold.
//!
//! What is missing for a path goes into one extrinsic. Those who wait for one wait in line, and
//! look again before they send another: with some headroom one deposit serves many of them. A
//! process that goes on for long tops channels up while there is still something left in them
//! ([`Deposits::ahead`]), so that nobody waits for the chain.
//!
//! A lane that its payee refuses is held back while another one is tried
//! ([`ChannelPool::hold_lanes`]). When the chain turns out to have begun anew, all ledgers go and
//! what was leased is void ([`Leases::is_void`]).
//!
//! Every fee is somebody's: a session's own, or one that nobody could be charged for (a top-up
//! ahead, an opening whose session never began), which the next session takes over.

use std::collections::BTreeMap;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};

use mica_chain::{Account, AccountId, Call, SubmitError, Submitted, Until};
use mica_primitives::{
    Balance, ChannelId, ChannelOpening, ChannelParameters, ChannelState, LaneId, MAX_LANES, Redeem,
};
use mica_protocol::channel::{
    Adopted, ChannelFacts, LeaseError, PayerLane, PayerLaneRecord, PayerLedger,
};

use super::{
    ChannelError, Need, OPENING, Payer,
    notices::{Notices, Told},
    origin::{Began, compare},
};
use crate::funds;
use crate::store::{Change, ChannelRecord, Store, StoreError};

/// How often a lane is looked for after room was made: others may take it in between.
const MAX_LOOKS: usize = 64;
/// Most extrinsics for one lease.
const MAX_SENT: usize = 2;
/// A channel is topped up ahead when it is good for less than one part in this many of its
/// headroom.
const LOW: u32 = 2;
/// Pause after a top-up ahead that failed.
const PAUSE: Duration = Duration::from_secs(60);

/// How deposits are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deposits {
    /// Sessions of the size asked for that a deposit is made to last for; 0 counts as 1.
    pub headroom: u32,
    /// Whether channels are topped up before a session must wait for it. For processes that go on.
    pub ahead: bool,
}

impl Deposits {
    /// As much as one session needs, when it needs it.
    pub const ONE: Self = Self { headroom: 1, ahead: false };
}

/// The shared ledgers.
pub struct ChannelPool {
    payer: Payer,
    store: Arc<Store>,
    deposits: Deposits,
    ledgers: Mutex<Ledgers>,
    /// Held by whoever sends an extrinsic.
    sending: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever reads the chain, so that nothing older is taken for newer.
    reading: tokio::sync::Mutex<()>,
    /// Whether the database knows that this process makes promises.
    is_counted: AtomicBool,
}

#[derive(Default)]
struct Ledgers {
    open: BTreeMap<ChannelId, Open>,
    /// Whether the chain was asked yet.
    is_read: bool,
    /// Fees that no session has taken yet.
    fees: Balance,
    /// No top-up ahead before then.
    pause: Option<Instant>,
    /// How often the chain began anew: leases of an earlier one are void.
    epoch: u64,
    /// What the user is still to be told.
    notices: Notices,
}

struct Open {
    payee: AccountId,
    ledger: PayerLedger,
    /// Whether the database knows whose it is.
    is_recorded: bool,
    /// Lanes that sessions hold.
    leased: usize,
    /// The chain does not show it now; it stays while sessions hold lanes, so that none of them is
    /// leased twice.
    is_gone: bool,
}

/// Lanes for one session. They go back to the pool when this is dropped.
pub struct Leases {
    /// One lane per need, in their order; taken by the session.
    pub lanes: Vec<PayerLane>,
    /// The channels, in the same order.
    pub channels: Vec<ChannelId>,
    /// The extrinsic, if one was needed.
    pub submitted: Option<Submitted>,
    /// Fees that are this session's, base units. What is not taken from here goes back to the pool.
    pub fees: Balance,
    leased: Vec<(ChannelId, LaneId)>,
    epoch: u64,
    pool: Arc<ChannelPool>,
}

/// Lanes that nobody leases as long as this lives, without a budget: their payees refused them.
pub struct HeldLanes {
    lanes: Vec<(ChannelId, LaneId)>,
    epoch: u64,
    pool: Arc<ChannelPool>,
}

impl ChannelPool {
    /// An empty pool; what the payer has open is read when it is first needed.
    pub fn new(payer: Payer, store: Arc<Store>, deposits: Deposits) -> Self {
        let deposits = Deposits { headroom: deposits.headroom.max(1), ..deposits };
        let (sending, reading, is_counted) =
            (Arc::default(), tokio::sync::Mutex::default(), AtomicBool::new(false));
        Self { payer, store, deposits, ledgers: Mutex::default(), sending, reading, is_counted }
    }

    /// A lane for every need, with its whole budget; opens and tops up channels in one extrinsic
    /// where there is none.
    ///
    /// # Errors
    /// [`ChannelError::NoFunds`] before anything is sent; [`ChannelError::Submit`] if the chain
    /// refuses.
    pub async fn lease(self: &Arc<Self>, needs: &[Need]) -> Result<Leases, ChannelError> {
        self.read_if_doubted().await?;
        if let Some(leases) = self.try_lease(needs)? {
            self.refill(needs);
            return Ok(leases);
        }
        let _sending = self.sending.lock().await;
        self.read_if_doubted().await?;
        // Somebody else may have made room while we waited.
        if let Some(leases) = self.try_lease(needs)? {
            return Ok(leases);
        }
        let (mut submitted, mut sent, mut fees) =
            (None::<Submitted>, 0, Fees { pool: self, sum: 0 });
        for _ in 0..MAX_LOOKS {
            if let Some(one) = self.make_room(needs).await? {
                fees.sum = fees.sum.saturating_add(one.fee);
                (submitted, sent) = (Some(one), sent + 1);
            }
            self.refresh().await?;
            // What was free a moment ago may be somebody else's by now: then look again.
            if let Some(mut leases) = self.try_lease(needs)? {
                leases.fees = leases.fees.saturating_add(std::mem::take(&mut fees.sum));
                leases.submitted = submitted;
                return Ok(leases);
            }
            if sent == MAX_SENT {
                break;
            }
        }
        Err(ChannelError::NotThere(
            needs.iter().map(|need| need.payee.to_string()).collect::<Vec<_>>().join(", "),
        ))
    }

    /// Takes note of a promise that a payee showed to the session that holds lane `own`. Returns
    /// what is to be written down; nothing if it is no news.
    ///
    /// # Errors
    /// [`LeaseError::Foreign`] if this payer never signed it, [`LeaseError::BeyondDeposit`].
    pub fn adopt(&self, held: &Redeem, own: LaneId) -> Result<Option<Adopted>, LeaseError> {
        let mut ledgers = self.lock();
        let Some(open) = ledgers.open.get_mut(&held.voucher.channel) else { return Ok(None) };
        let adopted = open.ledger.adopt(held, own)?;
        if let Some(adopted) = &adopted {
            ledgers.notices.recovered(adopted.recovered);
        }
        Ok(adopted)
    }

    /// Never leases this lane again: its payee knows other receipts on it than we do. Nothing if
    /// the channel is gone meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if that is not on disk; then it holds for this process alone.
    pub fn retire(&self, channel: ChannelId, lane: LaneId) -> Result<(), StoreError> {
        // Written before the lock goes: when the chain begins anew, ids are given again, and
        // nothing of the old chain may come after.
        let mut ledgers = self.lock();
        let Some(open) = ledgers.open.get_mut(&channel) else { return Ok(()) };
        open.ledger.retire(lane);
        self.store.apply(&[Change::Retired(channel, lane)])
    }

    /// Keeps lanes that were just given back from being leased again, until the guard goes.
    pub fn hold_lanes(self: &Arc<Self>, mut lanes: Vec<(ChannelId, LaneId)>) -> HeldLanes {
        let mut ledgers = self.lock();
        lanes.retain(|(channel, lane)| {
            let Some(open) = ledgers.open.get_mut(channel) else { return false };
            let is_held = open.ledger.hold(*lane);
            open.leased += usize::from(is_held);
            is_held
        });
        HeldLanes { lanes, epoch: ledgers.epoch, pool: self.clone() }
    }

    /// What the user is to be told, each line once.
    pub fn take_notices(&self, told: Told) -> Vec<String> {
        self.lock().notices.take(told)
    }

    /// Fees of a session that did not begin: the next one takes them over.
    pub fn carry_over(&self, fees: Balance) {
        drop(Fees { pool: self, sum: fees });
    }

    /// Asks the chain again before the next lease: a channel may have been closed by its payee.
    pub fn doubt(&self) {
        self.lock().is_read = false;
    }

    fn lock(&self) -> MutexGuard<'_, Ledgers> {
        // Every change of a ledger is whole when it returns.
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All needs from what is open, or nothing.
    fn try_lease(self: &Arc<Self>, needs: &[Need]) -> Result<Option<Leases>, ChannelError> {
        let mut ledgers = self.lock();
        if !ledgers.is_read {
            return Ok(None);
        }
        let (lanes, channels, leased, epoch) = (Vec::new(), Vec::new(), Vec::new(), ledgers.epoch);
        let mut leases =
            Leases { lanes, channels, submitted: None, fees: 0, leased, epoch, pool: self.clone() };
        let mut is_complete = true;
        for need in needs {
            let mut candidates = ledgers
                .open
                .iter_mut()
                .filter(|(_, open)| open.payee == need.payee && !open.is_gone);
            let found = candidates.find_map(|(id, open)| {
                let lane = open.ledger.lease(need.budget).ok()?;
                open.leased += 1;
                Some((*id, lane))
            });
            let Some((channel, lane)) = found else {
                is_complete = false;
                break;
            };
            leases.leased.push((channel, lane.record().lane));
            leases.channels.push(channel);
            leases.lanes.push(lane);
        }
        drop(ledgers);
        if is_complete {
            self.remember(needs, &leases.channels)?;
            leases.fees = std::mem::take(&mut self.lock().fees);
            return Ok(Some(leases));
        }
        // Unused lanes go back as they were.
        for lane in std::mem::take(&mut leases.lanes) {
            leases.give_back(lane.record().clone());
        }
        Ok(None)
    }

    /// Writes down whose the channels are: receipts are verified with it when the chain has
    /// forgotten them.
    fn remember(&self, needs: &[Need], channels: &[ChannelId]) -> Result<(), StoreError> {
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
        if !self.is_counted.swap(true, Ordering::AcqRel) {
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

    /// Asks the chain where what is known may be wrong. Does not wait for whoever sends.
    async fn read_if_doubted(&self) -> Result<(), ChannelError> {
        if self.lock().is_read {
            return Ok(());
        }
        let reading = self.reading.lock().await;
        // Somebody else may have asked while we waited.
        if self.lock().is_read { Ok(()) } else { self.read(&reading).await }
    }

    /// Learns what the chain says now.
    async fn refresh(&self) -> Result<(), ChannelError> {
        let reading = self.reading.lock().await;
        self.read(&reading).await
    }

    /// Ledgers that are known keep their leases, as long as the chain is the same.
    async fn read(&self, _reading: &tokio::sync::MutexGuard<'_, ()>) -> Result<(), ChannelError> {
        self.compare_chain().await?;
        let view = self.payer.chain.at_best().await?;
        let key = self.payer.signer.verifying_key().to_bytes();
        let found = view.channels_of(self.payer.id()).await?;
        let usable = found
            .into_iter()
            .filter(|(_, channel)| channel.signer == key && channel.state == ChannelState::Open);
        let usable: BTreeMap<_, _> = usable.collect();
        let mut ledgers = self.lock();
        ledgers.open.retain(|id, open| {
            open.is_gone = !usable.contains_key(id);
            !open.is_gone || open.leased > 0
        });
        for (id, channel) in usable {
            let payee = channel.payee;
            match ledgers.open.get_mut(&id) {
                Some(open) => open.ledger.update(ChannelFacts::new(id, &channel)),
                None => {
                    let ledger = self.payer.ledger(&self.store, id, &channel)?;
                    ledgers.open.insert(
                        id,
                        Open { payee, ledger, is_recorded: false, leased: 0, is_gone: false },
                    );
                }
            }
            if ledgers
                .open
                .get(&id)
                .is_some_and(|open| open.ledger.lost_lanes() == MAX_LANES as usize)
            {
                ledgers.notices.spent(id, payee);
            }
        }
        ledgers.is_read = true;
        Ok(())
    }

    /// Puts the records aside if the chain is another one than theirs.
    async fn compare_chain(&self) -> Result<(), ChannelError> {
        let genesis = self.payer.chain.genesis_hash();
        match compare(&self.payer.chain, &self.store).await? {
            Began::Same => {}
            Began::Unknown(first_block) => self.store.set_first_block(genesis, first_block)?,
            Began::Anew { old, new } => {
                // First, so that sessions of the old chain write nothing more while its records are
                // moved.
                let mut ledgers = self.lock();
                ledgers.open.clear();
                ledgers.epoch += 1;
                drop(ledgers);
                let aside =
                    tokio::task::block_in_place(|| self.store.put_aside(genesis, old, new))?;
                self.lock().notices.anew(&aside);
            }
        }
        Ok(())
    }

    /// What is missing for `needs`, as of the newest block. Sends nothing and opens no key.
    ///
    /// # Errors
    /// [`ChannelError`] if the chain or the database cannot be read.
    pub async fn missing(&self, needs: &[Need]) -> Result<Missing, ChannelError> {
        self.missing_for(needs, 1).await
    }

    /// The same where every channel has to be good for `least` sessions.
    async fn missing_for(&self, needs: &[Need], least: u32) -> Result<Missing, ChannelError> {
        self.refresh().await?;
        let view = self.payer.chain.at_best().await?;
        let parameters = view.channel_parameters().await?;
        let money = view.account(self.payer.id()).await?;
        let mut asked = self.calls(needs, least, self.deposits.headroom, &parameters);
        let mut fee = self.fee(&asked).await?;
        if money.missing(asked.deposits, fee) > 0 {
            // Too little for comfort may still be enough for these.
            asked = self.calls(needs, least, least, &parameters);
            fee = self.fee(&asked).await?;
        }
        let Asked { call, deposits, until } = asked;
        Ok(Missing { call, deposits, fee, money, until })
    }

    async fn fee(&self, asked: &Asked) -> Result<Balance, ChannelError> {
        match &asked.call {
            Some(call) => Ok(self.payer.chain.estimate_fee_for(self.payer.id(), call).await?),
            None => Ok(0),
        }
    }

    /// Opens the account's key if something must be sent for `needs`; asks for the password then,
    /// unless the money is missing.
    ///
    /// # Errors
    /// [`ChannelError::NoFunds`], [`ChannelError::Locked`].
    pub async fn unlock_for(&self, needs: &[Need]) -> Result<(), ChannelError> {
        if self.payer.account.is_locked() {
            let missing = self.missing(needs).await?;
            missing.check_funds(self.payer.id())?;
            if missing.call.is_some() {
                self.payer.account.signer(OPENING)?;
            }
        }
        Ok(())
    }

    /// One extrinsic that gives every need what it lacks.
    async fn make_room(&self, needs: &[Need]) -> Result<Option<Submitted>, ChannelError> {
        self.submit(self.missing(needs).await?).await
    }

    async fn submit(&self, missing: Missing) -> Result<Option<Submitted>, ChannelError> {
        missing.check_funds(self.payer.id())?;
        let Some(call) = missing.call else { return Ok(None) };
        let signer = self.payer.account.signer(OPENING)?;
        let submitted = self.payer.chain.submit(&signer, call, missing.until).await;
        // A fee that brought nothing is the next session's.
        let sum = submitted.as_ref().err().map_or(0, SubmitError::fee_spent);
        drop(Fees { pool: self, sum });
        Ok(Some(submitted?))
    }

    /// Sessions that a channel still has to be good for; below that it is topped up ahead.
    fn least(&self) -> u32 {
        self.deposits.headroom / LOW
    }

    /// Tops up in the background what will soon be too little for sessions like this one.
    fn refill(self: &Arc<Self>, needs: &[Need]) {
        if !self.deposits.ahead
            || self.least() < 2
            || self.payer.account.is_locked()
            || !self.is_low(needs)
        {
            return;
        }
        // Whoever sends already makes room for all.
        let Ok(sending) = self.sending.clone().try_lock_owned() else { return };
        let (pool, needs) = (self.clone(), needs.to_vec());
        tokio::spawn(async move {
            let _sending = sending;
            if let Err(error) = pool.refill_now(&needs).await {
                tracing::warn!(%error, "channels were not topped up ahead of time");
                pool.lock().pause = Some(Instant::now() + PAUSE);
            }
        });
    }

    async fn refill_now(&self, needs: &[Need]) -> Result<(), ChannelError> {
        if let Some(submitted) = self.submit(self.missing_for(needs, self.least()).await?).await? {
            drop(Fees { pool: self, sum: submitted.fee });
            self.refresh().await?;
        }
        Ok(())
    }

    fn is_low(&self, needs: &[Need]) -> bool {
        let ledgers = self.lock();
        if ledgers.pause.is_some_and(|pause| Instant::now() < pause) {
            return false;
        }
        needs.iter().any(|need| {
            let channels =
                ledgers.open.values().filter(|open| open.payee == need.payee && !open.is_gone);
            let most = channels.map(|open| open.ledger.free()).max();
            most.is_none_or(|most| most < need.budget.saturating_mul(self.least().into()))
        })
    }

    /// What gives every need a channel with enough left for `least` sessions: enough for `headroom`
    /// of them then.
    fn calls(
        &self,
        needs: &[Need],
        least: u32,
        headroom: u32,
        parameters: &ChannelParameters,
    ) -> Asked {
        let ChannelParameters { min_deposit, min_window, .. } = *parameters;
        let mut ledgers = self.lock();
        let (mut openings, mut calls, mut deposits) = (Vec::new(), Vec::new(), 0u128);
        for need in needs {
            let best = ledgers.open.iter_mut().filter_map(|(id, open)| {
                (open.payee == need.payee && !open.is_gone && open.has_lane()).then_some((id, open))
            });
            let wanted = need.budget.saturating_mul(headroom.into());
            match best.max_by_key(|(_, open)| open.ledger.free()) {
                Some((_, open))
                    if open.ledger.free() >= need.budget.saturating_mul(least.into()) => {}
                Some((channel, open)) => {
                    let more = open.ledger.lacks(wanted);
                    calls.push(Call::TopUpTo {
                        channel: *channel,
                        total: open.ledger.facts().deposit.saturating_add(more),
                    });
                    deposits = deposits.saturating_add(more);
                }
                None => {
                    let deposit = wanted.max(min_deposit);
                    let signer = self.payer.signer.verifying_key().to_bytes();
                    openings.push(ChannelOpening {
                        payee: need.payee,
                        signer,
                        deposit,
                        window: min_window,
                    });
                    deposits = deposits.saturating_add(deposit);
                }
            }
        }
        // A worker waits for a channel that it does not know, but takes the deposit that it knows
        // for all there is.
        let until = if calls.is_empty() { Until::InBlock } else { Until::Finalized };
        if !openings.is_empty() {
            calls.push(Call::OpenMany(openings));
        }
        let call = match calls.len() {
            0 => None,
            1 => calls.pop(),
            _ => Some(Call::BatchAll(calls)),
        };
        Asked { call, deposits, until }
    }

    /// The lane as the database has it: never less than what was sent.
    fn on_disk(&self, channel: ChannelId, lane: LaneId) -> Result<PayerLaneRecord, StoreError> {
        let known = self.store.lanes(channel)?.into_iter().find(|record| record.lane == lane);
        Ok(known.unwrap_or_else(|| PayerLaneRecord::unused(channel, lane)))
    }
}

/// What a path needs before it can be paid.
pub struct Missing {
    /// The extrinsic; nothing if every channel is open and has enough left.
    pub call: Option<Call>,
    /// Base units that it would lock.
    pub deposits: Balance,
    /// Its estimated fee.
    fee: Balance,
    /// The account's money.
    money: Account,
    /// What to wait for once it is sent.
    until: Until,
}

impl Missing {
    fn check_funds(&self, account: AccountId) -> Result<(), ChannelError> {
        match self.call {
            Some(_) => funds::check(account, &self.money, self.deposits, self.fee)
                .map_err(ChannelError::NoFunds),
            None => Ok(()),
        }
    }
}

struct Asked {
    call: Option<Call>,
    deposits: Balance,
    /// What is waited for.
    until: Until,
}

impl Open {
    /// Whether the channel can take one more session, whatever is left in it.
    fn has_lane(&mut self) -> bool {
        let lane = self.ledger.lease(0);
        lane.is_ok_and(|lane| {
            self.ledger.give_back(lane.record().clone());
            true
        })
    }
}

impl Leases {
    /// The pool that the lanes are from.
    pub fn pool(&self) -> &ChannelPool {
        &self.pool
    }

    /// Gives a lane back with the last record of its session.
    pub fn give_back(&mut self, record: PayerLaneRecord) {
        let held = self.leased.len();
        self.leased.retain(|(channel, lane)| (*channel, *lane) != (record.channel, record.lane));
        if self.leased.len() < held {
            self.pool.take_back(self.epoch, record);
        }
    }

    /// Whether the chain began anew since: nothing may be promised on these lanes any more, nor
    /// written down of them.
    pub fn is_void(&self) -> bool {
        self.pool.lock().epoch != self.epoch
    }
}

impl ChannelPool {
    /// Ends the lease of a lane that was leased in `epoch`.
    fn take_back(&self, epoch: u64, record: PayerLaneRecord) {
        let mut ledgers = self.lock();
        if ledgers.epoch == epoch
            && let Some(open) = ledgers.open.get_mut(&record.channel)
        {
            open.leased = open.leased.saturating_sub(1);
            open.ledger.give_back(record);
        }
    }

    /// The same with what the database has of the lanes.
    fn take_back_from_disk(&self, epoch: u64, lanes: Vec<(ChannelId, LaneId)>) {
        for (channel, lane) in lanes {
            match self.on_disk(channel, lane) {
                Ok(record) => self.take_back(epoch, record),
                // What was promised on it is not known, so it stays leased.
                Err(error) => {
                    tracing::error!(%error, %channel, lane, "a lane cannot be given back")
                }
            }
        }
    }
}

/// Fees that no session has taken yet; the next one takes what is left of them.
struct Fees<'a> {
    pool: &'a ChannelPool,
    sum: Balance,
}

impl Drop for Fees<'_> {
    fn drop(&mut self) {
        if self.sum > 0 {
            let mut ledgers = self.pool.lock();
            ledgers.fees = ledgers.fees.saturating_add(self.sum);
        }
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        drop(Fees { pool: &self.pool, sum: self.fees });
        self.pool.take_back_from_disk(self.epoch, std::mem::take(&mut self.leased));
    }
}

impl Drop for HeldLanes {
    fn drop(&mut self) {
        self.pool.take_back_from_disk(self.epoch, std::mem::take(&mut self.lanes));
    }
}
