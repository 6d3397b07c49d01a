//! Paths that are paid through hubs: everybody gets what is theirs to the base unit, and whoever
//! dies, lies or stops at whatever moment, nobody loses more than one credit window.

mod common;

use common::{
    PAYER, World, channel_of,
    hubs::{CREDIT, FEE, channel_to_hub, units, worker_account},
};
use mica_primitives::{Balance, CooperativeClose, LaneId, Redeem, TickProof};
use mica_protocol::{
    FaultCode, Message,
    hub::HubInput,
    limits::{
        CONSENT_BLOCKS, DEFAULT_CREDIT_POSITIONS, DEFAULT_EXPOSURE_POSITIONS, HUB_MARGIN_BLOCKS,
        HUB_TICKS_BLOCKS, RELAY_IDLE_MS, RELAY_OPENING_MS,
    },
    messages::{CloseConsent, HubQuoteRequest, Payees, Payment},
    payer::{PayerInput, SessionPlan, SessionReport},
};
use std::{cell::RefCell, rc::Rc};

const CUTS: &[u16] = &[2, 5];
const LAYERS: u16 = 8;

fn prompt(positions: u32) -> Vec<u32> {
    (0..positions).map(|id| id % 50).collect()
}

/// Answers one question and returns its report.
fn answer(world: &mut World, session: u8, positions: u32, tokens: u32) -> SessionReport {
    let plan = world.relayed_plan(session, prompt(positions), tokens).expect("lanes");
    let id = world.start(plan);
    world.run();
    world.reports[&id].clone()
}

/// Base units that a worker gets for a position, and the first hub.
fn both_units(world: &World, worker: usize) -> (Balance, Balance) {
    let unit = world.unit(worker);
    (unit, units(world.hubs.len(), unit)[0])
}

/// Everybody has what is theirs after sessions that came to their ends.
fn check_exact(world: &World, positions: u32) {
    let mut through: Balance = 0;
    for worker in 0..world.workers.len() {
        let (unit, first) = both_units(world, worker);
        assert_eq!(world.redeemable(worker), unit * Balance::from(positions), "worker {worker}");
        through += first * Balance::from(positions);
    }
    assert_eq!(world.hub_redeemable(0), through, "the first hub");
    assert_eq!(world.ledgers[0].free(), common::DEPOSIT - through, "the payer");
}

#[test]
fn a_path_is_paid_through_one_channel_and_answers_as_if_it_were_paid_directly() {
    let mut direct = World::new(5, CUTS, LAYERS);
    let plan = direct.plan(1, prompt(40), 60);
    let id = direct.start(plan);
    direct.run();
    for hubs in 1..=3 {
        let mut world = World::with_hubs(5, CUTS, LAYERS, hubs);
        let report = answer(&mut world, 1, 40, 60);
        assert_eq!(report.failure, None);
        assert_eq!(world.tokens[&id], direct.tokens[&id], "{hubs} hubs");
        assert!(report.stages.iter().all(|stage| stage.settled), "{hubs} hubs");
        check_exact(&world, 99);
        for worker in 1..=world.workers.len() {
            let ledger = world.workers[worker - 1].table.ledger(&channel_of(worker));
            let held = ledger.expect("it was paid").held(0).expect("a voucher").clone();
            assert_eq!(held.voucher.tick, None, "the exact sum");
            assert_eq!(held.voucher.receipts, 7, "99 positions in windows of 16");
        }
        for hub in &world.hubs {
            assert_eq!(hub.ends.len(), world.workers.len());
            for end in &hub.ends {
                assert!(end.settled && end.positions == 99 && end.earned > end.passed_on);
            }
            assert_eq!(hub.table.relays(), 0);
        }
    }
}

/// More positions than a chain has ticks, and many times the hub's credit.
#[test]
fn a_long_session_goes_on_over_credit_windows_and_chains() {
    for hubs in [1, 2] {
        let mut world = World::with_hubs(6, &[], LAYERS, hubs);
        let report = answer(&mut world, 1, 300, 1_900);
        assert_eq!(report.failure, None, "{hubs} hubs");
        assert!(report.stages[0].settled);
        check_exact(&world, 2_199);
    }
}

#[test]
fn lanes_are_used_again_and_again() {
    let mut world = World::with_hubs(7, CUTS, LAYERS, 1);
    for session in 1..=20 {
        let report = answer(&mut world, session, 20, 5);
        assert_eq!(report.failure, None, "session {session}");
        check_exact(&world, 24 * u32::from(session));
    }
}

/// Whatever happened, nobody has lost more than a credit window of any stage. Returns what the hub
/// has lost.
fn check_losses(world: &World, report: Option<&SessionReport>) -> Balance {
    let (mut owed, mut one_window) = (0, 0);
    for worker in 0..world.workers.len() {
        let unit = world.unit(worker);
        for end in &world.workers[worker].ends {
            let most = Balance::from(DEFAULT_CREDIT_POSITIONS) * unit;
            assert!(end.unpaid <= most, "worker {worker} lost {}", end.unpaid);
        }
        owed += world.redeemable(worker);
        one_window += Balance::from(CREDIT) * unit;
    }
    let lost = owed.saturating_sub(world.hub_redeemable(0));
    assert!(lost <= one_window, "the hub owes {owed} and lost {lost}");
    if let Some(report) = report {
        for (worker, stage) in report.stages.iter().enumerate() {
            let (_, first) = both_units(world, worker);
            let most = u32::from(DEFAULT_EXPOSURE_POSITIONS) + stage.positions;
            assert!(stage.paid <= first * Balance::from(most), "the payer paid {}", stage.paid);
        }
    }
    lost
}

