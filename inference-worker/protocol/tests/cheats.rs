//! Cheats: what each side can lose is exactly the credit, or exactly the exposure, and
//! contradictions are attributed.

mod common;

use common::{GENESIS, PAYER, World, engine::reference, peer, peer_key};
use mica_primitives::Leaf;
use mica_protocol::{
    FaultCode, Message, SessionId,
    limits::{MAX_SESSIONS_PER_PEER, MAX_UNPAID_SESSIONS, UNPAID_PAUSE_MS},
    messages::{Fault, Payload, Payment, Step, Token},
    payer::SessionReport,
    receipts::{Culprits, sign_leaf},
    stage::StageInput,
};
use std::{cell::RefCell, rc::Rc};

fn prompt(length: u32) -> Vec<u32> {
    (0..length).map(|i| (i * 13 + 5) % 97).collect()
}

fn is_pay(message: &Message) -> bool {
    matches!(message, Message::Pay(_))
}

/// Runs a session over `cuts` in which `tamper` sees every message.
fn run(
    cuts: &[u16],
    tamper: impl FnMut(usize, usize, Message) -> Vec<Message> + 'static,
) -> (World, SessionReport) {
    let mut world = World::new(17, cuts, 6);
    world.tamper = Box::new(tamper);
    let plan = world.plan(1, prompt(40), 120);
    let id = world.start(plan);
    world.run();
    let report = world.reports[&id].clone();
    (world, report)
}

#[test]
fn a_payer_that_never_pays_gets_exactly_the_credit() {
    let (world, report) =
        run(&[2, 4], |_, _, message| if is_pay(&message) { vec![] } else { vec![message] });
    let failure = report.failure.expect("failed");
    assert_eq!(failure.code, FaultCode::CreditExhausted);
    for (index, worker) in world.workers.iter().enumerate() {
        assert_eq!(worker.positions, 16, "worker {index} stops at its credit");
        // The first position was prepaid.
        assert_eq!(worker.ends[0].unpaid, 15 * world.unit(index));
        assert_eq!((worker.ends[0].earned, worker.ends[0].settled), (world.unit(index), false));
        assert_eq!(worker.engine.caches(), 0);
    }
}

#[test]
fn a_payer_that_stops_paying_gets_the_credit_beyond_what_it_paid() {
    for paid in [40u16, 41, 55, 70] {
        let (world, report) = run(&[], move |_, _, message| match &message {
            Message::Pay(pay) => match &pay.payment {
                Payment::Tick(proof) if proof.n <= paid => vec![message],
                _ => vec![],
            },
            _ => vec![message],
        });
        assert_eq!(report.failure.expect("failed").code, FaultCode::CreditExhausted);
        // One more was prepaid.
        assert_eq!(world.workers[0].positions, u32::from(paid) + 1 + 16);
        assert_eq!(world.redeemable(0), u128::from(paid + 1) * world.unit(0));
    }
}

#[test]
fn a_channel_whose_sessions_end_unpaid_is_refused_after_a_while() {
    let mut world = World::new(4, &[], 3);
    world.tamper = Box::new(|_, _, message| if is_pay(&message) { vec![] } else { vec![message] });
    for session in 0..=MAX_UNPAID_SESSIONS as u8 {
        let plan = world.plan(session, prompt(40), 5);
        let id = world.start(plan);
        world.run();
        let code = world.reports[&id].failure.as_ref().expect("failed").code;
        let refused = u32::from(session) == MAX_UNPAID_SESSIONS;
        assert_eq!(code, if refused { FaultCode::Underpaid } else { FaultCode::CreditExhausted });
    }
    assert_eq!(world.workers[0].positions, 16 * MAX_UNPAID_SESSIONS);
}

/// A payer with as many sessions as it may have dies before it pays for any of them.
fn lose_all(world: &mut World, first: u8) {
    world.tamper = Box::new(|_, _, message| if is_pay(&message) { vec![] } else { vec![message] });
    for session in first..first + MAX_SESSIONS_PER_PEER as u8 {
        let plan = world.plan(session, prompt(40), 5);
        world.start(plan);
    }
    assert!(!world.run_events(100_000), "everything waits for money");
    world.worker_input(0, StageInput::Disconnected { peer: peer(PAYER) });
    world.restart_payer();
    world.run();
    world.tamper = Box::new(|_, _, message| vec![message]);
}

/// How one session goes in which both sides are honest.
fn honest(world: &mut World, session: u8) -> Option<FaultCode> {
    let plan = world.plan(session, prompt(40), 5);
    let id = world.start(plan);
    world.run();
    world.reports[&id].failure.as_ref().map(|failure| failure.code)
}

