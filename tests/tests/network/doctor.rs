//! `mica-worker doctor`: why no work comes, and that it is told when it does.

use std::time::Duration;

use mica_primitives::UNIT;
use mica_tests::{DevNode, Operator, Wallet, eventually, run};
use serde_json::Value;

/// Longest time until a change has reached the registry and the worker's status.
const REGISTRY: Duration = Duration::from_secs(120);

/// What the doctor finds, with its exit code.
fn doctor(worker: &Operator, url: &str) -> (Option<i32>, Value) {
    let ran = run(worker.command(&["doctor", "--json", "--node-url", url]), "");
    (ran.code, ran.json())
}

fn state<'a>(found: &'a Value, check: &str) -> &'a str {
    let findings = found["findings"].as_array().expect("a list");
    let finding = findings.iter().find(|finding| finding["check"] == check);
    finding.map_or("none", |finding| finding["state"].as_str().expect("a state"))
}

fn causes(found: &Value) -> Vec<String> {
    let causes = found["no_work_because"].as_array().expect("a list").iter();
    causes.map(|cause| cause["code"].as_str().expect("a code").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_why_no_work_comes_and_what_would_change_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    let (code, found) = doctor(&bob, &node.url);
    assert_eq!((code, state(&found, "process")), (Some(22), "wrong"), "{found}");
    assert_eq!(state(&found, "registry"), "wrong", "{found}");
    let (code, found) = doctor(&bob, "ws://127.0.0.1:9");
    assert_eq!((code, state(&found, "node")), (Some(22), "wrong"), "{found}");

    // Half a model is no model.
    bob.serve(&node.url, &["--layers", "0..4", "--no-pricing"]);
    bob.wait_for_status(&node.url, 0, REGISTRY, |status| status["serving"] == true);
    let (code, found) = doctor(&bob, &node.url);
    assert_eq!((code, state(&found, "coverage")), (Some(22), "wrong"), "{found}");
    for good in ["process", "node", "clock", "stake", "fees", "registry"] {
        assert_eq!(state(&found, good), "good", "{good}: {found}");
    }
    assert_eq!(state(&found, "reach"), "note", "its node is on this machine too: {found}");
    assert_eq!(causes(&found), ["not_covered"], "{found}");

    // With the other half payers come, and are counted.
    let mut eve = Operator::init(&folder.path().join("charlie"), "//Charlie");
    eve.serve(&node.url, &["--layers", "4..8", "--no-pricing"]);
    let wallet = Wallet::create(&folder.path().join("home"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    let found = eventually("a prompt is answered and counted", REGISTRY, || {
        let asked = ["--quiet", "ask", "Hello", "--max-tokens", "4"];
        let mut ask = wallet.command();
        ask.args(asked);
        if run(ask, "").code != Some(0) {
            return None;
        }
        let (code, found) = doctor(&bob, &node.url);
        (code == Some(0) && found["last_hour"]["accepted"].as_u64() >= Some(1)).then_some(found)
    });
    assert_eq!(state(&found, "coverage"), "good", "{found}");
    assert_eq!(state(&found, "work"), "good", "{found}");
    assert!(found["last_hour"]["quotes"].as_u64() >= Some(1), "{found}");

    // A third one that is far too dear is told at what price it would be taken.
    let mut dave = Operator::init(&folder.path().join("dave"), "//Dave");
    dave.serve(&node.url, &["--layers", "0..4", "--no-pricing", "--price", "900000000u"]);
    dave.wait_for_status(&node.url, 0, REGISTRY, |status| status["serving"] == true);
    let (code, found) = doctor(&dave, &node.url);
    assert_eq!((code, state(&found, "price")), (Some(0), "note"), "{found}");
    let why = causes(&found);
    assert!(["too_dear", "too_slow"].contains(&why[0].as_str()), "{found}");
    let text = run(dave.command(&["doctor", "--node-url", &node.url]), "").stdout;
    assert!(text.contains("because") && text.lines().count() < 40, "one screen:\n{text}");
}