/// Asks until there is an answer, as a payer does that takes another lane when one is refused.
fn answer_again(world: &mut World, first: u8) {
    for session in first..first + 7 {
        let Some(plan) = world.relayed_plan(session, prompt(20), 5) else { continue };
        let id = world.start(plan);
        world.run();
        if world.reports[&id].failure.is_none() {
            return;
        }
    }
    panic!("no answer: {:?}", world.reports.values().last().map(|report| &report.failure));
}

#[test]
fn a_hub_that_is_killed_at_any_moment_costs_nobody_more_than_a_window() {
    for events in (0..700).step_by(7) {
        let mut world = World::with_hubs(8, CUTS, LAYERS, 1);
        let plan = world.relayed_plan(1, prompt(40), 40).expect("lanes");
        let id = world.start(plan);
        let was_running = world.run_events(events);
        world.restart_hub(0);
        world.run();
        let report = world.reports[&id].clone();
        let lost = check_losses(&world, Some(&report));
        if !was_running {
            assert_eq!((report.failure.clone(), lost), (None, 0), "it was over");
        }
        answer_again(&mut world, 2);
        check_losses(&world, None);
    }
}

#[test]
fn a_payer_that_is_killed_at_any_moment_costs_nobody_more_than_a_window() {
    for events in (0..700).step_by(13) {
        let mut world = World::with_hubs(9, CUTS, LAYERS, 1);
        let plan = world.relayed_plan(1, prompt(40), 40).expect("lanes");
        world.start(plan);
        world.run_events(events);
        world.restart_payer();
        world.run();
        check_losses(&world, None);
        // What the payer has on its disk covers whatever its hub holds.
        let held = world.hub_redeemable(0);
        assert!(common::DEPOSIT - world.ledgers[0].free() >= held, "{events}");
        answer_again(&mut world, 2);
    }
}

#[test]
fn a_worker_that_is_killed_at_any_moment_costs_nobody_more_than_a_window() {
    for events in (0..700).step_by(17) {
        let mut world = World::with_hubs(28, CUTS, LAYERS, 2);
        let plan = world.relayed_plan(1, prompt(40), 40).expect("lanes");
        let id = world.start(plan);
        world.run_events(events);
        world.restart_worker(events % 3);
        world.run();
        let report = world.reports[&id].clone();
        check_losses(&world, Some(&report));
        answer_again(&mut world, 2);
        check_losses(&world, None);
    }
}

/// Attack: a payer and a worker conspire. The payer shows its ticks to the worker and not to the
/// hub, for as long as the hub's promise lasts.
#[test]
fn ticks_that_are_kept_from_the_hub_are_worth_one_window() {
    let mut world = World::with_hubs(10, &[], LAYERS, 1);
    let hub = 2;
    world.tamper = Box::new(move |from, to, message| match &message {
        Message::RelayPay(pay) if (from, to) == (PAYER, hub) => match pay.payment {
            Payment::Tick(_) => vec![],
            Payment::Voucher(_) => vec![message],
        },
        _ => vec![message],
    });
    let plan = world.relayed_plan(1, prompt(20), 400).expect("lanes");
    world.start(plan);
    world.run();
    let unit = world.unit(0);
    let got = world.redeemable(0);
    assert!(got > 0 && got <= unit * Balance::from(CREDIT), "{got}");
    check_losses(&world, None);
    assert_eq!(world.hub_redeemable(0), 0);
    // The worker is paid, and with that shows the chain what the hub was not shown.
    let due = world.workers[0].table.redeemable(world.now.block);
    for lane in due {
        world.hub_input(0, HubInput::Shown(Box::new(lane.redeem.clone())));
        // Once is enough.
        world.hub_input(0, HubInput::Shown(Box::new(lane.redeem)));
    }
    let (_, first) = both_units(&world, 0);
    assert_eq!(world.hub_redeemable(0), got / unit * first, "the same ticks pay the hub");
    let ledger = world.hubs[0].table.ledger(&channel_to_hub(0)).expect("it was promised");
    let mut forged = ledger.held(0).expect("a voucher").clone();
    forged.tick = Some(TickProof { n: 70, preimage: [1; 32] });
    world.hub_input(0, HubInput::Shown(Box::new(forged)));
    assert_eq!(world.hub_redeemable(0), got / unit * first, "what nobody revealed pays nobody");
}

