use std::collections::BTreeSet;

use mica_chain::AccountId;
use mica_protocol::messages::Quote;

use super::*;
use crate::market::{
    Memory,
    snapshot::tests::{snapshot, worker},
};

fn wanted() -> Wanted {
    Wanted { terms: Terms::default(), positions: 10 }
}

/// The worker's offer: its list price, with room for this many positions.
fn quote(worker: &WorkerSnapshot, free_positions: u32) -> SignedQuote {
    let record = &worker.record;
    let quote = Quote {
        peer: record.peer,
        nonce: 0,
        model: record.model,
        profile: [3; 32],
        range: record.range,
        price_per_layer_token: record.list_price_per_layer_token,
        cost_us_per_layer_token: record.cost_us_per_layer_token,
        holding_price: 0,
        credit_positions: 16,
        free_positions,
        free_sessions: 1,
        valid_until: 9,
    };
    SignedQuote { quote, signature: [0; 64] }
}

fn everybody_answers(snapshot: &ModelSnapshot) -> Quotes {
    let peers = snapshot.workers.iter().map(|worker| worker.record.peer);
    Quotes::of_answers(peers, snapshot.workers.iter().map(|worker| quote(worker, 100)))
}

#[test]
fn a_live_worker_without_a_quote_and_an_offline_one_are_left_out() {
    let quotes = Quotes::default();
    let of = |snapshot: &ModelSnapshot| {
        choose(snapshot, &quotes, &Beliefs::none(snapshot), &wanted())
            .expect_err("nobody answers")
            .to_string()
    };
    let error = of(&snapshot(8, vec![worker(1, 0, 8, 1, 1)]));
    assert!(error.contains("[0, 8)") && error.contains("not asked (1)"), "{error}");
    let mut offline = worker(1, 3, 8, 1, 1);
    offline.is_online = false;
    let error = of(&snapshot(8, vec![offline]));
    assert!(error.contains("[0, 3)") && error.contains("[3, 8)"), "{error}");
}

#[test]
fn a_highest_price_is_a_bound_and_alpha_chooses() {
    let snapshot = snapshot(8, vec![worker(1, 0, 8, 1, 90), worker(2, 0, 8, 90, 1)]);
    let quotes = everybody_answers(&snapshot);
    let taken = |alpha, max_price_per_token| {
        let terms = Terms { alpha, max_price_per_token, ..Terms::default() };
        let wanted = Wanted { terms, ..wanted() };
        let path = choose(&snapshot, &quotes, &Beliefs::none(&snapshot), &wanted).expect("a path");
        path.stages[0].worker.record.account
    };
    let [cheap, fast] = [[1u8; 32], [2; 32]].map(AccountId::from);
    for limit in [None, Some(720)] {
        assert_eq!((taken(1.0, limit), taken(0.0, limit)), (cheap, fast), "{limit:?}");
    }
    assert_eq!(taken(0.0, Some(719)), cheap, "the fast one is too dear");

    // List prices are ceilings: who is asked may offer less.
    let terms = Terms { max_price_per_token: Some(7), ..Terms::default() };
    let (beliefs, wanted) = (Beliefs::none(&snapshot), Wanted { terms, ..wanted() });
    let has_path = |quotes: &Quotes, unanswered| {
        let known = Known { snapshot: &snapshot, quotes, beliefs: &beliefs, wanted: &wanted };
        known.has_path(unanswered)
    };
    assert!(has_path(&Quotes::default(), Unanswered::MayAnswer));
    assert!(!has_path(&quotes, Unanswered::Out), "they have asked for more");
}

#[test]
fn a_worker_that_failed_the_question_is_not_taken_and_the_error_says_why() {
    let snapshot = snapshot(8, vec![worker(1, 0, 8, 1, 1), worker(2, 0, 8, 90, 90)]);
    let quotes = everybody_answers(&snapshot);
    let choose_without = |failed: &[u8]| {
        let failed: BTreeSet<AccountId> =
            failed.iter().map(|account| AccountId::from([*account; 32])).collect();
        let beliefs = Memory::none().beliefs(&snapshot, &failed);
        choose(&snapshot, &quotes, &beliefs, &wanted())
    };
    let account = |path: ChosenPath| path.stages[0].worker.record.account;
    assert_eq!(account(choose_without(&[]).expect("a path")), AccountId::from([1; 32]));
    assert_eq!(account(choose_without(&[1]).expect("a path")), AccountId::from([2; 32]));
    let error = choose_without(&[1, 2]).expect_err("no path is left").to_string();
    assert!(error.contains("banned after a failure (2)") && error.contains("mica forget"));
}

