//! What is kept, for how long, and that nobody can hold up the removal.

use frame_support::{traits::Hooks, weights::Weight};
use mica_primitives::{ReceiptRoot, hooks::Saved, settlement::Submitter};
use proptest::prelude::*;

use crate::{Event, Head, Queue, Roots, Tail, WeightInfo, mock::*};

fn last_event() -> Event<Test> {
    System::read_events_for_pallet::<Event<Test>>().pop().expect("an event was deposited")
}

#[test]
fn a_redeem_fixes_who_what_and_when() {
    run(|| {
        System::set_block_number(4);
        redeem(1, 2, 9, 30);
        let expected = ReceiptRoot {
            seq: 9,
            root: [9; 32],
            count: 30,
            payer: PAYER,
            worker: WORKER,
            by: Submitter::Payee,
            block: 4,
        };
        assert_eq!(Receipts::root(channel(1), 2, Submitter::Payee), Some(expected));
        assert_eq!(
            last_event(),
            Event::RootFixed {
                channel: channel(1),
                lane: 2,
                seq: 9,
                root: [9; 32],
                count: 30,
                worker: WORKER
            }
        );
        assert_eq!(Receipts::audit_window(), WINDOW);
    });
}

#[test]
fn what_a_redeem_did_not_write_it_does_not_pay_for() {
    run(|| {
        let saved = |seq, receipts| {
            let tail = Tail::<Test>::get();
            let root = || Roots::<Test>::get(channel(1), (2, Submitter::Payee));
            let root_before = root();
            let Saved { writes, .. } = redeem_by(Submitter::Payee, 1, 2, seq, receipts);
            // At worst a root, an entry of the queue and the queue's end are written.
            let queued = u32::try_from(Tail::<Test>::get() - tail).expect("few");
            assert_eq!(3 - writes, 2 * queued + u32::from(root() != root_before));
            writes
        };
        assert_eq!(saved(1, 10), 0, "the first of its lane");
        assert_eq!(saved(2, 11), 2, "a later one");
        assert_eq!(saved(3, 5), 3, "one over fewer receipts");
        assert_eq!(saved(4, 0), 3, "one without receipts");
    });
}

#[test]
fn lanes_and_channels_do_not_meet() {
    run(|| {
        redeem(1, 0, 5, 1);
        assert_eq!(Receipts::root(channel(1), 1, Submitter::Payee), None);
        assert_eq!(Receipts::root(channel(2), 0, Submitter::Payee), None);
        redeem(2, 0, 6, 1);
        assert_eq!(Receipts::root(channel(1), 0, Submitter::Payee).map(|root| root.seq), Some(5));
    });
}

/// A payer may pin what it likes in the place of the others; the payee's own root stays.
#[test]
fn what_somebody_else_fixes_replaces_no_root_of_the_payee() {
    run(|| {
        redeem_by(Submitter::Other, 1, 0, 7, 3);
        assert_eq!(Receipts::root(channel(1), 0, Submitter::Other).map(|root| root.seq), Some(7));
        redeem(1, 0, 5, 2);
        redeem_by(Submitter::Other, 1, 0, 9, 3);
        assert_eq!(Receipts::root(channel(1), 0, Submitter::Payee).map(|root| root.seq), Some(5));
        assert_eq!(Receipts::root(channel(1), 0, Submitter::Other).map(|root| root.seq), Some(9));
        end_blocks_to(1 + 2 * WINDOW);
        assert_eq!(
            (
                Receipts::root(channel(1), 0, Submitter::Payee),
                Receipts::root(channel(1), 0, Submitter::Other)
            ),
            (None, None)
        );
    });
}

/// Attack: a worker fixes an old root itself, and a second account redeems what came later.
#[test]
fn a_newer_root_is_not_hidden_behind_an_older_one() {
    run(|| {
        redeem(1, 0, 5, 2);
        redeem_by(Submitter::Other, 1, 0, 9, 30);
        let roots = Receipts::roots(channel(1), 0);
        let seen: Vec<_> = roots.iter().map(|root| (root.seq, root.count, root.by)).collect();
        assert_eq!(seen, [(5, 2, Submitter::Payee), (9, 30, Submitter::Other)]);
    });
}

