//! What a payer believes that a worker costs: what it measured, and of what a worker says about
//! itself only so much as costs little if it is a lie.
//!
//! A declared cost is free to state, and the lowest one draws every payer of a model. So:
//! * **A newcomer** counts as a quarter dearer than it says, and never as cheaper than half the
//!   reference, which is the median of what this payer has measured of others (of what all declare,
//!   as long as fewer than [`MIN_MEASURED`] are measured).
//! * **Each measured session** takes a quarter of the declaration's part, so that after
//!   [`FULL_TRUST`] of them only the measurement counts. It moves by a quarter towards each new
//!   session, so a worker that was fast once and is slow now is found out.
//! * **Failures** make a worker dearer by how often it fails: who fails every other time costs
//!   twice as much, because on average two sessions are needed for one answer.

/// Measured sessions after which a declaration counts no more.
pub const FULL_TRUST: u32 = 4;
/// Measured workers from which on their median is the reference.
pub const MIN_MEASURED: usize = 3;
/// A new measurement's part of the mean: one in this many.
const STEP: i64 = 4;
/// Most failures of a thousand sessions that are reckoned with: a factor of eight.
const MOST_FAILURES: u16 = 875;

/// What one payer has seen of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Experience {
    /// µs per layer-token, a mean that forgets; 0 before the first measurement.
    pub cost_us: u32,
    /// Sessions that were measured.
    pub sessions: u32,
    /// Failed sessions of a thousand, a mean that forgets.
    pub failure_permille: u16,
}

impl Experience {
    /// Notes what a session took, µs per layer-token.
    pub fn measured(&mut self, cost_us: u32) {
        let cost_us = cost_us.max(1);
        self.cost_us = match self.sessions {
            0 => cost_us,
            _ => u32::try_from(towards(self.cost_us.into(), cost_us.into())).unwrap_or(u32::MAX),
        };
        self.sessions = self.sessions.saturating_add(1);
    }

    /// Notes how a session ended.
    pub fn ended(&mut self, failed: bool) {
        let now = if failed { 1_000 } else { 0 };
        let mean = towards(self.failure_permille.into(), now);
        self.failure_permille = u16::try_from(mean.clamp(0, 1_000)).unwrap_or(1_000);
    }
}

/// `mean` moved towards `value` by one part in [`STEP`].
const fn towards(mean: i64, value: i64) -> i64 {
    mean + (value - mean) / STEP
}

/// What newcomers are compared with, µs per layer-token: the median of the measured costs if there
/// are enough, else that of the declared ones; 0 without any worker.
pub fn reference_cost_us(workers: impl Iterator<Item = (u32, Experience)>) -> u32 {
    let (mut declared, mut measured) = (Vec::new(), Vec::new());
    for (cost_us, experience) in workers {
        declared.push(cost_us);
        if experience.sessions > 0 {
            measured.push(experience.cost_us);
        }
    }
    let costs = if measured.len() >= MIN_MEASURED { &mut measured } else { &mut declared };
    if costs.is_empty() {
        return 0;
    }
    let middle = (costs.len() - 1) / 2;
    *costs.select_nth_unstable(middle).1
}

/// What a worker counts for, µs per layer-token; at least 1.
///
/// `reference_us` is [`reference_cost_us`] of the workers that it competes with.
pub fn believed_cost_us(declared_us: u32, experience: Experience, reference_us: u32) -> u32 {
    let newcomer = u64::from(declared_us.max(reference_us / 2)) * 5 / 4;
    let measured = u64::from(experience.sessions.min(FULL_TRUST));
    let mean = (u64::from(experience.cost_us) * measured
        + newcomer * (u64::from(FULL_TRUST) - measured))
        / u64::from(FULL_TRUST);
    let successes = 1_000 - u64::from(experience.failure_permille.min(MOST_FAILURES));
    u32::try_from(mean * 1_000 / successes).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cost_us: u32, sessions: u32) -> Experience {
        Experience { cost_us, sessions, failure_permille: 0 }
    }

    #[test]
    fn a_newcomer_that_claims_to_cost_nothing_counts_for_half_of_the_others_and_more() {
        let others = [700, 800, 900].map(|cost_us| (cost_us, Experience::default()));
        let reference = reference_cost_us(others.into_iter());
        assert_eq!(reference, 800);
        assert_eq!(believed_cost_us(1, Experience::default(), reference), 500);
        assert_eq!(believed_cost_us(800, Experience::default(), reference), 1_000);
    }

    #[test]
    fn a_crowd_of_liars_does_not_move_what_was_measured() {
        let liars = (0..1_000).map(|_| (1, Experience::default()));
        let known = [600, 800, 1_000].map(|cost_us| (1, measured(cost_us, 4)));
        assert_eq!(reference_cost_us(liars.chain(known)), 800);
    }

    #[test]
    fn measurements_take_the_declarations_place() {
        let mut experience = Experience::default();
        let mut believed = Vec::new();
        for _ in 0..5 {
            believed.push(believed_cost_us(1, experience, 800));
            experience.measured(4_000);
        }
        assert_eq!(believed, [500, 1_375, 2_250, 3_125, 4_000]);
        experience.measured(0);
        assert_eq!(experience.cost_us, 3_001, "a quarter of the way");
    }

    #[test]
    fn who_fails_every_other_time_costs_about_twice_as_much() {
        let mut experience = measured(1_000, 9);
        (0..40).for_each(|round| experience.ended(round % 2 == 0));
        let believed = believed_cost_us(1, experience, 1_000);
        assert!((1_600..2_600).contains(&believed), "{believed}");
        (0..40).for_each(|_| experience.ended(true));
        assert_eq!(believed_cost_us(1, experience, 1_000), 8_000);
        (0..40).for_each(|_| experience.ended(false));
        assert!(believed_cost_us(1, experience, 1_000) < 1_010, "forgotten in the end");
    }

    #[test]
    fn nothing_overflows_and_nobody_costs_nothing() {
        let worst =
            Experience { cost_us: u32::MAX, sessions: u32::MAX, failure_permille: u16::MAX };
        assert_eq!(believed_cost_us(u32::MAX, worst, u32::MAX), u32::MAX);
        assert_eq!(believed_cost_us(0, Experience::default(), 0), 1);
        assert_eq!(reference_cost_us(std::iter::empty()), 0);
    }
}
