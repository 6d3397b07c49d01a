//! Histories of the runtime: the corpus reaches every call of ours, and a broken state is noticed.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use frame_support::{
    assert_ok,
    traits::{ReservableCurrency, fungible::Mutate},
};
use mica_primitives::{AgreementState, UNIT};
use mica_runtime::{Balances, Runtime};
use pallet_mica_channels::{ByPayer, Channels};
use pallet_mica_sla::{Agenda, Agreements};

use mica_fuzz::{
    Target,
    runtime::{account, kind_and_result, run_with, seeds},
};

/// Runs the history of the corpus with this name, in which `fault` happens after the step with
/// which a number of blocks is reached; returns what is said of it.
fn broken_by(name: &str, after: u32, fault: fn()) -> String {
    let input = seeds::all().into_iter().find(|(found, _)| *found == name).expect("it is there").1;
    let run = || {
        run_with(&input, |blocks| {
            if blocks == after {
                fault()
            }
        })
    };
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("a fault must be noticed");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string())).unwrap_or_default()
}

fn first_channel() -> mica_primitives::ChannelId {
    let found = Channels::<Runtime>::iter().find(|(_, channel)| !channel.lanes.is_empty());
    found.expect("something was redeemed").0
}

/// What can be broken after the second block of redeems, and what is said then.
const FAULTS: &[(fn(), &str)] = &[
    (
        || frame_system::Account::<Runtime>::mutate(account(3), |info| info.data.free += 1),
        "all money is somebody's",
    ),
    (
        || {
            frame_system::Account::<Runtime>::mutate(account(3), |info| info.data.free -= UNIT);
            frame_system::Account::<Runtime>::mutate(account(4), |info| info.data.free += UNIT);
        },
        "sent nothing and lost",
    ),
    (
        || {
            assert_ok!(Balances::mint_into(&account(3), UNIT));
        },
        "was made",
    ),
    (
        || {
            // Paid for by a loss that looks like dust.
            let issuance = Balances::total_issuance() - UNIT;
            pallet_balances::TotalIssuance::<Runtime>::put(issuance);
            frame_system::Account::<Runtime>::mutate(account(0), |info| info.data.free -= UNIT);
        },
        "was destroyed",
    ),
    (
        || {
            assert_ok!(Balances::reserve(&account(3), UNIT));
        },
        "what is kept back has reasons",
    ),
    (|| pallet_mica_clock::Now::<Runtime>::mutate(|now| *now -= 1), "the clock's step"),
    (|| pallet_mica_clock::Now::<Runtime>::mutate(|now| *now += 1), "invariants of Clock"),
    (
        || {
            Channels::<Runtime>::mutate(first_channel(), |slot| {
                let lanes = &mut slot.as_mut().expect("it is open").lanes;
                lanes.iter_mut().for_each(|(_, lane)| lane.shown -= 1);
            });
        },
        "ran back",
    ),
    (
        || {
            Channels::<Runtime>::mutate(first_channel(), |slot| {
                slot.as_mut().expect("it is open").window += 1;
            });
        },
        "a channel's terms changed",
    ),
    (
        || {
            let (payer, id, ()) = ByPayer::<Runtime>::iter().next().expect("it is open");
            ByPayer::<Runtime>::remove(payer, id);
        },
        "invariants of Channels",
    ),
    (
        || {
            let mut agreement = Agreements::<Runtime>::get(0).expect("it runs");
            let until = agreement.state.until();
            Agenda::<Runtime>::remove(until, 0);
            Agenda::<Runtime>::insert(until + 1, 0, ());
            agreement.state = AgreementState::Active { until: until + 1 };
            Agreements::<Runtime>::insert(0, agreement);
        },
        "Active",
    ),
];

#[test]
fn a_broken_state_is_noticed() {
    for (number, (fault, said)) in FAULTS.iter().enumerate() {
        let text = broken_by("redeemed", 2, *fault);
        assert!(text.contains(said), "fault {number}: {text}");
    }
}

#[test]
fn a_clock_that_goes_on_while_finality_stalls_is_noticed() {
    let fault = || pallet_mica_clock::Now::<Runtime>::mutate(|now| *now += 1);
    let text = broken_by("stalled", 48, fault);
    assert!(text.contains("the clock's step"), "{text}");
}

/// Numbers of the calls that are sent by accounts: registry, channels, agreements.
const OURS: [(u8, &[u8]); 3] = [
    (30, &[0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]),
    (31, &[0, 1, 2, 3, 4, 5, 6]),
    (32, &[0, 1, 2, 3, 4, 5, 6, 7]),
];

#[test]
fn the_corpus_reaches_every_call_of_ours() {
    let mut done = BTreeSet::new();
    for (_, input) in seeds::all() {
        done.extend(run_with(&input, |_| {}));
    }
    let is_done = |pallet: u8, call: u8| {
        let ok: sp_runtime::ApplyExtrinsicResult = Ok(Ok(()));
        done.contains(&kind_and_result(&[pallet, call], ok))
    };
    let missing: Vec<(u8, u8)> = OURS
        .iter()
        .flat_map(|(pallet, calls)| calls.iter().map(|call| (*pallet, *call)))
        .filter(|(pallet, call)| !is_done(*pallet, *call))
        .collect();
    assert!(missing.is_empty(), "no input of the corpus reaches {missing:?}");
}

#[test]
fn the_corpus_is_the_one_that_is_committed() {
    let folder = Target::named("runtime").expect("a target").corpus();
    for (name, input) in seeds::all() {
        let found = std::fs::read(folder.join(name)).expect("run write_corpora");
        assert_eq!(found, input, "{name}: run write_corpora");
    }
}
