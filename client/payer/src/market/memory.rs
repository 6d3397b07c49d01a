//! What a payer remembers of workers, on disk: who failed and for how long it is left out, who did
//! not answer, and what each really took.
//!
//! Remembered under the worker's account, because an account costs a stake and a peer key nothing;
//! a peer key that moves to another account takes its record along. At most [`MAX_REMEMBERED`]
//! workers: the one of which nothing was noted for longest makes room. After [`FORGET_AFTER`]
//! without news a worker is a stranger again.
//!
//! It is no money: what cannot be written is remembered by this process alone.

mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mica_chain::AccountId;
use mica_primitives::{Hash32, PublicKey};
use mica_protocol::payer::SessionReport;

use super::{Belief, Beliefs, ModelSnapshot, Standing, WorkerSnapshot};
use crate::store::{Change, RememberedWorker, Store, StoreError};
use verdict::Verdict;

/// Most workers that are remembered.
pub const MAX_REMEMBERED: usize = 4_096;
/// How long a worker is remembered of which nothing is heard.
pub const FORGET_AFTER: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What a payer remembers of the workers of one chain.
pub struct Memory {
    genesis: Hash32,
    /// Nothing is kept without one.
    store: Option<Arc<Store>>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    workers: BTreeMap<AccountId, RememberedWorker>,
    accounts: BTreeMap<PublicKey, AccountId>,
}

/// A session that is over, as far as it says something about its workers.
pub(crate) struct SessionNote<'a> {
    /// The workers' accounts, in the order of the path.
    pub(crate) accounts: Vec<AccountId>,
    /// How it went.
    pub(crate) report: &'a SessionReport,
    /// Whether all had accepted it.
    pub(crate) was_accepted: bool,
    /// What a token took at each stage, µs per layer, where that was seen.
    pub(crate) costs_us: &'a [Option<u32>],
}

impl Memory {
    /// Of a payer that remembers nothing and keeps nothing.
    pub fn none() -> Self {
        Self { genesis: [0; 32], store: None, table: Mutex::default() }
    }

    /// What `store` has of the workers of the chain with this genesis.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read.
    pub fn open(store: Arc<Store>, genesis: Hash32) -> Result<Self, StoreError> {
        let oldest = unix_ms().saturating_sub(FORGET_AFTER.as_millis() as u64);
        let mut table = Table::default();
        let mut forgotten = Vec::new();
        for (account, worker) in store.workers(genesis)? {
            if worker.noted_unix_ms < oldest {
                forgotten.push(Change::ForgetWorker { genesis, account });
            } else {
                table.insert(account.into(), worker);
            }
        }
        store.apply(&forgotten)?;
        Ok(Self { genesis, store: Some(store), table: Mutex::new(table) })
    }

    /// The same for a program that only looks: it keeps nothing new, and others may have the
    /// database.
    pub fn detached(self) -> Self {
        Self { store: None, ..self }
    }

    /// What is believed of the workers of `snapshot`, where those in `failed` have failed the
    /// question that is asked.
    pub fn beliefs(&self, snapshot: &ModelSnapshot, failed: &BTreeSet<AccountId>) -> Beliefs {
        let (table, now) = (self.table(), unix_ms());
        Beliefs::new(snapshot, |place| {
            let Some(worker) = snapshot.workers.get(place) else { return Belief::default() };
            let remembered = table.of(worker).copied().unwrap_or_default();
            let is_banned = remembered.bans.until(now).is_some();
            let standing = if is_banned || failed.contains(&worker.record.account) {
                Standing::Banned
            } else if remembered.refusals.until(now).is_some() {
                Standing::Avoided
            } else {
                Standing::Fair
            };
            Belief { standing, experience: remembered.experience }
        })
    }

    /// Everything that is remembered, by account.
    pub fn list(&self) -> Vec<(AccountId, RememberedWorker)> {
        self.table().workers.iter().map(|(account, worker)| (*account, *worker)).collect()
    }

    /// Forgets one worker, or all without one. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`] if that is not on disk; then it holds for this process alone.
    pub fn forget(&self, account: Option<AccountId>) -> Result<usize, StoreError> {
        let mut table = self.table();
        let gone: Vec<AccountId> = table
            .workers
            .keys()
            .filter(|known| account.is_none_or(|account| account == **known))
            .copied()
            .collect();
        gone.iter().for_each(|account| table.remove(account));
        drop(table);
        let changes = gone.iter().map(|account| self.forgotten(account));
        self.apply(&changes.collect::<Vec<_>>())?;
        Ok(gone.len())
    }

