//! Attack: lie for profit. Each test runs a liar's best plan and compares its purse with that of an
//! honest run.

use frame_support::assert_ok;
use mica_primitives::Terms;

use crate::mock::*;

/// What a payer and a worker own after `run`, compared with the start.
fn purses(run: impl FnOnce(u64)) -> (i128, i128) {
    let mut ends = (0, 0);
    test(|| {
        let id = accepted();
        run(id);
        run_to(80);
        assert!(is_over(id));
        let change = |account| (free(account) + held(account)) as i128 - FUNDS as i128;
        ends = (change(PAYER), change(WORKER));
    });
    ends
}

#[test]
fn honest_work_costs_its_price() {
    let ends = purses(|id| {
        assert_ok!(complete(WORKER, measured(id, 100, 1, PAYER)));
    });
    assert_eq!(ends, (-(ESCROW as i128), ESCROW as i128));
}

#[test]
fn a_payer_that_objects_to_true_work_saves_nothing() {
    let (payer, worker) = purses(|id| {
        assert_ok!(claim(id, 100, 60));
        assert_ok!(object(id));
    });
    assert_eq!(payer, -(ESCROW as i128));
    // The worker went 40 tokens without a signature: it loses their price, and as much of its
    // stake.
    assert_eq!(worker, 1_200 - 800);
}

#[test]
fn a_worker_that_claims_undone_work_loses_when_the_payer_looks_and_gains_a_window_when_not() {
    let (_, worker) = purses(|id| {
        assert_ok!(claim(id, 48, 0));
        assert_ok!(object(id));
    });
    assert_eq!(worker, -960);
    let (payer, worker) = purses(|id| {
        assert_ok!(claim(id, 48, 0));
    });
    assert_eq!((payer, worker), (-960, 960));
}

#[test]
fn a_payer_that_stops_signing_cannot_make_a_breach_of_it() {
    let (payer, worker) = purses(|id| {
        assert_ok!(acknowledge(id, WORKER));
        assert_ok!(claim(id, 60, 12));
        assert!(acknowledge(id, WORKER).is_err());
    });
    assert_eq!((payer, worker), (-1_200, 1_200));
}

#[test]
fn a_payer_that_keeps_its_request_to_itself_earns_no_penalty() {
    assert_eq!(purses(|_| ()), (0, 0));
}

#[test]
fn a_worker_that_does_nothing_after_it_had_everything_pays() {
    let (payer, worker) = purses(|id| {
        assert_ok!(acknowledge(id, WORKER));
    });
    assert!(payer > 0 && worker == -300);
}

#[test]
fn a_worker_cannot_escape_a_breach_by_claiming_less() {
    let (_, worker) = purses(|id| {
        assert_ok!(claim(id, 0, 0));
        assert_ok!(acknowledge(id, WORKER));
    });
    assert_eq!(worker, -300);
}

/// A worker that expects to be slashed sends its stake to itself as a penalty: at least half of it
/// is gone.
#[test]
fn stake_does_not_leave_through_a_penalty_to_oneself() {
    test(|| {
        let id = proposed_with(Terms { penalty: STAKE / 2, ..terms() });
        assert_ok!(Sla::accept(RuntimeOrigin::signed(WORKER), id));
        let before = free(PAYER) + held(PAYER) + free(WORKER);
        assert_ok!(complete(WORKER, measured(id, 0, 0, PAYER)));
        let after = free(PAYER) + held(PAYER) + free(WORKER);
        assert_eq!(before - after, STAKE / 4);
    });
}
