//! Every bound, crossed.

mod common;

use codec::Encode;
use common::{
    DEPOSIT, GENESIS, HIDDEN, MODEL, PAYER, PRICE, PROFILE, World, engine::likely, facts_of, peer,
    peer_key, voucher_key,
};
use mica_primitives::{LayerRange, Leaf};
use mica_protocol::{
    FaultCode, Message, Now, Path, PathStage, SessionId,
    channel::{ChannelFacts, LaneReceipts, PayeeLaneRecord, PayerLedger},
    limits::*,
    messages::{Open, Opened, Payload, Step, Token},
    path::PathError,
    payer::{PayerOutput, PayerSession},
    probability::{Candidate, Candidates, LogProbabilities, LogProbability},
    receipts::{Ending, PathVerifier, StageFacts, VerifyError, sign_leaf},
    session::EndIds,
    stage::{
        ComputeResult, Computed, Drawn, StageIdentity, StageInput, StageOffer, StageOutput,
        StageTable,
    },
    wire::{WireError, decode_content, encode_frame},
};

const SESSION: SessionId = SessionId([1; 32]);

fn step(rows: u16, bytes: usize) -> Message {
    let payload = Payload::Hidden(vec![0; bytes]);
    Message::Step(Step { session: SESSION, first_position: 0, rows, sample: false, payload })
}

#[test]
fn frames() {
    let full = usize::from(MAX_STEP_ROWS) * MAX_HIDDEN as usize * 4;
    assert!(encode_frame(&step(MAX_STEP_ROWS, full)).is_ok(), "the widest step fits");
    let over = MAX_FRAME_BYTES + 1;
    assert!(matches!(encode_frame(&step(1, over)), Err(WireError::TooLarge { .. })));
    assert_eq!(
        decode_content(&vec![PROTOCOL_VERSION; over]),
        Err(WireError::TooLarge { bytes: over, most: MAX_FRAME_BYTES })
    );
    assert_eq!(
        decode_content(&[PROTOCOL_VERSION + 1]),
        Err(WireError::UnknownVersion { found: PROTOCOL_VERSION + 1 })
    );
}

#[test]
fn steps() {
    let rows = |rows: u16| Payload::Hidden(vec![0; usize::from(rows) * 4]).check_hidden(rows, 1);
    assert!(rows(MAX_STEP_ROWS).is_ok() && rows(MAX_STEP_ROWS + 1).is_err());
    let wide = |hidden: u32| Payload::Hidden(vec![0; hidden as usize * 4]).check_hidden(1, hidden);
    assert!(wide(MAX_HIDDEN).is_ok() && wide(MAX_HIDDEN + 1).is_err());
}

#[test]
fn stages_and_end_ids() {
    let stages = |count: u16| {
        let stage = |i| PathStage {
            peer: [i as u8; 32],
            range: LayerRange { first: i, end: i + 1 },
            addresses: Default::default(),
        };
        Path::new((0..count).map(stage).collect(), count)
    };
    assert!(stages(MAX_STAGES as u16).is_ok());
    assert_eq!(stages(MAX_STAGES as u16 + 1), Err(PathError::TooLong(MAX_STAGES + 1)));
    assert!(EndIds::try_from(vec![0; MAX_END_IDS as usize + 1]).is_err());
    let too_many = vec![0u32; MAX_END_IDS as usize + 1].encode();
    assert!(<EndIds as codec::Decode>::decode(&mut &too_many[..]).is_err());
}

#[test]
fn credit_and_exposure() {
    let mut world = World::new(1, &[], 2);
    let mut plan = world.plan(1, vec![1; 20], 4);
    plan.exposure_positions = MIN_CREDIT_AND_EXPOSURE - DEFAULT_CREDIT_POSITIONS - 1;
    assert!(
        PayerSession::start(plan, world.now)
            .expect_err("too little")
            .to_string()
            .contains("raise the exposure")
    );
}