/// Attack: a worker and its payer agree on a newer voucher over fewer receipts, to have the chain
/// forget those that somebody else could prove wrong.
#[test]
fn a_root_over_fewer_receipts_takes_the_place_of_no_root_of_the_payee() {
    run(|| {
        let fixed = |by| Receipts::root(channel(1), 0, by).map(|root| (root.seq, root.count));
        redeem(1, 0, 1, 30);
        let events = System::event_count();
        redeem(1, 0, 2, 29);
        assert_eq!((fixed(Submitter::Payee), System::event_count()), (Some((1, 30)), events));
        redeem(1, 0, 3, 30);
        assert_eq!(fixed(Submitter::Payee), Some((3, 30)));
        // Where anybody may stand, a great number must not keep others out.
        redeem_by(Submitter::Other, 1, 0, 4, u64::MAX);
        redeem_by(Submitter::Other, 1, 0, 5, 31);
        assert_eq!(fixed(Submitter::Other), Some((5, 31)));
        // Nobody is held to the greater one any more.
        System::set_block_number(1 + WINDOW);
        redeem(1, 0, 6, 7);
        assert_eq!(fixed(Submitter::Payee), Some((6, 7)));
    });
}

/// Attack: blocks without room keep the queue standing, and an offence is reported when its
/// punishment is forgotten.
#[test]
fn a_root_whose_window_is_over_is_not_read_though_it_is_stored() {
    run(|| {
        redeem(1, 0, 1, 8);
        redeem_by(Submitter::Other, 1, 0, 2, 9);
        System::set_block_number(WINDOW);
        assert_eq!(Receipts::roots(channel(1), 0).len(), 2);
        System::set_block_number(1 + WINDOW);
        assert!(Receipts::roots(channel(1), 0).is_empty());
        assert_eq!(Roots::<Test>::iter().count(), 2);
    });
}

#[test]
fn a_voucher_without_receipts_fixes_nothing() {
    run(|| {
        redeem(1, 0, 1, 0);
        assert_eq!(Receipts::root(channel(1), 0, Submitter::Payee), None);
        assert_eq!(Tail::<Test>::get(), 0);
    });
}

#[test]
fn a_voucher_without_receipts_leaves_the_earlier_root() {
    run(|| {
        redeem(1, 0, 1, 8);
        redeem(1, 0, 2, 0);
        assert_eq!(
            Receipts::root(channel(1), 0, Submitter::Payee).map(|root| (root.seq, root.count)),
            Some((1, 8))
        );
    });
}

#[test]
fn a_later_redeem_takes_the_place_of_the_earlier() {
    run(|| {
        redeem(1, 0, 1, 8);
        redeem(1, 0, 2, 20);
        assert_eq!(
            Receipts::root(channel(1), 0, Submitter::Payee).map(|root| (root.seq, root.count)),
            Some((2, 20))
        );
        assert_eq!(Tail::<Test>::get() - Head::<Test>::get(), 1);
    });
}

