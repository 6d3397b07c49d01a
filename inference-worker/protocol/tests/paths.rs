//! Honest sessions: the same tokens over every path, exact sums, all receipts verified, under any
//! delays.

mod common;

use common::{World, channel_of, engine::reference, ranges};
use mica_primitives::Balance;
use mica_protocol::{SessionId, holding::prepaid_positions, session::StopReason};
use proptest::prelude::*;

fn prompt(length: usize) -> Vec<u32> {
    (0..length as u32).map(|i| (i * 31 + 7) % 97).collect()
}

/// Everything that must hold when a session went well.
fn check(world: &World, id: SessionId, expected: &[u32], positions: u32) {
    let report = &world.reports[&id];
    assert_eq!(report.failure, None);
    assert_eq!(report.tokens, expected);
    assert_eq!(world.tokens[&id], expected);
    for (index, stage) in report.stages.iter().enumerate() {
        assert_eq!(stage.positions, positions, "stage {index}");
        assert_eq!(
            stage.paid,
            world.unit(index) * Balance::from(positions),
            "stage {index} is paid exactly"
        );
        assert_eq!(stage.receipts, u64::from(positions.div_ceil(16)));
        assert!(stage.settled);
        let end = world.workers[index].ends.iter().find(|end| end.session == id).expect("ended");
        assert_eq!((end.earned, end.unpaid, end.settled, end.fault), (stage.paid, 0, true, None));
        assert_eq!(end.positions, positions);
        assert_eq!(world.workers[index].engine.caches(), 0, "no cache is left");
        let held = world.workers[index]
            .table
            .ledger(&channel_of(index + 1))
            .and_then(|ledger| ledger.held(stage.lane));
        let held = held.expect("a voucher to redeem");
        assert_eq!(held.voucher.receipts, stage.record.receipts.count());
        assert_eq!(held.voucher.receipts_root, stage.record.receipts.root());
        assert_eq!(held.promised(), Some(stage.record.promised()));
    }
}

#[test]
fn every_split_gives_the_tokens_of_one_process() {
    let layers = 5;
    let expected = reference(layers, &prompt(21), 9, 20, &[]);
    let mut cuts: Vec<Vec<u16>> = vec![vec![]];
    cuts.extend((1..layers).map(|cut| vec![cut]));
    cuts.extend((1..layers).flat_map(|a| (a + 1..layers).map(move |b| vec![a, b])));
    for cuts in cuts {
        let mut world = World::new(3, &cuts, layers);
        let plan = world.plan(1, prompt(21), 20);
        let id = world.start(plan);
        world.run();
        check(&world, id, &expected, 40);
        assert_eq!(
            world.reports[&id].stop,
            Some(StopReason::MaxNewTokens),
            "{:?}",
            ranges(&cuts, layers)
        );
    }
}

#[test]
fn an_end_id_stops_the_ring_everywhere_at_once() {
    let tokens = reference(4, &prompt(5), 9, 30, &[]);
    let end = tokens[11];
    let expected = reference(4, &prompt(5), 9, 30, &[end]);
    for cuts in [vec![], vec![2], vec![1, 3]] {
        let mut world = World::new(5, &cuts, 4);
        let mut plan = world.plan(1, prompt(5), 30);
        plan.end_ids.try_push(end).expect("room");
        let id = world.start(plan);
        world.run();
        check(&world, id, &expected, 5 + expected.len() as u32 - 1);
        assert_eq!(world.reports[&id].stop, Some(StopReason::EndId));
    }
}

#[test]
fn one_lane_serves_session_after_session_and_its_receipts_go_on() {
    let mut world = World::new(11, &[2], 4);
    for session in 1..=4u8 {
        let plan = world.plan(session, prompt(17), 9);
        let id = world.start(plan);
        world.run();
        check(&world, id, &reference(4, &prompt(17), 9, 9, &[]), 25);
        assert_eq!(world.reports[&id].stages[0].lane, 0);
        assert_eq!(world.reports[&id].stages[0].record.receipts.count(), 2 * u64::from(session));
    }
    assert_eq!(world.redeemable(0), 4 * 25 * world.unit(0));
}

