//! Who is counted for which slot, who is idle, and who is proven.

mod votes;

use proptest::prelude::*;

use crate::{Event, LastSlot, Record, Records, mock::*};

fn missed(validator: u64) -> u32 {
    Records::<Test>::get(validator).missed
}

fn proven() -> Vec<u64> {
    Seats::proven().into_iter().collect()
}

#[test]
fn the_genesis_is_vouched_for() {
    run(|| {
        assert_eq!(proven(), [10, 11, 12, 13]);
        assert_eq!(LastSlot::<Test>::get(), None);
        // The first block has no slots before it.
        block(7, 3);
        assert_eq!(missed(10) + missed(11) + missed(12), 0);
    });
}

#[test]
fn a_slot_without_a_block_was_missed_by_its_secondary_author() {
    run(|| {
        block(4, 0);
        // 5 and 6 are of 11 and 12; the block in 7 is won by lot by 10.
        block(7, 0);
        assert_eq!([missed(10), missed(11), missed(12), missed(13)], [0, 1, 1, 0]);
        // A block clears its author's count, also in somebody else's slot.
        block(8, 1);
        assert_eq!([missed(11), missed(12)], [0, 1]);
    });
}

#[test]
fn a_long_gap_blames_nobody() {
    run(|| {
        block(0, 0);
        block(1 + u64::from(MAX_GAP), 0);
        assert_eq!([missed(10), missed(11), missed(12), missed(13)], [0, 1, 1, 1]);
        block(7 + 2 * u64::from(MAX_GAP), 0);
        assert_eq!([missed(10), missed(11), missed(12), missed(13)], [0, 1, 1, 1]);
    });
}

#[test]
fn slots_before_the_sessions_end_count_for_its_own_validators() {
    run(|| {
        block(17, 1);
        // 18 and 19 are of 12 and 13 of the old set, 20 of the new set's first.
        rotate(0, 21, 1, vec![20, 21]);
        assert_eq!([missed(12), missed(13)], [1, 1]);
        assert_eq!([missed(10), missed(11)], [0, 0]);
        assert_eq!([missed(20), missed(21)], [1, 0]);
        assert_eq!(proven(), [21]);
    });
}

#[test]
fn who_misses_its_slots_in_a_row_is_reported_and_chilled_at_the_sessions_end() {
    run(|| {
        // 12 is away: slots 2, 6, 10, 14 and 18 stay empty.
        for slot in (0..20).filter(|slot| slot % 4 != 2) {
            block(slot, slot as u32 % 4);
        }
        assert_eq!(missed(12), 5);
        rotate(5, 20, 0, vec![10, 11, 12, 13]);
        assert_eq!(Reports::get(), [(5, vec![12])]);
        assert_eq!(Chilled::get(), [12]);
        assert_eq!(proven(), [10, 11, 13]);
        let events = System::read_events_for_pallet::<Event<Test>>();
        assert!(events.contains(&Event::Idle { validator: 12, missed: 5, session: 5 }));
        // It works again: a newcomer that has proven itself.
        block(22, 2);
        assert_eq!(proven(), [10, 11, 12, 13]);
    });
}

#[test]
fn the_author_of_the_block_that_begins_a_session_is_not_judged_in_it() {
    run(|| {
        for slot in (0..20).filter(|slot| slot % 4 != 2) {
            block(slot, slot as u32 % 4);
        }
        // 12 comes back with this very block. It has another index in the set that follows.
        rotate(5, 20, 1, vec![10, 12, 11, 13]);
        assert_eq!(Reports::get(), []);
        assert_eq!(Chilled::get(), [0; 0]);
        assert_eq!(missed(12), 0);
        // Then it is away again.
        for slot in (21..40).filter(|slot| slot % 4 != 1) {
            block(slot, slot as u32 % 4);
        }
        rotate(6, 40, 0, vec![10, 12, 11, 13]);
        assert_eq!(Reports::get(), [(6, vec![12])]);
    });
}

#[test]
fn one_block_in_between_is_work() {
    run(|| {
        for slot in (0..20).filter(|slot| slot % 4 != 2 || *slot == 10) {
            block(slot, slot as u32 % 4);
        }
        rotate(0, 20, 0, vec![10, 11, 12, 13]);
        assert_eq!(missed(12), 2);
        assert_eq!(Reports::get(), []);
    });
}