fn leaf(first_position: u32, positions: u32, kv_root: &mut [u8; 32]) -> Leaf {
    let h_in = [first_position as u8; 32];
    *kv_root = Leaf::next_kv_root(kv_root, &h_in);
    Leaf {
        session: SESSION.0,
        lane: 0,
        first_position,
        positions,
        layers: LayerRange { first: 0, end: 1 },
        profile: PROFILE,
        h_in,
        h_out: [0; 32],
        kv_root: *kv_root,
        trace_root: [0; 32],
    }
}

#[test]
fn receipts_that_wait_for_tokens() {
    let facts = |node: usize, first| StageFacts {
        peer: peer(node),
        lane: 0,
        layers: LayerRange { first, end: first + 1 },
    };
    let mut verifier = PathVerifier::new(SESSION, PROFILE, GENESIS, &[facts(1, 0), facts(2, 1)]);
    let mut kv_root = [0; 32];
    for window in 0..MAX_WAITING_RECEIPTS as u32 {
        let receipt = sign_leaf(
            leaf(window * LEAF_POSITIONS, LEAF_POSITIONS, &mut kv_root),
            &peer_key(1),
            &GENESIS,
        );
        assert_eq!(verifier.accept(0, &receipt, Ending::Running), Ok(vec![]), "no token is known");
    }
    let next = leaf(MAX_WAITING_RECEIPTS as u32 * LEAF_POSITIONS, LEAF_POSITIONS, &mut kv_root);
    let receipt = sign_leaf(next, &peer_key(1), &GENESIS);
    assert_eq!(verifier.accept(0, &receipt, Ending::Running), Err(VerifyError::FarAhead(0)));
}

#[test]
fn a_receipt_covers_one_window() {
    let facts = StageFacts { peer: peer(1), lane: 0, layers: LayerRange { first: 0, end: 1 } };
    let mut verifier = PathVerifier::new(SESSION, PROFILE, GENESIS, &[facts]);
    let receipt = sign_leaf(leaf(0, LEAF_POSITIONS + 1, &mut [0; 32]), &peer_key(1), &GENESIS);
    let refused = verifier.accept(0, &receipt, Ending::Flushing);
    assert_eq!(refused, Err(VerifyError::NotNext { stage: 0, first: 0, found: 17, expected: 0 }));
    assert_eq!(verifier.accept(5, &receipt, Ending::Running), Err(VerifyError::NoSuchStage(5)));
}

#[test]
fn a_payer_keeps_the_pipeline_short() {
    let mut world = World::new(6, &[1], 2);
    world.tamper = Box::new(|_, _, message| match message {
        Message::Receipt(_) => vec![],
        message => vec![message],
    });
    let plan = world.plan(1, vec![3; 400], 4);
    world.start(plan);
    while world.run_events(1) {}
    assert!(world.workers[0].positions <= MAX_PIPELINE_POSITIONS);
    assert_eq!(
        world.workers[0].positions,
        u32::from(DEFAULT_EXPOSURE_POSITIONS + DEFAULT_CREDIT_POSITIONS)
    );
}

/// An opening of a path of two for worker 2, the last stage, or for worker 1.
fn opening(session: u8, worker: usize, prompt: usize) -> Open {
    let mut world = World::new(1, &[2], 4);
    let plan = world.plan(session, vec![1; prompt], 20);
    let (_, outputs) = PayerSession::start(plan, world.now).expect("a good plan");
    let open = outputs.into_iter().find_map(|output| match output {
        PayerOutput::Send { to, message: Message::Open(open), .. } if to == peer(worker) => {
            Some(*open)
        }
        _ => None,
    });
    open.expect("an opening")
}

fn offer(worker: usize) -> StageOffer {
    common::offer(
        if worker == 1 { LayerRange { first: 0, end: 2 } } else { LayerRange { first: 2, end: 4 } },
        4,
    )
}