#[test]
fn who_is_avoided_is_taken_only_where_nobody_else_serves() {
    let snapshot =
        snapshot(8, vec![worker(1, 0, 8, 1, 1), worker(2, 0, 4, 90, 90), worker(3, 4, 8, 90, 90)]);
    let quotes = everybody_answers(&snapshot);
    let path = |avoided: &[usize]| {
        let memory = Memory::none();
        memory.note_silent(avoided.iter().map(|place| &snapshot.workers[*place]));
        let beliefs = memory.beliefs(&snapshot, &BTreeSet::new());
        let path = choose(&snapshot, &quotes, &beliefs, &wanted()).expect("a path");
        path.stages.iter().map(|stage| stage.worker.record.peer[0]).collect::<Vec<_>>()
    };
    assert_eq!((path(&[]), path(&[0]), path(&[0, 1])), (vec![1], vec![2, 3], vec![1]));
}

#[test]
fn who_is_avoided_is_taken_where_the_others_cost_more_than_the_limit() {
    let snapshot = snapshot(8, vec![worker(1, 0, 8, 1, 1), worker(2, 0, 8, 90, 90)]);
    let [cheap, dear] =
        [0, 1].map(|place| 8 * 10 * snapshot.workers[place].record.list_price_per_layer_token);
    let quotes = everybody_answers(&snapshot);
    let memory = Memory::none();
    memory.note_silent(snapshot.workers[..1].iter());
    let beliefs = memory.beliefs(&snapshot, &BTreeSet::new());
    let taken = |most: Balance| {
        let terms = Terms { max_total: Some(most), ..Terms::default() };
        let wanted = Wanted { terms, positions: 10 };
        let path = choose(&snapshot, &quotes, &beliefs, &wanted).expect("a path");
        path.stages[0].worker.record.peer[0]
    };
    assert_eq!((taken(dear), taken(dear - 1), taken(cheap)), (2, 1, 1));
    // Nobody is within it: what is said to be too dear is the path without doubts.
    assert_eq!(taken(cheap - 1), 2);
}

#[test]
fn whom_to_ask_is_found_by_list_price_and_memory_among_thousands() {
    // The first in storage order are the dearest.
    let mut workers: Vec<WorkerSnapshot> = (0..2_000u32)
        .map(|number| {
            let mut dear = worker(1, 0, 8, 1_000, 1_000);
            dear.record.peer[..4].copy_from_slice(&number.to_be_bytes());
            dear.record.account = AccountId::from(dear.record.peer);
            dear
        })
        .collect();
    workers.extend([worker(201, 0, 8, 5, 5), worker(202, 0, 8, 6, 6), worker(203, 0, 8, 7, 7)]);
    workers.push(worker(204, 0, 8, 8, 8));
    let snapshot = snapshot(8, workers);
    let (memory, wanted) = (Memory::none(), wanted());
    let asked = |quotes: &Quotes, memory: &Memory, unanswered| {
        let beliefs = memory.beliefs(&snapshot, &BTreeSet::new());
        let known = Known { snapshot: &snapshot, quotes, beliefs: &beliefs, wanted: &wanted };
        (known.workers_to_ask(3), known.has_path(unanswered))
    };
    let none = Quotes::default();
    assert_eq!(asked(&none, &memory, Unanswered::Out), (vec![2_000, 2_001, 2_002], false));
    memory.note_silent(snapshot.workers[2_001..2_002].iter());
    assert_eq!(asked(&none, &memory, Unanswered::AsListed), (vec![2_000, 2_002, 2_003], true));
    // The best one is full, the next one silent: others are asked instead.
    let full = Quotes::of_answers([[201; 32], [203; 32]], [quote(&snapshot.workers[2_000], 9)]);
    let (places, has_path) = asked(&full, &memory, Unanswered::Out);
    assert_eq!((places[0], places.contains(&2_002), has_path), (2_003, false, false));
}

#[test]
fn others_are_worth_a_wait_if_they_cost_half_or_are_within_the_limit() {
    let snapshot =
        snapshot(8, vec![worker(1, 0, 8, 1, 90), worker(2, 0, 8, 60, 1), worker(3, 0, 8, 90, 1)]);
    let [cheap, middling, dear] = [0, 1, 2].map(|place| &snapshot.workers[place]);
    let beliefs = Beliefs::none(&snapshot);
    let worth = |answered: &WorkerSnapshot,
                 awaited: &WorkerSnapshot,
                 max_total: Option<Balance>| {
        let answer = quote(answered, 100);
        let all = snapshot.workers.iter().map(|worker| worker.record.peer);
        let quotes = Quotes::of_answers(all, [answer]).awaiting([awaited.record.peer]);
        let terms = Terms { max_total, alpha: 1.0, ..Terms::default() };
        let wanted = Wanted { terms, positions: 10 };
        Known { snapshot: &snapshot, quotes: &quotes, beliefs: &beliefs, wanted: &wanted }.worth()
    };
    let least = 8 * cheap.record.list_price_per_layer_token * 10;
    assert_eq!(worth(dear, cheap, None), Worth::Half);
    assert_eq!(worth(dear, cheap, Some(least)), Worth::All);
    assert_eq!(worth(dear, cheap, Some(least - 1)), Worth::Half, "neither is within it");
    assert_eq!(worth(dear, middling, None), Worth::Little);
    assert_eq!(worth(cheap, dear, Some(least)), Worth::Little);
}
