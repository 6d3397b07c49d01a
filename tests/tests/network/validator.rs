//! A newcomer becomes a validator by following the documentation page alone: it generates keys,
//! syncs, bonds, is elected, and its votes count.

use std::{path::Path, process::Command, time::Duration};

use mica_chain::{Call, Chain, Signer, Until};
use mica_tests::{DevNode, Process, Reader, eventually_async, free_ports, process::command};
use serde_json::Value;

use super::specs;

/// Longest time until a node answers and is in step.
const START: Duration = Duration::from_secs(120);
/// Longest time until an election is over and the elected work: three sessions.
const ELECTED: Duration = Duration::from_secs(240);
/// Longest time until a block is final.
const FINAL: Duration = Duration::from_secs(90);

async fn connect(url: &str) -> Chain {
    eventually_async(&format!("{url} answers"), START, || async { Chain::connect(url).await.ok() })
        .await
}

/// Waits until a block that is made from now on is final.
pub(super) async fn a_new_block_is_final(chain: &Chain, what: &str) {
    let made = chain.best().await.expect("the node answers").number + 2;
    eventually_async(&format!("block {made} is final {what}"), FINAL, || async {
        chain.finalized().await.ok().filter(|head| head.number >= made)
    })
    .await;
}

/// `mica validator …` as the page has set it up, as JSON.
fn validator(folder: &Path, url: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    mica(folder, url, &[&["validator"], arguments].concat())
}