fn table(worker: usize, offer: StageOffer) -> StageTable {
    StageTable::new(StageIdentity::new(peer_key(worker), GENESIS), offer)
}

fn at(ms: u64) -> Now {
    Now::new(ms, 500)
}

fn fault(outputs: &[StageOutput]) -> Option<FaultCode> {
    outputs.iter().find_map(|output| match output {
        StageOutput::Send { message: Message::Fault(fault), .. } => Some(fault.code()),
        _ => None,
    })
}

fn opened(outputs: &[StageOutput]) -> Option<Opened> {
    outputs.iter().find_map(|output| match output {
        StageOutput::Send { message: Message::Opened(opened), .. } => Some(*opened),
        _ => None,
    })
}

fn say(table: &mut StageTable, node: usize, message: Message) -> Vec<StageOutput> {
    table.handle(at(0), StageInput::Message { from: peer(node), message })
}

/// A table with one session, opened by the payer at time 0.
fn running(worker: usize, prompt: usize) -> StageTable {
    let mut table = table(worker, offer(worker));
    let open = opening(1, worker, prompt);
    let channel = open.channel;
    say(&mut table, PAYER, Message::Open(Box::new(open)));
    let facts = Some(facts_of(worker, DEPOSIT));
    let outputs = table.handle(at(0), StageInput::Channel { channel, facts });
    assert!(opened(&outputs).is_some(), "{outputs:?}");
    table
}

#[test]
fn held_positions() {
    let mut table = running(2, 400);
    let mut next = 0;
    let code = loop {
        let payload = Payload::Hidden(vec![0; 16 * HIDDEN as usize * 4]);
        let step =
            Step { session: SESSION, first_position: next, rows: 16, sample: false, payload };
        if let Some(code) = fault(&say(&mut table, 1, Message::Step(step))) {
            break code;
        }
        next += 16;
    };
    assert_eq!(code, FaultCode::QueueFull);
    assert_eq!(next, MAX_HELD_POSITIONS + 16, "one step is in the engine, the bound is held");
}

#[test]
fn sessions_and_openings() {
    let many = StageOffer {
        max_sessions: usize::MAX,
        max_sessions_per_peer: usize::MAX,
        cache_positions: u32::MAX,
        ..offer(1)
    };
    let mut full = table(1, many.clone());
    let fill = |table: &mut StageTable, count: usize, peers: usize| {
        for index in 0..count {
            let open = Open { session: SessionId([index as u8 + 1; 32]), ..opening(1, 1, 4) };
            let from = [(index / peers.max(1)) as u8 + 100; 32];
            let input = StageInput::Message { from, message: Message::Open(Box::new(open)) };
            if let Some(code) = fault(&table.handle(at(0), input)) {
                return (index, Some(code));
            }
        }
        (count, None)
    };
    let per_peer = fill(&mut full, MAX_OPENINGS, usize::MAX);
    assert_eq!(per_peer, (MAX_SESSIONS_PER_PEER, Some(FaultCode::TooManySessions)));
    let mut full = table(1, many.clone());
    assert_eq!(
        fill(&mut full, MAX_OPENINGS, 8),
        (MAX_UNKNOWN_OPENINGS, Some(FaultCode::TooManySessions)),
        "strangers leave room for those who are known"
    );
    let mut full = known(many.clone());
    assert_eq!(
        fill(&mut full, MAX_OPENINGS + 1, 8),
        (MAX_OPENINGS, Some(FaultCode::TooManySessions))
    );
    // What waits for the chain keeps no room: each fits by itself.
    let mut full = known(StageOffer { max_sessions: 1, cache_positions: 23, ..many });
    assert_eq!(fill(&mut full, 9, 8), (9, None), "23 positions each");
    let outputs = full.handle(at(OPENING_DEADLINE_MS), StageInput::Wake);
    assert_eq!(fault(&outputs), Some(FaultCode::UnknownChannel), "the chain did not answer");
    assert_eq!(full.next_deadline_ms(), None);
}

