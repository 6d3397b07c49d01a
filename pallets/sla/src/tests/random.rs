//! Random histories: the invariants hold after every step and in every block, no money is made, and
//! nothing lives for ever.

use mica_primitives::{Progress, Terms};
use proptest::prelude::*;

use crate::{Event, mock::*};

#[derive(Clone, Debug)]
enum Step {
    Propose { payer: u64, worker: u64, tokens: u32, window: u32, price: u128, blocks: u32 },
    Accept { worker: u64, id: u64 },
    Cancel { who: u64, id: u64 },
    Request { payer: u64, id: u64 },
    Acknowledge { worker: u64, id: u64, hash: u8 },
    Claim { worker: u64, id: u64, tokens: u32, ended: bool, elapsed_blocks: u32, signer: u64 },
    Dispute { worker: u64, id: u64, tokens: Option<u32> },
    Settle { id: u64 },
    Wait { blocks: u32, ticks: u32 },
}

/// Escrow that came in, and where the pallet's events say that it went.
#[derive(Default)]
struct Sums {
    escrowed: u128,
    left: u128,
    destroyed: u128,
}

impl Sums {
    /// Invariant 4, from the events: escrow in = paid + refunded + burned + held.
    fn check(&mut self) {
        for event in events() {
            match event {
                Event::Proposed { escrow, .. } => self.escrowed += escrow,
                Event::Paid { paid, refunded, .. } => self.left += paid + refunded,
                Event::Cancelled { refunded, .. } | Event::Expired { refunded, .. } => {
                    self.left += refunded
                }
                Event::Failed { paid, refunded, forfeited, .. } => {
                    self.left += paid + refunded;
                    self.destroyed += forfeited;
                }
                Event::Disputed { paid, refunded, burned, forfeited, .. } => {
                    self.left += paid + burned + refunded;
                    self.destroyed += burned + forfeited;
                    assert!(burned <= 2 * forfeited, "a payer lost more than twice its worker");
                }
                Event::SettlementFailed { .. } => panic!("a settlement failed"),
                Event::Accepted { .. } | Event::Requested { .. } | Event::Acknowledged { .. } => {}
            }
        }
        assert_eq!(self.escrowed, self.left + on_hold());
        assert_eq!(crate::Books::<Test>::get().held(), Some(on_hold()));
        assert_eq!(Balances::total_issuance(), 4 * FUNDS - self.destroyed);
        Sla::do_try_state().expect("invariants hold");
    }
}

fn on_hold() -> u128 {
    held(PAYER) + held(STRANGER)
}

fn run(step: Step) {
    let signed = RuntimeOrigin::signed;
    // Refusals are part of the history: they must change nothing, which the sums check.
    let _ = match step {
        Step::Propose { payer, worker, tokens, window, price, blocks } => {
            let (start_blocks, first_blocks, work_blocks) = (blocks / 2, blocks / 3, blocks);
            let price_per_layer_token = price;
            let terms = Terms {
                tokens,
                window,
                price_per_layer_token,
                start_blocks,
                first_blocks,
                work_blocks,
                ..terms()
            };
            Sla::propose(signed(payer), worker, terms)
        }
        Step::Accept { worker, id } => Sla::accept(signed(worker), id),
        Step::Cancel { who, id } => Sla::cancel(signed(who), id),
        Step::Request { payer, id } => Sla::request(signed(payer), id, HASH),
        Step::Acknowledge { worker, id, hash } => Sla::acknowledge(signed(worker), id, [hash; 32]),
        Step::Claim { worker, id, tokens, ended, elapsed_blocks, signer } => {
            let progress = Progress { ended, elapsed_blocks, ..received(id, tokens) };
            let (progress, signature) = signed_by(signer, progress);
            without_fee(Sla::claim(signed(worker), progress, signature))
        }
        Step::Dispute { worker, id, tokens } => {
            let progress = tokens.map(|tokens| signed_by(PAYER, received(id, tokens)));
            without_fee(Sla::dispute(signed(worker), id, progress))
        }
        Step::Settle { id } => Sla::settle(signed(STRANGER), id),
        Step::Wait { blocks, ticks } => {
            (0..blocks).for_each(|_| {
                make_block(ticks);
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
    let signer = || prop_oneof![4 => Just(PAYER), 1 => anybody()];
    prop_oneof![
        4 => (payer(), worker(), 0..150u32, 0..60u32, 1..1_000u128, 0..30u32)
            .prop_map(|(payer, worker, tokens, window, price, blocks)| Step::Propose { payer, worker, tokens, window, price, blocks }),
        6 => (worker(), id.clone()).prop_map(|(worker, id)| Step::Accept { worker, id }),
        1 => (anybody(), id.clone()).prop_map(|(who, id)| Step::Cancel { who, id }),
        2 => (payer(), id.clone()).prop_map(|(payer, id)| Step::Request { payer, id }),
        3 => (worker(), id.clone(), 4..6u8)
            .prop_map(|(worker, id, hash)| Step::Acknowledge { worker, id, hash }),
        4 => (worker(), id.clone(), 0..150u32, any::<bool>(), 0..30u32, signer())
            .prop_map(|(worker, id, tokens, ended, elapsed_blocks, signer)| Step::Claim { worker, id, tokens, ended, elapsed_blocks, signer }),
        2 => (worker(), id.clone(), proptest::option::of(0..150u32))
            .prop_map(|(worker, id, tokens)| Step::Dispute { worker, id, tokens }),
        1 => id.prop_map(|id| Step::Settle { id }),
        3 => (1..8u32, 0..3u32).prop_map(|(blocks, ticks)| Step::Wait { blocks, ticks }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_books_and_ends(steps in proptest::collection::vec(step(), 1..80)) {
        new_test_ext().execute_with(|| {
            let mut sums = Sums::default();
            for step in steps {
                run(step);
                sums.check();
            }
            run(Step::Wait { blocks: 200, ticks: 1 });
            sums.check();
            assert_eq!(crate::Agreements::<Test>::iter().count(), 0);
            assert_eq!(on_hold(), 0);
        });
    }
}
