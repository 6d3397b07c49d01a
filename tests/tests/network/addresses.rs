//! The addresses that a worker publishes: every one that others can use, verified, kept up to date,
//! and refused if nobody could dial them.

use std::{net::UdpSocket, process::Command, time::Duration};

use mica_chain::{AccountId, Call, Chain, Signer, Until};
use mica_primitives::{LayerRange, UNIT, WorkerAddresses, WorkerRecord};
use mica_tests::{DevNode, Operator, Wallet, eventually, eventually_async, free_port};
use serde_json::{Value, json};

/// Longest time until a change has reached the registry: a few blocks, their finality, and pauses
/// between repairs.
const REGISTRY: Duration = Duration::from_secs(120);

/// The address by which this machine is known to others; nothing if it has only loopback.
fn outward_ip() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // No packet is sent.
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().expect("bound").ip().to_string()).filter(|ip| !ip.starts_with("127."))
}

/// What the registry's best block says of a worker.
async fn record(chain: &Chain, account: &str) -> WorkerRecord<AccountId> {
    let account = account.parse().expect("an SS58 account");
    chain
        .at_best()
        .await
        .expect("the node answers")
        .worker(account)
        .await
        .expect("it reads")
        .expect("registered")
        .0
}

async fn published(chain: &Chain, account: &str) -> Vec<String> {
    let record = record(chain, account).await;
    record.addresses.iter().map(|address| String::from_utf8_lossy(address).into_owned()).collect()
}

async fn list_price(chain: &Chain, account: &str) -> String {
    record(chain, account).await.list_price_per_layer_token.to_string()
}