/// A table that has a ledger of the channel, and no session.
fn known(offer: StageOffer) -> StageTable {
    let mut table = table(1, offer);
    let (facts, receipts) = (facts_of(1, DEPOSIT), LaneReceipts::default());
    table.restore(PayeeLaneRecord { facts, lane: 9, best: None, receipts }).expect("own record");
    table
}

#[test]
fn all_sessions_together() {
    let everything = StageOffer { max_sessions: usize::MAX, cache_positions: u32::MAX, ..offer(1) };
    let mut table = table(1, everything);
    for index in 0..=MAX_SESSIONS {
        // Sixteen lanes a channel, eight sessions a peer.
        let (number, lane) = (index / 16, (index % 16) as u16);
        let facts = ChannelFacts {
            channel: mica_primitives::ChannelId([number as u8 + 1; 32]),
            payer: [number as u8 + 1; 32],
            ..facts_of(1, DEPOSIT)
        };
        let mut payer =
            PayerLedger::new(GENESIS, voucher_key(), facts.clone()).expect("own signer");
        let leases = (0..=lane).map(|_| payer.lease(100).expect("a lane"));
        let voucher =
            leases.last().expect("one").renew(1, 2 * PRICE, 30, 10_000).expect("within the limit");
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(index as u64).to_le_bytes());
        let open = Open {
            session: SessionId(id),
            channel: facts.channel,
            lane,
            voucher,
            ..opening(1, 1, 4)
        };
        let from = [(index / 8) as u8 + 100; 32];
        let outputs = table
            .handle(at(0), StageInput::Message { from, message: Message::Open(Box::new(open)) });
        if index == MAX_SESSIONS {
            assert_eq!(fault(&outputs), Some(FaultCode::TooManySessions));
            return;
        }
        let outputs =
            table.handle(at(0), StageInput::Channel { channel: facts.channel, facts: Some(facts) });
        assert!(opened(&outputs).is_some(), "session {index}: {outputs:?}");
    }
}

#[test]
fn ledgers() {
    let mut table = table(1, offer(1));
    for index in 0..MAX_LEDGERS {
        let mut id = [9; 32];
        id[..8].copy_from_slice(&(index as u64).to_le_bytes());
        let facts = ChannelFacts { channel: mica_primitives::ChannelId(id), ..facts_of(1, 100) };
        let mut lane = PayerLedger::new(GENESIS, voucher_key(), facts.clone())
            .expect("own")
            .lease(100)
            .expect("deposit");
        let best = Some(lane.settle(1, 10_000).expect("within the limit"));
        table
            .restore(PayeeLaneRecord { facts, lane: 0, best, receipts: LaneReceipts::default() })
            .expect("own record");
    }
    let open = opening(1, 1, 4);
    let channel = open.channel;
    say(&mut table, PAYER, Message::Open(Box::new(open.clone())));
    let outputs =
        table.handle(at(0), StageInput::Channel { channel, facts: Some(facts_of(1, DEPOSIT)) });
    assert_eq!(fault(&outputs), Some(FaultCode::TooManySessions), "every ledger holds money");
    let redeemed = table.redeemable(500).pop().expect("many").redeem.voucher;
    let mut facts = ChannelFacts { channel: redeemed.channel, ..facts_of(1, 100) };
    let lane = mica_primitives::Lane {
        seq: redeemed.seq,
        cumulative: 1,
        claimed: 1,
        ..Default::default()
    };
    facts.lanes.insert(0, lane);
    table.handle(at(0), StageInput::Channel { channel: redeemed.channel, facts: Some(facts) });
    say(&mut table, PAYER, Message::Open(Box::new(open)));
    let outputs =
        table.handle(at(0), StageInput::Channel { channel, facts: Some(facts_of(1, DEPOSIT)) });
    assert!(opened(&outputs).is_some(), "a ledger that was paid makes room");
}