    /// Takes note of how a session went. Returns the workers that failed it.
    pub(crate) fn note_session(&self, note: &SessionNote<'_>) -> Vec<AccountId> {
        let verdicts = verdict::of(note.report, note.was_accepted);
        let (mut failed, mut changes) = (Vec::new(), Vec::new());
        let now = unix_ms();
        for (place, (account, verdict)) in note.accounts.iter().zip(verdicts).enumerate() {
            let Some(stage) = note.report.stages.get(place) else { continue };
            let cost_us = note.costs_us.get(place).copied().flatten();
            if verdict == Verdict::Unknown {
                continue;
            }
            changes.extend(self.change(*account, stage.peer, now, |worker| match verdict {
                Verdict::Served => {
                    worker.bans.succeeded();
                    worker.refusals.succeeded();
                    worker.experience.ended(false);
                    if let Some(cost_us) = cost_us {
                        worker.experience.measured(cost_us);
                    }
                }
                Verdict::Failed(code) => {
                    // The sessions that one failure takes along are one failure: none begins while
                    // it is left out.
                    if worker.bans.until(now).is_none() {
                        worker.bans.failed(now);
                        worker.experience.ended(true);
                    }
                    worker.last_fault = code.number();
                }
                Verdict::Refused(code) => {
                    if worker.refusals.until(now).is_none() {
                        worker.refusals.failed(now);
                    }
                    worker.last_fault = code.number();
                }
                Verdict::Unknown => {}
            }));
            if matches!(verdict, Verdict::Failed(_) | Verdict::Refused(_)) {
                failed.push(*account);
            }
        }
        self.write(&changes);
        failed
    }

    /// Takes note of workers that did not answer a question for a quote.
    pub(crate) fn note_silent<'a>(&self, workers: impl Iterator<Item = &'a WorkerSnapshot>) {
        let now = unix_ms();
        let mut changes = Vec::new();
        for worker in workers {
            let record = &worker.record;
            changes.extend(self.change(record.account, record.peer, now, |worker| {
                // One silence is one, however often it is asked while it lasts.
                if worker.refusals.until(now).is_none() {
                    worker.refusals.failed(now);
                }
            }));
        }
        self.write(&changes);
    }

    /// Changes what is remembered of one worker, and says what that is on disk.
    fn change(
        &self,
        account: AccountId,
        peer: PublicKey,
        now_unix_ms: u64,
        change: impl FnOnce(&mut RememberedWorker),
    ) -> Vec<Change> {
        let mut table = self.table();
        let mut changes = Vec::new();
        // What the key did under another account is this account's, too.
        let earlier = table.accounts.get(&peer).copied().filter(|earlier| *earlier != account);
        let mut worker = table.workers.get(&account).copied().unwrap_or_default();
        if let Some(earlier) = earlier.filter(|_| worker == RememberedWorker::default()) {
            worker = table.workers.get(&earlier).copied().unwrap_or_default();
            table.remove(&earlier);
            changes.push(self.forgotten(&earlier));
        }
        change(&mut worker);
        (worker.peer, worker.noted_unix_ms) = (peer, now_unix_ms);
        if !table.workers.contains_key(&account)
            && table.workers.len() >= MAX_REMEMBERED
            && let Some(oldest) = table.oldest()
        {
            table.remove(&oldest);
            changes.push(self.forgotten(&oldest));
        }
        table.insert(account, worker);
        let (genesis, account) = (self.genesis, account.0);
        changes.push(Change::Worker { genesis, account, worker: Box::new(worker) });
        changes
    }

    fn forgotten(&self, account: &AccountId) -> Change {
        Change::ForgetWorker { genesis: self.genesis, account: account.0 }
    }

    fn write(&self, changes: &[Change]) {
        if let Err(error) = self.apply(changes) {
            tracing::warn!(%error, "what was seen of workers is remembered by this process alone");
        }
    }

    fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        match &self.store {
            Some(store) => store.apply(changes),
            None => Ok(()),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change of it is whole when it returns.
        mica_host::lock(&self.table)
    }
}

impl Table {
    fn insert(&mut self, account: AccountId, worker: RememberedWorker) {
        let before = self.workers.insert(account, worker);
        if let Some(before) = before.filter(|before| before.peer != worker.peer) {
            self.accounts.remove(&before.peer);
        }
        self.accounts.insert(worker.peer, account);
    }

    fn remove(&mut self, account: &AccountId) {
        if let Some(worker) = self.workers.remove(account)
            && self.accounts.get(&worker.peer) == Some(account)
        {
            self.accounts.remove(&worker.peer);
        }
    }

    fn of(&self, worker: &WorkerSnapshot) -> Option<&RememberedWorker> {
        let record = &worker.record;
        self.workers.get(&record.account).or_else(|| {
            self.accounts.get(&record.peer).and_then(|account| self.workers.get(account))
        })
    }

    fn oldest(&self) -> Option<AccountId> {
        self.workers.iter().min_by_key(|(_, worker)| worker.noted_unix_ms).map(|(id, _)| *id)
    }
}

/// Milliseconds since 1970.
fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
