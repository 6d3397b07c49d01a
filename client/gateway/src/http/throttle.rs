//! Wrong keys per address: after a few, the next are answered without a look at them.
//!
//! Only keys that people wrote into the settings can be guessed; one that the program made has 256
//! random bits and is looked at always. So nobody who sits behind the same address, or the same
//! proxy, as somebody who guesses is kept out with such a key.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Wrong keys that cost nothing: a person mistypes.
const FREE_FAILURES: u32 = 5;
/// The first pause; each wrong key after that doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A wrong key is forgotten after this long.
const MEMORY: Duration = Duration::from_secs(15 * 60);
/// Most addresses that are remembered; those whose last wrong key is oldest are forgotten first.
const MAX_ADDRESSES: usize = 4096;

/// Who gave wrong keys lately.
#[derive(Default)]
pub(super) struct Throttle(Mutex<BTreeMap<IpAddr, Failures>>);

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// How long nothing is looked at after the last one.
    fn pause(&self) -> Duration {
        match self.count.checked_sub(FREE_FAILURES) {
            None | Some(0) => Duration::ZERO,
            Some(more) => FIRST_PAUSE.saturating_mul(1 << (more - 1).min(10)).min(LONGEST_PAUSE),
        }
    }
}

impl Throttle {
    /// How long `address` has still to wait; nothing if it may try.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let failures = *mica_host::lock(&self.0).get(&group(address))?;
        let passed = now.saturating_duration_since(failures.last);
        failures.pause().checked_sub(passed).filter(|wait| !wait.is_zero())
    }

    /// Notes a wrong key.
    pub(super) fn note(&self, address: IpAddr, now: Instant) {
        let mut known = mica_host::lock(&self.0);
        let address = group(address);
        let count = match known.get(&address) {
            Some(old) if now.saturating_duration_since(old.last) < MEMORY => old.count,
            _ => 0,
        };
        if known.len() >= MAX_ADDRESSES && !known.contains_key(&address) {
            let oldest = known.iter().min_by_key(|(_, failures)| failures.last);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                known.remove(&oldest);
            }
        }
        known.insert(address, Failures { count: count.saturating_add(1), last: now });
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn wrong_keys_cost_longer_and_longer_pauses() {
        let (throttle, begun) = (Throttle::default(), Instant::now());
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.wait(ADDRESS, begun), None);
            throttle.note(ADDRESS, begun);
        }
        assert_eq!(throttle.wait(ADDRESS, begun), None, "a person mistypes");
        let mut now = begun;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60].map(Duration::from_secs) {
            throttle.note(ADDRESS, now);
            assert_eq!(throttle.wait(ADDRESS, now), Some(pause));
            now += pause;
            assert_eq!(throttle.wait(ADDRESS, now), None);
        }
        assert_eq!(throttle.wait([192, 0, 2, 1].into(), now), None, "others are not held up");
        now += MEMORY;
        throttle.note(ADDRESS, now);
        assert_eq!(throttle.wait(ADDRESS, now), None, "it is forgotten");
    }

    #[test]
    fn addresses_of_one_network_count_together_and_the_memory_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for last in 0..=FREE_FAILURES as u16 {
            throttle.note(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last).into(), now);
        }
        let sibling = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 9, 9, 9, 9);
        assert!(throttle.wait(sibling.into(), now).is_some());
        let mapped = ADDRESS;
        assert_eq!(group(std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped().into()), mapped);
        for number in 0..MAX_ADDRESSES as u32 + 10 {
            throttle.note(std::net::Ipv4Addr::from(number).into(), now);
        }
        assert_eq!(mica_host::lock(&throttle.0).len(), MAX_ADDRESSES);
    }
}
