//! A session lives no longer than its channel, and no longer than the worker can see what becomes
//! of channels. Whatever a payer does on chain, a worker computes no more than the chain pays for
//! and the credit that it gives.

mod common;

use common::{DEPOSIT, GENESIS, PAYER, WINDOW, World, channel_of, peer, peer_key, voucher_key};
use ed25519_dalek::SigningKey;
use mica_primitives::{
    Balance, Channel, ChannelState, Closing, CooperativeClose, Lane, Redeem,
    settlement::{Close, Figures, MAX_EXTENSIONS, Party, Submitter, close, extended, settle},
};
use mica_protocol::{
    FaultCode, Message,
    channel::ChannelFacts,
    limits::{CLOSING_MARGIN_BLOCKS, DEFAULT_CREDIT_POSITIONS, FINALITY_DEADLINE_MS},
    messages::CloseConsent,
    stage::{StageInput, StageOffer},
};
use std::{cell::RefCell, rc::Rc};

/// Events after which a session of the world below is in the middle of its answer.
const MIDDLE: usize = 400;

/// One worker that serves all layers, and a session in the middle of a long answer.
fn in_the_middle() -> World {
    let mut world = World::new(7, &[], 4);
    let plan = world.plan(1, (0..40).collect(), 400);
    world.start(plan);
    assert!(world.run_events(MIDDLE), "the answer is longer than that");
    assert!(world.workers[0].positions > 60, "{} positions", world.workers[0].positions);
    assert_eq!(world.workers[0].table.sessions(), 1);
    world
}

fn facts(world: &World) -> ChannelFacts {
    world.facts[&channel_of(1)].clone()
}

/// The chain's news reach the worker.
fn tell(world: &mut World, facts: Option<ChannelFacts>) {
    let channel = channel_of(1);
    match &facts {
        Some(facts) => drop(world.facts.insert(channel, facts.clone())),
        None => drop(world.facts.remove(&channel)),
    }
    world.worker_input(0, StageInput::Channel { channel, facts });
}

/// The most that may be unpaid when a session is cut off: the credit and the job that runs.
fn most_unpaid(world: &World) -> Balance {
    Balance::from(DEFAULT_CREDIT_POSITIONS) * world.unit(0)
}

/// The fault with which the worker ended its only session.
fn end_of(world: &World) -> Option<FaultCode> {
    let [end] = &world.workers[0].ends[..] else { panic!("one session") };
    assert!(end.unpaid <= most_unpaid(world), "{} unpaid", end.unpaid);
    end.fault
}

/// Attack: close, wait for the window, `finish`, take the deposit back, and go on asking.
#[test]
fn a_session_ends_with_its_channel() {
    let mut world = in_the_middle();
    let computed = world.workers[0].positions;
    tell(&mut world, None);
    assert_eq!(world.redeemable(0), 0, "a channel that is gone pays nobody");
    world.run();
    assert!(world.workers[0].positions <= computed + 16, "the running job is the last");
    assert_eq!(end_of(&world), Some(FaultCode::UnknownChannel));
    assert_eq!(world.workers[0].engine.caches(), 0);
}

/// A fork that is taken back: the channel is there again, and so is what was promised on it.
#[test]
fn a_channel_that_comes_back_is_redeemed() {
    let mut world = in_the_middle();
    let (before, known) = (world.redeemable(0), facts(&world));
    tell(&mut world, None);
    tell(&mut world, Some(known));
    assert!(before > 0 && world.redeemable(0) >= before);
}

#[test]
fn a_closing_channel_is_lent_to_until_the_margin_and_what_it_owes_is_redeemed_in_time() {
    let mut world = in_the_middle();
    let ends = world.now.block + 1_200;
    let closing = ChannelFacts { ends: Some(ends), ..facts(&world) };
    tell(&mut world, Some(closing.clone()));
    assert_eq!(world.workers[0].ends.len(), 0, "the window has just begun");
    let computed = world.workers[0].positions;
    world.run_events(60);
    assert!(world.workers[0].positions > computed, "it goes on while its ticks can be redeemed");
    world.now.block = closing.lends_until().expect("it closes");
    assert_eq!(world.now.block, ends - 700, "100 blocks before the middle");
    let computed = world.workers[0].positions;
    tell(&mut world, Some(closing.clone()));
    let due = world.redeemable(0);
    world.run();
    assert_eq!(end_of(&world), Some(FaultCode::ChannelClosing));
    assert!(world.workers[0].positions <= computed + 16);
    assert!(due > 0 && world.redeemable(0) >= due, "{due} were earned");
    let paid = paid_by_the_chain(&world, &closing);
    assert_eq!(paid, world.redeemable(0));
    world.now.block = ends;
    assert_eq!(world.redeemable(0), 0, "the window is over");
}