#[test]
fn counts_go_on_over_sessions() {
    run(|| {
        Validators::set(vec![10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        // Two of ten's slots fall into a session, so it takes two sessions to notice.
        for session in 0..2 {
            for slot in (0..20).filter(|slot| slot % 10 != 5) {
                block(session * EPOCH + slot, slot as u32 % 10);
            }
            let next = (session + 1) * EPOCH;
            rotate(session as u32, next, 0, Validators::get());
        }
        assert_eq!(Reports::get(), [(1, vec![15])]);
    });
}

#[test]
fn an_election_forgets_who_is_not_in_the_current_set() {
    run(|| {
        Validators::set(vec![11, 12]);
        Seats::elected(5, &[12, 13, 30]);
        let kept: std::collections::BTreeSet<u64> = Records::<Test>::iter_keys().collect();
        assert_eq!(kept, [11, 12].into());
        assert_eq!(proven(), [11, 12]);
        // One that was outside comes back as a newcomer, though it had a record once.
        Validators::set(vec![11, 12, 13]);
        assert_eq!(proven(), [11, 12]);
        assert_eq!(
            System::read_events_for_pallet::<Event<Test>>().last(),
            Some(&Event::Unseated { winners: 5, seats: 3 })
        );
    });
}

#[test]
fn the_slots_of_a_disabled_validator_are_nobodys() {
    run(|| {
        Disabled::set(vec![2]);
        // Slots 2, 6, 10, 14 and 18 are of 12, which nodes do not let author; 3 is of 13.
        for slot in (0..20).filter(|slot| slot % 4 != 2 && *slot != 3) {
            block(slot, slot as u32 % 4);
        }
        assert_eq!([missed(12), missed(13)], [0, 0]);
        rotate(0, 24, 0, Validators::get());
        assert_eq!(Reports::get(), []);
        assert_eq!(proven(), [10, 11, 12, 13]);
    });
}

#[test]
fn who_works_is_proven_and_not_idle() {
    run(|| {
        block(0, 0);
        Validators::set(vec![10, 11, 12, 13, 14]);
        Records::<Test>::insert(12, Record { proven: true, missed: 3 });
        Records::<Test>::insert(99, Record { proven: true, missed: 0 });
        assert_eq!(Seats::working(), [10, 11, 13].into());
    });
}

proptest! {
    /// Counts follow a model that knows every slot: a validator's count is the number of its own
    /// slots without a block since its last block, long gaps left out.
    #[test]
    fn counts_follow_a_model(gaps in prop::collection::vec((0u64..7, 0u32..4), 1..60)) {
        run(|| {
            let (mut slot, mut model) = (0, [0u32; 4]);
            block(slot, 0);
            for (gap, author) in gaps {
                if gap <= u64::from(MAX_GAP) {
                    for skipped in slot + 1..=slot + gap {
                        model[skipped as usize % 4] += 1;
                    }
                }
                slot += gap + 1;
                block(slot, author);
                model[author as usize] = 0;
                for (index, validator) in (10..14).enumerate() {
                    assert_eq!(missed(validator), model[index]);
                }
            }
        });
    }
}

#[test]
fn a_record_is_kept_only_if_it_says_something() {
    run(|| {
        assert_eq!(Records::<Test>::get(99), Record::default());
        assert!(!Records::<Test>::contains_key(99));
    });
}

#[test]
fn one_session_reports_a_bounded_number_and_chills_all() {
    run(|| {
        // Everybody but 10 is away for a while; gaps of three slots count.
        for slot in (0..20).step_by(4) {
            block(slot, 0);
        }
        rotate(0, 20, 0, Validators::get());
        assert_eq!(Chilled::get(), [11, 12, 13]);
        assert_eq!(Reports::get(), [(0, vec![11, 12])]);
        assert_eq!(Together::get(), 3, "how much they lose depends on how many were away");
        assert_eq!(proven(), [10]);
        // The third is still away, and is reported at the next session's end.
        rotate(1, 40, 0, Validators::get());
        assert_eq!(Reports::get(), [(0, vec![11, 12]), (1, vec![13])]);
    });
}
