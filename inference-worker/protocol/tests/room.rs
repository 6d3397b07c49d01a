//! Room costs money: attacks by payers that reserve and do not use, on both state machines with the
//! clock in hand.

mod common;

use common::{
    ACCOUNT, DEPOSIT, GENESIS, PAYER, PRICE, World, engine::reference, facts_of, peer, peer_key,
    voucher_key,
};
use mica_primitives::{Balance, ChannelId, LaneId, LayerRange, PublicKey};
use mica_protocol::{
    FaultCode, Message, Now, SessionId,
    channel::{ChannelFacts, LaneReceipts, PayeeLaneRecord, PayerLane, PayerLedger},
    limits::*,
    messages::{Open, Pay, Payload, Payment, QuoteRequest, Step},
    payer::{PayerInput, PayerOutput, PayerSession},
    stage::{ScoreRecord, StageIdentity, StageInput, StageOffer, StageOutput, StageTable},
    wire::{WireError, decode_content},
};

const UNIT: Balance = 2 * PRICE;
const PROMPT: usize = 40;
const ANSWER: u32 = 60;
/// Positions of each session below.
const POSITIONS: u32 = PROMPT as u32 + ANSWER - 1;

fn offer() -> StageOffer {
    common::offer(LayerRange { first: 0, end: 2 }, 4)
}

fn table(offer: StageOffer) -> StageTable {
    StageTable::new(StageIdentity::new(peer_key(1), GENESIS), offer)
}

fn at(ms: u64) -> Now {
    Now::new(ms, 500)
}

fn channel(number: u8) -> ChannelFacts {
    ChannelFacts { channel: ChannelId([number; 32]), ..facts_of(1, DEPOSIT) }
}

/// The lane's own payer, which leases it from a ledger of its own.
fn lane_of(facts: &ChannelFacts, lane: LaneId) -> PayerLane {
    let mut ledger =
        PayerLedger::new(GENESIS, voucher_key(), facts.clone()).expect("our own signer");
    let mut leases = (0..=lane).map(|_| ledger.lease(2_000).expect("deposit"));
    leases.nth(lane.into()).expect("a lane")
}

/// An opening for worker 1 of a path of two, which prepays `positions` on a lane.
fn opening_on(lane: &mut PayerLane, session: u8, positions: u16) -> Open {
    let mut world = World::new(1, &[2], 4);
    let plan = world.plan(1, vec![1; PROMPT], ANSWER);
    let (_, outputs) = PayerSession::start(plan, world.now).expect("a good plan");
    let open = outputs.into_iter().find_map(|output| match output {
        PayerOutput::Send { to, message: Message::Open(open), .. } if to == peer(1) => Some(*open),
        _ => None,
    });
    let voucher = lane.renew(positions.into(), UNIT, 200, 10_000).expect("within the limit");
    Open {
        session: SessionId([session; 32]),
        channel: voucher.voucher.channel,
        lane: voucher.voucher.lane,
        voucher,
        prepaid_positions: positions,
        ..open.expect("an opening for worker 1")
    }
}

fn opening(facts: &ChannelFacts, lane: LaneId, session: u8) -> Open {
    opening_on(&mut lane_of(facts, lane), session, 1)
}

fn say(table: &mut StageTable, now: Now, from: PublicKey, message: Message) -> Vec<StageOutput> {
    table.handle(now, StageInput::Message { from, message })
}

fn code(outputs: &[StageOutput]) -> Option<FaultCode> {
    outputs.iter().find_map(|output| match output {
        StageOutput::Send { message: Message::Fault(fault), .. } => Some(fault.code()),
        _ => None,
    })
}

/// Asks for a session, and lets the chain answer; returns the refusal, if it is one.
fn ask(
    table: &mut StageTable,
    now: Now,
    from: PublicKey,
    open: Open,
    facts: &ChannelFacts,
) -> Option<FaultCode> {
    let channel = open.channel;
    let asked = say(table, now, from, Message::Open(Box::new(open)));
    code(&asked).or_else(|| {
        code(&table.handle(now, StageInput::Channel { channel, facts: Some(facts.clone()) }))
    })
}