/// Attack: the same, and then the payer pays another worker on that lane as if those ticks had
/// never been, so that the hub can claim less from it than it owes both.
#[test]
fn a_lane_on_which_ticks_were_lost_is_not_used_again() {
    let mut world = World::with_hubs(24, &[4], LAYERS, 1);
    let (unit, first) = both_units(&world, 0);
    let hidden = Rc::new(RefCell::new(None));
    let kept = hidden.clone();
    world.tamper = Box::new(move |_, _, message| match (*kept.borrow(), message) {
        // The worker shows what it holds.
        (_, Message::Promises(_)) => vec![],
        (None, Message::RelayPay(pay)) if pay.stage == 0 && is_tick(&pay.payment) => vec![],
        (Some(less), message) => {
            vec![resigned(message, |lane| if lane == 0 { less } else { 0 })]
        }
        (_, message) => vec![message],
    });
    answer(&mut world, 1, 20, 400);
    *hidden.borrow_mut() = Some(world.redeemable(0) / unit * first);
    // The first worker is paid on a lane that is new, and the other on the first one's.
    for lane in (1..mica_primitives::MAX_LANES as LaneId).filter(|lane| *lane != 2) {
        assert!(world.ledgers[0].hold(lane));
    }
    let plan = world.relayed_plan(2, prompt(20), 5).expect("lanes");
    assert_eq!(plan.stages[1].lane.record().lane, 0);
    let before = world.redeemable(1);
    let id = world.start(plan);
    world.run();
    assert_eq!(world.reports[&id].failure, None);
    for due in world.workers[0].table.redeemable(world.now.block) {
        world.hub_input(0, HubInput::Shown(Box::new(due.redeem)));
    }
    assert_eq!(world.hubs[0].retired, [(channel_of(1), 0)]);
    assert!(world.hubs[0].given_up.is_empty(), "there are others");
    check_losses(&world, None);
    let owed = world.redeemable(0) + world.redeemable(1);
    let lost = owed / unit * first - world.hub_redeemable(0);
    assert_eq!(world.redeemable(1) - before, 24 * unit);
    assert_eq!(lost, 24 * first, "what can still be claimed of the hidden ones is");
    // It is certain who did that.
    let code = answer(&mut world, 3, 20, 5).failure.map(|failure| failure.code);
    assert_eq!(code, Some(FaultCode::Underpaid));
    world.restart_hub(0);
    let code = answer(&mut world, 4, 20, 5).failure.map(|failure| failure.code);
    assert_eq!(code, Some(FaultCode::Underpaid), "a hub that starts again remembers that");
}

/// Attack: the same on two lanes at once, before the first worker's redeem tells of it.
#[test]
fn an_account_can_take_one_window_over_all_its_lanes() {
    let mut world = World::with_hubs(37, CUTS, LAYERS, 1);
    let hidden: Rc<RefCell<Option<Vec<Balance>>>> = Rc::new(RefCell::new(None));
    let kept = hidden.clone();
    world.tamper = Box::new(move |_, _, message| match (&*kept.borrow(), message) {
        (_, Message::Promises(_)) => vec![],
        (None, Message::RelayPay(pay)) if pay.stage > 0 && is_tick(&pay.payment) => vec![],
        (Some(hidden), message) => vec![resigned(message, |lane| hidden[usize::from(lane)])],
        (_, message) => vec![message],
    });
    answer(&mut world, 1, 20, 400);
    let shown = |worker| {
        let (unit, first) = both_units(&world, worker);
        world.redeemable(worker) / unit * first
    };
    let shown = vec![0, shown(1), shown(2)];
    assert!(shown[1] > 0 && shown[1] == shown[2], "both were shown ticks: {shown:?}");
    *hidden.borrow_mut() = Some(shown);
    // Each of the two lanes pays the other's worker, on another lane of the hub's own.
    // The payer has no lanes but those three.
    for lane in 3..mica_primitives::MAX_LANES as LaneId {
        assert!(world.ledgers[0].hold(lane));
    }
    let mut plan = world.relayed_plan(2, prompt(20), 5).expect("lanes");
    swap_lanes(&mut plan, 1, 2);
    let id = world.start(plan);
    world.run();
    let code = world.reports[&id].failure.as_ref().map(|failure| failure.code);
    assert_eq!(code, Some(FaultCode::LaneBusy), "one lane may go on, and no other");
    for worker in 0..3 {
        for due in world.workers[worker].table.redeemable(world.now.block) {
            world.hub_input(0, HubInput::Shown(Box::new(due.redeem)));
        }
    }
    let owed: Balance = (0..3).map(|worker| world.redeemable(worker)).sum();
    let dearest = (0..3).map(|worker| world.unit(worker)).max().expect("three");
    let lost = owed.saturating_sub(world.hub_redeemable(0));
    assert!(lost <= Balance::from(CREDIT) * dearest, "the hub owes {owed} and lost {lost}");
}

const fn is_tick(payment: &Payment) -> bool {
    matches!(payment, Payment::Tick(_))
}

/// A payer's message with a voucher that promises less, by the lane's number.
fn resigned(message: Message, less: impl Fn(LaneId) -> Balance) -> Message {
    let resign = |redeem: &mut Redeem| {
        let less = less(redeem.voucher.lane);
        redeem.voucher.cumulative = redeem.voucher.cumulative.saturating_sub(less);
        let bytes = redeem.voucher.signing_bytes(&common::GENESIS);
        redeem.signature = mica_protocol::signing::sign(&common::voucher_key(), &bytes);
    };
    match message {
        Message::RelayOpen(mut open) => {
            resign(&mut open.voucher);
            Message::RelayOpen(open)
        }
        Message::RelayPay(mut pay) => {
            if let Payment::Voucher(redeem) = &mut pay.payment {
                resign(redeem);
            }
            Message::RelayPay(pay)
        }
        message => message,
    }
}

/// Has two stages of a plan pay on each other's lanes.
fn swap_lanes(plan: &mut SessionPlan, one: usize, other: usize) {
    let (left, right) = plan.stages.split_at_mut(other);
    std::mem::swap(&mut left[one].lane, &mut right[0].lane);
}