fn prompt_step(first_position: u32) -> Message {
    let payload = Payload::Tokens(vec![1; 16]);
    Message::Step(Step { session: SESSION, first_position, rows: 16, sample: false, payload })
}

#[test]
fn deadlines_of_a_stage() {
    let mut idle = running(1, 40);
    assert_eq!(idle.next_deadline_ms(), Some(STEP_DEADLINE_MS));
    assert!(idle.handle(at(STEP_DEADLINE_MS - 1), StageInput::Wake).is_empty());
    assert_eq!(
        fault(&idle.handle(at(STEP_DEADLINE_MS), StageInput::Wake)),
        Some(FaultCode::Silent)
    );
    assert_eq!(idle.next_deadline_ms(), Some(STEP_DEADLINE_MS + SETTLE_DEADLINE_MS));
    let outputs = idle.handle(at(STEP_DEADLINE_MS + SETTLE_DEADLINE_MS), StageInput::Wake);
    assert!(
        matches!(
            &outputs[..],
            [StageOutput::Ended(end), StageOutput::PersistScore(score)]
                if !end.settled && end.fault == Some(FaultCode::Silent) && score.mishaps == 1
        ),
        "{outputs:?}"
    );
    assert_eq!(idle.sessions(), 0);

    let mut slow = running(1, 40);
    say(&mut slow, PAYER, prompt_step(0));
    assert_eq!(
        fault(&slow.handle(at(COMPUTE_DEADLINE_MS), StageInput::Wake)),
        Some(FaultCode::ComputeLate)
    );
    let late = Computed {
        session: SESSION,
        first_position: 0,
        result: ComputeResult::Failed("late".into()),
    };
    assert!(
        slow.handle(at(COMPUTE_DEADLINE_MS), StageInput::Computed(late)).is_empty(),
        "nobody waits any more"
    );

    let mut unpaid = running(1, 40);
    say(&mut unpaid, PAYER, prompt_step(0));
    say(&mut unpaid, PAYER, prompt_step(16));
    let rows = ComputeResult::Hidden(vec![0; 16 * HIDDEN as usize * 4]);
    unpaid.handle(
        at(7),
        StageInput::Computed(Computed { session: SESSION, first_position: 0, result: rows }),
    );
    assert_eq!(unpaid.next_deadline_ms(), Some(7 + CREDIT_DEADLINE_MS));
    assert_eq!(
        fault(&unpaid.handle(at(7 + CREDIT_DEADLINE_MS), StageInput::Wake)),
        Some(FaultCode::CreditExhausted)
    );
}

#[test]
fn steps_that_do_not_fit_end_the_session_by_name() {
    let refuse = |message: Message| fault(&say(&mut running(1, 40), PAYER, message));
    assert_eq!(refuse(prompt_step(0)), None);
    assert_eq!(refuse(prompt_step(1)), Some(FaultCode::UnexpectedPosition));
    assert_eq!(
        refuse(step(1, HIDDEN as usize * 4)),
        Some(FaultCode::BadStep),
        "hidden states into layer 0"
    );
    let token = |id| Payload::Tokens(vec![id]);
    let one = |id| {
        Message::Step(Step {
            session: SESSION,
            first_position: 0,
            rows: 1,
            sample: false,
            payload: token(id),
        })
    };
    assert_eq!(refuse(one(96)), None);
    assert_eq!(refuse(one(97)), Some(FaultCode::BadStep), "outside the vocabulary");
    let mut table = running(1, 4);
    assert_eq!(
        fault(&say(&mut table, PAYER, prompt_step(0))),
        Some(FaultCode::BadStep),
        "longer than agreed"
    );
}

