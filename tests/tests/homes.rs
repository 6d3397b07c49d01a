//! Workers and payers at home: behind routers that translate addresses, on a network without a way
//! out, with addresses that change, and asleep for a while. Each builds its own internet of network
//! namespaces, which takes root: elsewhere they say that nothing was tested.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use mica_tests::{
    eventually,
    homes::{HomeWorker, Internet, Space},
};
use serde_json::Value;

/// The public machine, with the node and a worker that relays.
const PUBLIC: &str = "198.51.100.10";
const NODE: &str = "ws://198.51.100.10:9944";
/// Longest time until a worker at home knows how it is reached and the registry says so.
const REACH: Duration = Duration::from_secs(240);
/// Longest time until a payer finds a worker that has moved.
const FOUND: Duration = Duration::from_secs(30);
/// More than the cheap workers cost, and less than the dear one does.
const MOST: &str = "0.5";
const CHEAP: &str = "0.000001";
const DEAR: &str = "1";

fn status_of(running: &Value) -> &str {
    running["reachability"]["status"].as_str().unwrap_or_default()
}

/// A public node with a worker that relays for others and is too dear to be asked.
fn public(internet: &mut Internet, folder: &Path) -> (Space, mica_tests::Process, HomeWorker) {
    let public = internet.host("public", &format!("{PUBLIC}/24"));
    let node = public.node(folder);
    let layers = ["--layers", "0..8", "--price", DEAR];
    let mut relay = public.worker(&folder.join("relay"), "//Bob", NODE, &layers);
    relay.wait_until_serving();
    (public, node, relay)
}

fn workers_of(answer: &Value) -> Vec<&str> {
    let stages = answer["stages"].as_array().expect("stages").iter();
    stages.map(|stage| stage["worker"].as_str().expect("an account")).collect()
}

fn upgrades(worker: &HomeWorker) -> u64 {
    let running = worker.running().expect("it runs");
    running["totals"]["network"]["upgrades"].as_u64().expect("a counter")
}

#[test]
fn homes_behind_routers_serve_through_a_relay_and_then_directly_and_after_a_sleep() {
    let Some(mut internet) = Internet::build() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let (_public, _node, mut relay) = public(&mut internet, folder);
    let names = [("left", "//Charlie", "0..4"), ("right", "//Dave", "4..8")];
    let mut homes = Vec::new();
    let mut workers = Vec::new();
    for (number, (name, suri, layers)) in (21..).zip(names) {
        let home = internet.home(name, &format!("198.51.100.{number}/24"), number);
        home.only(PUBLIC);
        let arguments = ["--layers", layers, "--price", CHEAP];
        workers.push(home.inside.worker(&folder.join(name), suri, NODE, &arguments));
        homes.push(home);
    }
    workers.iter_mut().for_each(HomeWorker::wait_until_serving);
    relay.wait_until("the relay is reached", REACH, |running| status_of(running) == "directly");
    for worker in &mut workers {
        let is_relayed = |running: &Value| status_of(running) == "via_relay";
        worker.wait_until("the worker has a place at the relay", REACH, is_relayed);
        let leads_in = |text: &String| text.contains("/p2p-circuit");
        eventually("the registry says so", REACH, || {
            worker.registered().iter().any(leads_in).then_some(())
        });
    }

    // No router lets anything but the relay through.
    let payer = internet.home("payer", "198.51.100.23/24", 23);
    payer.only(PUBLIC);
    let home = folder.join("wallet");
    payer.inside.wallet(&home, NODE);
    let ask = || payer.inside.ask(&home, NODE, MOST);
    let answer = eventually("a paid prompt over the relay", REACH, || match ask() {
        Ok(answer) => Some(answer),
        Err(said) => {
            eprintln!("not yet: {said}");
            None
        }
    });
    assert_eq!(workers_of(&answer), [&workers[0].account, &workers[1].account], "{answer}");
    assert_eq!(upgrades(&workers[0]) + upgrades(&workers[1]), 0, "there is no other way");
    assert!(status_of(&relay.running().expect("it runs")) == "directly");

    // Now holes can be punched.
    homes.iter().chain([&payer]).for_each(mica_tests::homes::Home::all);
    let before = upgrades(&workers[0]) + upgrades(&workers[1]);
    let met = || (upgrades(&workers[0]) + upgrades(&workers[1]) > before).then_some(());
    // Workers write their counters every two seconds: it may be seen with the next prompt only.
    eventually("a paid prompt that goes on directly", REACH, || {
        met().or_else(|| {
            let answer = ask().map_err(|said| eprintln!("not yet: {said}")).ok()?;
            assert_eq!(workers_of(&answer).len(), 2);
            met()
        })
    });

    // A computer that sleeps comes back.
    let seconds = std::env::var("MICA_SUSPEND_SECONDS").ok().and_then(|text| text.parse().ok());
    let slept = Duration::from_secs(seconds.unwrap_or(60));
    workers[0].process.signal("STOP");
    std::thread::sleep(slept);
    workers[0].process.signal("CONT");
    eventually("a paid prompt after the sleep", REACH, || {
        ask().map_err(|said| eprintln!("not yet: {said}")).ok()
    });
}