#[test]
fn what_a_dead_payer_leaves_behind_counts_once_and_nobody_is_refused_for_ever() {
    let mut world = World::new(4, &[], 3);
    lose_all(&mut world, 10);
    assert_eq!(honest(&mut world, 1), None, "one mishap");
    for time in 2..=MAX_UNPAID_SESSIONS as u8 {
        lose_all(&mut world, 10 * time);
    }
    let lost = world.workers[0].ends.iter().filter(|end| end.fault == Some(FaultCode::PeerLost));
    assert!(lost.clone().all(|end| end.unpaid == 15 * world.unit(0)));
    assert_eq!(lost.count(), MAX_SESSIONS_PER_PEER * MAX_UNPAID_SESSIONS as usize);
    assert_eq!(honest(&mut world, 2), Some(FaultCode::Underpaid), "the same payer again and again");
    world.now.ms += UNPAID_PAUSE_MS;
    world.tamper = Box::new(|_, _, message| if is_pay(&message) { vec![] } else { vec![message] });
    assert_eq!(honest(&mut world, 3), Some(FaultCode::CreditExhausted));
    world.tamper = Box::new(|_, _, message| vec![message]);
    assert_eq!(honest(&mut world, 4), Some(FaultCode::Underpaid), "one chance a minute");
    // All that was lost, less what the honest session paid: 44 positions each make good.
    let mut debt = 15 * (MAX_SESSIONS_PER_PEER as u128 * u128::from(MAX_UNPAID_SESSIONS) + 1) - 44;
    let mut session = 100;
    while debt > 0 {
        world.now.ms += UNPAID_PAUSE_MS;
        assert_eq!(honest(&mut world, session), None, "one a minute");
        debt = debt.saturating_sub(44);
        let next = if debt > 0 { Some(FaultCode::Underpaid) } else { None };
        assert_eq!(honest(&mut world, session + 1), next, "{debt} positions are not made good");
        session += 2;
    }
}

#[test]
fn a_worker_without_receipts_is_paid_exactly_the_exposure() {
    for silent in 1..=3 {
        let (world, report) = run(&[2, 4], move |from, _, message| match message {
            Message::Receipt(_) if from == silent => vec![],
            message => vec![message],
        });
        let stage = &report.stages[silent - 1];
        assert_eq!(stage.paid, 48 * world.unit(silent - 1), "stage {}", silent - 1);
        assert_eq!((stage.positions, stage.receipts), (0, 0));
        assert!(world.workers[silent - 1].positions <= 48 + 16);
        assert!(report.failure.is_some());
    }
}

/// The failure when stage `stage` signs another leaf than it should for the window at `first`.
fn forged(stage: usize, first: u32, forge: fn(&mut Leaf)) -> (FaultCode, Option<Culprits>) {
    let (_, report) = run(&[2, 4], move |from, _, message| match message {
        Message::Receipt(mut receipt)
            if from == stage + 1 && receipt.receipt.leaf.first_position == first =>
        {
            let mut leaf = receipt.receipt.leaf;
            forge(&mut leaf);
            receipt.receipt = sign_leaf(leaf, &peer_key(from), &GENESIS);
            vec![Message::Receipt(receipt)]
        }
        message => vec![message],
    });
    let failure = report.failure.expect("failed");
    (failure.code, failure.culprits)
}

#[test]
fn a_forged_receipt_is_attributed() {
    let mismatch = |culprits| (FaultCode::ReceiptMismatch, Some(culprits));
    let pair = |sender| mismatch(Culprits::Pair { sender, receiver: sender + 1 });
    let forge_out: fn(&mut Leaf) = |leaf| leaf.h_out[0] ^= 1;
    let forge_in: fn(&mut Leaf) = |leaf| {
        leaf.h_in[0] ^= 1;
        leaf.kv_root = Leaf::next_kv_root(&[0; 32], &leaf.h_in);
    };
    assert_eq!(forged(0, 16, forge_out), pair(0));
    assert_eq!(forged(1, 16, forge_out), pair(1));
    assert_eq!(
        forged(2, 16, forge_out),
        mismatch(Culprits::Stage(2)),
        "the payer saw no token of the prompt"
    );
    assert_eq!(
        forged(2, 64, forge_out),
        mismatch(Culprits::Stage(2)),
        "the payer saw the tokens itself"
    );
    assert_eq!(
        forged(0, 0, forge_in),
        mismatch(Culprits::Stage(0)),
        "the payer sent the prompt itself"
    );
    assert_eq!(forged(1, 0, forge_in), pair(0));
    assert_eq!(forged(2, 0, forge_in), pair(1));
}

