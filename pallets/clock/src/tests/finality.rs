//! Hints, their median, and the clock that follows it.

use frame_support::inherent::{InherentData, ProvideInherent};
use frame_support::{assert_noop, assert_ok};
use proptest::prelude::*;
use sp_runtime::traits::BlockNumberProvider;

use crate::{
    Call, Error, Event, Final, Hints, INHERENT_IDENTIFIER, Now, finality::lower_median, mock::*,
};

fn events() -> Vec<Event<Test>> {
    System::read_events_for_pallet::<Event<Test>>()
}

#[test]
fn runs_with_the_blocks_while_finality_follows() {
    run(|| {
        for number in 1..=50_u32 {
            block(u64::from(number) % 4, number.saturating_sub(3));
            assert_eq!(Clock::current_block_number(), number);
        }
        assert_eq!(Final::<Test>::get(), Some((45, 4)));
        assert!(!Clock::clock().stands);
    });
}

#[test]
fn runs_where_nobody_gives_hints() {
    run(|| {
        for number in 1..=3 * BOUND {
            begin(0);
            end();
            assert_eq!(Clock::current_block_number(), number);
        }
    });
}

#[test]
fn stands_while_finality_stalls_and_goes_on_after() {
    run(|| {
        for number in 1..=20 {
            block(u64::from(number) % 4, number - 1);
        }
        // Nothing becomes final after block 16, the lower median of 16, 17, 18 and 19 is 17.
        let mut stopped = None;
        for number in 21..=60 {
            block(u64::from(number) % 4, 16);
            if stopped.is_none() && Clock::clock().stands {
                stopped = Some(number);
                assert!(matches!(
                    events().last(),
                    Some(Event::Stopped { last_final: Some(16), .. })
                ));
            }
        }
        // Parent − 16 > bound + 4 hints.
        assert_eq!(stopped, Some(16 + BOUND + 4 + 2));
        let stood_at = Clock::current_block_number();
        assert_eq!(stood_at, 16 + BOUND + 4 + 1);
        // Two of four know better: not yet half by the lower median, which needs three.
        block(1, 59);
        block(2, 60);
        begin(3);
        assert_eq!(Clock::current_block_number(), stood_at);
        assert_ok!(Clock::note_final(RuntimeOrigin::none(), 61));
        end();
        begin(0);
        assert_eq!(events().last(), Some(&Event::Resumed { now: stood_at + 1 }));
        end();
        assert_eq!(Clock::current_block_number(), stood_at + 1);
    });
}

#[test]
fn stands_while_calls_are_halted() {
    run(|| {
        block(0, 0);
        Halted::set(true);
        for _ in 0..5 {
            block(0, 0);
        }
        assert_eq!(Now::<Test>::get(), 1);
        Halted::set(false);
        block(0, 5);
        assert_eq!(Now::<Test>::get(), 2);
    });
}

#[test]
fn a_hint_is_about_blocks_that_exist_and_comes_once_per_block() {
    run(|| {
        begin(0);
        assert_noop!(Clock::note_final(RuntimeOrigin::none(), 1), Error::<Test>::NotYet);
        assert_noop!(
            Clock::note_final(RuntimeOrigin::signed(1), 0),
            sp_runtime::DispatchError::BadOrigin
        );
        assert_ok!(Clock::note_final(RuntimeOrigin::none(), 0));
        assert_noop!(Clock::note_final(RuntimeOrigin::none(), 0), Error::<Test>::AlreadyNoted);
        end();
        begin(1);
        assert_ok!(Clock::note_final(RuntimeOrigin::none(), 1));
        end();
    });
}

#[test]
fn who_leaves_the_set_takes_its_hint_along() {
    run(|| {
        for number in 1..=8 {
            block(u64::from(number) % 4, number - 1);
        }
        Validators::set(vec![2, 3, 9]);
        Session::set(1);
        block(9, 8);
        let authors: Vec<u64> = Hints::<Test>::get().keys().copied().collect();
        assert_eq!(authors, [2, 3, 9]);
    });
}

#[test]
fn the_inherent_carries_the_nodes_view_and_never_more_than_the_parent() {
    run(|| {
        for _ in 0..3 {
            block(0, 0);
        }
        begin(1);
        let with = |number: u32| {
            let mut data = InherentData::new();
            data.put_data(INHERENT_IDENTIFIER, &number).expect("first of its kind");
            Clock::create_inherent(&data)
        };
        assert_eq!(with(2), Some(Call::note_final { number: 2 }));
        assert_eq!(with(77), Some(Call::note_final { number: 3 }));
        assert_eq!(Clock::create_inherent(&InherentData::new()), None);
        assert!(Clock::is_inherent(&Call::note_final { number: 3 }));
        assert!(!Clock::is_inherent(&Call::recover_finality { delay: 1, last_final: 1 }));
    });
}

proptest! {
    /// Fewer than half of the authors, whatever they say, move the median to no value outside of
    /// what the others say.
    #[test]
    fn fewer_than_half_cannot_move_the_median(
        honest in prop::collection::vec(0u32..1_000, 1..60),
        liars in prop::collection::vec(prop_oneof![Just(0), Just(u32::MAX), any::<u32>()], 0..59),
    ) {
        let liars = &liars[..liars.len().min(honest.len() - 1)];
        let all = honest.iter().chain(liars).copied().collect();
        let median = lower_median(all).expect("there are hints");
        let (least, most) = (honest.iter().min(), honest.iter().max());
        prop_assert!(Some(&median) >= least && Some(&median) <= most);
    }

    /// Exactly half of the authors cannot claim finality that is not there.
    #[test]
    fn half_cannot_raise_the_median(honest in prop::collection::vec(0u32..1_000, 1..50)) {
        let liars = std::iter::repeat_n(u32::MAX, honest.len());
        let median = lower_median(honest.iter().copied().chain(liars).collect());
        prop_assert!(median <= honest.iter().max().copied());
    }

    /// The clock follows a model: it advances exactly in blocks that are not stalled.
    #[test]
    fn the_clock_never_runs_ahead_and_never_goes_back(
        lags in prop::collection::vec((0u64..4, 0u32..40), 1..150),
    ) {
        run(|| {
            let mut last = 0;
            for (author, lag) in lags {
                let parent = System::block_number();
                let stalled = Final::<Test>::get()
                    .is_some_and(|(number, hints)| parent.saturating_sub(number) > BOUND + hints);
                block(author, parent.saturating_sub(lag));
                let now = Clock::current_block_number();
                assert_eq!(now, if stalled { last } else { last + 1 });
                last = now;
            }
        });
    }
}