/// A tick that comes when the channel ends soon buys nothing, also if the worker was not told of a
/// block in between.
#[test]
fn no_tick_and_no_renewal_is_taken_past_the_margin() {
    let mut world = in_the_middle();
    let ends = world.now.block + 1_200;
    let closing = ChannelFacts { ends: Some(ends), ..facts(&world) };
    tell(&mut world, Some(closing));
    world.now.block = ends - 700;
    let promised = world.workers[0].table.ledger(&channel_of(1)).expect("known").promised(0);
    let computed = world.workers[0].positions;
    world.run_events(200);
    let after = world.workers[0].table.ledger(&channel_of(1)).expect("known").promised(0);
    // The session is settled: the last voucher pays for what was done before, and can be redeemed.
    assert!(after - promised <= most_unpaid(&world), "{promised} and {after}");
    assert!(
        world.workers[0].positions <= computed + u32::from(DEFAULT_CREDIT_POSITIONS) + 48,
        "{} positions more",
        world.workers[0].positions - computed
    );
}

/// A final voucher that comes so late that no block can pay it is not confirmed.
#[test]
fn a_session_is_not_settled_by_a_voucher_that_cannot_be_redeemed() {
    for (blocks_left, is_settled) in [(1, false), (2, true)] {
        let mut world = in_the_middle();
        let answers = Rc::new(RefCell::new(Vec::new()));
        let seen = answers.clone();
        world.tamper = Box::new(move |_, to, message| {
            if to == PAYER {
                seen.borrow_mut().push(message.clone());
            }
            vec![message]
        });
        let ends = world.now.block + WINDOW;
        world.now.block = ends - blocks_left;
        let closing = ChannelFacts { ends: Some(ends), ..facts(&world) };
        tell(&mut world, Some(closing));
        answers.borrow_mut().clear();
        world.run();
        let [end] = &world.workers[0].ends[..] else { panic!("one session") };
        assert_eq!(end.settled, is_settled, "{blocks_left} blocks before the end");
        let answers = answers.borrow();
        let last = answers.iter().rev().find(|message| !matches!(message, Message::Receipt(_)));
        match (last, is_settled) {
            (Some(Message::Closed(_)), true) => {}
            (Some(Message::Fault(fault)), false) => {
                assert_eq!(fault.code(), FaultCode::ChannelClosing);
            }
            (other, _) => panic!("{other:?} {blocks_left} blocks before the end"),
        }
    }
}

fn paid_by_the_chain(world: &World, facts: &ChannelFacts) -> Balance {
    let mut channel = facts.figures();
    let redeems = world.workers[0].table.redeemable(world.now.block);
    let paid = redeems.iter().map(|redeemable| {
        let redeem: &Redeem = &redeemable.redeem;
        let lane = facts.lane(redeem.voucher.lane);
        let done = settle(&channel, &lane, redeem, Submitter::Payee, world.now.block);
        let done = done.expect("the chain takes it");
        channel.claimed += done.paid;
        done.paid
    });
    paid.sum()
}

/// Attack: drain the deposit with a voucher of the payer's own that promises far more. The chain
/// records the promise and pays the deposit once; the lane's "promised" would buy a whole session.
#[test]
fn what_a_payer_promises_on_chain_beyond_its_deposit_buys_nothing() {
    let mut world = in_the_middle();
    let mut drained = facts(&world);
    drained.lanes.insert(3, Lane { cumulative: DEPOSIT, claimed: DEPOSIT, ..Lane::default() });
    drained.lanes.insert(0, Lane { cumulative: DEPOSIT * 1_000, claimed: 0, ..Lane::default() });
    let computed = world.workers[0].positions;
    tell(&mut world, Some(drained));
    world.run();
    let more = world.workers[0].positions - computed;
    assert!(more <= u32::from(DEFAULT_CREDIT_POSITIONS) + 16, "{more} positions for nothing");
    assert_eq!(world.redeemable(0), 0);
}

