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

/// Where a node listens for others, with its peer id.
fn address_of(url: &str) -> String {
    let told = NodeRpc::new(url).answer("system_localListenAddresses", &json!([]));
    let address = told["result"][0].as_str();
    address.unwrap_or_else(|| panic!("a node listens: {told}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_that_runs_on_two_nodes_loses_stake() {
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

    let mut twin = command("mica-node");
    twin.args(["--chain", "local", "--alice", "--no-prometheus", "--no-telemetry", "--no-mdns"])
        .args(["--node-key", &format!("{:064x}", 99), "--bootnodes", &address_of(&network.urls[0])])
        .args(["--listen-addr", &format!("/ip4/127.0.0.1/tcp/{}", free_port())])
        .args(["--rpc-port", &free_port().to_string(), "--base-path"])
        .arg(folder.path().join("twin"));
    let twin = Process::start(twin, folder.path().join("twin.log"));
    // One of four loses nine sixteenths.
    let left = eventually_async("alice is slashed", REPORTED, || async {
        bonded().await.filter(|bonded| *bonded < before)
    })
    .await;
    assert!(left <= before - before / 2, "{left} of {before}; the twin says:\n{}", twin.output());
}
