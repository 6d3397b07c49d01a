//! One account is one process on one chain: copies of a worker's folder, and a chain that is reset
//! under a running worker.

use std::{path::Path, time::Duration};

use mica_chain::{Call, Chain, Signer, Until};
use mica_primitives::UNIT;
use mica_tests::{DevNode, Operator, Wallet, eventually_async};
use serde_json::Value;

/// Longest time until two workers have noticed each other, or one that the other is gone.
const NOTICED: Duration = Duration::from_secs(150);
const ALL: [&str; 2] = ["--layers", "0..8"];

/// What the registry's best block says of a worker's addresses; nothing if it is not registered.
async fn published(chain: &Chain, account: &str) -> Option<Vec<String>> {
    let account = account.parse().expect("an SS58 account");
    let (record, _) = chain.at_best().await.ok()?.worker(account).await.ok()??;
    Some(
        record
            .addresses
            .iter()
            .map(|address| String::from_utf8_lossy(address).into_owned())
            .collect(),
    )
}

/// A payer that the chain has never seen asks and is answered.
async fn a_new_payer_is_answered(chain: &Chain, home: &Path, node_url: &str) {
    let wallet = Wallet::create(home, node_url);
    wallet.fund(chain, 100 * UNIT).await;
    let asked = wallet
        .command()
        .args(["--json", "--quiet", "ask", "Hello", "--max-tokens", "4"])
        .output()
        .expect("mica starts");
    assert_eq!(asked.status.code(), Some(0), "{}", String::from_utf8_lossy(&asked.stderr));
}

fn addresses(status: &Value) -> Vec<String> {
    serde_json::from_value(status["running"]["addresses"].clone()).expect("texts")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_copies_one_serves_and_no_dead_address_stays() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut first = Operator::init(&folder.path().join("bob"), "//Bob");
    first.serve(&node.url, &ALL);
    let own = addresses(
        &first.wait_for_status(&node.url, 0, NOTICED, |status| status["serving"] == true),
    );

    // While the first one answers, a copy does not start.
    let mut copy = first.copy(&folder.path().join("copy"));
    let (code, said) = copy.refused(&node.url, &ALL);
    assert_eq!(code, Some(23), "{said}");
    assert!(said.contains(&own[0]) && said.contains("mica-worker init"), "{said}");
    assert_eq!(published(&chain, &first.account).await, Some(own.clone()), "nothing has changed");

    // One that hangs is taken for gone, and yields when it comes to itself.
    first.process().signal("STOP");
    copy.serve(&node.url, &ALL);
    let theirs = published(&chain, &first.account).await.expect("registered");
    assert_ne!(theirs, own);
    first.process().signal("CONT");
    let told = first.wait_for("another_instance", NOTICED, |_| true);
    assert_eq!(told["addresses"], serde_json::json!(theirs), "{told}");
    let is_told = |status: &Value| {
        status["problems"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["code"] == "another_instance"))
    };
    first.wait_for_status(&node.url, 22, NOTICED, |status| {
        status["serving"] == false && is_told(status)
    });
    let served = copy.wait_for_status(&node.url, 0, NOTICED, |status| status["serving"] == true);
    assert_eq!(addresses(&served), theirs);
    assert_eq!(published(&chain, &first.account).await, Some(theirs.clone()), "they do not fight");
    assert_eq!(first.events("another_instance").len(), 1, "said once");
    a_new_payer_is_answered(&chain, &folder.path().join("one"), &node.url).await;

    // When that one dies its address does not stay.
    copy.kill();
    eventually_async("the survivor's addresses are back", NOTICED, || async {
        (published(&chain, &first.account).await? == own).then_some(())
    })
    .await;
    first.wait_for_status(&node.url, 0, NOTICED, |status| status["serving"] == true);
    assert!(first.events("serving").len() >= 2, "said again");
    a_new_payer_is_answered(&chain, &folder.path().join("two"), &node.url).await;
}