#[test]
fn a_root_is_there_in_the_last_block_of_its_window_and_gone_in_the_next() {
    run(|| {
        redeem(1, 0, 1, 8);
        end_blocks_to(WINDOW);
        assert!(Receipts::root(channel(1), 0, Submitter::Payee).is_some());
        end_blocks_to(WINDOW + 1);
        assert_eq!(Receipts::root(channel(1), 0, Submitter::Payee), None);
        assert_eq!(last_event(), Event::RootRemoved { channel: channel(1), lane: 0 });
        assert_eq!(Queue::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_renewed_root_is_kept_a_window_from_its_last_redeem_and_less_than_two() {
    run(|| {
        redeem(1, 0, 1, 8);
        end_blocks_to(WINDOW);
        redeem(1, 0, 2, 9);
        end_blocks_to(2 * WINDOW - 1);
        assert!(Receipts::root(channel(1), 0, Submitter::Payee).is_some());
        end_blocks_to(3 * WINDOW - 1);
        assert_eq!(Receipts::root(channel(1), 0, Submitter::Payee), None);
    });
}

#[test]
fn renewing_one_lane_for_ever_does_not_keep_the_others() {
    run(|| {
        redeem(1, 0, 1, 1);
        redeem(2, 0, 1, 1);
        for block in 2..=4 * WINDOW {
            redeem(1, 0, block.into(), 1);
            end_blocks_to(block);
        }
        assert!(Receipts::root(channel(1), 0, Submitter::Payee).is_some());
        assert_eq!(Receipts::root(channel(2), 0, Submitter::Payee), None);
        assert_eq!(Tail::<Test>::get() - Head::<Test>::get(), 1);
    });
}

#[test]
fn one_block_removes_no_more_than_its_bound() {
    run(|| {
        (0..8).for_each(|number| redeem(number, 0, 1, 1));
        end_blocks_to(WINDOW);
        assert_eq!(Roots::<Test>::iter().count(), 8);
        end_blocks_to(WINDOW + 1);
        assert_eq!(Roots::<Test>::iter().count(), 5);
        end_blocks_to(WINDOW + 3);
        assert_eq!(Roots::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_full_block_removes_nothing_and_a_nearly_full_one_what_fits() {
    run(|| {
        (0..3).for_each(|number| redeem(number, 0, 1, 1));
        System::set_block_number(WINDOW + 1);
        let (base, each) = (<() as WeightInfo>::on_idle_base(), <() as WeightInfo>::remove_root());
        assert_eq!(Receipts::on_idle(WINDOW + 1, Weight::zero()), Weight::zero());
        assert_eq!(Receipts::on_idle(WINDOW + 1, base), base);
        assert_eq!(Roots::<Test>::iter().count(), 3);
        assert_eq!(Receipts::on_idle(WINDOW + 1, base + each * 2), base + each * 2);
        assert_eq!(Roots::<Test>::iter().count(), 1);
    });
}

#[test]
fn an_idle_queue_costs_its_base_and_one_look() {
    run(|| {
        redeem(1, 0, 1, 1);
        let used = Receipts::on_idle(1, Weight::MAX);
        assert_eq!(used, <() as WeightInfo>::on_idle_base() + <() as WeightInfo>::remove_root());
    });
}

#[test]
fn every_broken_invariant_is_noticed() {
    let breaks: [(&str, fn()); 8] = [
        ("a root that nobody queued", || Queue::<Test>::remove(0)),
        ("an entry without a root", || Roots::<Test>::remove(channel(1), (0, Submitter::Payee))),
        ("a lane queued twice", || {
            Queue::<Test>::insert(2, Queue::<Test>::get(0).expect("queued"));
            Tail::<Test>::put(3);
        }),
        ("an entry behind the end", || Tail::<Test>::put(1)),
        ("an end behind the last entry", || Tail::<Test>::put(3)),
        ("a queue out of order", || {
            Queue::<Test>::mutate(1, |entry| entry.as_mut().expect("queued").since = 0)
        }),
        ("a root without receipts", || {
            Roots::<Test>::mutate(channel(1), (0, Submitter::Payee), |root| {
                root.as_mut().expect("fixed").count = 0
            });
        }),
        ("a root in another's place", || {
            Roots::<Test>::mutate(channel(1), (0, Submitter::Payee), |root| {
                root.as_mut().expect("fixed").by = Submitter::Other
            });
        }),
    ];
    for (name, break_it) in breaks {
        new_test_ext().execute_with(|| {
            redeem(1, 0, 1, 1);
            redeem(2, 0, 1, 1);
            Receipts::do_try_state().expect("invariants hold");
            break_it();
            assert!(Receipts::do_try_state().is_err(), "nobody noticed: {name}");
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random redeems and blocks against a map of what must be readable: a root may outlive its
    /// window, never fall short of it.
    #[test]
    fn no_root_is_lost_within_its_window(steps in prop::collection::vec((0u8..5, 0u16..16, 0u64..4, 0u32..4), 1..120)) {
        new_test_ext().execute_with(|| {
            let mut fixed = std::collections::BTreeMap::new();
            for (seq, (number, lane, receipts, blocks)) in (1u64..).zip(steps) {
                redeem(number, lane, seq, receipts);
                let now = System::block_number();
                let known = fixed.get(&(number, lane)).copied();
                let is_kept = |(_, count, block): (u64, u64, u32)| now - block < WINDOW && count > receipts;
                if receipts > 0 && !known.is_some_and(is_kept) {
                    fixed.insert((number, lane), (seq, receipts, now));
                }
                end_blocks_to(System::block_number() + blocks);
                let now = System::block_number();
                for ((number, lane), (seq, _, block)) in &fixed {
                    let root = Receipts::root(channel(*number), *lane, Submitter::Payee);
                    if now - block < WINDOW {
                        prop_assert_eq!(root.map(|root| (root.seq, root.block)), Some((*seq, *block)));
                    } else {
                        prop_assert_eq!(root, None);
                    }
                }
            }
            // Three a block for 80 lanes: two windows and 80 / 3 blocks empty it.
            end_blocks_to(System::block_number() + 2 * WINDOW + 30);
            prop_assert_eq!(Roots::<Test>::iter().count(), 0);
            prop_assert_eq!(Queue::<Test>::iter().count(), 0);
            Ok(())
        })?;
    }
}