/// Answers that end before they must leave chains of which more could be shown. An honest payer
/// goes on all the same: its lanes pay on the same ones of the hub's own.
#[test]
fn short_answers_follow_one_another_on_the_same_lanes() {
    let mut world = World::with_hubs(38, CUTS, LAYERS, 1);
    for session in 1..=6 {
        short_answer(&mut world, session);
        let ends = &world.hubs[0].ends;
        assert_eq!(ends.len(), 3 * usize::from(session));
        assert!(ends.iter().all(|end| end.settled), "session {session}");
    }
    for worker in 1..=3 {
        let ledger = world.workers[worker - 1].table.ledger(&channel_of(worker)).expect("paid");
        assert!(ledger.held(0).is_some() && ledger.held(1).is_none(), "worker {worker}");
    }
    assert_eq!(check_losses(&world, None), 0);
}

/// A session whose payer has enough after some positions.
fn short_answer(world: &mut World, session: u8) {
    let plan = world.relayed_plan(session, prompt(20), 400).expect("lanes");
    let id = world.start(plan);
    let wanted = world.redeemable(0) + 40 * world.unit(0);
    while world.redeemable(0) < wanted {
        assert!(world.run_events(1), "session {session} goes on");
    }
    world.payer_input(id, PayerInput::Cancel);
    world.run();
}

/// A channel is ended early, though not as long as ticks may be shown: that is soon, and the
/// payer's agreement is still good then.
#[test]
fn a_channel_ends_soon_after_a_short_answer() {
    let mut world = World::with_hubs(39, &[], LAYERS, 1);
    short_answer(&mut world, 1);
    let (channel, begun) = (channel_to_hub(0), world.now.block);
    assert!(world.hubs[0].table.may_be_shown_more(&channel));
    let (total, expires) = (world.hub_redeemable(0), begun + CONSENT_BLOCKS);
    let close = CooperativeClose { channel, total, expires };
    let consent = CloseConsent::sign(close, &common::voucher_key(), &common::GENESIS);
    let message = Message::CloseConsent(consent);
    world.hub_input(0, HubInput::Message { from: common::peer(PAYER), message });
    assert!(world.hubs[0].table.consents(begun).is_empty(), "more may be shown");
    world.now.block = begun + HUB_TICKS_BLOCKS + HUB_MARGIN_BLOCKS / 4 + 1;
    assert!(world.now.block < begun + common::WINDOW / 2);
    world.hub_input(0, HubInput::BlockFinal);
    assert!(!world.hubs[0].table.may_be_shown_more(&channel));
    let block = world.now.block;
    assert_eq!(world.hubs[0].table.consents(block).len(), 1, "the payer still agrees");
    assert!(world.hubs[0].chains.is_empty(), "nothing of it stays on disk");
}

/// Has the worker paid with what it holds: whatever that shows, the hub sees.
fn redeem_and_show(world: &mut World) {
    for due in world.workers[0].table.redeemable(world.now.block) {
        world.hub_input(0, HubInput::Shown(Box::new(due.redeem)));
    }
}

/// A world in which no tick reaches the hub, after a session of one worker.
fn kept_from_the_hub(seed: u64) -> World {
    let mut world = World::with_hubs(seed, &[], LAYERS, 1);
    world.tamper = Box::new(|_, _, message| match &message {
        Message::RelayPay(pay) if matches!(pay.payment, Payment::Tick(_)) => vec![],
        _ => vec![message],
    });
    answer(&mut world, 1, 20, 400);
    assert!(world.redeemable(0) > 0);
    world
}

/// Attack: the payer asks to close its channel, and the worker waits with its ticks for the last
/// block in which they can be redeemed.
#[test]
fn ticks_that_are_shown_at_the_last_moment_are_claimed_in_time() {
    let mut world = kept_from_the_hub(30);
    let channel = channel_to_hub(0);
    let mut facts = world.facts[&channel].clone();
    facts.ends = Some(world.now.block + common::WINDOW);
    world.hub_input(0, HubInput::Incoming { channel, facts: Some(facts) });
    assert!(world.hubs[0].table.may_be_shown_more(&channel), "the channel must not be closed");
    world.now.block = ends(&world);
    world.hub_input(0, HubInput::BlockFinal);
    let got = world.redeemable(0);
    redeem_and_show(&mut world);
    let (unit, first) = both_units(&world, 0);
    assert_eq!(world.hub_redeemable(0), got / unit * first, "the same ticks pay the hub");
    assert!(!world.hubs[0].table.may_be_shown_more(&channel));
}

/// Attack: the worker is paid and closes the hub's channel in the same block.
#[test]
fn ticks_that_are_shown_on_a_channel_that_is_gone_are_claimed() {
    let mut world = kept_from_the_hub(31);
    let got = world.redeemable(0);
    world.hub_input(0, HubInput::Outgoing { channel: channel_of(1), facts: None });
    redeem_and_show(&mut world);
    let (unit, first) = both_units(&world, 0);
    assert_eq!(world.hub_redeemable(0), got / unit * first);
}

/// Attack: a payer keeps ticks from the hub and gives it an exact sum without them. The worker
/// knows nothing of that, and is not to suffer for it.
#[test]
fn an_exact_sum_that_is_a_lie_costs_the_hub_nothing() {
    for restarts in [false, true] {
        exact_sum_that_is_a_lie(restarts);
    }
}

