//! Payments through a hub, with real processes: one channel for any number of workers, and a hub
//! that is killed in the middle costs nobody more than a credit window.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use mica_chain::{AccountId, Call, Chain, Signer, Until};
use mica_payer::store::Store;
use mica_primitives::{Redeem, UNIT};
use mica_protocol::limits::DEFAULT_HUB_CREDIT_POSITIONS;
use mica_tests::{DevNode, Hub, Wallet, Worker, eventually, process::command, units};
use serde_json::Value;

/// Until an answer comes, with all that may have to start again for it.
const RECOVERY: Duration = Duration::from_secs(240);
/// Kills of the hub in a run of the tests.
const KILLS: usize = 4;
/// Layers of the embedded model.
const LAYERS: u128 = 8;

/// A command of `wallet` that pays through `hub`.
fn ask(wallet: &Wallet, hub: &Hub, arguments: &[&str]) -> std::process::Command {
    let mut mica = wallet.command();
    mica.args(arguments).args(["--hub", &hub.address, "--headroom", "40"]);
    mica.stdin(Stdio::null());
    mica
}

/// A short answer, as JSON.
fn answer(wallet: &Wallet, hub: &Hub) -> Value {
    let mut last = String::new();
    eventually("an answer", RECOVERY, || {
        let mut mica = ask(wallet, hub, &["--json", "ask", "Hello.", "--max-tokens", "6"]);
        let output = mica.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        if said.contains("mica forget") {
            wallet.command().args(["forget", "--all"]).output().expect("the program starts");
        }
        if said != last {
            eprintln!("{said}");
            last = said;
        }
        let is_there = output.status.success();
        is_there.then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    })
}

async fn nonce(chain: &Chain, account: AccountId) -> u32 {
    chain.at_best().await.expect("the node answers").account(account).await.expect("it reads").nonce
}

