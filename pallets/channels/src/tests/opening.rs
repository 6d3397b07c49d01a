//! Opening and topping up.

use frame_support::{BoundedVec, assert_noop, assert_ok};
use mica_primitives::{ChannelId, ChannelOpening, ChannelState, hooks::OpenChannels};
use sp_runtime::TokenError;

use crate::{Error, Event, NextChannel, Payers, mock::*};

fn opening(payee: u64, deposit: u128, window: u32) -> ChannelOpening<u64> {
    ChannelOpening { payee, signer: [9; 32], deposit, window }
}

fn open_many(openings: Vec<ChannelOpening<u64>>) -> frame_support::pallet_prelude::DispatchResult {
    Channels::open_many(
        RuntimeOrigin::signed(PAYER),
        BoundedVec::try_from(openings).expect("within the bound"),
    )
}

#[test]
fn opening_holds_the_deposit() {
    test(|| {
        let id = open(500);
        assert_eq!(held(PAYER), 500);
        assert_eq!(free(PAYER), FUNDS - 500);
        let channel = get(id);
        assert_eq!(
            (channel.payer, channel.payee, channel.deposit, channel.claimed),
            (PAYER, PAYEE, 500, 0)
        );
        assert_eq!(channel.state, ChannelState::Open);
        assert_eq!(
            events(),
            vec![Event::Opened { channel: id, payer: PAYER, payee: PAYEE, deposit: 500 }]
        );
    });
}

#[test]
fn every_channel_has_its_own_id_and_its_place_in_both_indices() {
    test(|| {
        let ids = [open(100), open(100), open_to(OTHER_PAYEE, 100)];
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(Channels::channels_of(&PAYER).len(), 3);
        assert_eq!(Channels::channels_to(&PAYEE, None, 10).len(), 2);
        assert_eq!(Channels::channels_to(&OTHER_PAYEE, None, 10)[0].0, ids[2]);
        assert!(Channels::channels_of(&PAYEE).is_empty());
    });
}

#[test]
fn pages_to_a_payee_meet_every_channel_once() {
    test(|| {
        let mut expected: Vec<ChannelId> = (0..7).map(|_| open(100)).collect();
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let page = Channels::channels_to(&PAYEE, from, 3);
            let Some((last, _)) = page.last() else { break };
            from = Some(*last);
            assert!(page.len() <= 3);
            found.extend(page.into_iter().map(|(id, _)| id));
        }
        expected.sort();
        assert_eq!(found, expected);
    });
}

#[test]
fn a_path_opens_all_or_nothing() {
    test(|| {
        assert_ok!(open_many(vec![opening(PAYEE, 200, WINDOW), opening(OTHER_PAYEE, 300, WINDOW)]));
        assert_eq!(held(PAYER), 500);
        assert_noop!(open_many(vec![]), Error::<Test>::NothingToOpen);
        assert_noop!(
            open_many(vec![
                opening(PAYEE, 200, WINDOW),
                opening(OTHER_PAYEE, MIN_DEPOSIT - 1, WINDOW)
            ]),
            Error::<Test>::DepositTooLow
        );
        assert_noop!(
            open_many(vec![
                opening(PAYEE, FUNDS / 2, WINDOW),
                opening(OTHER_PAYEE, FUNDS / 2, WINDOW)
            ]),
            TokenError::FundsUnavailable
        );
    });
}

#[test]
fn bad_openings_are_refused() {
    test(|| {
        let open = |payee, deposit, window| {
            Channels::open(RuntimeOrigin::signed(PAYER), payee, [9; 32], deposit, window)
        };
        assert_noop!(open(PAYER, 500, WINDOW), Error::<Test>::SelfPayment);
        assert_noop!(open(PAYEE, MIN_DEPOSIT - 1, WINDOW), Error::<Test>::DepositTooLow);
        assert_noop!(open(PAYEE, 500, WINDOW - 1), Error::<Test>::WindowOutOfRange);
        assert_noop!(open(PAYEE, 500, 1_001), Error::<Test>::WindowOutOfRange);
        assert_noop!(open(PAYEE, FUNDS, WINDOW), TokenError::FundsUnavailable);
        assert_noop!(
            Channels::open(RuntimeOrigin::none(), PAYEE, [9; 32], 500, WINDOW),
            sp_runtime::DispatchError::BadOrigin
        );
        assert_ok!(open(PAYEE, MIN_DEPOSIT, WINDOW));
        assert_ok!(open(PAYEE, MIN_DEPOSIT, 1_000));
    });
}