fn exact_sum_that_is_a_lie(restarts: bool) {
    let mut world = World::with_hubs(32, &[], LAYERS, 1);
    let (unit, first) = both_units(&world, 0);
    world.tamper = Box::new(move |_, to, message| match message {
        Message::RelayPay(mut pay) => match &mut pay.payment {
            Payment::Tick(proof) if proof.n > 20 => vec![],
            Payment::Voucher(redeem) => {
                redeem.voucher.cumulative = redeem.voucher.cumulative.min(20 * first);
                let bytes = redeem.voucher.signing_bytes(&common::GENESIS);
                redeem.signature = mica_protocol::signing::sign(&common::voucher_key(), &bytes);
                vec![Message::RelayPay(pay)]
            }
            Payment::Tick(_) => vec![Message::RelayPay(pay)],
        },
        Message::Relayed(relayed) if to == PAYER && relayed.promise.voucher.tick.is_none() => {
            vec![]
        }
        message => vec![message],
    });
    let plan = world.relayed_plan(1, prompt(20), 400).expect("lanes");
    let id = world.start(plan);
    while world.redeemable(0) < 40 * unit {
        assert!(world.run_events(1), "the worker is paid for more than the hub");
    }
    world.payer_input(id, PayerInput::Cancel);
    world.run();
    let [end] = &world.hubs[0].ends[..] else { panic!("one relay") };
    let report = &world.reports[&id];
    assert!(end.settled && end.positions <= 20, "so the payer says: {report:?}");
    let (paid, got) = (Balance::from(end.positions), world.redeemable(0));
    assert!(got > paid * unit, "the worker was shown more");
    if restarts {
        world.restart_hub(0);
    }
    // The hub keeps what it can claim with: neither its own redeem nor an agreement takes it.
    let channel = channel_to_hub(0);
    assert!(world.hubs[0].table.may_be_shown_more(&channel));
    let now = world.now;
    let due = world.hubs[0].table.redeemable(now);
    assert!(due.iter().all(|(due, _)| due.redeem.voucher.tick.is_some()), "an older voucher");
    assert_eq!(due.iter().map(|(due, _)| due.gain).sum::<Balance>(), paid * first);
    let close = CooperativeClose { channel, total: paid * first, expires: now.block + 100 };
    let consent = CloseConsent::sign(close, &common::voucher_key(), &common::GENESIS);
    let message = Message::CloseConsent(consent);
    world.hub_input(0, HubInput::Message { from: common::peer(PAYER), message });
    assert!(world.hubs[0].table.consents(now.block).is_empty(), "more may be shown");
    redeem_and_show(&mut world);
    assert_eq!(world.hub_redeemable(0), got / unit * first, "the same ticks pay the hub");
    assert!(world.hubs[0].given_up.is_empty() && world.hubs[0].retired.is_empty());
}

/// Attack: bytes in a block that look like a redeem of the hub's promise, in the middle of a
/// session.
#[test]
fn what_nobody_signed_or_revealed_changes_nothing() {
    let mut world = World::with_hubs(33, &[], LAYERS, 1);
    let plan = world.relayed_plan(1, prompt(40), 60).expect("lanes");
    let id = world.start(plan);
    world.run_events(100);
    let ledger = world.workers[0].table.ledger(&channel_of(1)).expect("it is paid");
    let held = ledger.held(0).expect("a voucher").clone();
    let n = held.voucher.tick.expect("a chain").max;
    let mut unsigned = held.clone();
    unsigned.signature[0] ^= 1;
    let invented = Redeem { tick: Some(TickProof { n, preimage: [1; 32] }), ..held.clone() };
    // An honest worker's redeem shows what the hub knows already.
    for shown in [unsigned, invented, held] {
        world.hub_input(0, HubInput::Shown(Box::new(shown)));
    }
    world.run();
    assert_eq!(world.reports[&id].failure, None);
    check_exact(&world, 99);
}

/// Attack: a payer's opening voucher comes with a tick of its chain, so that what it promised
/// before looks as if it were paid again.
#[test]
fn what_was_paid_before_is_not_paid_twice() {
    let mut world = World::with_hubs(34, &[], LAYERS, 1);
    assert_eq!(answer(&mut world, 1, 20, 5).failure, None);
    let (_, first) = both_units(&world, 0);
    let before = world.redeemable(0);
    world.tamper = Box::new(move |_, _, message| match message {
        Message::RelayOpen(mut open) => {
            let preimage = [7; 32];
            let voucher = &mut open.voucher.voucher;
            voucher.cumulative -= first;
            if let Some(tick) = &mut voucher.tick {
                (tick.anchor, tick.max) = (mica_primitives::domain::blake2_256(&preimage), 1);
            }
            let bytes = voucher.signing_bytes(&common::GENESIS);
            open.voucher.signature = mica_protocol::signing::sign(&common::voucher_key(), &bytes);
            open.voucher.tick = Some(TickProof { n: 1, preimage });
            vec![Message::RelayOpen(open)]
        }
        message => vec![message],
    });
    let code = answer(&mut world, 2, 20, 5).failure.map(|failure| failure.code);
    assert_eq!(code, Some(FaultCode::BadTick));
    assert_eq!(world.redeemable(0), before);
}

/// Attack: relays that are opened one after the other and not used hold the hub's lanes.
#[test]
fn relays_that_are_opened_for_nothing_are_counted() {
    let mut world = World::with_hubs(35, &[], LAYERS, 1);
    for session in 1..=16 {
        let plan = world.relayed_plan(session, prompt(20), 5).expect("lanes");
        let id = world.start(plan);
        while world.hubs[0].table.relays() == 0 {
            assert!(world.run_events(1), "session {session}");
        }
        let close = mica_protocol::messages::Close {
            session: id,
            when: mica_protocol::messages::CloseWhen::Now,
        };
        let message = Message::Close(close);
        world.hub_input(0, HubInput::Message { from: common::peer(PAYER), message });
        assert_eq!(world.hubs[0].table.relays(), 0);
        world.restart_payer();
    }
    let code = answer(&mut world, 17, 20, 5).failure.map(|failure| failure.code);
    assert_eq!(code, Some(FaultCode::Underpaid));
}