#[test]
fn a_receipt_that_is_no_honest_next_one_is_refused() {
    let bad = |stage| (FaultCode::BadReceipt, Some(Culprits::Stage(stage)));
    assert_eq!(forged(1, 16, |leaf| leaf.first_position = 32), bad(1));
    assert_eq!(forged(1, 16, |leaf| leaf.positions = 32), bad(1));
    assert_eq!(
        forged(1, 16, |leaf| leaf.positions = 3),
        bad(1),
        "a part of a window while the session runs"
    );
    assert_eq!(forged(1, 16, |leaf| leaf.kv_root[0] ^= 1), bad(1));
    assert_eq!(forged(0, 0, |leaf| leaf.profile[0] ^= 1), bad(0));
    assert_eq!(forged(0, 0, |leaf| leaf.lane += 1), bad(0));
    assert_eq!(forged(2, 0, |leaf| leaf.layers.first += 1), bad(2));
    assert_eq!(forged(2, 0, |leaf| leaf.trace_root[0] = 1), bad(2));
}

#[test]
fn a_receipt_signed_by_another_key_is_refused() {
    let (_, report) = run(&[3], |from, _, message| match message {
        Message::Receipt(mut receipt) if from == 1 => {
            receipt.receipt = sign_leaf(receipt.receipt.leaf, &peer_key(2), &GENESIS);
            vec![Message::Receipt(receipt)]
        }
        message => vec![message],
    });
    let failure = report.failure.expect("failed");
    assert_eq!((failure.code, failure.culprits), (FaultCode::BadReceipt, Some(Culprits::Stage(0))));
    assert!(report.stages[0].paid <= 48 * 5 * 3);
}

#[test]
fn a_last_stage_that_tells_two_stories_is_found() {
    let (_, report) = run(&[2, 4], |from, to, message| match message {
        Message::Token(token) if from == 3 && to == 1 && token.position == 50 => {
            vec![Message::Token(Token { id: (token.id + 1) % 97, ..token })]
        }
        message => vec![message],
    });
    let failure = report.failure.expect("failed");
    assert_eq!(failure.culprits, Some(Culprits::Pair { sender: 2, receiver: 0 }));
}

#[test]
fn hidden_states_changed_on_their_way_are_found() {
    let (_, report) = run(&[2, 4], |from, to, message| match message {
        Message::Step(mut step) if from == 1 && to == 2 && step.first_position == 45 => {
            if let Payload::Hidden(bytes) = &mut step.payload {
                bytes[0] ^= 1;
            }
            vec![Message::Step(step)]
        }
        message => vec![message],
    });
    let failure = report.failure.expect("failed");
    assert_eq!(failure.culprits, Some(Culprits::Pair { sender: 0, receiver: 1 }));
    assert!(failure.to_string().contains("stage 1 or stage 2"), "{failure}");
}

#[test]
fn a_statement_above_the_receipts_is_not_paid() {
    let (world, report) = run(&[3], |from, _, message| match message {
        Message::Statement(mut statement) if from == 2 => {
            statement.positions += 100;
            statement.cumulative += 10_000;
            vec![Message::Statement(statement)]
        }
        message => vec![message],
    });
    let failure = report.failure.expect("failed");
    assert_eq!((failure.stage, failure.code), (Some(1), FaultCode::BadStatement));
    assert_eq!(report.stages[1].paid, 159 * world.unit(1));
}

#[test]
fn a_worker_that_never_settles_costs_nothing_more() {
    let (world, report) = run(&[3], |from, _, message| match message {
        Message::Closed(_) if from == 1 => vec![],
        message => vec![message],
    });
    assert_eq!(report.failure.expect("failed").code, FaultCode::Silent);
    assert!(!report.stages[0].settled && report.stages[1].settled);
    assert_eq!(report.stages[0].paid, 159 * world.unit(0));
}

#[test]
fn a_replayed_tick_is_ignored_and_pays_nothing() {
    let (world, report) = run(&[], |_, _, message| match &message {
        Message::Pay(pay) if matches!(&pay.payment, Payment::Tick(proof) if proof.n > 50) => {
            vec![message.clone(), message]
        }
        _ => vec![message],
    });
    assert_eq!(report.failure, None, "no payer is to blame for what a link repeats");
    assert!(report.stages[0].settled);
    assert_eq!(report.paid(), 159 * world.unit(0));
    assert_eq!(world.redeemable(0), report.paid());
}