/// Lets the table's own deadlines pass, one after the other, until nothing waits; returns when the
/// last session ended, and the scores that were written down.
fn run_out(table: &mut StageTable) -> (u64, Vec<ScoreRecord>) {
    let (mut now_ms, mut scores) = (0, Vec::new());
    while let Some(deadline_ms) = table.next_deadline_ms() {
        now_ms = deadline_ms;
        let outputs = table.handle(at(now_ms), StageInput::Wake);
        scores.extend(outputs.iter().filter_map(|output| match output {
            StageOutput::PersistScore(score) => Some(*score),
            _ => None,
        }));
    }
    (now_ms, scores)
}

#[test]
fn room_that_is_not_prepaid_is_refused_with_what_is_asked() {
    // 99 positions for 30 s at 10 per 1,000 are 30 base units: three positions of 10.
    let dear = StageOffer { holding_price: Some(10), ..offer() };
    for prepaid in 0..5 {
        let facts = channel(1);
        let open = opening_on(&mut lane_of(&facts, 0), 1, prepaid);
        let refused = ask(&mut table(dear.clone()), at(0), peer(PAYER), open, &facts);
        let expected = (prepaid < 3).then_some(FaultCode::HoldingUnpaid);
        assert_eq!(refused, expected, "{prepaid} positions prepaid");
        // To say so is not to promise it.
        let mut boast = opening_on(&mut lane_of(&facts, 0), 1, prepaid);
        boast.prepaid_positions += 3;
        let refused = ask(&mut table(dear.clone()), at(0), peer(PAYER), boast, &facts);
        assert_eq!(refused, Some(FaultCode::HoldingUnpaid));
    }
    let facts = channel(1);
    let mut beyond = opening_on(&mut lane_of(&facts, 0), 1, POSITIONS as u16 + 1);
    let refused = ask(&mut table(dear.clone()), at(0), peer(PAYER), beyond.clone(), &facts);
    assert_eq!(refused, Some(FaultCode::HoldingUnpaid), "more than the session has");
    beyond.prepaid_positions -= 1;
    assert_eq!(ask(&mut table(dear), at(0), peer(PAYER), beyond, &facts), None);
}

#[test]
fn a_worker_holds_to_the_holding_price_that_it_quoted() {
    let mut table = table(offer());
    let request = Message::QuoteRequest(QuoteRequest { model: common::MODEL, nonce: 1 });
    let outputs = say(&mut table, at(0), peer(PAYER), request);
    let [StageOutput::Send { message: Message::Quote(quote), .. }] = &outputs[..] else {
        panic!("no quote but {outputs:?}");
    };
    assert_eq!(quote.quote.holding_price, 1);
    table.set_offer(StageOffer { holding_price: Some(10), ..offer() });
    let facts = channel(1);
    let refused = ask(&mut table, at(0), peer(PAYER), opening(&facts, 0, 1), &facts);
    assert_eq!(refused, Some(FaultCode::HoldingUnpaid));
    let quoted = Open { quote: Some(*quote), ..opening(&facts, 0, 1) };
    assert_eq!(ask(&mut table, at(0), peer(PAYER), quoted, &facts), None);
}

#[test]
fn the_holding_price_follows_the_price_unless_the_operator_sets_one() {
    let derived = StageOffer { holding_price: None, ..offer() };
    let dearer = StageOffer { price_per_layer_token: 1_000 * PRICE, ..derived.clone() };
    assert!(dearer.holding_price() > 100 * derived.holding_price());
    assert_eq!(offer().holding_price(), 1);
}

#[test]
fn a_session_that_uses_its_room_pays_nothing_for_holding_it() {
    for holding_price in [0, 1, 10, 100, Balance::MAX] {
        let mut world = World::new(5, &[2], 4);
        for worker in &mut world.workers {
            let offer = worker.table.offer().clone();
            worker.table.set_offer(StageOffer { holding_price: Some(holding_price), ..offer });
        }
        let plan = world.plan(1, vec![3; PROMPT], ANSWER);
        let id = world.start(plan);
        world.run();
        let report = &world.reports[&id];
        assert_eq!(report.failure, None);
        assert_eq!(report.tokens, reference(4, &[3; PROMPT], 9, ANSWER as usize, &[]));
        for (index, stage) in report.stages.iter().enumerate() {
            assert_eq!(stage.paid, world.unit(index) * Balance::from(POSITIONS));
            assert_eq!(world.redeemable(index), stage.paid);
        }
    }
}