/// Attack: a hub promises less over the next chain, or in the end, than it was promised.
#[test]
fn a_hub_cannot_keep_a_part_of_what_it_passes_on() {
    for in_the_end in [false, true] {
        let mut world = World::with_hubs(36, &[], LAYERS, 1);
        let unit = world.unit(0);
        let anchor = |voucher: &mica_primitives::Voucher| voucher.tick.map(|tick| tick.anchor);
        let mut begun = None;
        world.tamper = Box::new(move |_, to, message| match message {
            Message::Relayed(mut relayed) if to == PAYER => {
                let voucher = &mut relayed.promise.voucher;
                let chain = anchor(voucher);
                let is_next = *begun.get_or_insert(chain) != chain;
                if is_next && chain.is_none() == in_the_end {
                    voucher.cumulative -= 3 * unit;
                    let bytes = voucher.signing_bytes(&common::GENESIS);
                    let key = common::hubs::hub_key(0);
                    relayed.promise.signature = mica_protocol::signing::sign(&key, &bytes);
                }
                vec![Message::Relayed(relayed)]
            }
            message => vec![message],
        });
        let report = answer(&mut world, 1, 300, 1_000);
        let code = report.failure.map(|failure| failure.code);
        assert_eq!(code, Some(FaultCode::BadAcceptance), "in the end: {in_the_end}");
        let (unit, first) = both_units(&world, 0);
        let (worker, hub) = (world.redeemable(0) / unit, world.hub_redeemable(0) / first);
        assert_eq!(worker, hub, "both were paid for the same positions");
        assert!(!report.stages[0].settled);
    }
}

/// Attack: a hub takes the payer's voucher and promises nobody anything.
#[test]
fn a_hub_that_promises_nothing_gets_nothing() {
    let mut world = World::with_hubs(11, CUTS, LAYERS, 1);
    world.tamper = Box::new(|_, to, message| match message {
        Message::Relayed(_) if to == PAYER => vec![],
        message => vec![message],
    });
    let report = answer(&mut world, 1, 40, 40);
    assert_eq!(report.failure.map(|failure| failure.code), Some(FaultCode::Silent));
    assert_eq!(world.hub_redeemable(0), 0);
    assert_eq!(world.ledgers[0].free(), common::DEPOSIT, "nothing was promised");
}

/// Attack: a hub stops giving its promises on in the middle, and keeps what it is shown.
#[test]
fn a_hub_is_shown_no_tick_that_the_worker_is_not_paid_with() {
    for allowed in [3, 4, 5, 8] {
        let mut world = World::with_hubs(12, CUTS, LAYERS, 1);
        let seen = Rc::new(RefCell::new(0));
        let count = seen.clone();
        world.tamper = Box::new(move |_, to, message| match message {
            Message::Relayed(_) if to == PAYER => {
                *count.borrow_mut() += 1;
                if *count.borrow() > allowed { vec![] } else { vec![message] }
            }
            message => vec![message],
        });
        let plan = world.relayed_plan(1, prompt(40), 400).expect("lanes");
        world.start(plan);
        world.run();
        assert!(*seen.borrow() > allowed, "it has kept something back");
        let mut owed = 0;
        for worker in 0..3 {
            let (unit, first) = both_units(&world, worker);
            owed += world.redeemable(worker) / unit * first;
        }
        assert_eq!(world.hub_redeemable(0), owed, "workers and hub were paid for the same ticks");
    }
}

/// The worker refuses the opening: what was prepaid to it was not shown to the hub.
#[test]
fn a_refused_opening_costs_nothing() {
    let mut world = World::with_hubs(13, &[], LAYERS, 1);
    world.workers[0].table.drain();
    let report = answer(&mut world, 1, 40, 40);
    assert_eq!(report.failure.map(|failure| failure.code), Some(FaultCode::Draining));
    assert_eq!(report.stages[0].paid, 0);
    assert_eq!(world.ledgers[0].free(), common::DEPOSIT);
    assert_eq!((world.hub_redeemable(0), world.redeemable(0)), (0, 0));
    assert_eq!(world.hubs[0].table.relays(), 0, "the payer has let go of it");
}

#[test]
fn a_final_promise_ends_before_what_the_hub_is_promised() {
    let mut world = World::with_hubs(14, &[], LAYERS, 2);
    let report = answer(&mut world, 1, 40, 10);
    assert_eq!(report.failure, None);
    let expires = |table: &mica_protocol::hub::HubTable, hub| {
        let held = table.ledger(&channel_to_hub(hub)).expect("paid").held(0).expect("a voucher");
        held.voucher.expires
    };
    let [first, second] = [0, 1].map(|hub| expires(&world.hubs[hub].table, hub));
    let worker = world.workers[0].table.ledger(&channel_of(1)).expect("paid");
    let last = worker.held(0).expect("a voucher").voucher.expires;
    assert_eq!((second + HUB_MARGIN_BLOCKS, last + HUB_MARGIN_BLOCKS), (first, second));
}

/// The last block of the voucher that the worker holds.
fn ends(world: &World) -> u32 {
    let ledger = world.workers[0].table.ledger(&channel_of(1)).expect("it is paid");
    ledger.held(0).expect("a voucher").voucher.expires
}