/// The same for any command.
fn mica(folder: &Path, url: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let mut mica = command("mica");
    mica.env("HOME", folder.join("home")).env("MICA_NODE_URL", url).env("MICA_WALLET", "validator");
    let output = mica
        .env("MICA_PASSWORD", "correct horse")
        .args(arguments)
        .args(["--json", "--quiet"])
        .output();
    let output = output.expect("mica starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_is_elected_and_votes_by_the_commands_of_the_page() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spec = specs::with_an_election_in_every_session(folder.path());
    let ports = free_ports(13);
    let (rpc_ports, alone, alone_rpc, metrics) = (ports + 5, ports + 10, ports + 11, ports + 12);
    let mut page = Reader::open("docs/validator.md", folder.path())
        .variable("MICA_PASSWORD", "correct horse")
        .replacing(
            "mica-node --dev",
            &format!(
                "mica-node --dev --no-mdns --no-prometheus --port {alone} --rpc-port {alone_rpc}"
            ),
        )
        .replacing("--chain local", &format!("--chain {spec} --no-mdns --no-telemetry"))
        .replacing("30333", &ports.to_string())
        .replacing("9944", &rpc_ports.to_string())
        .replacing("30337", &(ports + 4).to_string())
        .replacing("9948", &(rpc_ports + 4).to_string())
        .replacing("9615", &metrics.to_string())
        // 28 eras are too long for a test: that nothing has come free yet must be told.
        .replacing(
            "mica validator withdraw ",
            "[ \"$(mica validator withdraw 2>&1 | grep -c 'nothing has come free yet')\" = 1 ] ",
        );

    page.until("mica-node --dev");
    let mut alone = page.start("alone.log");
    connect(&format!("ws://127.0.0.1:{alone_rpc}")).await;
    alone.kill();
    page.until("mica-node key generate-node-key --file node.key");
    let alice = connect(&format!("ws://127.0.0.1:{rpc_ports}")).await;
    page.until("mica-node --chain local --validator");
    let mut node = page.start("newcomer.log");
    let url = format!("ws://127.0.0.1:{}", rpc_ports + 4);
    let newcomer = in_step(&url, &alice, &mut node).await;

    // Up to the second look at the status: bonded, keys set, a candidate.
    page.until("mica validator status");
    refusals_name_the_remedy(folder.path(), &url);
    let waiting = validator(folder.path(), &url, &["status"]).1;
    let expected =
        serde_json::json!({"is_candidate": true, "commission_percent": 5.0, "node_has_keys": true});
    let found = ["is_candidate", "commission_percent", "node_has_keys"]
        .map(|field| (field.to_owned(), waiting[field].clone()));
    assert_eq!(Value::Object(found.into_iter().collect()), expected, "{waiting}");
    let account =
        waiting["account"].as_str().and_then(|account| account.parse().ok()).expect("an account");
    eventually_async("the newcomer is in the set", ELECTED, || async {
        let state = newcomer.at_best().await.ok()?.validator(account).await.ok()?;
        state.is_active.then_some(())
    })
    .await;
    // Of five votes four are needed: without Dave the newcomer's is one of them.
    let dave = std::fs::read_to_string(folder.path().join("dave.pid")).expect("the page keeps it");
    assert!(Command::new("kill").arg(dave.trim()).status().expect("kill runs").success());
    a_new_block_is_final(&newcomer, "with the newcomer's vote").await;
    rewards_come_by_themselves(folder.path(), &url, &newcomer).await;

    let said = page.finish();
    let left = validator(folder.path(), &url, &["status"]).1;
    assert_eq!(
        (&left["is_candidate"], &left["bonded"]),
        (&false.into(), &"0".into()),
        "{left}\n{said}"
    );
    assert!(said.contains("in the set yes"), "{said}");
}

/// Waits until the node at `url` has fetched what `alice` has.
async fn in_step(url: &str, alice: &Chain, node: &mut Process) -> Chain {
    let newcomer = connect(url).await;
    let what = format!("the newcomer is in step; its log:\n{}", node.output());
    eventually_async(&what, START, || async {
        let (ours, theirs) = (newcomer.finalized().await.ok()?, alice.finalized().await.ok()?);
        (ours.number > 0 && ours.number + 1 >= theirs.number).then_some(())
    })
    .await;
    newcomer
}

fn refusals_name_the_remedy(folder: &Path, url: &str) {
    let (code, _, said) = validator(folder, url, &["unbond", "59500"]);
    assert!(
        code == Some(2) && said.contains("mica validator chill") && said.contains("1000 MICA"),
        "{said}"
    );
    let (code, _, said) = validator(folder, url, &["bond", "5000"]);
    assert!(code == Some(14) && said.contains("5000"), "{said}");
    let (code, _, said) = validator(folder, url, &["bond", "1", "--compound"]);
    assert!(code == Some(2) && said.contains("first bond"), "{said}");
}

/// The first era is over: the chain pays what a validator of the genesis earned in it, and whoever
/// asks for it then finds nothing.
async fn rewards_come_by_themselves(folder: &Path, url: &str, chain: &Chain) {
    let stash = Signer::from_suri("//Alice//stash").expect("a development key");
    let address = stash.account().to_string();
    eventually_async("the first era's rewards are paid", FINAL, || async {
        let view = chain.at_best().await.ok()?;
        let era = view.validator(stash.account()).await.ok()?.era;
        let unpaid = view.unpaid_rewards(stash.account()).await.ok()?;
        (era > 0 && unpaid.iter().all(|reward| reward.era > 0)).then_some(())
    })
    .await;
    let (code, _, said) = validator(folder, url, &["payout", "--validator", &address]);
    assert_eq!(code, Some(0), "{said}");
    // Nothing has come free; the call is understood all the same.
    chain
        .submit(&stash, Call::WithdrawUnbonded { slashing_spans: 0 }, Until::InBlock)
        .await
        .expect("the chain takes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_bond_are_given_back_whatever_came_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let done = |arguments: &[&str]| {
        let (code, done, said) = mica(folder.path(), &node.url, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        done
    };
    let status = || done(&["validator", "status"]);
    let address = done(&["wallet", "new"])["address"].as_str().expect("an address").to_owned();

    // Without money for their deposit the node makes no keys.
    let before = session_keys(folder.path());
    let (code, _, said) = validator(folder.path(), &node.url, &["set-keys"]);
    assert_eq!((code, session_keys(folder.path())), (Some(14), before), "{said}");

    // Keys without a bond can be given up.
    done(&["wallet", "transfer", &address, "2000", "--dev-account", "Alice", "--wait", "included"]);
    done(&["validator", "set-keys"]);
    let next = status()["next"].as_str().expect("there is more to do").to_owned();
    assert!(next.contains("mica validator withdraw"), "{next}");
    let given_up = done(&["validator", "withdraw"]);
    assert!(
        given_up["done"].as_str().is_some_and(|done| done.contains("gave the session keys up")),
        "{given_up}"
    );
    assert!(status()["session_keys"].is_null());

    // A candidate that has taken a part out takes the rest, and is none any more.
    done(&["validator", "bond", "1500"]);
    done(&["validator", "set-keys"]);
    done(&["validator", "validate"]);
    done(&["validator", "unbond", "200"]);
    assert_eq!(status()["is_candidate"], true);
    done(&["validator", "unbond", "--all"]);
    let left = status();
    assert_eq!((&left["is_candidate"], &left["bonded"]), (&false.into(), &"0".into()), "{left}");
    assert_eq!(left["unlocking"], "1500000000000000", "{left}");
}

/// How many keys the node of [`DevNode`] in `folder` has written.
fn session_keys(folder: &Path) -> usize {
    let chains = std::fs::read_dir(folder.join("node/chains")).expect("the node has made it");
    let keys =
        chains.filter_map(|chain| std::fs::read_dir(chain.ok()?.path().join("keystore")).ok());
    keys.map(Iterator::count).sum()
}
