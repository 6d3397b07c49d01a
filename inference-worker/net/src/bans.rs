//! Who is refused for a while, each time for longer, and the bound on what outlives a connection.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

use crate::bounds::{MAX_BAN_DOUBLINGS, MAX_REMEMBERED};

/// Longest ban: a year, whatever the operator's first one is.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// A ban, which is remembered for as long again after it has ended.
#[derive(Clone, Copy, Debug)]
struct Ban {
    until: Instant,
    forgotten: Instant,
    /// How often the first ban's time was doubled.
    doublings: u32,
}

/// Peers, or hosts, that are banned or were so a moment ago: at most [`MAX_REMEMBERED`].
#[derive(Debug)]
pub(crate) struct Bans<K>(HashMap<K, Ban>);

impl<K: Eq + Hash + Copy> Bans<K> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Refuses `key` for the time `first`; for twice as long as the last time if that is not
    /// forgotten, though no longer than [`MAX_BAN_DOUBLINGS`] allow.
    pub(crate) fn ban(&mut self, key: K, now: Instant, first: Duration) {
        let again = self.0.get(&key).filter(|ban| now < ban.forgotten);
        let doublings = again.map_or(0, |ban| (ban.doublings + 1).min(MAX_BAN_DOUBLINGS));
        let length = first.saturating_mul(1 << doublings).min(LONGEST);
        make_room(&mut self.0, &key, |ban| ban.until);
        let until = now + length;
        self.0.insert(key, Ban { until, forgotten: until + length, doublings });
    }

    /// Whether `key` is refused.
    pub(crate) fn contains(&self, key: &K, now: Instant) -> bool {
        self.0.get(key).is_some_and(|ban| now < ban.until)
    }

    /// All that are refused.
    pub(crate) fn at(&self, now: Instant) -> impl Iterator<Item = &K> {
        self.0.iter().filter(move |(_, ban)| now < ban.until).map(|(key, _)| key)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.0.len()
    }
}

/// Drops the oldest entry if there is no room for one more.
pub(crate) fn make_room<K: Eq + Hash + Copy, V>(
    entries: &mut HashMap<K, V>,
    key: &K,
    time: impl Fn(&V) -> Instant,
) {
    if entries.len() < MAX_REMEMBERED || entries.contains_key(key) {
        return;
    }
    let oldest = entries.iter().min_by_key(|(_, value)| time(value)).map(|(key, _)| *key);
    if let Some(oldest) = oldest {
        entries.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(600);

    #[test]
    fn a_ban_is_twice_as_long_as_the_last_one_until_that_is_forgotten() {
        let (mut bans, start) = (Bans::new(), Instant::now());
        bans.ban(1, start, FIRST);
        assert!(bans.contains(&1, start) && !bans.contains(&2, start));
        assert!(!bans.contains(&1, start + FIRST), "it is over");
        let second = start + FIRST;
        bans.ban(1, second, FIRST);
        assert!(bans.contains(&1, second + 2 * FIRST - Duration::from_millis(1)));
        assert!(!bans.contains(&1, second + 2 * FIRST));
        let much_later = second + 4 * FIRST;
        bans.ban(1, much_later, FIRST);
        assert!(!bans.contains(&1, much_later + FIRST), "it begins anew");
        assert_eq!(bans.at(much_later).count(), 1);
    }

    #[test]
    fn a_ban_is_doubled_so_often_and_no_more() {
        let (mut bans, mut now) = (Bans::new(), Instant::now());
        let longest = FIRST * (1 << MAX_BAN_DOUBLINGS);
        for _ in 0..MAX_BAN_DOUBLINGS + 3 {
            bans.ban(1, now, FIRST);
            while bans.contains(&1, now) {
                now += FIRST;
            }
        }
        bans.ban(1, now, FIRST);
        assert!(bans.contains(&1, now + longest - Duration::from_millis(1)));
        assert!(!bans.contains(&1, now + longest));
    }

    #[test]
    fn the_ban_that_ends_first_makes_room() {
        let (mut bans, now) = (Bans::new(), Instant::now());
        for key in 0..=MAX_REMEMBERED {
            bans.ban(key, now + Duration::from_secs(key as u64), FIRST);
        }
        assert_eq!(bans.remembered(), MAX_REMEMBERED);
        assert!(!bans.contains(&0, now) && bans.contains(&1, now));
    }
}
