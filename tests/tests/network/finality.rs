//! Finality that stands still, and a node that is lost: what was sent is never called not included unless that is known.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use mica_chain::{Call, Chain, Fate, Signer, SubmitError, Until};
use mica_tests::{LocalNetwork, Process, eventually, eventually_async, free_port, process::command};

use super::wallet::{Ran, integer, run};

/// Longest time until two of four validators have made a block: they have half of the slots.
const BLOCK: Duration = Duration::from_secs(120);

fn mica(home: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut mica = command("mica");
    mica.env("MICA_HOME", home).env("MICA_NODE_URL", url).env("MICA_PASSWORD", "correct horse").env_remove("MICA_WAIT");
    mica.args(arguments).args(["--json", "--quiet"]);
    mica
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_arrived_is_not_called_lost_while_finality_stands_still() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut network = LocalNetwork::start(folder.path()).await;
    let (home, url) = (folder.path().join("home"), network.urls[0].clone());
    let mica = |arguments: &[&str]| -> Ran { run(mica(&home, &url, arguments), "") };
    let chain = Chain::connect(&url).await.expect("alice answers");
    eventually_async("block 2 is final", BLOCK, || async { chain.finalized().await.ok().filter(|head| head.number >= 2) }).await;
    let receiver = mica(&["wallet", "new"]).json()["address"].as_str().expect("an address").to_owned();
    network.nodes[2].kill();
    network.nodes[3].kill();

    // It is done in a block, it says so, and it says what not to do.
    let sent = mica(&["wallet", "transfer", &receiver, "7", "--dev-account", "Alice", "--timeout", "60"]);
    let error = sent.error();
    assert_eq!((sent.code, &error["class"]), (Some(23), &"not-final".into()), "{}", sent.stderr);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("is done in block") && message.contains("do not send it again"), "{message}");
    let (hash, block) = (error["extrinsic"].as_str().expect("its hash").to_owned(), integer(&error["block"]));
    assert!(integer(&error["fee"]) > 0 && message.contains(&format!("mica wallet status {hash}")), "{message}");
    assert_eq!(integer(&mica(&["wallet", "balance", &receiver]).json()["free"]), 7_000_000_000_000, "the money is there");

    // A second look says the same, with the block.
    let looked = mica(&["wallet", "status", &hash]);
    let status = looked.json();
    assert_eq!((looked.code, &status["state"], integer(&status["block"])), (Some(23), &"included".into(), block), "{status}");
    let found = eventually("the doctor sees it", 4 * BLOCK, || {
        let findings = mica(&["doctor"]).json()["findings"].as_array().expect("a list").clone();
        let node = findings.into_iter().find(|finding| finding["check"] == "node").expect("looked at");
        (node["state"] == "wrong").then_some(node)
    });
    let text = found["found"].as_str().expect("a text");
    assert!(text.contains("finality stands still") && text.contains("do not send them again"), "{text}");

    // With three of four it goes on, and the same look says that it is final.
    network.start_again(2).await;
    eventually("the transfer is final", 4 * BLOCK, || {
        let looked = mica(&["wallet", "status", &hash]);
        (looked.code == Some(0) && looked.json()["state"] == "final").then_some(())
    });
}

/// A development node with its state in `folder`, at a port that it has again when it is started again.
fn dev_node(folder: &Path, rpc: u16) -> Process {
    let mut node = command("mica-node");
    node.args(["--dev", "--no-prometheus", "--no-telemetry", "--no-mdns", "--base-path"]).arg(folder.join("node"));
    node.args(["--rpc-port", &rpc.to_string(), "--port", &free_port().to_string()]);
    Process::start(node, folder.join("node.log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extrinsic_whose_node_is_lost_is_found_again_or_called_unknown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rpc = free_port();
    let url = format!("ws://127.0.0.1:{rpc}");
    let mut node = dev_node(folder.path(), rpc);
    let answers = || async { Chain::connect(&url).await.ok() };
    let chain = eventually_async("the node answers", BLOCK, answers).await;
    let alice = Signer::from_suri("//Alice").expect("a development key");
    let to = Signer::from_suri("//Alice//nobody").expect("a development key").account();
    let (pooled, call) = (AtomicBool::new(false), Call::Transfer { to, amount: mica_primitives::UNIT });
    let mut reached = |_| pooled.store(true, Ordering::Relaxed);
    let sending = chain.submit_watched(&alice, call, Until::Finalized, Duration::from_secs(45), &mut reached);
    let losing = async {
        eventually_async("the pool has it", Duration::from_secs(30), || async { pooled.load(Ordering::Relaxed).then_some(()) })
            .await;
        node.kill();
        node = dev_node(folder.path(), rpc);
        eventually_async("the node is back", BLOCK, answers).await
    };
    let (told, again) = tokio::join!(sending, losing);
    let arrived = again.at_best().await.expect("read").account(to).await.expect("read").free;
    match told {
        Ok(_) => assert_eq!(arrived, mica_primitives::UNIT),
        Err(SubmitError::Unknown { extrinsic, .. }) => {
            // A pool is forgotten when its node ends; what a block had is found.
            let fate = again.fate(extrinsic, 64).await.expect("read");
            assert!(matches!(fate, Fate::Nowhere(_)) && arrived == 0, "{fate:?}, {arrived} arrived");
        }
        Err(error) => panic!("{error}"),
    }
}