#[test]
fn more_room_than_prompt_and_answer_need_is_refused() {
    let facts = channel(1);
    let mut open = opening(&facts, 0, 1);
    open.spec.max_positions += 1;
    let refused = ask(&mut table(offer()), at(0), peer(PAYER), open, &facts);
    assert_eq!(refused, Some(FaultCode::BadLimits));
}

#[test]
fn an_idle_session_lives_as_long_as_it_has_paid_for() {
    // 99 positions cost 149 base units in 30 s at 50 per 1,000: fifteen positions of 10.
    let dear = StageOffer { holding_price: Some(50), ..offer() };
    for (prepaid, lives_ms) in [(15, 30_303), (16, 32_323), (30, 60_606), (90, STEP_DEADLINE_MS)] {
        let facts = channel(1);
        let mut table = table(dear.clone());
        let open = opening_on(&mut lane_of(&facts, 0), 1, prepaid);
        assert_eq!(ask(&mut table, at(0), peer(PAYER), open, &facts), None);
        assert_eq!(table.next_deadline_ms(), Some(lives_ms), "{prepaid} positions prepaid");
        let outputs = table.handle(at(lives_ms), StageInput::Wake);
        assert_eq!(code(&outputs), Some(FaultCode::Silent));
    }
}

#[test]
fn idle_sessions_are_ended_sooner_when_room_gets_scarce() {
    let small = StageOffer { cache_positions: 4 * POSITIONS, ..offer() };
    let mut table = table(small);
    let facts = channel(1);
    let mut deadlines = Vec::new();
    for number in 0..4 {
        let open = opening(&facts, number.into(), number);
        assert_eq!(ask(&mut table, at(0), peer(PAYER), open, &facts), None);
        deadlines.push(table.next_deadline_ms().expect("it waits"));
    }
    // One position pays for 101 s, and 120 s are the most.
    assert_eq!(deadlines, [101_010, 101_010, 55_505, SCARCE_STEP_DEADLINE_MS]);
    let outputs = table.handle(at(SCARCE_STEP_DEADLINE_MS), StageInput::Wake);
    assert_eq!(code(&outputs), Some(FaultCode::Silent));
    assert!(table.sessions() > 0);
}

/// Paying one position at a time, just before the deadline, buys the least wait each time and no
/// more, whatever was paid before.
#[test]
fn a_trickle_of_positions_buys_the_least_wait_each_time_and_no_more() {
    let dear = StageOffer { holding_price: Some(50), ..offer() };
    let facts = channel(1);
    let mut lane = lane_of(&facts, 0);
    let mut table = table(dear);
    let open = opening_on(&mut lane, 1, 50);
    assert_eq!(ask(&mut table, at(0), peer(PAYER), open, &facts), None);
    let (mut now_ms, mut waits) = (0, Vec::new());
    for _ in 0..5 {
        let deadline_ms = table.next_deadline_ms().expect("it waits");
        waits.push(deadline_ms - now_ms);
        now_ms = deadline_ms - 1;
        let Payment::Tick(proof) = lane.pay(1, 10_000).expect("within the limit") else {
            panic!("the chain is long");
        };
        let pay = Pay { session: SessionId([1; 32]), payment: Payment::Tick(proof) };
        assert_eq!(code(&say(&mut table, at(now_ms), peer(PAYER), Message::Pay(pay))), None);
    }
    // 50 positions pay for 101 s: after that, each further one for the least wait.
    let [first, rest @ ..] = &waits[..] else { panic!("five waits") };
    assert_eq!(*first, 101_010);
    assert!(rest.iter().all(|wait| *wait <= LEAST_STEP_DEADLINE_MS), "{waits:?}");
}

