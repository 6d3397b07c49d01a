//! Stalled finality, and a lost node: an extrinsic is reported as not included only when that is
//! certain.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use mica_chain::{Call, Chain, Fate, Reached, Signer, SubmitError, Submitted, Until};
use mica_primitives::{Balance, UNIT};
use mica_tests::{
    LocalNetwork, Process, Ran, eventually, eventually_async, free_port, process::command, run,
    units,
};

/// Longest time until two of four validators have made a block: they have half of the slots.
const BLOCK: Duration = Duration::from_secs(120);

fn mica(home: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut mica = command("mica");
    mica.env("MICA_HOME", home)
        .env("MICA_NODE_URL", url)
        .env("MICA_PASSWORD", "correct horse")
        .env_remove("MICA_WAIT");
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
    eventually_async("block 2 is final", BLOCK, || async {
        chain.finalized().await.ok().filter(|head| head.number >= 2)
    })
    .await;
    let receiver =
        mica(&["wallet", "new"]).json()["address"].as_str().expect("an address").to_owned();
    network.nodes[2].kill();
    network.nodes[3].kill();

    // It is done in a block, it says so, and it says what not to do.
    let sent =
        mica(&["wallet", "transfer", &receiver, "7", "--dev-account", "Alice", "--timeout", "60"]);
    let error = sent.error();
    assert_eq!((sent.code, &error["class"]), (Some(23), &"not-final".into()), "{}", sent.stderr);
    let message = error["message"].as_str().expect("a message");
    assert!(
        message.contains("is done in block") && message.contains("do not send it again"),
        "{message}"
    );
    let hash = error["extrinsic"].as_str().expect("its hash").to_owned();
    let block = error["block"].as_u64().expect("its block");
    assert!(
        units(&error["fee"]) > 0 && message.contains(&format!("mica wallet status {hash}")),
        "{message}"
    );
    assert_eq!(
        units(&mica(&["wallet", "balance", &receiver]).json()["free"]),
        7_000_000_000_000,
        "the money is there"
    );

    // A second look says the same, with the block.
    let looked = mica(&["wallet", "status", &hash]);
    let status = looked.json();
    assert_eq!(
        (looked.code, &status["state"], status["block"].as_u64()),
        (Some(23), &"included".into(), Some(block)),
        "{status}"
    );
    let found = eventually("the doctor sees it", 4 * BLOCK, || {
        let findings = mica(&["doctor"]).json()["findings"].as_array().expect("a list").clone();
        let node =
            findings.into_iter().find(|finding| finding["check"] == "node").expect("looked at");
        (node["state"] == "wrong").then_some(node)
    });
    let text = found["found"].as_str().expect("a text");
    assert!(
        text.contains("finality stands still") && text.contains("do not send them again"),
        "{text}"
    );

    // So far behind the last final block that nothing can be valid from there on for long, and it
    // is sent and done all the same.
    let late = mica(&[
        "wallet",
        "transfer",
        &receiver,
        "5",
        "--dev-account",
        "Alice",
        "--wait",
        "included",
        "--timeout",
        "90",
    ]);
    assert!(late.code == Some(0) && late.json()["block"].as_u64() > Some(0), "{}", late.stderr);
    assert_eq!(
        units(&mica(&["wallet", "balance", &receiver]).json()["free"]),
        12_000_000_000_000,
        "the money is there"
    );

    // With three of four it goes on, and the same look says that it is final.
    network.start_again(2).await;
    eventually("the transfer is final", 4 * BLOCK, || {
        let looked = mica(&["wallet", "status", &hash]);
        (looked.code == Some(0) && looked.json()["state"] == "final").then_some(())
    });
}

/// A development node with its state in `folder`, at a port that it has again when it is started
/// again.
fn dev_node(folder: &Path, rpc: u16) -> Process {
    let mut node = command("mica-node");
    node.args(["--dev", "--no-prometheus", "--no-telemetry", "--no-mdns", "--base-path"])
        .arg(folder.join("node"));
    node.args(["--rpc-port", &rpc.to_string(), "--port", &free_port().to_string()]);
    Process::start(node, folder.join("node.log"))
}

/// Sends UNIT to a new account through a node that ends by `end` as soon as `is_time` for it and is
/// then started again. Returns what was told, what has arrived, and the connection to the node that
/// runs now.
async fn sent_through_a_node_that_is_lost(
    folder: &Path,
    is_time: fn(Reached) -> bool,
    end: fn(&mut Process),
) -> (Result<Submitted, SubmitError>, Balance, Chain, Process) {
    let rpc = free_port();
    let url = format!("ws://127.0.0.1:{rpc}");
    let mut node = dev_node(folder, rpc);
    let answers = || async { Chain::connect(&url).await.ok() };
    let chain = eventually_async("the node answers", BLOCK, answers).await;
    let alice = Signer::from_suri("//Alice").expect("a development key");
    let to = Signer::from_suri("//Alice//nobody").expect("a development key").account();
    let (now, call) = (AtomicBool::new(false), Call::Transfer { to, amount: UNIT });
    let mut reached =
        |step| now.store(now.load(Ordering::Relaxed) || is_time(step), Ordering::Relaxed);
    let sending =
        chain.submit_watched(&alice, call, Until::Finalized, Duration::from_secs(45), &mut reached);
    let losing = async {
        eventually_async("it is time", Duration::from_secs(30), || async {
            now.load(Ordering::Relaxed).then_some(())
        })
        .await;
        end(&mut node);
        node = dev_node(folder, rpc);
        eventually_async("the node is back", BLOCK, answers).await
    };
    let (told, again) = tokio::join!(sending, losing);
    let arrived = again.at_best().await.expect("read").account(to).await.expect("read").free;
    (told, arrived, again, node)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extrinsic_whose_node_is_lost_is_found_again_or_called_unknown() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (told, arrived, again, _node) = sent_through_a_node_that_is_lost(
        folder.path(),
        |step| matches!(step, Reached::Pool(_)),
        Process::kill,
    )
    .await;
    match told {
        Ok(_) => assert_eq!(arrived, UNIT),
        Err(SubmitError::Unknown { extrinsic, .. }) => {
            // A pool is forgotten when its node ends; what a block had is found.
            let fate = again.fate(extrinsic, 64).await.expect("read");
            assert!(
                matches!(fate, Fate::Nowhere(_)) && arrived == 0,
                "{fate:?}, {arrived} arrived"
            );
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extrinsic_in_a_block_is_found_there_after_its_node_was_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A node that is killed may lose its newest block as well; one that is told to end writes it
    // down.
    let end = |node: &mut Process| {
        node.signal("TERM");
        node.wait(BLOCK);
    };
    let (told, arrived, _again, _node) = sent_through_a_node_that_is_lost(
        folder.path(),
        |step| matches!(step, Reached::Block(_)),
        end,
    )
    .await;
    let told = told.expect("the block is found again and becomes final");
    assert!(told.fee > 0 && arrived == UNIT, "{told:?}, {arrived} arrived");
}