/// Gives money to development accounts that the genesis does not know.
async fn fund(chain: &Chain, suris: &[&str]) {
    let rich = Signer::from_suri("//Alice").expect("a development key");
    for suri in suris {
        let to = Signer::from_suri(suri).expect("a development key").account();
        let transfer = Call::Transfer { to, amount: 10_000 * UNIT };
        chain.submit(&rich, transfer, Until::Finalized).await.expect("a transfer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_channel_to_a_hub_pays_paths_over_workers_never_met_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    fund(&chain, &["//HubWorker"]).await;
    let mut workers: Vec<Worker> = [
        ("//Bob", "0..8"),
        ("//Charlie", "0..5"),
        ("//Dave", "5..8"),
        ("//Eve", "0..3"),
        ("//Ferdie", "3..6"),
        ("//HubWorker", "6..8"),
    ]
    .map(|(suri, layers)| {
        let extra = ["--redeem-minimum", "1000000"];
        Worker::launch(folder.path(), &node.url, suri, layers, &extra)
    })
    .into_iter()
    .collect();
    workers.iter_mut().for_each(Worker::wait_until_serving);
    let hub = Hub::start(&folder.path().join("hub"), &node.url, &chain, &[]).await;
    let wallet = Wallet::create(&folder.path().join("payer"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    hub.wait_for_channels(workers.len());

    let (mut met, mut channels, mut since) = (BTreeSet::new(), BTreeSet::new(), None);
    for (length, gone) in [(1, 0..1), (2, 1..3), (3, 3..6)] {
        let answer = answer(&wallet, &hub);
        let stages = answer["stages"].as_array().expect("stages");
        assert_eq!(stages.len(), length, "{answer}");
        for stage in stages {
            let worker = stage["worker"].as_str().expect("an account").to_owned();
            assert!(met.insert(worker), "a worker that was met before: {answer}");
            assert_eq!(stage["settled"], true, "{answer}");
            channels.insert(stage["channel"].as_str().expect("a channel").to_owned());
        }
        let payer = nonce(&chain, wallet.account).await;
        let both = (payer, nonce(&chain, hub.wallet.account).await);
        assert_eq!(*since.get_or_insert(both), both, "an extrinsic after the first prompt");
        // The next path is another one, because nobody of this one is there any more.
        workers[gone].iter_mut().for_each(Worker::kill);
    }
    assert_eq!((met.len(), channels.len()), (6, 1), "one channel for all of them");
    let view = chain.at_best().await.expect("the node answers");
    let own = view.channels_of(wallet.account).await.expect("it reads");
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].1.payee, hub.wallet.account);

    // Receipts verify, though they lie on the hub's lanes.
    let listed = wallet.command().args(["--json", "receipt", "list"]).output().expect("it starts");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    for session in listed.as_array().expect("a list") {
        let name = session["session"].as_str().expect("a name");
        let verified = wallet.command().args(["receipt", "verify", name]).output();
        let verified = verified.expect("it starts");
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
}

/// A long answer under way.
fn stream(wallet: &Wallet, hub: &Hub, seed: usize) -> Child {
    let seed = seed.to_string();
    let arguments =
        ["ask", "Tell me a story.", "--max-tokens", "300", "--temperature", "1.5", "--seed", &seed];
    let mut mica = ask(wallet, hub, &arguments);
    mica.arg("-q").stdout(Stdio::piped()).stderr(Stdio::null());
    mica.spawn().expect("the program starts")
}

/// What a worker that does not run holds on each lane.
fn held(folder: &Path, node_url: &str) -> u128 {
    let mut status = command("mica-worker");
    status.args(["status", "--json", "--node-url", node_url, "--data-dir"]).arg(folder);
    let output = status.output().expect("the program starts");
    let status: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let lanes = status["lanes"].as_array().expect("a worker that does not run shows its lanes");
    lanes.iter().map(|lane| units(&lane["promised"])).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_costs_nobody_more_than_a_window() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut workers = [("//Bob", "0..5"), ("//Charlie", "5..8")].map(|(suri, layers)| {
        let extra = ["--redeem-minimum", "1000000"];
        Worker::launch(folder.path(), &node.url, suri, layers, &extra)
    });
    workers.iter_mut().for_each(Worker::wait_until_serving);
    let mut hub = Hub::start(&folder.path().join("hub"), &node.url, &chain, &[]).await;
    let wallet = Wallet::create(&folder.path().join("payer"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    hub.wait_for_channels(workers.len());
    answer(&wallet, &hub);
    // While it opens, in its first words, in the middle, and near its end.
    for (kill, bytes) in [0, 1, 200, 600].into_iter().take(KILLS).enumerate() {
        let mut child = stream(&wallet, &hub, kill);
        let mut text = vec![0; bytes];
        let _ = child.stdout.as_mut().expect("piped").read_exact(&mut text);
        hub.kill();
        let ended = eventually("the payer gives up, or has its answer", RECOVERY, || {
            // What it still says must not fill the pipe.
            let _ = child.stdout.as_mut().map(|out| out.read(&mut [0; 4096]));
            child.try_wait().expect("a child can be asked")
        });
        assert!(ended.code().is_some(), "it ends by itself: {ended}");
        hub.restart();
        answer(&wallet, &hub);
    }
    let unit = units(&workers[0].events("serving")[0]["price_per_layer_token"]) * LAYERS;
    hub.kill();
    workers.iter_mut().for_each(Worker::kill);

    let workers_hold: u128 =
        ["bob", "charlie"].iter().map(|name| held(&folder.path().join(name), &node.url)).sum();
    let store = Store::open(&hub.wallet.home.join("state.redb")).expect("nobody else has it");
    let records = store.incoming(chain.genesis_hash()).expect("readable");
    let hub_holds: u128 =
        records.iter().filter_map(|record| record.best.as_ref().and_then(Redeem::promised)).sum();
    let window = u128::from(DEFAULT_HUB_CREDIT_POSITIONS) * unit;
    assert!(workers_hold > 0 && hub_holds > 0);
    assert!(
        workers_hold <= hub_holds + window,
        "the hub owes {workers_hold} and is owed {hub_holds}: a window is {window}"
    );
    // The payer's own records cover whatever its hub holds.
    let payer = Store::open(&wallet.home.join("state.redb")).expect("nobody else has it");
    let mut promised: BTreeMap<String, u128> = BTreeMap::new();
    for record in &records {
        for lane in payer.lanes(record.facts.channel).expect("readable") {
            promised.insert(format!("{}/{}", lane.channel, lane.lane), lane.promised());
        }
    }
    for record in &records {
        let name = format!("{}/{}", record.facts.channel, record.lane);
        let held = record.best.as_ref().and_then(Redeem::promised).unwrap_or(0);
        let known = promised.get(&name).copied().unwrap_or(0);
        assert!(known >= held, "the hub holds {held} on {name} and the payer knows of {known}");
    }
}
