//! Where a worker says that it is: as many ways as others can use, checked, kept true, and refused where nobody could dial.

use std::{net::UdpSocket, process::Command, time::Duration};

use mica_chain::{Call, Chain, Signer, Until};
use mica_primitives::{LayerRange, UNIT};
use mica_tests::{DevNode, Operator, Wallet, eventually_async, free_port};

/// Longest time until a change has reached the registry: a few blocks, their finality, and pauses between repairs.
const REGISTRY: Duration = Duration::from_secs(120);

/// The address by which this machine is known to others; nothing if it has only loopback.
fn outward_ip() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // No packet is sent.
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().expect("bound").ip().to_string()).filter(|ip| !ip.starts_with("127."))
}

/// What the registry's best block says of a worker.
async fn published(chain: &Chain, account: &str) -> Vec<String> {
    let account = account.parse().expect("an SS58 account");
    let record = chain.at_best().await.expect("the node answers").worker(account).await.expect("it reads").expect("registered").0;
    record.addresses.iter().map(|address| String::from_utf8_lossy(address).into_owned()).collect()
}

fn ask(wallet: &Wallet) -> (Option<i32>, String) {
    let output = wallet.command().args(["--json", "--quiet", "ask", "Hello", "--max-tokens", "4"]).output().expect("mica starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_publishes_every_way_that_others_can_use_and_keeps_that_true() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    bob.serve(&node.url, &["--listen", "/ip4/0.0.0.0/tcp/0", "--listen", "/ip4/0.0.0.0/udp/0/quic-v1", "--layers", "0..8"]);

    // Both transports, and nothing that only this machine could dial if there is anything else.
    let ip = outward_ip().unwrap_or_else(|| "127.0.0.1".to_owned());
    let found = published(&chain, &bob.account).await;
    for (begin, end) in [(format!("/ip4/{ip}/tcp/"), ""), (format!("/ip4/{ip}/udp/"), "/quic-v1")] {
        assert!(found.iter().any(|address| address.starts_with(&begin) && address.ends_with(end)), "{begin}…{end} in {found:?}");
    }
    assert!(ip == "127.0.0.1" || found.iter().all(|address| !address.starts_with("/ip4/127.")), "{found:?}");
    for address in &found {
        mica_net::probe(&bob.peer, address).await.expect("every published address leads to the worker");
    }
    let (code, status, said) = bob.status(&node.url);
    assert_eq!((code, &status["serving"]), (Some(0), &true.into()), "{status} {said}");
    assert_eq!(status["running"]["addresses"], serde_json::json!(found));

    // A payer asks through them.
    let wallet = Wallet::create(&folder.path().join("home"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    let (code, said) = ask(&wallet);
    assert_eq!(code, Some(0), "{said}");

    one_folder_has_one_process(&bob, &node);
    addresses_that_come_and_go_are_followed(&chain, &bob).await;
    announcements_are_dialled(&folder, &node, &found);
    what_others_change_in_the_registry_is_followed(&chain, &mut bob, &node, &folder).await;

    // A worker whose process is gone is unreachable, and payers are told that and where.
    let last = published(&chain, &bob.account).await;
    bob.kill();
    let (code, said) = ask(&Wallet::create(&folder.path().join("other"), &node.url));
    assert_eq!(code, Some(15), "{said}");
    assert!(said.contains("could not be reached") && said.contains(&last[0]) && !said.contains("banned"), "{said}");
}

fn one_folder_has_one_process(bob: &Operator, node: &DevNode) {
    let (code, said) = bob.refused(&node.url, &[]);
    assert_eq!(code, Some(11), "{said}");
    assert!(said.contains("in use") && said.contains("init --data-dir"), "{said}");
    // Looking does not get in the way.
    assert_eq!(bob.status(&node.url).0, Some(0));
}

/// An interface that comes or goes changes the registration. It takes rights to make one.
async fn addresses_that_come_and_go_are_followed(chain: &Chain, bob: &Operator) {
    const NEW: &str = "198.51.100.77";
    let address = |verb: &str| Command::new("ip").args(["address", verb, &format!("{NEW}/32"), "dev", "lo"]).output();
    let added = address("add");
    if !added.as_ref().is_ok_and(|added| added.status.success()) {
        eprintln!("NOT TESTED: this user may not give the machine another address ({added:?})");
        return;
    }
    let has = |wanted: bool| async move {
        let found = published(chain, &bob.account).await;
        (found.iter().any(|address| address.contains(NEW)) == wanted).then_some(())
    };
    let came = tokio::time::timeout(REGISTRY, eventually_async("the new address is published", 2 * REGISTRY, || has(true))).await;
    // Whatever was found, the machine is left as it was.
    let removed = address("del").expect("ip runs");
    came.expect("in time");
    assert!(removed.status.success());
    eventually_async("the address that is gone is not published", REGISTRY, || has(false)).await;
}

/// Each announced address is dialled; one that leads nowhere is said, one that leads here is not.
fn announcements_are_dialled(folder: &tempfile::TempDir, node: &DevNode, taken: &[String]) {
    let (good, bad) = (free_port(), free_port());
    let mut dave = Operator::init(&folder.path().join("dave"), "//Dave");
    let (good, bad) = (format!("/ip4/127.0.0.1/tcp/{good}"), format!("/ip4/127.0.0.1/tcp/{bad}"));
    dave.serve(&node.url, &["--listen", &good, "--announce", &good, "--announce", &bad, "--layers", "0..8"]);
    let is_about = |event: &serde_json::Value, address: &str| event["text"].as_str().is_some_and(|text| text.contains(address));
    let warning = dave.wait_for("warning", REGISTRY, |event| is_about(event, &bad));
    assert!(warning["text"].as_str().is_some_and(|text| text.contains("hairpin")), "{warning}");
    assert!(!dave.events("warning").iter().any(|event| is_about(event, &good)), "{:?}", dave.events("warning"));
    // A port that is taken is an error that names the remedy.
    dave.kill();
    let port = taken.iter().find_map(|address| address.split("/tcp/").nth(1)).expect("a TCP address");
    let (code, said) = dave.refused(&node.url, &["--listen", &format!("/ip4/0.0.0.0/tcp/{port}"), "--layers", "0..8"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot listen on") && said.contains("choose another --listen"), "{said}");
}

/// Whoever has the account's key can change the record: the worker follows, and says so where it cannot.
async fn what_others_change_in_the_registry_is_followed(
    chain: &Chain,
    bob: &mut Operator,
    node: &DevNode,
    folder: &tempfile::TempDir,
) {
    let mut charlie = Operator::init(&folder.path().join("charlie"), "//Charlie");
    charlie.serve(&node.url, &["--layers", "0..8", "--no-migrate"]);
    let key = Signer::from_suri("//Bob").expect("a development key");
    let to = LayerRange { first: 0, end: 4 };
    chain.submit(&key, Call::SetRange(to), Until::Finalized).await.expect("another worker covers the rest");
    bob.wait_for_status(&node.url, 0, REGISTRY, |status| status["running"]["layers"] == serde_json::json!(to));
    assert!(bob.events("not_serving").iter().any(|event| event["code"] == "other_layers"), "{:?}", bob.events("not_serving"));

    let nowhere = vec![b"/ip4/127.0.0.1/tcp/9".to_vec().try_into().expect("short")].try_into().expect("few");
    chain.submit(&key, Call::SetAddresses(nowhere), Until::Finalized).await.expect("set");
    eventually_async("the worker's own addresses are back", REGISTRY, || async {
        (!published(chain, &bob.account).await.iter().any(|address| address.ends_with("/tcp/9"))).then_some(())
    })
    .await;
    bob.wait_for_status(&node.url, 0, REGISTRY, |status| status["serving"] == true);
    assert!(bob.events("another_instance").is_empty(), "once is no rival");

    chain.submit(&Signer::from_suri("//Charlie").expect("a key"), Call::Unregister, Until::Finalized).await.expect("it leaves");
    charlie.wait_for("not_serving", REGISTRY, |event| event["code"] == "leaving");
    let status = charlie.wait_for_status(&node.url, 22, REGISTRY, |status| status["serving"] == false);
    assert_eq!(status["problems"][0]["code"], "leaving", "{status}");
}

#[test]
fn addresses_that_nobody_could_dial_are_not_announced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let worker = Operator::init(&folder.path().join("worker"), "//Bob");
    let other = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    for (address, remedy) in [
        ("203.0.113.7:4001".to_owned(), "no multiaddress"),
        ("/ip4/203.0.113.7/tcp/99999".to_owned(), "no multiaddress"),
        ("/ip4/0.0.0.0/tcp/4001".to_owned(), "nobody can dial"),
        ("/ip4/203.0.113.7/tcp/0".to_owned(), "port 0"),
        ("/ip4/203.0.113.7/udp/4001".to_owned(), "quic-v1"),
        (format!("/ip4/203.0.113.7/tcp/4001/p2p/{other}"), "another peer"),
    ] {
        let (code, said) = worker.refused("ws://127.0.0.1:9", &["--announce", &address]);
        assert_eq!(code, Some(2), "{address}: {said}");
        assert!(said.contains(&address) && said.contains(remedy), "{address}: {said}");
    }
}