#[test]
fn strangers_and_neighbours_out_of_place_change_nothing() {
    let mut world = World::new(23, &[2, 4], 6);
    let faults = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&faults);
    world.tamper = Box::new(move |from, to, message| {
        if let Message::Fault(fault) = &message {
            seen.borrow_mut().push((from, to, fault.code()));
        }
        vec![message]
    });
    let plan = world.plan(1, prompt(40), 60);
    let id = world.start(plan);
    assert!(world.run_events(150), "in the middle of the session");
    let session = SessionId([1; 32]);
    let step = Step {
        session,
        first_position: 40,
        rows: 1,
        sample: true,
        payload: Payload::Tokens(vec![1]),
    };
    let token = Token { session, position: 41, id: 3, stop: None, log_probabilities: None };
    let close =
        mica_protocol::messages::Close { session, when: mica_protocol::messages::CloseWhen::Now };
    world.send(3, peer(1), Message::Step(step.clone()));
    world.send(1, peer(3), Message::Step(step));
    world.send(2, peer(1), Message::Token(token.clone()));
    world.send(3, peer(2), Message::Token(token));
    world.send(2, peer(1), Message::Close(close));
    world.send(1, peer(2), Message::Quote(quote(&world)));
    world.run();
    let report = &world.reports[&id];
    assert_eq!(report.failure, None);
    assert_eq!(report.tokens, reference(6, &prompt(40), 9, 60, &[]));
    let mut faults = faults.borrow().clone();
    faults.sort_unstable();
    let wrong = FaultCode::WrongPeer;
    let expected = [
        (1, 2, wrong),
        (1, 2, wrong),
        (1, 3, wrong),
        (2, 1, FaultCode::WrongDirection),
        (2, 3, wrong),
        (3, 1, wrong),
    ];
    assert_eq!(faults, expected);
    assert!(faults.iter().all(|(_, to, _)| *to != PAYER));
}

fn quote(world: &World) -> mica_protocol::messages::SignedQuote {
    let mut table = mica_protocol::stage::StageTable::new(
        mica_protocol::stage::StageIdentity::new(peer_key(1), GENESIS),
        world.workers[0].table.offer().clone(),
    );
    let request = mica_protocol::messages::QuoteRequest { model: common::MODEL, nonce: 5 };
    let input = mica_protocol::stage::StageInput::Message {
        from: peer(PAYER),
        message: Message::QuoteRequest(request),
    };
    match &table.handle(world.now, input)[..] {
        [mica_protocol::stage::StageOutput::Send { message: Message::Quote(quote), .. }] => *quote,
        other => panic!("no quote but {other:?}"),
    }
}

#[test]
fn a_worker_that_vanishes_is_paid_for_what_it_delivered() {
    let mut world = World::new(29, &[3], 6);
    let plan = world.plan(1, prompt(40), 100);
    let id = world.start(plan);
    assert!(world.run_events(300));
    world.tamper =
        Box::new(|from, to, message| if from == 2 || to == 2 { vec![] } else { vec![message] });
    world.payer_input(id, mica_protocol::payer::PayerInput::Disconnected { peer: peer(2) });
    world.worker_input(0, mica_protocol::stage::StageInput::Disconnected { peer: peer(2) });
    world.run();
    let report = &world.reports[&id];
    let failure = report.failure.as_ref().expect("failed");
    assert_eq!((failure.stage, failure.code), (Some(1), FaultCode::PeerLost));
    assert!(report.stages[0].settled, "the other stage's account is settled");
    for (index, stage) in report.stages.iter().enumerate() {
        assert!(stage.paid <= (u128::from(stage.positions) + 48) * world.unit(index));
        assert!(world.redeemable(index) <= stage.paid);
    }
}

#[test]
fn what_a_worker_says_of_a_failure_is_bounded_and_moves_no_cursor() {
    let hostile = format!("a\u{1b}[2J\u{9b}1mb\u{202e}\n{}", "x".repeat(100_000));
    let (_, report) = run(&[2, 4], move |from, _, message| match message {
        Message::Opened(opened) if from != PAYER => vec![Message::Fault(Fault {
            session: Some(opened.acceptance.session),
            number: FaultCode::ComputeFailed.number(),
            text: hostile.clone(),
            held: None,
        })],
        message => vec![message],
    });
    let told = report.failure.expect("failed").to_string();
    assert!(told.contains("a[2J1mb "), "{told}");
    assert!(!told.chars().any(|c| c.is_control() || c == '\u{202e}'), "{told:?}");
    assert!(told.len() < 1000, "{} bytes", told.len());
}
