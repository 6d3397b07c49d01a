//! Ticks that pay nothing: a false one ends its session and counts against its account at once,
//! and nothing that a link or a restart does to an honest payer's makes a false one of it.

mod common;

use common::{
    ACCOUNT, DEPOSIT, GENESIS, HIDDEN, PAYER, PRICE, World, facts_of, peer, peer_key, voucher_key,
};
use mica_primitives::{Balance, ChannelId, LayerRange, PublicKey, TickProof};
use mica_protocol::{
    FaultCode, Message, Now, SessionId,
    channel::{ChannelFacts, PayerLane, PayerLedger},
    limits::*,
    messages::{Close, CloseWhen, Open, Pay, Payload, Payment, Step},
    payer::{PayerOutput, PayerSession},
    stage::{
        ComputeResult, Computed, ScoreRecord, SessionEnd, StageIdentity, StageInput, StageOutput,
        StageTable,
    },
};

const UNIT: Balance = 2 * PRICE;
const BLOCK: u32 = 500;
const EXPIRES: u32 = 10_000;

fn at(ms: u64) -> Now {
    Now::new(ms, BLOCK)
}

/// One of two workers, each with two of four layers.
fn table(worker: usize) -> StageTable {
    let first = 2 * (worker as u16 - 1);
    let offer = common::offer(LayerRange { first, end: first + 2 }, 4);
    StageTable::new(StageIdentity::new(peer_key(worker), GENESIS), offer)
}

fn channel(worker: usize, number: u8) -> ChannelFacts {
    ChannelFacts { channel: ChannelId([number; 32]), ..facts_of(worker, DEPOSIT) }
}

fn lane_of(facts: &ChannelFacts) -> PayerLane {
    let mut ledger =
        PayerLedger::new(GENESIS, voucher_key(), facts.clone()).expect("our own signer");
    ledger.lease(DEPOSIT / 2).expect("the deposit is enough")
}

/// An opening for a worker of a path of two, with 16 positions of prompt, which prepays some.
fn opening(worker: usize, lane: &mut PayerLane, session: u8, prepaid: u16) -> Open {
    let mut world = World::new(1, &[2], 4);
    let plan = world.plan(1, vec![1; 16], 60);
    let (_, outputs) = PayerSession::start(plan, world.now).expect("a good plan");
    let open = outputs.into_iter().find_map(|output| match output {
        PayerOutput::Send { to, message: Message::Open(open), .. } if to == peer(worker) => {
            Some(*open)
        }
        _ => None,
    });
    let voucher = lane.renew(prepaid.into(), UNIT, 1_024, EXPIRES).expect("within the limit");
    Open {
        session: SessionId([session; 32]),
        channel: voucher.voucher.channel,
        lane: voucher.voucher.lane,
        voucher,
        prepaid_positions: prepaid,
        ..open.expect("an opening for the worker")
    }
}

fn say(table: &mut StageTable, now: Now, from: PublicKey, message: Message) -> Vec<StageOutput> {
    table.handle(now, StageInput::Message { from, message })
}

fn pay(table: &mut StageTable, session: u8, payment: Payment) -> Vec<StageOutput> {
    let pay = Pay { session: SessionId([session; 32]), payment };
    say(table, at(1), peer(PAYER), Message::Pay(pay))
}

fn code(outputs: &[StageOutput]) -> Option<FaultCode> {
    outputs.iter().find_map(|output| match output {
        StageOutput::Send { message: Message::Fault(fault), .. } => Some(fault.code()),
        _ => None,
    })
}

fn end(outputs: &[StageOutput]) -> Option<&SessionEnd> {
    outputs.iter().find_map(|output| match output {
        StageOutput::Ended(end) => Some(end),
        _ => None,
    })
}

fn score(outputs: &[StageOutput]) -> Option<ScoreRecord> {
    outputs.iter().find_map(|output| match output {
        StageOutput::PersistScore(score) => Some(*score),
        _ => None,
    })
}

fn asks_the_chain(outputs: &[StageOutput]) -> bool {
    outputs.iter().any(|output| matches!(output, StageOutput::ReadChannel(_)))
}

/// Opens a session, and lets the chain answer.
fn begin(table: &mut StageTable, now: Now, open: Open, facts: &ChannelFacts) {
    let channel = open.channel;
    let asked = say(table, now, peer(PAYER), Message::Open(Box::new(open)));
    assert_eq!((code(&asked), asks_the_chain(&asked)), (None, true));
    let facts = Some(facts.clone());
    assert_eq!(code(&table.handle(now, StageInput::Channel { channel, facts })), None);
}

/// A session of one position prepaid at the first worker, with its payer's lane.
fn running() -> (StageTable, PayerLane) {
    let (mut table, facts) = (table(1), channel(1, 1));
    let mut lane = lane_of(&facts);
    let open = opening(1, &mut lane, 1, 1);
    begin(&mut table, at(0), open, &facts);
    (table, lane)
}

