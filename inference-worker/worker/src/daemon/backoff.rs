//! How often something that costs a fee is tried.

use mica_primitives::BlockNumber;

/// Blocks between the first two attempts.
const FIRST: BlockNumber = 5;
/// Most blocks between two attempts: about an hour.
const LONGEST: BlockNumber = 1_280;

/// At once the first time, then after a pause that doubles; at once again after [`LONGEST`] blocks
/// without an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Backoff {
    next: BlockNumber,
    pause: BlockNumber,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: 0, pause: FIRST }
    }
}

impl Backoff {
    /// Whether it may be tried in `block`.
    pub(crate) const fn allows(&self, block: BlockNumber) -> bool {
        block >= self.next
    }

    /// It was tried in `block`.
    pub(crate) fn attempted(&mut self, block: BlockNumber) {
        self.next = block.saturating_add(self.pause);
        self.pause = self.pause.saturating_mul(2).min(LONGEST);
    }

    /// There was nothing to try in `block`. A short rest says little: what comes and goes once a
    /// minute would cost a fee a minute.
    pub(crate) fn idle(&mut self, block: BlockNumber) {
        if block >= self.next.saturating_add(LONGEST) {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_undo_each_other_cost_a_few_fees_and_not_one_per_block() {
        let mut pace = Backoff::default();
        let attempts = (0..10_000)
            .filter(|block| {
                let now = pace.allows(*block);
                if now {
                    pace.attempted(*block);
                }
                now
            })
            .count();
        assert_eq!(attempts, 15);
    }

    #[test]
    fn only_after_a_long_rest_the_first_attempt_is_made_at_once() {
        let mut pace = Backoff::default();
        pace.attempted(100);
        pace.attempted(105);
        pace.idle(200);
        assert!(!pace.allows(114) && pace.allows(115));
        pace.attempted(200);
        assert!(!pace.allows(219) && pace.allows(220), "the pause has grown");
        pace.idle(220 + LONGEST - 1);
        assert_ne!(pace, Backoff::default());
        pace.idle(220 + LONGEST);
        assert_eq!(pace, Backoff::default());
    }

    #[test]
    fn what_comes_and_goes_costs_fewer_fees_the_longer_it_does() {
        let mut pace = Backoff::default();
        let attempts = (0..10_000)
            .filter(|block| {
                let is_there = block % 40 < 20;
                let now = is_there && pace.allows(*block);
                match now {
                    true => pace.attempted(*block),
                    false => pace.idle(*block),
                }
                now
            })
            .count();
        assert!(attempts < 20, "{attempts}");
    }
}
