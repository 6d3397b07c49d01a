//! How long a worker that failed is left out.
//!
//! Each failure doubles the wait, from [`FIRST_WAIT_MS`] to [`LONGEST_WAIT_MS`]. A success ends the
//! wait and takes one failure back, not all: a worker that fails every other time waits longer and
//! longer than one that failed once.

/// Wait after the first failure.
pub const FIRST_WAIT_MS: u64 = 15_000;
/// Longest wait.
pub const LONGEST_WAIT_MS: u64 = 3_600_000;

/// The failures of one worker, and until when it is left out for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackOff {
    /// Failures that no success has taken back.
    pub failures: u32,
    /// When the wait ends, on the caller's clock; 0 if there is none.
    pub until_ms: u64,
}

impl BackOff {
    /// Notes a failure at `now_ms` and returns when the worker may be tried again.
    pub fn failed(&mut self, now_ms: u64) -> u64 {
        let wait = FIRST_WAIT_MS.saturating_mul(1 << self.failures.min(32)).min(LONGEST_WAIT_MS);
        self.failures = self.failures.saturating_add(1);
        self.until_ms = now_ms.saturating_add(wait);
        self.until_ms
    }

    /// Notes that the worker did what it should.
    pub const fn succeeded(&mut self) {
        self.failures = self.failures.saturating_sub(1);
        self.until_ms = 0;
    }

    /// Until when the worker is left out, if it is at `now_ms`. A wait that has ended still counts
    /// towards the next one's length. A clock that was set back leaves nobody out for longer than
    /// the longest wait.
    pub fn until(&self, now_ms: u64) -> Option<u64> {
        let until_ms = self.until_ms.min(now_ms.saturating_add(LONGEST_WAIT_MS));
        (until_ms > now_ms).then_some(until_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_fifteen_seconds_to_an_hour() {
        let (mut back_off, mut now) = (BackOff::default(), 1_000);
        for wait in [
            15_000, 30_000, 60_000, 120_000, 240_000, 480_000, 960_000, 1_920_000, 3_600_000,
            3_600_000,
        ] {
            assert_eq!(back_off.failed(now), now + wait);
            assert_eq!(back_off.until(now + wait - 1), Some(now + wait));
            now += wait;
            assert_eq!(back_off.until(now), None);
        }
    }

    #[test]
    fn a_success_ends_the_wait_and_takes_one_failure_back() {
        let mut back_off = BackOff::default();
        back_off.failed(0);
        back_off.failed(0);
        back_off.succeeded();
        assert_eq!((back_off.until(0), back_off.failures), (None, 1));
        assert_eq!(back_off.failed(0), 30_000, "it is not as if nothing had happened");
        (0..3).for_each(|_| back_off.succeeded());
        assert_eq!(back_off, BackOff::default());
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_nobody_out_for_ever() {
        let mut back_off = BackOff::default();
        back_off.failed(1_000_000_000_000);
        assert_eq!(back_off.until(5), Some(5 + LONGEST_WAIT_MS));
        for _ in 0..100 {
            back_off.failed(u64::MAX);
        }
        assert_eq!(back_off.until_ms, u64::MAX);
    }
}