#[test]
fn renewals_that_pay_nothing_are_refused_before_their_signature_and_buy_no_time() {
    let facts = channel(1);
    let mut lane = lane_of(&facts, 0);
    let mut table = table(offer());
    assert_eq!(ask(&mut table, at(0), peer(PAYER), opening_on(&mut lane, 1, 1), &facts), None);
    let deadline = table.next_deadline_ms();
    for ms in 1..50 {
        let redeem = lane.renew(0, UNIT, 100, 10_000).expect("within the limit");
        let pay = Pay { session: SessionId([1; 32]), payment: Payment::Voucher(Box::new(redeem)) };
        let outputs = say(&mut table, at(ms), peer(PAYER), Message::Pay(pay));
        assert_eq!(code(&outputs), Some(FaultCode::StaleVoucher));
        assert_eq!(outputs.len(), 1, "nothing is written to disk: {outputs:?}");
    }
    assert_eq!(table.next_deadline_ms(), deadline);
}

/// Four sessions that hold room for nothing, each on another channel and under another peer key.
#[test]
fn room_held_for_nothing_counts_against_the_account_under_any_peer_and_channel() {
    let mut table = table(offer());
    let mut scores = Vec::new();
    for number in 1..=MAX_UNPAID_SESSIONS as u8 {
        let facts = channel(number);
        let open = opening(&facts, 0, number);
        assert_eq!(ask(&mut table, at(0), [number; 32], open, &facts), None);
    }
    let (now_ms, written) = run_out(&mut table);
    scores.extend(written);
    let expected: Vec<_> = (1..=MAX_UNPAID_SESSIONS)
        .map(|mishaps| ScoreRecord {
            account: ACCOUNT,
            mishaps,
            debt: UNIT * Balance::from(mishaps),
            block: 500,
        })
        .collect();
    assert_eq!(scores, expected);
    let facts = channel(99);
    let another = || opening(&facts, 0, 99);
    let refused = ask(&mut table, at(now_ms), [99; 32], another(), &facts);
    assert_eq!(refused, Some(FaultCode::Underpaid), "a new channel and a new peer key");
    let stranger = ChannelFacts { payer: [77; 32], ..channel(98) };
    let open = opening(&stranger, 0, 98);
    assert_eq!(ask(&mut table, at(now_ms), [98; 32], open, &stranger), None, "another account");
    let later = at(now_ms + UNPAID_PAUSE_MS);
    assert_eq!(ask(&mut table, later, [99; 32], another(), &facts), None);
}

#[test]
fn what_an_account_left_unpaid_is_known_after_a_restart() {
    let mut world = World::new(4, &[], 3);
    let is_pay = |message: &Message| matches!(message, Message::Pay(_));
    let mut session = 0;
    let mut steal = |world: &mut World, times: u32| {
        world.tamper =
            Box::new(move |_, _, message| if is_pay(&message) { vec![] } else { vec![message] });
        for _ in 0..times {
            session += 1;
            let plan = world.plan(session, vec![1; PROMPT], 5);
            world.start(plan);
            world.run();
        }
        world.tamper = Box::new(|_, _, message| vec![message]);
    };
    steal(&mut world, MAX_UNPAID_SESSIONS - 1);
    world.restart_worker(0);
    let code = |world: &mut World, session: u8, answer: u32| {
        let plan = world.plan(session, vec![1; 1], answer);
        let id = world.start(plan);
        world.run();
        world.reports[&id].failure.as_ref().map(|failure| failure.code)
    };
    assert_eq!(code(&mut world, 50, 1), None, "one settled position");
    steal(&mut world, 1);
    assert_eq!(code(&mut world, 51, 1), Some(FaultCode::Underpaid), "it has washed nothing");
    world.restart_worker(0);
    assert_eq!(code(&mut world, 52, 1), Some(FaultCode::Underpaid), "nor has the restart");
    world.now.ms += UNPAID_PAUSE_MS;
    assert_eq!(code(&mut world, 53, 80), None, "one session a minute");
    assert_eq!(code(&mut world, 54, 1), None, "and what was stolen is paid");
}

