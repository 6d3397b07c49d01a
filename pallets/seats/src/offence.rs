//! The offence of a validator that fills none of its slots.

use alloc::vec::Vec;

use frame_support::traits::ValidatorSetWithIdentification;
use sp_runtime::Perbill;
use sp_staking::{
    SessionIndex,
    offence::{Kind, Offence},
};

use crate::Config;

/// An offender as a report names it.
pub type OffenderOf<T> = (
    <T as frame_system::Config>::AccountId,
    <<T as Config>::ValidatorSet as ValidatorSetWithIdentification<
        <T as frame_system::Config>::AccountId,
    >>::Identification,
);

/// Least part of the stake that an idle validator loses.
const LEAST: Perbill = Perbill::from_parts(1_000_000);
/// What each loses if a third or more of the set is idle at the same time.
const MOST: Perbill = Perbill::from_percent(7);

/// Validators that were found idle at the end of one session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idle<Offender> {
    /// The session.
    pub session: SessionIndex,
    /// Validators of that session.
    pub validator_count: u32,
    /// How many of them were idle, whether reported now or at a later session's end.
    pub together: u32,
    /// Those that are reported now.
    pub offenders: Vec<Offender>,
}

impl<Offender: Clone> Offence<Offender> for Idle<Offender> {
    const ID: Kind = *b"mica-seats:idle_";
    type Slot = SessionIndex;

    fn offenders(&self) -> Vec<Offender> {
        self.offenders.clone()
    }

    fn session_index(&self) -> SessionIndex {
        self.session
    }

    fn validator_set_count(&self) -> u32 {
        self.validator_count
    }

    fn slot(&self) -> SessionIndex {
        self.session
    }

    /// `min(3 (k − 1) / n, 1) · 7 %`, at least 0.1 %, for `k` that were idle together.
    fn slash_fraction(&self, offenders: u32) -> Perbill {
        let together = offenders.max(self.together).saturating_sub(1).saturating_mul(3);
        let share =
            Perbill::from_rational(together.min(self.validator_count), self.validator_count.max(1));
        (share * MOST).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(idle: u32, of: u32) -> Perbill {
        let report = |together| Idle::<u64> {
            session: 0,
            validator_count: of,
            together,
            offenders: Vec::new(),
        };
        // Reported all at once or in parts: the same.
        assert_eq!(report(idle).slash_fraction(1), report(0).slash_fraction(idle));
        report(idle).slash_fraction(idle)
    }

    #[test]
    fn one_loses_a_thousandth_and_a_third_together_seven_percent() {
        assert_eq!(fraction(1, 4), Perbill::from_parts(1_000_000));
        assert_eq!(fraction(1, 100), fraction(1, 4));
        assert_eq!(fraction(2, 100), Perbill::from_rational(3u32, 100) * Perbill::from_percent(7));
        assert_eq!(fraction(35, 100), Perbill::from_percent(7));
        assert_eq!(fraction(3, 4), Perbill::from_percent(7));
        assert_eq!(fraction(100, 100), Perbill::from_percent(7));
        assert_eq!(fraction(1, 0), Perbill::from_parts(1_000_000));
    }

    #[test]
    fn more_offenders_never_lose_less() {
        for of in [1, 3, 4, 16, 100] {
            for idle in 1..of {
                assert!(fraction(idle, of) <= fraction(idle + 1, of));
            }
        }
    }
}
