//! Recovery of finality: who may, when, and from which block.

use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;

use crate::{Error, Event, mock::*};

/// Blocks up to a stall: nothing is final after block 5.
fn stall() {
    for number in 1..=40 {
        block(number % 4, (number as u32 - 1).min(5));
    }
    assert!(Clock::clock().stands);
}

#[test]
fn the_origin_recovers_from_a_block_that_is_not_below_the_last_final_one() {
    run(|| {
        stall();
        assert_noop!(
            Clock::recover_finality(RuntimeOrigin::signed(1), 20, 5),
            DispatchError::BadOrigin
        );
        let root = RuntimeOrigin::root;
        assert_noop!(Clock::recover_finality(root(), 20, 4), Error::<Test>::BelowFinal);
        assert_noop!(Clock::recover_finality(root(), 20, 40), Error::<Test>::NotYet);
        assert_noop!(Clock::recover_finality(root(), 0, 5), Error::<Test>::NoDelay);
        assert_eq!(Recovered::get(), []);
        assert_ok!(Clock::recover_finality(root(), 20, 7));
        assert_eq!(Recovered::get(), [(20, 7)]);
        assert_eq!(
            System::read_events_for_pallet::<Event<Test>>().last(),
            Some(&Event::RecoveryScheduled { delay: 20, last_final: 7 })
        );
    });
}

#[test]
fn nobody_recovers_what_works() {
    run(|| {
        for number in 1..=40u32 {
            block(u64::from(number) % 4, number - 1);
        }
        assert_noop!(
            Clock::recover_finality(RuntimeOrigin::root(), 20, 39),
            Error::<Test>::NotStalled
        );
    });
}
