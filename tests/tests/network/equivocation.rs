//! A validator whose keys run on two nodes makes two blocks for one slot. The others see both, hand
//! the proof in by themselves, and the chain takes its stake.

use std::time::Duration;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_makes_two_blocks_for_a_slot_loses_stake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let network = LocalNetwork::start(folder.path()).await;
    let bob = Chain::connect(&network.urls[1]).await.expect("bob answers");
    let stash = Signer::from_suri("//Alice//stash").expect("a development key").account();
    let bonded = || async {
        let view = bob.at_best().await.ok()?;
        view.validator(stash).await.ok().map(|state| state.bonded)
    };
    let before = bonded().await.expect("bob answers");
    assert_eq!(before, 100_000 * UNIT);

    // It does not vote: two votes in one round would be reported as well.
    let mut twin = command("mica-node");
    twin.args(["--chain", "local", "--alice", "--no-grandpa"])
        .args(["--no-prometheus", "--no-telemetry", "--no-mdns"])
        .args(["--node-key", &format!("{:064x}", 99), "--bootnodes", &address_of(&network.urls[0])])
        .args(["--listen-addr", &format!("/ip4/127.0.0.1/tcp/{}", free_port())])
        .args(["--rpc-port", &free_port().to_string(), "--base-path"])
        .arg(folder.path().join("twin"));
    let twin = Process::start(twin, folder.path().join("twin.log"));
    eventually_async("she is reported", REPORTED, || async {
        reported(&network.urls[1])?.iter().any(|kind| kind == "babe:equivocatio").then_some(())
    })
    .await;
    // One of four loses nine sixteenths.
    let left = eventually_async("she is slashed", REPORTED, || async {
        bonded().await.filter(|bonded| *bonded < before)
    })
    .await;
    assert!(left <= before - before / 2, "{left} of {before}; the twin says:\n{}", twin.output());
}
