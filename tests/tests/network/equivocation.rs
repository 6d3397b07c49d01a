//! A validator whose keys run on two nodes makes two blocks for one slot, or votes for two blocks
//! in one round. The others see both, hand the proof in by themselves, and the chain takes its
//! stake.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use mica_chain::{Chain, Signer};
use mica_primitives::UNIT;
use mica_tests::{LocalNetwork, NodeRpc, Process, eventually_async, free_port, process::command};
use serde_json::json;

/// Longest time until the twins have a slot in common and the report is in a block: each of four
/// validators has every fourth slot or so.
const REPORTED: Duration = Duration::from_secs(240);

/// Where the chain keeps which offences of one kind and time were reported
/// (`Offences.ConcurrentReportsIndex`): the hashes of the two names.
const REPORTS: &str = "0xd5c41b52a371aa36c9254ce34324f2a560dc8ef000cdbdc859dd352229ce16fb";

/// The kinds of offences that were reported to the chain.
fn reported(url: &str) -> Option<Vec<String>> {
    const MOST: u32 = 100;
    let answer = NodeRpc::new(url).answer("state_getKeysPaged", &json!([REPORTS, MOST]));
    let keys = answer["result"].as_array()?.iter().map(|key| {
        // A hash of the kind, and the kind itself.
        let key = hex::decode(key.as_str()?.strip_prefix(REPORTS)?).ok()?;
        Some(String::from_utf8_lossy(key.get(8..24)?).into_owned())
    });
    keys.collect()
}

/// Where a node listens for others, with its peer id.
fn address_of(url: &str) -> String {
    let told = NodeRpc::new(url).answer("system_localListenAddresses", &json!([]));
    let address = told["result"][0].as_str();
    address.unwrap_or_else(|| panic!("a node listens: {told}")).to_owned()
}

/// Another node of Alice's network, with state, log and ports of its own.
fn twin_of(network: &LocalNetwork, folder: &Path) -> Command {
    let mut twin = command("mica-node");
    twin.args(["--chain", "local", "--no-prometheus", "--no-telemetry", "--no-mdns"])
        .args(["--node-key", &format!("{:064x}", 99), "--bootnodes", &address_of(&network.urls[0])])
        .args(["--listen-addr", &format!("/ip4/127.0.0.1/tcp/{}", free_port())])
        .args(["--rpc-port", &free_port().to_string(), "--base-path"])
        .arg(folder.join("twin"));
    twin
}

/// Waits until an offence of Alice's of this `kind` is reported and she has lost half of her stake,
/// and calls `meanwhile` again and again.
async fn is_slashed(network: &LocalNetwork, kind: &str, twin: &Process, meanwhile: impl Fn()) {
    let bob = Chain::connect(&network.urls[1]).await.expect("bob answers");
    let stash = Signer::from_suri("//Alice//stash").expect("a development key").account();
    let bonded = || async {
        let view = bob.at_best().await.ok()?;
        view.validator(stash).await.ok().map(|state| state.bonded)
    };
    const BEFORE: u128 = 100_000 * UNIT;
    eventually_async("she is reported", REPORTED, || {
        meanwhile();
        async { reported(&network.urls[1])?.iter().any(|known| known == kind).then_some(()) }
    })
    .await;
    // One of four loses nine sixteenths.
    let left = eventually_async("she is slashed", REPORTED, || async {
        bonded().await.filter(|bonded| *bonded < BEFORE)
    })
    .await;
    assert!(left <= BEFORE - BEFORE / 2, "{left} of {BEFORE}; the twin says:\n{}", twin.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_makes_two_blocks_for_a_slot_loses_stake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = LocalNetwork::start(folder.path()).await;
    // It does not vote: two votes in one round would be reported as well.
    let mut twin = twin_of(&network, folder.path());
    twin.args(["--alice", "--no-grandpa"]);
    let twin = Process::start(twin, folder.path().join("twin.log"));
    is_slashed(&network, "babe:equivocatio", &twin, || ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_votes_for_two_blocks_in_a_round_loses_stake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = LocalNetwork::start(folder.path()).await;
    // It has no key to make blocks with.
    let mut insert = command("mica-node");
    insert
        .args(["key", "insert", "--chain", "local", "--key-type", "gran", "--scheme", "ed25519"])
        .args(["--suri", "//Alice", "--base-path"])
        .arg(folder.path().join("twin"));
    let inserted = insert.output().expect("mica-node starts");
    assert!(inserted.status.success(), "{inserted:?}");
    let mut twin = twin_of(&network, folder.path());
    twin.arg("--validator");
    let twin = Process::start(twin, folder.path().join("twin.log"));
    // Nodes that see the same vote the same. So it is stopped again and again, for about as long as
    // a round takes: when it goes on it votes at once, for what was the newest block when it
    // stopped.
    let looks = AtomicU32::new(0);
    let stop_and_go = || match looks.fetch_add(1, Relaxed) % 12 {
        0 => twin.signal("STOP"),
        7 => twin.signal("CONT"),
        _ => {}
    };
    is_slashed(&network, "grandpa:equivoca", &twin, stop_and_go).await;
}