/// The deposit was too small once; after a top-up the same voucher pays the rest.
#[test]
fn a_shortfall_is_redeemed_after_a_top_up() {
    let world = in_the_middle();
    let due = world.redeemable(0);
    let redeem = world.workers[0].table.redeemable(world.now.block).remove(0).redeem;
    let mut short = facts(&world);
    let lane =
        Lane { seq: redeem.voucher.seq, cumulative: due, claimed: due - 10, ..Lane::default() };
    short.lanes.insert(0, lane);
    short.deposit = due - 10;
    let ledger = |facts: ChannelFacts| {
        let mut ledger = world.workers[0].table.ledger(&channel_of(1)).expect("known").clone();
        ledger.update(facts);
        ledger.redeemable(world.now.block).iter().map(|due| due.gain).sum::<Balance>()
    };
    assert_eq!(ledger(short.clone()), 0, "nothing is left");
    assert_eq!(ledger(ChannelFacts { deposit: due, ..short }), 10);
}

#[test]
fn a_window_shorter_than_the_workers_least_is_refused() {
    let mut world = World::new(7, &[], 4);
    let offer = world.workers[0].table.offer().clone();
    let min_window = facts(&world).window + 1;
    world.workers[0].table.set_offer(StageOffer { min_window, ..offer });
    let plan = world.plan(1, (0..40).collect(), 10);
    let id = world.start(plan);
    world.run();
    let failure = world.reports[&id].failure.as_ref().expect("refused");
    assert_eq!(failure.code, FaultCode::WindowTooShort);
    assert!(failure.text.contains("1201"), "{}", failure.text);
    assert_eq!(world.workers[0].positions, 0);
}

#[test]
fn nothing_is_lent_while_no_block_becomes_final() {
    let mut world = in_the_middle();
    world.worker_input(0, StageInput::BlockFinal);
    let told_ms = world.now.ms;
    // The answer goes on meanwhile, so that no other deadline passes.
    world.now.ms = told_ms + FINALITY_DEADLINE_MS - 10_000;
    world.run_events(60);
    world.worker_input(0, StageInput::Wake);
    assert!(world.workers[0].table.sessions() == 1 && world.workers[0].ends.is_empty());
    let computed = world.workers[0].positions;
    world.now.ms = told_ms + FINALITY_DEADLINE_MS;
    world.worker_input(0, StageInput::Wake);
    world.run();
    assert_eq!(end_of(&world), Some(FaultCode::ChainStalled));
    assert!(world.workers[0].positions <= computed + 64);
    // Nor does anything begin, until the chain goes on.
    let refused = open_again(&mut world, 2);
    assert_eq!(refused, Some(FaultCode::ChainStalled));
    world.worker_input(0, StageInput::BlockFinal);
    assert_eq!(open_again(&mut world, 3), None);
}

/// Attack: cut the worker off from the chain and close a channel whose window is shorter than the
/// worker's patience.
#[test]
fn a_short_window_is_lent_to_for_half_of_it_while_no_block_becomes_final() {
    let mut world = in_the_middle();
    let short = ChannelFacts { window: 20, ..facts(&world) };
    tell(&mut world, Some(short));
    world.worker_input(0, StageInput::BlockFinal);
    let told_ms = world.now.ms;
    world.now.ms = told_ms + 20_000;
    world.run_events(60);
    world.worker_input(0, StageInput::Wake);
    assert!(world.workers[0].table.sessions() == 1 && world.workers[0].ends.is_empty());
    let (computed, next_ms) =
        (world.workers[0].positions, world.workers[0].table.next_deadline_ms());
    assert!(next_ms.is_some_and(|next_ms| next_ms <= told_ms + 30_000), "{next_ms:?}");
    world.now.ms = told_ms + 30_000;
    world.worker_input(0, StageInput::Wake);
    world.run();
    assert_eq!(end_of(&world), Some(FaultCode::ChainStalled));
    assert!(world.workers[0].positions <= computed + 64);
    assert_eq!(open_again(&mut world, 2), Some(FaultCode::ChainStalled));
}

fn open_again(world: &mut World, session: u8) -> Option<FaultCode> {
    let plan = world.plan(session, (0..10).collect(), 4);
    let id = world.start(plan);
    world.run();
    world.reports[&id].failure.as_ref().map(|failure| failure.code)
}