fn next_tick(lane: &mut PayerLane, positions: u32) -> Payment {
    let payment = lane.pay(positions, EXPIRES).expect("within the limit");
    assert!(matches!(payment, Payment::Tick(_)), "the chain is long");
    payment
}

fn false_tick(n: u16) -> Payment {
    Payment::Tick(TickProof { n, preimage: [9; 32] })
}

#[test]
fn the_first_false_tick_ends_its_session_and_counts_at_once() {
    let (mut table, _) = running();
    let outputs = pay(&mut table, 1, false_tick(5));
    assert_eq!(code(&outputs), Some(FaultCode::BadTick));
    let ended = end(&outputs).expect("it is over");
    assert_eq!((ended.fault, ended.settled), (Some(FaultCode::BadTick), false));
    let free = StageOutput::DropCache { session: SessionId([1; 32]) };
    assert!(outputs.contains(&free), "its room is free");
    let expected = ScoreRecord { account: ACCOUNT, mishaps: 1, debt: UNIT, block: BLOCK };
    assert_eq!(score(&outputs), Some(expected));
    assert_eq!((table.sessions(), table.next_deadline_ms()), (0, None));
    // What was sent before that was heard.
    assert_eq!(code(&pay(&mut table, 1, false_tick(6))), Some(FaultCode::BadTick));
    let close = Message::Close(Close { session: SessionId([1; 32]), when: CloseWhen::Now });
    let closed = say(&mut table, at(1), peer(PAYER), close);
    assert_eq!(code(&closed), Some(FaultCode::UnknownSession), "no cheat");
    let other = Pay { session: SessionId([1; 32]), payment: false_tick(6) };
    let refused = say(&mut table, at(1), peer(2), Message::Pay(other));
    assert_eq!(code(&refused), Some(FaultCode::UnknownSession), "somebody else");
}

#[test]
fn a_false_tick_ends_a_session_also_while_it_is_computed_and_while_it_is_settled() {
    let step = Step {
        session: SessionId([1; 32]),
        first_position: 0,
        rows: 16,
        sample: true,
        payload: Payload::Tokens(vec![1; 16]),
    };
    let (mut computing, _) = running();
    let outputs = say(&mut computing, at(1), peer(PAYER), Message::Step(step));
    assert!(outputs.iter().any(|output| matches!(output, StageOutput::Compute(_))));
    assert!(end(&pay(&mut computing, 1, false_tick(5))).is_some());
    let result = ComputeResult::Hidden(vec![0; 16 * HIDDEN as usize * 4]);
    let computed = Computed { session: SessionId([1; 32]), first_position: 0, result };
    assert!(computing.handle(at(2), StageInput::Computed(computed)).is_empty());

    let (mut settling, _) = running();
    let close = Message::Close(Close { session: SessionId([1; 32]), when: CloseWhen::Now });
    assert!(end(&say(&mut settling, at(1), peer(PAYER), close)).is_none());
    let outputs = pay(&mut settling, 1, false_tick(5));
    assert_eq!(end(&outputs).and_then(|end| end.fault), Some(FaultCode::BadTick));
}

/// Attack: false ticks under one session after another, each under a fresh peer key.
#[test]
fn an_account_of_false_ticks_is_refused_before_a_signature_is_checked_or_the_chain_asked() {
    let (mut table, facts) = (table(1), channel(1, 1));
    let mut lane = lane_of(&facts);
    for session in 1..=MAX_UNPAID_SESSIONS as u8 {
        let open = opening(1, &mut lane, session, 1);
        begin(&mut table, at(0), open, &facts);
        let outputs = pay(&mut table, session, false_tick(1_024));
        assert_eq!(score(&outputs).map(|score| score.mishaps), Some(session.into()));
    }
    let mut open = opening(1, &mut lane, 99, 1);
    open.voucher.signature = [0; 64];
    let unsigned = Message::Open(Box::new(open));
    let outputs = say(&mut table, at(2), [99; 32], unsigned.clone());
    assert_eq!(code(&outputs), Some(FaultCode::Underpaid));
    assert!(!asks_the_chain(&outputs));
    let outputs = say(&mut table, at(UNPAID_PAUSE_MS + 1), [99; 32], unsigned);
    assert_eq!(code(&outputs), Some(FaultCode::BadSignature), "one may begin now");
    let open = opening(1, &mut lane, 98, 1);
    begin(&mut table, at(UNPAID_PAUSE_MS + 1), open, &facts);
}

#[test]
fn a_tick_that_pays_too_far_ahead_is_refused_though_it_is_on_the_chain() {
    // One position is prepaid.
    let (mut table, mut lane) = running();
    let far = next_tick(&mut lane, MAX_PAID_AHEAD);
    let promised = |table: &StageTable| {
        table.ledger(&ChannelId([1; 32])).expect("a ledger of the channel").promised(0)
    };
    let outputs = pay(&mut table, 1, far);
    assert_eq!(code(&outputs), Some(FaultCode::BadTick));
    assert!(end(&outputs).is_some());
    assert_eq!(promised(&table), UNIT);

    let (mut table, mut lane) = running();
    let outputs = pay(&mut table, 1, next_tick(&mut lane, MAX_PAID_AHEAD - 1));
    assert_eq!(code(&outputs), None);
    assert_eq!(promised(&table), UNIT * Balance::from(MAX_PAID_AHEAD));
}