#[test]
fn openings_that_wait_for_the_chain_keep_no_room() {
    let small = StageOffer { cache_positions: POSITIONS, max_sessions: 1, ..offer() };
    let mut table = table(small);
    // The worker knows its payer's channel.
    let known = channel(1);
    let record = PayeeLaneRecord {
        facts: known.clone(),
        lane: 9,
        best: None,
        receipts: LaneReceipts::default(),
    };
    table.restore(record).expect("own record");
    let mut waiting = 0;
    for number in 2..=u8::MAX {
        let open = opening(&channel(number), 0, number);
        match code(&say(&mut table, at(0), [number / 8; 32], Message::Open(Box::new(open)))) {
            None => waiting += 1,
            Some(code) => assert_eq!(code, FaultCode::TooManySessions),
        }
    }
    assert_eq!(waiting, MAX_UNKNOWN_OPENINGS);
    let request = Message::QuoteRequest(QuoteRequest { model: common::MODEL, nonce: 1 });
    let outputs = say(&mut table, at(0), peer(PAYER), request);
    let [StageOutput::Send { message: Message::Quote(quote), .. }] = &outputs[..] else {
        panic!("no quote but {outputs:?}");
    };
    assert_eq!((quote.quote.free_positions, quote.quote.free_sessions), (POSITIONS, 1));
    let open = opening(&known, 0, 1);
    assert_eq!(ask(&mut table, at(0), peer(PAYER), open, &known), None);
    // Those that the chain knows after all find no room.
    let late = channel(2);
    let outputs =
        table.handle(at(1), StageInput::Channel { channel: late.channel, facts: Some(late) });
    assert_eq!(code(&outputs), Some(FaultCode::TooManySessions));
}

#[test]
fn an_opening_on_a_known_channel_is_checked_before_the_chain_is_asked() {
    let mut table = table(offer());
    let facts = channel(1);
    assert_eq!(ask(&mut table, at(0), peer(PAYER), opening(&facts, 0, 1), &facts), None);
    let mut forged = opening(&facts, 1, 2);
    forged.voucher.signature[0] ^= 1;
    let outputs = say(&mut table, at(0), peer(7), Message::Open(Box::new(forged)));
    assert_eq!(code(&outputs), Some(FaultCode::BadSignature));
    assert!(!outputs.iter().any(|output| matches!(output, StageOutput::ReadChannel(_))));
}

#[test]
fn a_channel_that_the_chain_does_not_know_is_not_asked_for_again_and_again() {
    let mut table = table(offer());
    let facts = channel(1);
    let mut asked = 0;
    for session in 0..20 {
        let open = opening(&facts, 0, session);
        let outputs = say(&mut table, at(0), peer(PAYER), Message::Open(Box::new(open)));
        if code(&outputs).is_none() {
            asked += 1;
            let gone = StageInput::Channel { channel: facts.channel, facts: None };
            assert_eq!(code(&table.handle(at(0), gone)), Some(FaultCode::UnknownChannel));
        } else {
            assert_eq!(code(&outputs), Some(FaultCode::UnknownChannel));
        }
    }
    assert_eq!(asked, MAX_UNKNOWN_ANSWERS);
    let later = at(UNKNOWN_CHANNEL_MS);
    assert_eq!(ask(&mut table, later, peer(PAYER), opening(&facts, 0, 99), &facts), None);
}

#[test]
fn an_account_has_no_more_sessions_under_many_peers_and_channels_than_it_may() {
    for limit in [3, usize::MAX] {
        let wide = StageOffer {
            max_sessions_per_account: limit,
            max_sessions: usize::MAX,
            cache_positions: u32::MAX,
            ..offer()
        };
        let mut table = table(wide);
        let most = limit.min(MAX_SESSIONS_PER_ACCOUNT);
        for index in 0..=most {
            // Sixteen lanes a channel, each session under a peer key of its own.
            let (number, lane) = ((index / 16) as u8 + 1, (index % 16) as LaneId);
            let facts = channel(number);
            let open = opening(&facts, lane, index as u8);
            let refused = ask(&mut table, at(0), [index as u8; 32], open, &facts);
            let expected = (index == most).then_some(FaultCode::TooManySessions);
            assert_eq!(refused, expected, "session {index}");
        }
    }
}