/// A worker that cannot follow a channel says so, and does not serve blindly.
#[test]
fn a_channel_that_cannot_be_followed_is_refused() {
    let mut world = World::new(7, &[], 4);
    let plan = world.plan(1, (0..40).collect(), 10);
    let id = world.start(plan);
    assert!(world.run_events(1), "the opening arrives");
    world.worker_input(0, StageInput::NotFollowed { channel: channel_of(1) });
    world.run();
    let failure = world.reports[&id].failure.as_ref().expect("refused");
    assert_eq!(failure.code, FaultCode::TooManySessions);
    assert!(failure.text.contains("follows"), "{}", failure.text);
}

#[test]
fn the_margin_is_a_quarter_of_a_short_window_and_a_hundred_blocks_of_a_long_one() {
    let closing = |window| ChannelFacts { window, ends: Some(2_000), ..common::facts_of(1, 1) };
    assert_eq!(closing(20).lends_until(), Some(1_985));
    assert_eq!(closing(1_200).lends_until(), Some(1_300));
    // A record of an older version does not say.
    assert!(closing(0).ends_soon(0));
    assert!(closing(20).ends_soon(1_985) && !closing(20).ends_soon(1_984));
}

/// Attack: a payer that closes, has its worker go on, and redeems its own newest voucher first from
/// the middle of the window on, to keep the bounty that it wrote into it.
#[test]
fn nothing_is_lent_when_a_bounty_may_be_kept() {
    for window in [20, 21, 22, 23, 399, 400, 1_200, 100_801] {
        let at = 5_000;
        let Ok(Close::Window(mut closing)) = close(&ChannelState::Open, window, Party::Payer, at)
        else {
            panic!("a payer waits")
        };
        for _ in 0..=MAX_EXTENSIONS {
            let from = Figures::from(&on_chain(window, closing)).bounty_from.expect("it closes");
            let ends = Some(closing.ends);
            let known = ChannelFacts { window, ends, ..common::facts_of(1, DEPOSIT) };
            let until = known.lends_until().expect("it closes");
            let margin = (window / 4).min(CLOSING_MARGIN_BLOCKS);
            // An end is moved only in the last tenth, when lending must have been over for long.
            let now = if closing.extended == 0 { from } else { closing.ends - window / 10 };
            assert!(at < until && until + margin <= now, "{window}: {until} {from} {closing:?}");
            let Some(moved) = extended(&closing, window, closing.ends - 1) else { break };
            closing = moved;
        }
    }
}

fn on_chain(window: u32, closing: Closing) -> Channel<u64> {
    Channel {
        payer: 1,
        payee: 2,
        signer: [3; 32],
        deposit: DEPOSIT,
        claimed: 0,
        lanes: Default::default(),
        window,
        state: ChannelState::Closing(closing),
    }
}

/// What both have agreed on is submitted by the worker alone: it has signed nothing, so more that
/// is promised meanwhile is not lost.
#[test]
fn an_agreement_to_close_covers_everything_or_is_not_taken() {
    let mut world = World::new(8, &[], 4);
    let plan = world.plan(1, (0..40).collect(), 10);
    world.start(plan);
    world.run();
    let (owed, block) = (world.redeemable(0), world.now.block);
    let close = |total, expires| CooperativeClose { channel: channel_of(1), total, expires };
    let tell = |world: &mut World, close: CooperativeClose, key: &SigningKey| {
        let message = Message::CloseConsent(CloseConsent::sign(close, key, &GENESIS));
        world.worker_input(0, StageInput::Message { from: peer(PAYER), message });
    };
    let good = close(owed, block + 100);
    tell(&mut world, close(owed - 1, block + 100), &voucher_key());
    tell(&mut world, close(DEPOSIT + 1, block + 100), &voucher_key());
    tell(&mut world, close(owed, block + 9), &voucher_key());
    tell(&mut world, good.clone(), &peer_key(PAYER));
    assert!(world.workers[0].table.consents(block).is_empty(), "none of these is good");
    tell(&mut world, good.clone(), &voucher_key());
    let taken = world.workers[0].table.consents(block);
    let [(consent, gain)] = &taken[..] else { panic!("it is good") };
    assert_eq!((&consent.close, *gain), (&good, owed));
    assert!(world.workers[0].table.consents(block + 100).is_empty(), "its time is over");
    tell(&mut world, good, &voucher_key());
    let plan = world.plan(2, (0..40).collect(), 10);
    world.start(plan);
    world.run();
    assert!(world.workers[0].table.consents(block).is_empty(), "more is promised now");
}