#[test]
fn ticks_that_come_again_are_ignored_until_they_are_a_flood() {
    let (mut table, mut lane) = running();
    let first = next_tick(&mut lane, 1);
    let second = next_tick(&mut lane, 2);
    for payment in [first.clone(), second.clone()] {
        assert_eq!(code(&pay(&mut table, 1, payment)), None);
    }
    for times in 0..MAX_USELESS_TICKS {
        let again = if times % 2 == 0 { &first } else { &second };
        assert!(pay(&mut table, 1, again.clone()).is_empty(), "{times} of them before");
    }
    assert_eq!(code(&pay(&mut table, 1, next_tick(&mut lane, 1))), None, "the session goes on");
    let outputs = pay(&mut table, 1, first);
    assert_eq!(code(&outputs), Some(FaultCode::BadTick));
    assert!(end(&outputs).is_some());
}

/// An honest payer sends ticks on a new chain before it hears that the chain's voucher was refused.
#[test]
fn ticks_behind_a_voucher_that_was_refused_are_ignored_and_the_next_one_is_taken() {
    let (mut table, mut lane) = running();
    let too_short = BLOCK + EXPIRY_MARGIN_BLOCKS - 1;
    let refused = lane.renew(1, UNIT, 100, too_short).expect("within the limit");
    let outputs = pay(&mut table, 1, Payment::Voucher(Box::new(refused)));
    assert_eq!(code(&outputs), Some(FaultCode::VoucherExpiring));
    for _ in 0..3 {
        assert!(pay(&mut table, 1, next_tick(&mut lane, 1)).is_empty());
    }
    let renewed = lane.renew(1, UNIT, 100, EXPIRES).expect("within the limit");
    assert_eq!(code(&pay(&mut table, 1, Payment::Voucher(Box::new(renewed)))), None);
    assert_eq!(code(&pay(&mut table, 1, next_tick(&mut lane, 1))), None);
    let ledger = table.ledger(&ChannelId([1; 32])).expect("a ledger of the channel");
    assert_eq!(ledger.promised(0), lane.promised());
    // From here on there is no excuse.
    assert!(end(&pay(&mut table, 1, false_tick(50))).is_some());
}

/// Lets every deadline pass; returns why sessions ended and what was noted of their accounts.
fn run_out(table: &mut StageTable) -> (Vec<Option<FaultCode>>, Vec<ScoreRecord>) {
    let (mut faults, mut scores) = (Vec::new(), Vec::new());
    while let Some(deadline_ms) = table.next_deadline_ms() {
        let outputs = table.handle(at(deadline_ms), StageInput::Wake);
        faults.extend(end(&outputs).map(|end| end.fault));
        scores.extend(score(&outputs));
    }
    (faults, scores)
}

#[test]
fn a_stage_that_waits_for_another_stage_holds_nothing_against_the_payer() {
    let idle = |worker: usize, prepaid: u16, pays: u32| {
        let (mut table, facts) = (table(worker), channel(worker, 1));
        let mut lane = lane_of(&facts);
        let open = opening(worker, &mut lane, 1, prepaid);
        begin(&mut table, at(0), open, &facts);
        if pays > 0 {
            assert_eq!(code(&pay(&mut table, 1, next_tick(&mut lane, pays))), None);
        }
        let (faults, scores) = run_out(&mut table);
        assert_eq!(faults, [Some(FaultCode::Silent)]);
        scores.len()
    };
    // The prompt has 16 positions.
    assert_eq!(idle(2, 16, 0), 0, "all of the prompt was prepaid: the first stage may be slow");
    assert_eq!(idle(2, 1, 15), 0, "the payer has paid for the prompt that it sent");
    assert_eq!(idle(2, 1, 0), 1, "it has sent none");
    assert_eq!(idle(1, 16, 0), 1, "the first stage sees that for itself");

    // The first stage has the whole prompt, all of it prepaid, and waits for the last stage.
    let (mut table, facts) = (table(1), channel(1, 1));
    let open = opening(1, &mut lane_of(&facts), 1, 16);
    begin(&mut table, at(0), open, &facts);
    let step = Step {
        session: SessionId([1; 32]),
        first_position: 0,
        rows: 16,
        sample: true,
        payload: Payload::Tokens(vec![1; 16]),
    };
    say(&mut table, at(1), peer(PAYER), Message::Step(step));
    let result = ComputeResult::Hidden(vec![0; 16 * HIDDEN as usize * 4]);
    let computed = Computed { session: SessionId([1; 32]), first_position: 0, result };
    assert_eq!(code(&table.handle(at(2), StageInput::Computed(computed))), None);
    assert_eq!(run_out(&mut table), (vec![Some(FaultCode::Silent)], vec![]));
}
