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
        assert_ok!(Clock::recover_finality(root(), 20, 5));
        assert_eq!(Recovered::get(), [(20, 5)]);
        assert_eq!(
            System::read_events_for_pallet::<Event<Test>>().last(),
            Some(&Event::RecoveryScheduled { delay: 20, last_final: 5 })
        );
    });
}

#[test]
fn more_than_a_third_of_the_authors_must_know_the_block_to_be_final() {
    run(|| {
        stall();
        let root = RuntimeOrigin::root;
        assert_noop!(Clock::recover_finality(root(), 20, 6), Error::<Test>::NotKnownFinal);
        // One of four says so, then two.
        block(0, 7);
        assert_noop!(Clock::recover_finality(root(), 20, 6), Error::<Test>::NotKnownFinal);
        block(1, 6);
        assert_noop!(Clock::recover_finality(root(), 20, 7), Error::<Test>::NotKnownFinal);
        assert_ok!(Clock::recover_finality(root(), 20, 6));
    });
}

#[test]
fn voters_that_are_lost_are_not_named_again() {
    run(|| {
        stall();
        let root = RuntimeOrigin::root;
        for next in [(4, 2), (3, 2), (2, 1), (1, 0)] {
            NextVoters::set(next);
            assert_noop!(Clock::recover_finality(root(), 20, 5), Error::<Test>::VotersLost);
        }
        NextVoters::set((4, 3));
        assert_ok!(Clock::recover_finality(root(), 20, 5));
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