#[test]
fn an_engine_that_fails_or_answers_nonsense_is_reported() {
    let answer = |result| {
        let mut table = running(1, 40);
        say(&mut table, PAYER, prompt_step(0));
        fault(&table.handle(
            at(1),
            StageInput::Computed(Computed { session: SESSION, first_position: 0, result }),
        ))
    };
    assert_eq!(
        answer(ComputeResult::Failed("out of memory".into())),
        Some(FaultCode::ComputeFailed)
    );
    assert_eq!(answer(ComputeResult::Hidden(vec![0; 3])), Some(FaultCode::ComputeFailed));
    assert_eq!(
        answer(ComputeResult::Sampled(Some(Drawn { id: 1, log_probabilities: None }))),
        Some(FaultCode::ComputeFailed)
    );
    assert_eq!(answer(ComputeResult::Hidden(vec![0; 16 * HIDDEN as usize * 4])), None);
}

#[test]
fn a_draw_that_is_not_what_was_asked_is_reported() {
    let answer = |logprobs: Option<u8>, id, log_probabilities| {
        let mut table = table(2, offer(2));
        let mut open = opening(1, 2, 16);
        open.spec.logprobs = logprobs;
        let channel = open.channel;
        say(&mut table, PAYER, Message::Open(Box::new(open)));
        table.handle(at(0), StageInput::Channel { channel, facts: Some(facts_of(2, DEPOSIT)) });
        let payload = Payload::Hidden(vec![0; 16 * HIDDEN as usize * 4]);
        say(
            &mut table,
            1,
            Message::Step(Step {
                session: SESSION,
                first_position: 0,
                rows: 16,
                sample: true,
                payload,
            }),
        );
        let result = ComputeResult::Sampled(Some(Drawn { id, log_probabilities }));
        fault(&table.handle(
            at(1),
            StageInput::Computed(Computed { session: SESSION, first_position: 0, result }),
        ))
    };
    let failed = Some(FaultCode::ComputeFailed);
    assert_eq!(answer(None, 96, None), None);
    assert_eq!(answer(None, 97, None), failed, "outside the vocabulary");
    assert_eq!(answer(None, 5, Some(likely(5, 0))), failed, "nobody asked");
    assert_eq!(answer(Some(3), 5, Some(likely(5, 3))), None);
    assert_eq!(answer(Some(3), 5, None), failed);
    assert_eq!(answer(Some(3), 5, Some(likely(5, 4))), failed, "more than were asked for");
}

#[test]
fn log_probabilities() {
    let mut world = World::new(1, &[], 2);
    let mut plan = world.plan(1, vec![1; 2], 4);
    plan.logprobs = Some(MAX_TOP_LOG_PROBABILITIES as u8 + 1);
    assert!(
        PayerSession::start(plan, world.now)
            .expect_err("too many")
            .to_string()
            .contains("ask for fewer")
    );
    let candidate = |id| Candidate { id, log_probability: LogProbability::new(-1.0) };
    let too_many: Vec<Candidate> = (0..=MAX_TOP_LOG_PROBABILITIES).map(candidate).collect();
    assert!(<Candidates as codec::Decode>::decode(&mut &too_many.encode()[..]).is_err());
    let all = LogProbabilities {
        drawn: LogProbability::new(-1.0),
        top: Candidates::truncate_from(too_many),
    };
    let token =
        Token { session: SESSION, position: 1, id: 0, stop: None, log_probabilities: Some(all) };
    assert!(
        encode_frame(&Message::Token(token)).expect("fits").len() < 256,
        "a token is a small message"
    );
}

#[test]
fn longest_session() {
    let mut world = World::new(1, &[], 1);
    let mut plan = world.plan(1, vec![1; 2], 1);
    plan.max_new_tokens = MAX_SESSION_POSITIONS;
    let refused = PayerSession::start(plan, world.now).expect_err("too long").to_string();
    assert!(refused.contains("shorten prompt or answer"), "{refused}");
    assert_eq!(MODEL, world.workers[0].table.offer().model);
}