#[test]
fn the_deposit_covers_all_sessions_of_a_channel_together() {
    let cost = UNIT * Balance::from(POSITIONS);
    let facts = ChannelFacts { deposit: 2 * cost - 1, ..channel(1) };
    let plenty = channel(1);
    let mut table = table(offer());
    assert_eq!(ask(&mut table, at(0), peer(PAYER), opening(&plenty, 0, 1), &facts), None);
    let second = || opening(&plenty, 1, 2);
    let refused = ask(&mut table, at(0), peer(7), second(), &facts);
    assert_eq!(refused, Some(FaultCode::Overspend), "the last position is promised twice");
    let topped_up = ChannelFacts { deposit: 2 * cost, ..channel(1) };
    assert_eq!(ask(&mut table, at(0), peer(7), second(), &topped_up), None);
}

#[test]
fn a_channel_that_cannot_bring_a_redeems_fee_is_refused() {
    let fee = StageOffer { least_promise: 1_000_000, ..offer() };
    let mut facts = ChannelFacts { deposit: 1_000_000, ..channel(1) };
    assert_eq!(
        ask(&mut table(fee.clone()), at(0), peer(PAYER), opening(&facts, 0, 1), &facts),
        None
    );
    let lane = mica_primitives::Lane { claimed: 1, cumulative: 1, seq: 1, ..Default::default() };
    facts.lanes.insert(9, lane);
    let refused = ask(&mut table(fee), at(0), peer(PAYER), opening(&facts, 0, 1), &facts);
    assert_eq!(refused, Some(FaultCode::TooLittle), "one was claimed of it");
}