/// Attack: a payer closes its channel, and the worker shows its ticks when that is gone.
#[test]
fn ticks_are_promised_for_no_longer_than_the_payers_channel_can_last() {
    for hubs in [1, 2] {
        let mut world = World::with_hubs(22, &[], LAYERS, hubs);
        let plan = world.relayed_plan(1, prompt(20), 900).expect("lanes");
        let id = world.start(plan);
        world.run_events(150);
        let (block, margins) = (world.now.block, HUB_MARGIN_BLOCKS * hubs as u32);
        assert_eq!(ends(&world), block + HUB_TICKS_BLOCKS);
        if hubs == 2 {
            // Another hub has one of its own to promise, and those after it.
            let ledger = world.hubs[1].table.ledger(&channel_to_hub(1)).expect("it is paid");
            let expires = ledger.held(0).expect("a voucher").voucher.expires;
            assert_eq!(expires, block + common::WINDOW - HUB_MARGIN_BLOCKS);
        }
        // Half of that later, the session still goes on, and the promise with it.
        world.now.block += HUB_TICKS_BLOCKS / 2;
        world.run_events(200);
        let renewed = ends(&world);
        assert!(renewed > block + HUB_TICKS_BLOCKS, "it lives on");
        // Now the payer's channel ends: whatever is promised from now on ends before.
        let (channel, ends_at) = (channel_to_hub(0), world.now.block + common::WINDOW);
        let mut facts = world.facts[&channel].clone();
        facts.ends = Some(ends_at);
        world.hub_input(0, HubInput::Incoming { channel, facts: Some(facts) });
        for _ in 0..2 {
            world.now.block += 240;
            world.run_events(100);
            assert!(ends(&world) > renewed, "it lives on for a while");
            assert!(ends(&world) <= ends_at - margins);
        }
        world.now.block += 40;
        world.run();
        assert!(world.reports[&id].failure.is_some(), "it is not lent to until the end");
        assert!(ends(&world) <= ends_at - margins);
        check_losses(&world, None);
    }
}

/// The code with which hub 0 answers to the session's first message, changed by `change`.
fn refusal(
    change: impl Fn(&mut mica_protocol::messages::RelayOpen) + 'static,
) -> Option<FaultCode> {
    let mut world = World::with_hubs(15, &[], LAYERS, 1);
    world.tamper = Box::new(move |_, _, message| match message {
        Message::RelayOpen(mut open) => {
            change(&mut open);
            vec![Message::RelayOpen(open)]
        }
        message => vec![message],
    });
    let code = answer(&mut world, 1, 40, 10).failure.map(|failure| failure.code);
    assert_eq!(world.hub_redeemable(0) == 0, code.is_some());
    code
}

#[test]
fn openings_that_cannot_work_are_refused_by_name() {
    assert_eq!(refusal(|_| {}), None);
    assert_eq!(refusal(|open| open.unit += 1), Some(FaultCode::FeeTooLow));
    assert_eq!(refusal(|open| open.unit = 0), Some(FaultCode::BadTerms));
    assert_eq!(refusal(|open| open.positions = 0), Some(FaultCode::BadLimits));
    assert_eq!(refusal(|open| open.payee = [1; 32]), Some(FaultCode::NoRelay));
    assert_eq!(refusal(|open| open.positions = 30_000), Some(FaultCode::Overspend));
    assert_eq!(refusal(|open| open.voucher.signature[0] ^= 1), Some(FaultCode::BadSignature));
    assert_eq!(refusal(|open| open.voucher.voucher.tick = None), Some(FaultCode::WrongUnit));
}

#[test]
fn a_channel_that_is_unknown_closing_or_too_short_is_refused() {
    let code = |change: fn(&mut World)| {
        let mut world = World::with_hubs(16, &[], LAYERS, 1);
        change(&mut world);
        let report = answer(&mut world, 1, 40, 10);
        report.failure.map(|failure| failure.code)
    };
    assert_eq!(code(|_| {}), None);
    let unknown = code(|world| drop(world.facts.remove(&channel_to_hub(0))));
    assert_eq!(unknown, Some(FaultCode::UnknownChannel));
    let closing = code(|world| {
        world.facts.get_mut(&channel_to_hub(0)).expect("there is one").ends = Some(2_000);
    });
    assert_eq!(closing, Some(FaultCode::ChannelClosing));
    let short = code(|world| {
        world.facts.get_mut(&channel_to_hub(0)).expect("there is one").window = 19;
    });
    assert_eq!(short, Some(FaultCode::WindowTooShort));
    let drained = code(|world| world.hubs[0].table.drain());
    assert_eq!(drained, Some(FaultCode::Draining));
}

/// A tick that is not on the chain ends its relay; one that comes twice does no harm.
#[test]
fn a_false_tick_ends_the_relay() {
    let mut world = World::with_hubs(17, &[], LAYERS, 1);
    let ticks = Rc::new(RefCell::new(0));
    let count = ticks.clone();
    world.tamper = Box::new(move |_, _, message| match message {
        Message::RelayPay(mut pay) if matches!(pay.payment, Payment::Tick(_)) => {
            *count.borrow_mut() += 1;
            if *count.borrow() < 5 {
                return vec![Message::RelayPay(pay.clone()), Message::RelayPay(pay)];
            }
            pay.payment = Payment::Tick(TickProof { n: 60, preimage: [9; 32] });
            vec![Message::RelayPay(pay)]
        }
        message => vec![message],
    });
    let report = answer(&mut world, 1, 20, 60);
    assert_eq!(report.failure.map(|failure| failure.code), Some(FaultCode::BadTick));
    assert_eq!(world.hubs[0].table.relays(), 0);
    check_losses(&world, None);
}