/// Another node at the same place.
async fn replace(node: &mut DevNode, folder: &Path, port: u16) -> Chain {
    node.process.kill();
    std::fs::create_dir_all(folder).expect("the folder is writable");
    *node = DevNode::start_at(folder, &["--dev"], port).await;
    node.connect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_starts_anew_is_noticed_and_a_node_that_is_behind_is_not_taken_for_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (place, early) = (folder.path().join("old"), folder.path().join("early"));
    std::fs::create_dir_all(&place).expect("the folder is writable");
    let mut node = DevNode::start(&place).await;
    let port: u16 = node.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let chain = node.connect().await;
    eventually_async("block 2 is final", NOTICED, || async {
        chain.finalized().await.ok().filter(|head| head.number >= 2)
    })
    .await;
    node.process.kill();
    let copied = std::process::Command::new("cp").arg("-a").arg(&place).arg(&early).status();
    assert!(copied.expect("cp runs").success());
    let chain = replace(&mut node, &place, port).await;

    // Three workers, one of which has only what it was given on this chain.
    let [mut bob, mut charlie, mut poor] =
        [("bob", "//Bob"), ("charlie", "//Charlie"), ("poor", "//Bob//poor")]
            .map(|(name, suri)| Operator::init(&folder.path().join(name), suri));
    let gift = Call::Transfer { to: poor.account.parse().expect("an account"), amount: 200 * UNIT };
    chain
        .submit(&Signer::from_suri("//Alice").expect("a development key"), gift, Until::Finalized)
        .await
        .expect("sent");
    for worker in [&mut bob, &mut charlie, &mut poor] {
        worker.serve(&node.url, &ALL);
    }
    a_new_payer_is_answered(&chain, &folder.path().join("one"), &node.url).await;

    // A node of the same chain that knows less of it is waited for, at the start too: nothing is
    // put aside. When it has caught up without what was registered, that is missing on the same
    // chain: it is registered anew, or what that takes is said.
    charlie.kill();
    let chain = replace(&mut node, &early, port).await;
    charlie.start(&node.url, &ALL);
    charlie.wait_for("warning", NOTICED, |event| {
        event["text"].as_str().is_some_and(|text| text.contains("caught up"))
    });
    charlie.wait_for("serving", NOTICED, |_| true);
    bob.wait_for("not_serving", NOTICED, |event| event["code"] == "not_registered");
    let status = bob.wait_for_status(&node.url, 0, NOTICED, |status| status["serving"] == true);
    assert_eq!(published(&chain, &bob.account).await, Some(addresses(&status)));
    poor.wait_for("warning", NOTICED, |event| {
        event["text"].as_str().is_some_and(|text| text.contains("mica wallet transfer"))
    });
    let status = poor.wait_for_status(&node.url, 22, NOTICED, |status| status["serving"] == false);
    assert_eq!(status["problems"][0]["code"], "not_registered", "{status}");
    for worker in [&mut bob, &mut charlie, &mut poor] {
        assert!(worker.events("chain_changed").is_empty() && !worker.folder.join("aside").exists());
    }
    a_new_payer_is_answered(&chain, &folder.path().join("two"), &node.url).await;

    // Another chain, with the genesis of the old one: the records of the old one are put aside, and
    // the workers register with the new one.
    charlie.kill();
    a_new_payer_is_answered(&chain, &folder.path().join("bobs"), &node.url).await;
    let chain = replace(&mut node, &folder.path().join("new"), port).await;
    let changed = bob.wait_for("chain_changed", NOTICED, |_| true);
    let aside = Path::new(changed["aside"].as_str().expect("a folder"));
    assert!(changed["lanes"].as_u64() > Some(0) && aside.join("store.redb").exists(), "{changed}");
    let status = bob.wait_for_status(&node.url, 0, NOTICED, |status| status["serving"] == true);
    assert_eq!(published(&chain, &bob.account).await, Some(addresses(&status)));
    a_new_payer_is_answered(&chain, &folder.path().join("three"), &node.url).await;
    assert_eq!(poor.process().wait(NOTICED).code(), Some(14), "{}", poor.process().output());
    assert!(poor.process().output().contains("mica wallet transfer"));

    // Said once: a restart finds its records where they belong.
    bob.kill();
    bob.serve(&node.url, &ALL);
    assert!(bob.events("chain_changed").is_empty());

    // When the old chain is back its records are as well.
    let chain = replace(&mut node, &early, port).await;
    bob.wait_for("chain_changed", NOTICED, |_| true);
    bob.wait_for("warning", NOTICED, |event| {
        event["text"].as_str().is_some_and(|text| text.contains("are back"))
    });
    assert!(!aside.exists());
    let status = bob.wait_for_status(&node.url, 0, NOTICED, |status| status["serving"] == true);
    assert_eq!(published(&chain, &bob.account).await, Some(addresses(&status)));
}
