//! Which workers failed recently, and how long to leave each one out.
//!
//! Each failure doubles the wait, from [`FIRST_BAN_MS`] to [`LONGEST_BAN_MS`]; a success forgives.
//! The list is bounded: when it is full, the ban that ends first makes room.

use std::collections::BTreeMap;

/// Wait after the first failure.
pub const FIRST_BAN_MS: u64 = 15_000;
/// Longest wait.
pub const LONGEST_BAN_MS: u64 = 3_600_000;
/// Most entries.
pub const MAX_BANS: usize = 4_096;

/// Failures by worker. `K` names a worker: its account or peer key.
#[derive(Clone, Debug, Default)]
pub struct BanList<K> {
    bans: BTreeMap<K, Ban>,
}

#[derive(Clone, Copy, Debug)]
struct Ban {
    failures: u32,
    until_ms: u64,
}

impl<K: Ord + Clone> BanList<K> {
    /// An empty list.
    pub const fn new() -> Self {
        Self { bans: BTreeMap::new() }
    }

    /// Notes a failure at `now_ms` and returns when the worker may be tried again, on the caller's
    /// clock.
    pub fn failed(&mut self, worker: K, now_ms: u64) -> u64 {
        if !self.bans.contains_key(&worker) && self.bans.len() >= MAX_BANS {
            let first_to_end = self
                .bans
                .iter()
                .min_by_key(|(_, ban)| ban.until_ms)
                .map(|(worker, _)| worker.clone());
            first_to_end.and_then(|worker| self.bans.remove(&worker));
        }
        let ban = self.bans.entry(worker).or_insert(Ban { failures: 0, until_ms: 0 });
        let wait = FIRST_BAN_MS.saturating_mul(1 << ban.failures.min(32)).min(LONGEST_BAN_MS);
        ban.failures = ban.failures.saturating_add(1);
        ban.until_ms = now_ms.saturating_add(wait);
        ban.until_ms
    }

    /// Notes that the worker did what it should: its failures are forgotten.
    pub fn succeeded(&mut self, worker: &K) {
        self.bans.remove(worker);
    }

    /// Until when the worker is left out, if it is at `now_ms`. A ban that has ended still counts
    /// towards the next one's length.
    pub fn banned_until(&self, worker: &K, now_ms: u64) -> Option<u64> {
        self.bans.get(worker).map(|ban| ban.until_ms).filter(|until| *until > now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_fifteen_seconds_to_an_hour_and_success_forgives() {
        let mut bans = BanList::new();
        let mut now = 1_000;
        for wait in [
            15_000, 30_000, 60_000, 120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000,
            3_600_000,
        ] {
            assert_eq!(bans.failed(7, now), now + wait);
            assert_eq!(bans.banned_until(&7, now + wait - 1), Some(now + wait));
            now += wait;
            assert_eq!(bans.banned_until(&7, now), None);
        }
        bans.succeeded(&7);
        assert_eq!(bans.failed(7, now), now + FIRST_BAN_MS);
        assert_eq!(bans.banned_until(&8, now), None);
    }

    #[test]
    fn a_full_list_drops_the_ban_that_ends_first() {
        let mut bans = BanList::new();
        for worker in 0..=MAX_BANS as u64 {
            bans.failed(worker, worker);
        }
        assert_eq!(bans.bans.len(), MAX_BANS);
        assert_eq!(bans.banned_until(&0, 0), None);
        assert!(bans.banned_until(&(MAX_BANS as u64), 0).is_some());
    }
}
