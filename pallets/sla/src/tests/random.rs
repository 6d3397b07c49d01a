//! Random histories: the invariants hold after every step, no money is made, and nothing lives for
//! ever.

use frame_support::traits::Hooks;
use mica_primitives::Terms;
use proptest::prelude::*;

use crate::{Event, mock::*};

#[derive(Clone, Debug)]
enum Step {
    Propose { payer: u64, worker: u64, tokens: u32, penalty: u128, duration: u32 },
    Accept { worker: u64, id: u64 },
    Cancel { who: u64, id: u64 },
    Complete { who: u64, id: u64, tokens: u32, elapsed_ms: u64, signer: u64 },
    Claim { worker: u64, id: u64, tokens: u32, signed: u32 },
    Object { payer: u64, id: u64 },
    Acknowledge { id: u64, signer: u64 },
    Settle { id: u64 },
    Wait { blocks: u32 },
}

/// Escrow that came in, and where the pallet's events say that it went.
#[derive(Default)]
struct Books {
    escrowed: u128,
    left: u128,
    destroyed: u128,
}

impl Books {
    /// Invariant 4, from the events: escrow in = paid + refunded + burned + held.
    fn check(&mut self) {
        for event in events() {
            match event {
                Event::Proposed { escrow, .. } => self.escrowed += escrow,
                Event::Paid { paid, refunded, .. } => self.left += paid + refunded,
                Event::Cancelled { refunded, .. } | Event::Expired { refunded, .. } => {
                    self.left += refunded
                }
                Event::Breached { refunded, penalty, reward, .. } => {
                    self.left += refunded;
                    self.destroyed += penalty - reward;
                    assert!(reward * 2 <= penalty, "less than half of a penalty was burned");
                }
                Event::Burned { paid, escrow, stake, refunded, .. } => {
                    self.left += paid + escrow + refunded;
                    self.destroyed += escrow + stake;
                    assert!(escrow >= stake, "a worker lost more than its payer");
                }
                Event::SettlementFailed { .. } => panic!("a settlement failed"),
                Event::Accepted { .. }
                | Event::Acknowledged { .. }
                | Event::Claimed { .. }
                | Event::Objected { .. } => {}
            }
        }
        assert_eq!(self.escrowed, self.left + on_hold());
        assert_eq!(Balances::total_issuance(), 4 * FUNDS - self.destroyed);
        Sla::do_try_state().expect("invariants hold");
    }
}

fn on_hold() -> u128 {
    held(PAYER) + held(STRANGER)
}

fn run(step: Step) {
    let signed = RuntimeOrigin::signed;
    // Refusals are part of the history: they must change nothing, which the books check.
    let _ = match step {
        Step::Propose { payer, worker, tokens, penalty, duration } => {
            Sla::propose(signed(payer), worker, Terms { tokens, penalty, duration, ..terms() })
        }
        Step::Accept { worker, id } => Sla::accept(signed(worker), id),
        Step::Cancel { who, id } => Sla::cancel(signed(who), id),
        Step::Complete { who, id, tokens, elapsed_ms, signer } => {
            complete(who, measured(id, tokens, elapsed_ms, signer))
        }
        Step::Claim { worker, id, tokens, signed: received } => {
            let progress = Some((received, progress(id, received, PAYER)));
            Sla::claim(signed(worker), id, tokens, [1; 32], 1, progress)
        }
        Step::Object { payer, id } => Sla::object(signed(payer), id),
        Step::Acknowledge { id, signer } => acknowledge(id, signer),
        Step::Settle { id } => Sla::settle(signed(STRANGER), id),
        Step::Wait { blocks } => {
            let (from, to) = (System::block_number(), System::block_number() + blocks);
            (from + 1..=to).for_each(|block| {
                System::set_block_number(block);
                Sla::on_initialize(block);
            });
            Ok(())
        }
    };
}

fn payer() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(PAYER), 1 => Just(STRANGER)]
}

fn worker() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(WORKER), 1 => Just(OTHER_WORKER)]
}

fn anybody() -> impl Strategy<Value = u64> {
    prop_oneof![Just(PAYER), Just(WORKER), Just(STRANGER), Just(OTHER_WORKER)]
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..8u64;
    prop_oneof![
        4 => (payer(), worker(), 0..150u32, 0..60_000u128, 0..30u32)
            .prop_map(|(payer, worker, tokens, penalty, duration)| Step::Propose { payer, worker, tokens, penalty, duration }),
        6 => (worker(), id.clone()).prop_map(|(worker, id)| Step::Accept { worker, id }),
        1 => (anybody(), id.clone()).prop_map(|(who, id)| Step::Cancel { who, id }),
        4 => (anybody(), id.clone(), 0..150u32, prop_oneof![Just(1), Just(100_000)], anybody())
            .prop_map(|(who, id, tokens, elapsed_ms, signer)| Step::Complete { who, id, tokens, elapsed_ms, signer }),
        3 => (worker(), id.clone(), 0..110u32, 0..60u32)
            .prop_map(|(worker, id, tokens, signed)| Step::Claim { worker, id, tokens, signed }),
        2 => (payer(), id.clone()).prop_map(|(payer, id)| Step::Object { payer, id }),
        2 => (id.clone(), worker()).prop_map(|(id, signer)| Step::Acknowledge { id, signer }),
        1 => id.prop_map(|id| Step::Settle { id }),
        3 => (1..8u32).prop_map(|blocks| Step::Wait { blocks }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_books_and_ends(steps in proptest::collection::vec(step(), 1..80)) {
        new_test_ext().execute_with(|| {
            let mut books = Books::default();
            for step in steps {
                run(step);
                books.check();
            }
            run(Step::Wait { blocks: 200 });
            books.check();
            assert_eq!(crate::Agreements::<Test>::iter().count(), 0);
            assert_eq!(on_hold(), 0);
        });
    }
}