#[test]
fn a_false_tick_in_a_voucher_ends_the_session() {
    let mut world = World::with_hubs(23, &[], LAYERS, 1);
    world.tamper = Box::new(|_, _, message| match message {
        Message::Pay(mut pay) => {
            if let Payment::Voucher(redeem) = &mut pay.payment
                && let Some(proof) = &mut redeem.tick
            {
                proof.preimage[0] ^= 1;
            }
            vec![Message::Pay(pay)]
        }
        message => vec![message],
    });
    let report = answer(&mut world, 1, 20, 200);
    assert_eq!(report.failure.map(|failure| failure.code), Some(FaultCode::BadTick));
    check_losses(&world, None);
}

#[test]
fn a_session_holds_one_lane_of_each_worker() {
    let mut world = World::with_hubs(25, CUTS, LAYERS, 1);
    world.tamper = Box::new(|_, _, message| match message {
        Message::RelayOpen(mut open) => {
            open.payee = worker_account(1);
            vec![Message::RelayOpen(open)]
        }
        message => vec![message],
    });
    let report = answer(&mut world, 1, 20, 5);
    assert_eq!(report.failure.map(|failure| failure.code), Some(FaultCode::SessionExists));
    assert_eq!(world.hubs[0].table.relays(), 0);
}

#[test]
fn a_relay_that_is_not_used_ends_soon() {
    let mut world = World::with_hubs(26, &[], LAYERS, 1);
    let plan = world.relayed_plan(1, prompt(20), 200).expect("lanes");
    world.start(plan);
    world.run_events(2);
    assert_eq!(world.hubs[0].table.relays(), 1, "the chain has answered");
    world.sessions.clear();
    world.now.ms += RELAY_OPENING_MS;
    world.hub_input(0, HubInput::Wake);
    let [end] = &world.hubs[0].ends[..] else { panic!("one relay") };
    assert!(!end.settled && end.positions == 0);
}

#[test]
fn a_relay_of_which_nothing_is_heard_ends() {
    let mut world = World::with_hubs(18, &[], LAYERS, 1);
    let plan = world.relayed_plan(1, prompt(20), 200).expect("lanes");
    world.start(plan);
    world.run_events(200);
    assert_eq!(world.hubs[0].table.relays(), 1);
    world.sessions.clear();
    world.now.ms += RELAY_IDLE_MS;
    world.hub_input(0, HubInput::Wake);
    assert_eq!(world.hubs[0].table.relays(), 0);
    let [end] = &world.hubs[0].ends[..] else { panic!("one relay") };
    assert!(!end.settled && end.positions > 0);
}

#[test]
fn a_chain_that_stands_still_is_not_lent_to() {
    let mut world = World::with_hubs(19, &[], LAYERS, 1);
    world.hub_input(0, HubInput::BlockFinal);
    world.now.ms += mica_protocol::limits::FINALITY_DEADLINE_MS;
    let report = answer(&mut world, 1, 20, 5);
    assert_eq!(report.failure.map(|failure| failure.code), Some(FaultCode::ChainStalled));
}

#[test]
fn a_hub_takes_its_payers_agreement_to_close() {
    let mut world = World::with_hubs(27, CUTS, LAYERS, 1);
    assert_eq!(answer(&mut world, 1, 20, 5).failure, None);
    let (owed, block) = (world.hub_redeemable(0), world.now.block);
    let tell = |world: &mut World, total| {
        let close = CooperativeClose { channel: channel_to_hub(0), total, expires: block + 100 };
        let consent = CloseConsent::sign(close, &common::voucher_key(), &common::GENESIS);
        let message = Message::CloseConsent(consent);
        world.hub_input(0, HubInput::Message { from: common::peer(PAYER), message });
        world.hubs[0].table.consents(block)
    };
    assert!(tell(&mut world, owed - 1).is_empty(), "it is owed more");
    // The refusal is of no session.
    world.run();
    let taken = tell(&mut world, owed);
    assert_eq!(taken.iter().map(|(_, gain)| *gain).collect::<Vec<_>>(), [owed]);
    assert_eq!(answer(&mut world, 2, 20, 5).failure, None);
    assert!(world.hubs[0].table.consents(block).is_empty(), "more is promised now");
}

#[test]
fn a_quote_says_whom_the_hub_can_pay() {
    let mut world = World::with_hubs(20, &[], LAYERS, 1);
    let payees = Payees::truncate_from(vec![worker_account(1), [1; 32]]);
    let request = HubQuoteRequest { nonce: 7, payees };
    let seen = Rc::new(RefCell::new(None));
    let noted = seen.clone();
    world.tamper = Box::new(move |_, _, message| {
        if let Message::HubQuote(quote) = &message {
            *noted.borrow_mut() = Some(quote.clone());
        }
        vec![message]
    });
    let message = Message::HubQuoteRequest(request);
    world.hub_input(0, HubInput::Message { from: common::peer(PAYER), message });
    let signed = seen.borrow_mut().take().expect("it answers");
    assert!(signed.verify(&common::GENESIS));
    assert_eq!(signed.quote.peer, world.hub_peer(0));
    assert_eq!((signed.quote.nonce, signed.quote.fee), (7, FEE));
    assert_eq!(signed.quote.free.to_vec(), vec![common::DEPOSIT, 0]);
    let mut forged = signed.clone();
    forged.quote.account = [1; 32];
    assert!(!forged.verify(&common::GENESIS));
}