#[test]
fn a_payer_has_a_bounded_number_of_channels_and_a_payee_is_never_full() {
    test(|| {
        let ids: Vec<_> = (0..32).map(|_| open(100)).collect();
        let one_more =
            |who| Channels::open(RuntimeOrigin::signed(who), PAYEE, [9; 32], 100, WINDOW);
        assert_noop!(one_more(PAYER), Error::<Test>::TooManyChannels);
        assert_ok!(one_more(STRANGER));
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYEE), ids[0]));
        assert_ok!(one_more(PAYER));
    });
}

#[test]
fn ids_are_not_used_again_by_cycles_of_open_and_close() {
    test(|| {
        let mut seen = std::collections::BTreeSet::new();
        for round in 1..=10 {
            let id = open(100);
            assert!(seen.insert(id), "an id came back");
            assert_ok!(Channels::close(RuntimeOrigin::signed(PAYEE), id));
            // Nothing of the payer is left, and the next id is another all the same.
            assert!(!Payers::<Test>::contains_key(PAYER));
            assert_eq!(NextChannel::<Test>::get(), round);
        }
        assert_eq!((held(PAYER), held_for_storage(PAYER)), (0, 0));
    });
}

/// A channel of which everything was claimed occupies storage like any other.
#[test]
fn a_claimed_channel_keeps_its_deposit_for_storage_until_it_ends() {
    test(|| {
        let ids = [open(100), open(100)];
        assert_eq!(held_for_storage(PAYER), 2 * STORAGE);
        assert_ok!(redeem(PAYEE, signed(voucher(ids[0], 1, 100))));
        assert_eq!((held(PAYER), held_for_storage(PAYER)), (100, 2 * STORAGE));
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYEE), ids[0]));
        assert_eq!((held(PAYER), held_for_storage(PAYER)), (100, STORAGE));
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYER), ids[1]));
        assert_eq!(held_for_storage(PAYER), STORAGE, "a closing channel is there still");
        System::set_block_number(1 + WINDOW);
        assert_ok!(Channels::finish(RuntimeOrigin::signed(STRANGER), ids[1]));
        assert_eq!((free(PAYER), held_for_storage(PAYER)), (FUNDS - 100, 0));
    });
}

#[test]
fn who_cannot_pay_for_the_storage_opens_nothing() {
    test(|| {
        let open =
            |deposit| Channels::open(RuntimeOrigin::signed(PAYER), PAYEE, [9; 32], deposit, WINDOW);
        assert_noop!(open(FUNDS - ED - STORAGE + 1), TokenError::FundsUnavailable);
        assert_ok!(open(FUNDS - ED - STORAGE));
    });
}

#[test]
fn nobody_opens_a_channel_to_a_worker_that_leaves() {
    test(|| {
        let id = open(100);
        Leaves::set(Some(PAYEE));
        let one_more = Channels::open(RuntimeOrigin::signed(PAYER), PAYEE, [9; 32], 100, WINDOW);
        assert_eq!(one_more, Err(Error::<Test>::PayeeLeaves.into()));
        // What is open goes on, and keeps the worker's stake until it ends.
        assert!(<Channels as OpenChannels<_>>::has_channels(&PAYEE));
        assert_ok!(redeem(PAYEE, signed(voucher(id, 1, 50))));
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYEE), id));
        assert!(!<Channels as OpenChannels<_>>::has_channels(&PAYEE));
    });
}

#[test]
fn top_up_goes_to_a_total_and_not_beyond() {
    test(|| {
        let id = open(500);
        let top_up = |who, total| Channels::top_up_to(RuntimeOrigin::signed(who), id, total);
        events();
        // Two devices of one wallet want the same total: together they put in what one would.
        assert_ok!(top_up(PAYER, 800));
        assert_ok!(top_up(PAYER, 800));
        assert_eq!((held(PAYER), get(id).deposit), (800, 800));
        assert_eq!(events(), vec![Event::ToppedUp { channel: id, total: 800 }]);
        assert_noop!(top_up(PAYER, 799), Error::<Test>::DepositNeverFalls);
        assert_noop!(top_up(STRANGER, 900), Error::<Test>::NotPayer);
        assert_noop!(top_up(PAYEE, 900), Error::<Test>::NotPayer);
        assert_noop!(top_up(PAYER, FUNDS), TokenError::FundsUnavailable);
        assert_noop!(top_up(PAYER, u128::MAX), TokenError::FundsUnavailable);
        assert_noop!(
            Channels::top_up_to(RuntimeOrigin::signed(PAYER), ChannelId([7; 32]), 900),
            Error::<Test>::NoChannel
        );
    });
}

#[test]
fn a_closing_channel_takes_no_more_money() {
    test(|| {
        let id = open(500);
        assert_ok!(Channels::close(RuntimeOrigin::signed(PAYER), id));
        assert_noop!(
            Channels::top_up_to(RuntimeOrigin::signed(PAYER), id, 900),
            Error::<Test>::AlreadyClosing
        );
    });
}