#[test]
fn a_session_longer_than_a_tick_chain_renews_its_voucher() {
    let mut world = World::new(2, &[1], 2);
    let plan = world.plan(1, prompt(1_200), 40);
    let id = world.start(plan);
    world.run();
    check(&world, id, &reference(2, &prompt(1_200), 9, 40, &[]), 1_239);
    let seq = world.reports[&id].stages[0].record.seq;
    assert!(seq >= 3, "opening, renewal and final voucher, not {seq}");
}

#[test]
fn sessions_at_once_do_not_disturb_each_other() {
    let mut world = World::new(8, &[1, 3], 6);
    let ids: Vec<SessionId> = (1..=5u8)
        .map(|session| {
            let plan = world.plan(session, prompt(usize::from(session) * 9), 25);
            world.start(plan)
        })
        .collect();
    world.run();
    for (index, id) in ids.into_iter().enumerate() {
        let prompt = prompt((index + 1) * 9);
        check(&world, id, &reference(6, &prompt, 9, 25, &[]), prompt.len() as u32 + 24);
    }
}

#[test]
fn a_cancelled_session_ends_everywhere_at_one_position_and_is_paid_exactly() {
    for at_ms in [1_000, 1_100, 1_300, 1_700, 2_600, 4_000] {
        for cuts in [vec![], vec![2], vec![1, 3]] {
            let mut world = World::new(at_ms, &cuts, 4);
            let plan = world.plan(1, prompt(300), 200);
            let id = world.start(plan);
            world.cancel_at(id, at_ms);
            world.run();
            let report = world.reports[&id].clone();
            if let Some(failure) = &report.failure {
                assert_eq!(failure.code, mica_protocol::FaultCode::Cancelled);
                // Stages that had accepted have kept room, which was prepaid: nothing else was.
                for (index, stage) in report.stages.iter().enumerate() {
                    let unit = world.unit(index);
                    let prepaid = unit * Balance::from(prepaid_positions(1, unit, 499));
                    assert!([0, prepaid].contains(&stage.paid), "{stage:?}");
                    assert_eq!(world.redeemable(index), stage.paid, "both sides say the same");
                }
                continue;
            }
            assert_eq!(report.stop, Some(StopReason::Asked));
            let positions = report.stages[0].positions;
            check(&world, id, &report.tokens, positions);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_delays_any_lengths_any_exposure(
        seed in any::<u64>(),
        delay_ms in 0u64..200,
        length in 1usize..150,
        max_new in 1u32..60,
        stages in 1usize..=4,
        exposure in 16u16..80,
        credit in 16u16..40,
        holding_price in 0u128..300,
    ) {
        let cuts: Vec<u16> = (1..stages as u16).collect();
        let mut world = World::new(seed, &cuts, 6);
        world.delay_ms = delay_ms;
        for worker in &mut world.workers {
            let offer = mica_protocol::stage::StageOffer {
                credit_positions: credit,
                holding_price: Some(holding_price),
                ..worker.table.offer().clone()
            };
            worker.table.set_offer(offer);
        }
        let mut plan = world.plan(1, prompt(length), max_new);
        plan.exposure_positions = exposure;
        plan.stages.iter_mut().for_each(|stage| stage.credit_positions = credit);
        let id = world.start(plan);
        world.run();
        check(&world, id, &reference(6, &prompt(length), 9, max_new as usize, &[]), length as u32 + max_new - 1);
    }

    #[test]
    fn a_session_without_credit_is_paid_in_advance(seed in any::<u64>(), length in 1usize..60) {
        let mut world = World::new(seed, &[2], 4);
        let mut plan = world.plan(1, prompt(length), 20);
        plan.stages.iter_mut().for_each(|stage| stage.credit_positions = 0);
        let id = world.start(plan);
        world.run();
        check(&world, id, &reference(4, &prompt(length), 9, 20, &[]), length as u32 + 19);
    }
}