/// A record of a channel that brings `gain`.
fn earned(number: u32, gain: Balance) -> PayeeLaneRecord {
    let mut id = [9; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    let facts = ChannelFacts { channel: ChannelId(id), ..facts_of(1, DEPOSIT) };
    let best = Some(lane_of(&facts, 0).settle(gain, 10_000).expect("within the limit"));
    PayeeLaneRecord { facts, lane: 0, best, receipts: LaneReceipts::default() }
}

#[test]
fn dust_does_not_fill_the_ledgers() {
    let fee = StageOffer { least_promise: 10, ..offer() };
    let mut table = table(fee);
    for number in 0..MAX_LEDGERS as u32 {
        let gain = if number == 3 { 8 } else { 9 + Balance::from(number % 2) };
        table.restore(earned(number, gain)).expect("own record");
    }
    let facts = channel(1);
    assert_eq!(ask(&mut table, at(0), peer(PAYER), opening(&facts, 0, 1), &facts), None);
    let promised = |number| table.ledger(&earned(number, 1).facts.channel).is_some();
    assert!(!promised(3), "the one that brings least has made room");
    assert!(promised(0) && promised(1) && promised(2));
}

#[test]
fn what_is_worth_a_redeem_keeps_its_ledger() {
    let fee = StageOffer { least_promise: 10, ..offer() };
    let mut table = table(fee);
    for number in 0..MAX_LEDGERS as u32 {
        table.restore(earned(number, 10)).expect("own record");
    }
    let facts = channel(1);
    let refused = ask(&mut table, at(0), peer(PAYER), opening(&facts, 0, 1), &facts);
    assert_eq!(refused, Some(FaultCode::TooManySessions));
}

#[test]
fn a_voucher_that_never_expires_is_refused() {
    let facts = channel(1);
    let refused = |expires| {
        let mut lane = lane_of(&facts, 0);
        let mut open = opening(&facts, 0, 1);
        open.voucher = lane.renew(1, UNIT, 200, expires).expect("within the limit");
        ask(&mut table(offer()), at(0), peer(PAYER), open, &facts)
    };
    assert_eq!(refused(500 + VOUCHER_LIFETIME_BLOCKS), None, "a payer's own");
    assert_eq!(refused(500 + MAX_VOUCHER_BLOCKS), None);
    let too_long = Some(FaultCode::VoucherTooLong);
    assert_eq!(refused(500 + MAX_VOUCHER_BLOCKS + 1), too_long);
    assert_eq!(refused(u32::MAX), too_long);
}

/// A refused opening costs nothing, and one that was accepted costs the room that was kept for it,
/// to the last unit on both sides.
#[test]
fn an_opening_that_another_stage_refuses_costs_what_was_prepaid_and_no_more() {
    let mut kept = 0;
    for seed in 0..20 {
        let mut world = World::new(seed, &[2], 4);
        world.workers[1].table.drain();
        let plan = world.plan(1, vec![1; PROMPT], ANSWER);
        let id = world.start(plan);
        world.run();
        let report = &world.reports[&id];
        assert_eq!(report.failure.as_ref().map(|failure| failure.code), Some(FaultCode::Draining));
        assert_eq!(
            (report.stages[1].refused, report.stages[1].paid),
            (Some(FaultCode::Draining), 0)
        );
        // The first stage had accepted, or was told in time.
        let paid = report.stages[0].paid;
        assert!(paid == 0 || paid == world.unit(0), "{paid}");
        kept += u32::from(paid > 0);
        for worker in 0..2 {
            let paid = report.stages[worker].paid;
            let promised: Balance = (0..16).map(|lane| world.ledgers[worker].promised(lane)).sum();
            assert_eq!((promised, world.redeemable(worker)), (paid, paid), "seed {seed}");
        }
    }
    assert!((1..20).contains(&kept), "{kept}");
}

#[test]
fn a_prepayment_beyond_the_exposure_is_not_promised() {
    let mut world = World::new(9, &[], 4);
    let mut plan = world.plan(1, vec![1; PROMPT], ANSWER);
    plan.stages[0].holding_price = Balance::MAX;
    plan.exposure_positions = MAX_PREPAID_POSITIONS - 1;
    let refused = PayerSession::start(plan, world.now).expect_err("too much ahead of receipts");
    assert!(refused.to_string().contains("raise the exposure"), "{refused}");
}

/// A payer that stops reading or writing in the middle: what it has computed is paid, and it is
/// ended when its money is used up.
#[test]
fn a_session_that_stalls_in_the_middle_is_ended_and_settled_by_its_payer() {
    let mut world = World::new(3, &[], 2);
    world.tamper = Box::new(|from, _, message| match message {
        Message::Step(step) if from == PAYER && step.first_position > 0 => vec![],
        message => vec![message],
    });
    let plan = world.plan(1, vec![1; PROMPT], ANSWER);
    let id = world.start(plan);
    world.run();
    let end = &world.workers[0].ends[0];
    assert_eq!(end.fault, Some(FaultCode::Silent));
    assert_eq!((end.unpaid, end.settled), (0, true));
    assert!(world.workers[0].scores.is_empty(), "it had used its room");
    assert!(world.reports[&id].failure.is_some());
}

#[test]
fn a_peer_of_the_version_before_is_told_so() {
    let step = Message::Step(Step {
        session: SessionId([1; 32]),
        first_position: 0,
        rows: 1,
        sample: false,
        payload: Payload::Tokens(vec![1]),
    });
    let mut frame = mica_protocol::wire::encode_frame(&step).expect("fits");
    frame[4] = PROTOCOL_VERSION - 1;
    let refused = WireError::UnknownVersion { found: PROTOCOL_VERSION - 1 };
    assert_eq!(decode_content(&frame[4..]), Err(refused));
}

#[test]
fn a_payer_that_gives_up_while_the_chain_is_asked_pays_nothing() {
    let mut world = World::new(12, &[], 4);
    let plan = world.plan(1, vec![1; PROMPT], ANSWER);
    let id = world.start(plan);
    world.payer_input(id, PayerInput::Cancel);
    world.run();
    let report = &world.reports[&id];
    assert_eq!(report.paid(), world.redeemable(0), "both sides say the same");
    assert!(report.paid() <= world.unit(0));
}