#[test]
fn a_worker_with_a_new_address_is_found_within_half_a_minute() {
    let Some(mut internet) = Internet::build() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let (_public, _node, _relay) = public(&mut internet, folder);
    let moving = internet.host("moving", "198.51.100.30/24");
    let arguments = ["--layers", "0..8", "--price", CHEAP];
    let mut worker = moving.worker(&folder.join("worker"), "//Charlie", NODE, &arguments);
    worker.wait_until_serving();
    let is_kept = |running: &Value| running["reachability"]["record_holders"].as_u64() > Some(0);
    worker.wait_until("others keep its address record", REACH, is_kept);
    let payer = internet.host("payer", "198.51.100.40/24");
    let home = folder.join("wallet");
    payer.wallet(&home, NODE);
    let ask = || payer.ask(&home, NODE, MOST);
    ask().expect("a paid prompt");

    // In this order: the first of a network's addresses takes the others with it.
    moving.ip("address delete 198.51.100.30/24 dev wan");
    moving.ip("address add 198.51.100.31/24 dev wan");
    let moved = Instant::now();
    let answer = eventually("it is found", 2 * FOUND, || {
        ask().map_err(|said| eprintln!("not yet: {said}")).ok()
    });
    let took = moved.elapsed();
    assert!(took <= FOUND, "{took:?}");
    assert_eq!(workers_of(&answer), [&worker.account], "{answer}");
    // The chain had no part in it.
    let registered = worker.registered();
    assert!(registered.iter().all(|text| text.contains("198.51.100.30")), "{registered:?}");
}

#[test]
fn a_network_without_a_way_out_is_enough() {
    let Some(mut internet) = Internet::build() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    // One switch, three machines, no router.
    let first = internet.host("first", "192.168.50.10/24");
    let (second, third) =
        (internet.host("second", "192.168.50.11/24"), internet.host("third", "192.168.50.12/24"));
    let _node = first.node(folder);
    let node = "ws://192.168.50.10:9944";
    let arguments = ["--layers", "0..8", "--price", CHEAP];
    let multicast = |config: &Path| {
        let text = std::fs::read_to_string(config).expect("a configuration");
        std::fs::write(config, text.replace("mdns = false", "mdns = true")).expect("written");
    };
    let mut worker =
        second.worker_with(&folder.join("worker"), "//Bob", node, &arguments, multicast);
    worker.wait_until_serving();
    let home = folder.join("wallet");
    third.wallet(&home, node);
    let ask = || third.ask(&home, node, MOST);
    ask().expect("a paid prompt");
    // Another lease: multicast finds it before the registry knows.
    second.ip("address delete 192.168.50.11/24 dev wan");
    second.ip("address add 192.168.50.21/24 dev wan");
    let moved = Instant::now();
    eventually("it is found", 2 * FOUND, || {
        ask().map_err(|said| eprintln!("not yet: {said}")).ok()
    });
    assert!(moved.elapsed() <= FOUND, "{:?}", moved.elapsed());
}
