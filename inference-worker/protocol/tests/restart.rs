//! Restarts at any moment lose no money: what was promised before is promised after, on both sides,
//! and sessions go on.

mod common;

use common::{World, channel_of, engine::reference};
use mica_protocol::{FaultCode, payer::PayerInput};

fn prompt() -> Vec<u32> {
    (0..40).collect()
}

fn second_session_works(world: &mut World, session: u8) {
    let plan = world.plan(session, prompt(), 10);
    let id = world.start(plan);
    world.run();
    let report = &world.reports[&id];
    assert_eq!(report.failure, None);
    assert_eq!(report.tokens, reference(4, &prompt(), 9, 10, &[]));
    for (index, stage) in report.stages.iter().enumerate() {
        assert_eq!(stage.paid, 49 * world.unit(index));
        let ledger = world.workers[index].table.ledger(&channel_of(index + 1)).expect("known");
        assert_eq!(
            ledger.promised(stage.lane),
            world.ledgers[index].promised(stage.lane),
            "both sides agree"
        );
    }
}

#[test]
fn a_worker_that_restarts_redeems_what_it_had_earned() {
    for events in (10..420).step_by(31) {
        let mut world = World::new(events as u64, &[2], 4);
        let plan = world.plan(1, prompt(), 60);
        let id = world.start(plan);
        world.run_events(events);
        let earned = world.redeemable(0);
        world.restart_worker(0);
        assert_eq!(world.redeemable(0), earned, "after {events} events");
        assert!(events < 150 || earned > 0);
        world.run();
        assert!(
            world.reports[&id].failure.is_some()
                || world.reports[&id].stages.iter().all(|stage| stage.settled)
        );
        assert!(world.redeemable(0) >= earned);
        second_session_works(&mut world, 2);
    }
}

#[test]
fn a_payer_that_restarts_neither_forgets_a_promise_nor_pays_twice() {
    for events in (10..420).step_by(31) {
        let mut world = World::new(events as u64, &[2], 4);
        let plan = world.plan(1, prompt(), 60);
        world.start(plan);
        world.run_events(events);
        let promised: Vec<_> = (0..2)
            .map(|worker| world.ledgers[worker].promised(0).max(lane_promise(&world, worker)))
            .collect();
        world.restart_payer();
        world.run();
        for (worker, promised) in promised.iter().enumerate() {
            assert_eq!(world.ledgers[worker].promised(0), *promised, "after {events} events");
            assert!(
                world.redeemable(worker) <= *promised,
                "the worker holds no more than was promised"
            );
        }
        second_session_works(&mut world, 2);
    }
}

/// What the payer's disk says that it has promised.
fn lane_promise(world: &World, worker: usize) -> u128 {
    use codec::Decode;
    let bytes = world.payer_disk.get(&(channel_of(worker + 1), 0));
    bytes.map_or(0, |bytes| {
        mica_protocol::channel::PayerLaneRecord::decode(&mut &bytes[..])
            .expect("own record")
            .promised()
    })
}

#[test]
fn a_payer_that_lost_its_records_learns_its_promise_from_the_worker() {
    let mut world = World::new(3, &[2], 4);
    let plan = world.plan(1, prompt(), 20);
    world.start(plan);
    world.run();
    let promised = world.ledgers[0].promised(0);
    world.payer_disk.clear();
    world.restart_payer();
    assert_eq!(world.ledgers[0].promised(0), 0);
    let plan = world.plan(2, prompt(), 20);
    let id = world.start(plan);
    world.run();
    assert_eq!(world.reports[&id].failure.as_ref().expect("refused").code, FaultCode::StaleVoucher);
    assert_eq!(world.ledgers[0].promised(0), promised, "the promise is known again");
    // The lanes are lost with their receipts; what was promised on them is known, and the next try
    // takes others.
    assert_eq!(world.ledgers[0].lost_lanes(), 1);
    second_session_works(&mut world, 3);
    assert!((0..2).all(|worker| world.ledgers[worker].promised(0) > 0), "both were learnt");
}

#[test]
fn a_dead_payer_leaves_every_worker_with_its_due() {
    let mut world = World::new(12, &[1, 2], 4);
    let plan = world.plan(1, prompt(), 200);
    let id = world.start(plan);
    world.run_events(600);
    world.sessions.remove(&id);
    world.run();
    for (index, worker) in world.workers.iter().enumerate() {
        assert_eq!(worker.table.sessions(), 0, "every session ends by itself");
        assert_eq!(worker.engine.caches(), 0);
        assert!(worker.ends[0].unpaid <= 16 * world.unit(index), "no more than the credit is lost");
        assert!(world.redeemable(index) > 0);
    }
}

#[test]
fn a_cancel_before_the_start_costs_nothing() {
    let mut world = World::new(12, &[2], 4);
    let plan = world.plan(1, prompt(), 20);
    let id = world.start(plan);
    world.payer_input(id, PayerInput::Cancel);
    world.run();
    let report = &world.reports[&id];
    assert_eq!(
        (report.failure.as_ref().expect("cancelled").code, report.paid()),
        (FaultCode::Cancelled, 0)
    );
    assert!(
        world.workers.iter().all(|worker| worker.table.sessions() == 0 && worker.positions == 0)
    );
    second_session_works(&mut world, 2);
}
