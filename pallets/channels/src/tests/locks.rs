//! Vouchers with a lock: paid for a preimage, until a block, and through a hub.

use frame_support::{assert_noop, assert_ok};
use mica_primitives::{ChannelId, Hash32, Lock, Redeem, Voucher};
use sp_core::Pair as _;

use crate::{Error, Event, mock::*};

const PREIMAGE: Hash32 = [77; 32];

fn locked(voucher: Voucher, amount: u128, expires: u32) -> Voucher {
    Voucher { lock: Some(Lock { hash: hashed(PREIMAGE, 1), amount, expires }), ..voucher }
}

fn opened(voucher: Voucher, preimage: Hash32) -> Redeem {
    Redeem { preimage: Some(preimage), ..signed(voucher) }
}

#[test]
fn a_lock_is_claimed_with_its_preimage_and_shows_it_to_everybody() {
    test(|| {
        let id = open(500);
        let promise = locked(voucher(id, 1, 100), 40, 10);
        assert_noop!(redeem(PAYEE, opened(promise.clone(), [78; 32])), Error::<Test>::BadLock);
        events();
        assert_ok!(redeem(PAYEE, opened(promise.clone(), PREIMAGE)));
        assert_eq!((get(id).claimed, free(PAYEE)), (140, FUNDS + 140));
        assert!(events().contains(&Event::Unlocked { channel: id, lane: 0, preimage: PREIMAGE }));
        assert_noop!(redeem(PAYEE, opened(promise, PREIMAGE)), Error::<Test>::NothingToPay);
        // The next voucher counts it.
        assert_ok!(redeem(PAYEE, signed(voucher(id, 2, 150))));
        assert_eq!(get(id).claimed, 150);
    });
}

#[test]
fn what_is_not_claimed_in_time_stays_the_payers() {
    test(|| {
        let id = open(500);
        let promise = locked(voucher(id, 1, 100), 40, 10);
        System::set_block_number(11);
        assert_noop!(redeem(PAYEE, opened(promise.clone(), PREIMAGE)), Error::<Test>::LockExpired);
        // The rest of the voucher is as good as ever, and the payer goes on without the lock.
        assert_ok!(redeem(PAYEE, signed(promise)));
        assert_ok!(redeem(PAYEE, signed(voucher(id, 2, 110))));
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYEE), id));
        assert_eq!((free(PAYEE), free(PAYER)), (FUNDS + 110, FUNDS - 110));
    });
}

#[test]
fn a_preimage_without_a_lock_and_a_lock_beside_ticks_are_refused() {
    test(|| {
        let id = open(500);
        assert_noop!(redeem(PAYEE, opened(voucher(id, 1, 10), PREIMAGE)), Error::<Test>::BadLock);
        let both = ticking(locked(voucher(id, 1, 10), 5, 10), 1, 10);
        assert_noop!(redeem(PAYEE, signed(both.clone())), Error::<Test>::BadLock);
        assert_noop!(redeem(PAYEE, signed_with_tick(both, 3)), Error::<Test>::BadLock);
    });
}

/// A channel from the hub, here [`PAYEE`], to a worker: signed with the hub's key.
fn hub_to_worker() -> ChannelId {
    let number = crate::NextChannel::<Test>::get();
    let origin = RuntimeOrigin::signed(PAYEE);
    assert_ok!(Channels::open(origin, OTHER_PAYEE, key(PAYEE).public().0, 500, WINDOW));
    ChannelId::derive(&genesis(), &PAYEE, &OTHER_PAYEE, number)
}

fn by_hub(redeem: Redeem) -> Redeem {
    let signature = sign(PAYEE, &redeem.voucher.signing_bytes(&genesis()));
    Redeem { signature, ..redeem }
}

/// The hub promises the worker a unit of 9 over the very anchor over which the payer promised it
/// 10: what the worker shows is what the hub shows.
#[test]
fn each_preimage_that_pays_the_worker_pays_the_hub() {
    test(|| {
        let (to_hub, to_worker) = (open(500), hub_to_worker());
        let at_worker = by_hub(signed_with_tick(ticking(voucher(to_worker, 1, 0), 9, 20), 7));
        assert_ok!(redeem(OTHER_PAYEE, at_worker.clone()));
        let seen = at_worker.tick;
        let at_hub = Redeem { tick: seen, ..signed(ticking(voucher(to_hub, 1, 0), 10, 20)) };
        assert_ok!(redeem(PAYEE, at_hub));
        assert_eq!((get(to_worker).claimed, get(to_hub).claimed), (63, 70));
    });
}

#[test]
fn a_lock_passes_through_a_hub_whose_own_promise_ends_first() {
    test(|| {
        let (to_hub, to_worker) = (open(500), hub_to_worker());
        System::set_block_number(20);
        let at_worker = by_hub(opened(locked(voucher(to_worker, 1, 0), 95, 20), PREIMAGE));
        assert_ok!(redeem(OTHER_PAYEE, at_worker));
        let Some(Event::Unlocked { preimage, .. }) =
            events().into_iter().find(|event| matches!(event, Event::Unlocked { .. }))
        else {
            panic!("the preimage is on chain")
        };
        // The hub has until block 40 to claim with what the worker has shown.
        System::set_block_number(40);
        assert_ok!(redeem(PAYEE, opened(locked(voucher(to_hub, 1, 0), 100, 40), preimage)));
        assert_eq!((free(OTHER_PAYEE), free(PAYEE)), (FUNDS + 95, FUNDS - 500 + 100));
    });
}