fn ask(wallet: &Wallet) -> (Option<i32>, String) {
    let output = wallet
        .command()
        .args(["--json", "--quiet", "ask", "Hello", "--max-tokens", "4"])
        .output()
        .expect("mica starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_publishes_every_way_that_others_can_use_and_keeps_that_true() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    bob.serve(
        &node.url,
        &[
            "--listen",
            "/ip4/0.0.0.0/tcp/0",
            "--listen",
            "/ip4/0.0.0.0/udp/0/quic-v1",
            "--layers",
            "0..8",
        ],
    );

    // Both transports, and nothing that only this machine could dial if there is anything else.
    let ip = outward_ip().unwrap_or_else(|| "127.0.0.1".to_owned());
    let found = published(&chain, &bob.account).await;
    for (begin, end) in [(format!("/ip4/{ip}/tcp/"), ""), (format!("/ip4/{ip}/udp/"), "/quic-v1")] {
        assert!(
            found.iter().any(|address| address.starts_with(&begin) && address.ends_with(end)),
            "{begin}…{end} in {found:?}"
        );
    }
    assert!(
        ip == "127.0.0.1" || found.iter().all(|address| !address.starts_with("/ip4/127.")),
        "{found:?}"
    );
    for address in &found {
        mica_net::probe(&bob.peer, address)
            .await
            .expect("every published address leads to the worker");
    }
    let (code, status, said) = bob.status(&node.url);
    assert_eq!((code, &status["serving"]), (Some(0), &true.into()), "{status} {said}");
    assert_eq!(status["running"]["addresses"], json!(found));

    // A payer asks through them.
    let wallet = Wallet::create(&folder.path().join("home"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    let (code, said) = ask(&wallet);
    assert_eq!(code, Some(0), "{said}");

    one_folder_has_one_process(&bob, &node);
    addresses_that_come_and_go_are_followed(&chain, &bob).await;
    announcements_are_dialled(&folder, &node, &found);
    what_others_change_in_the_registry_is_followed(&chain, &node, &folder).await;

    // What pricing has learned outlives a restart.
    let price = |event: Value| event["price_per_layer_token"].as_str().expect("money").to_owned();
    let (first, learned) =
        (price(bob.events("serving")[0].clone()), list_price(&chain, &bob.account).await);
    assert_ne!(first, learned, "pricing is on, as it is shipped");
    bob.kill();
    bob.serve(&node.url, &["--layers", "0..8"]);
    assert_eq!(price(bob.events("serving")[0].clone()), learned);

    // A worker whose process is gone is unreachable, and payers are told that and where.
    let last = published(&chain, &bob.account).await;
    bob.kill();
    let other = Wallet::create(&folder.path().join("other"), &node.url);
    // Payers read the registry at the last final block.
    let said = eventually("a payer has tried the last address", REGISTRY, || {
        let (code, said) = ask(&other);
        assert_eq!(code, Some(15), "{said}");
        said.contains(&last[0]).then_some(said)
    });
    assert!(said.contains("could not be reached") && !said.contains("banned"), "{said}");
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
    let address = |verb: &str| {
        Command::new("ip").args(["address", verb, &format!("{NEW}/32"), "dev", "lo"]).output()
    };
    let added = address("add");
    if !added.as_ref().is_ok_and(|added| added.status.success()) {
        eprintln!("NOT TESTED: this user may not give the machine another address ({added:?})");
        return;
    }
    let has = |wanted: bool| async move {
        let found = published(chain, &bob.account).await;
        (found.iter().any(|address| address.contains(NEW)) == wanted).then_some(())
    };
    let came = tokio::time::timeout(
        REGISTRY,
        eventually_async("the new address is published", 2 * REGISTRY, || has(true)),
    )
    .await;
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
    dave.serve(
        &node.url,
        &["--listen", &good, "--announce", &good, "--announce", &bad, "--layers", "0..8"],
    );
    let is_about = |event: &Value, address: &str| {
        event["text"].as_str().is_some_and(|text| text.contains(address))
    };
    let warning = dave.wait_for("warning", REGISTRY, |event| is_about(event, &bad));
    assert!(warning["text"].as_str().is_some_and(|text| text.contains("hairpin")), "{warning}");
    assert!(
        !dave.events("warning").iter().any(|event| is_about(event, &good)),
        "{:?}",
        dave.events("warning")
    );
    // A port that is taken is an error that names the remedy.
    dave.kill();
    let port =
        taken.iter().find_map(|address| address.split("/tcp/").nth(1)).expect("a TCP address");
    let (code, said) = dave
        .refused(&node.url, &["--listen", &format!("/ip4/0.0.0.0/tcp/{port}"), "--layers", "0..8"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("cannot listen on") && said.contains("choose another --listen"),
        "{said}"
    );
}

/// Whoever has the account's key can change the record: the worker follows, and says so where it
/// cannot.
async fn what_others_change_in_the_registry_is_followed(
    chain: &Chain,
    node: &DevNode,
    folder: &tempfile::TempDir,
) {
    // It listens on loopback: no interface that comes or goes gets in the way.
    let mut charlie = Operator::init(&folder.path().join("charlie"), "//Charlie");
    charlie.serve(&node.url, &["--layers", "0..8"]);
    let key = Signer::from_suri("//Charlie").expect("a development key");
    let to = LayerRange { first: 0, end: 4 };
    chain
        .submit(&key, Call::SetRange(to), Until::Finalized)
        .await
        .expect("another worker covers the rest");
    charlie.wait_for_status(&node.url, 0, REGISTRY, |status| {
        status["running"]["layers"] == json!([to.first, to.end])
    });
    assert!(
        charlie.events("not_serving").iter().any(|event| event["code"] == "other_layers"),
        "{:?}",
        charlie.events("not_serving")
    );

    // A dead address does not stay. When somebody puts it there again, that is another process with
    // this account.
    let nowhere: WorkerAddresses =
        vec![b"/ip4/127.0.0.1/tcp/9".to_vec().try_into().expect("short")].try_into().expect("few");
    for others in 0..2 {
        chain
            .submit(&key, Call::SetAddresses(nowhere.clone()), Until::Finalized)
            .await
            .expect("set");
        eventually_async("the worker's own addresses are back", REGISTRY, || async {
            (!published(chain, &charlie.account)
                .await
                .iter()
                .any(|address| address.ends_with("/tcp/9")))
            .then_some(())
        })
        .await;
        charlie.wait_for_status(&node.url, 0, REGISTRY, |status| {
            status["serving"] == true && status["problems"] == json!([])
        });
        assert_eq!(
            charlie.events("another_instance").len(),
            others,
            "{:?}",
            charlie.events("another_instance")
        );
    }
    assert_eq!(charlie.events("another_instance")[0]["addresses"], json!(["/ip4/127.0.0.1/tcp/9"]));

    chain.submit(&key, Call::Unregister, Until::Finalized).await.expect("it leaves");
    charlie.wait_for("not_serving", REGISTRY, |event| event["code"] == "leaving");
    let status =
        charlie.wait_for_status(&node.url, 22, REGISTRY, |status| status["serving"] == false);
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
