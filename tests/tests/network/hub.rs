//! Payments through a hub, with real processes: one channel for any number of workers; a hub that
//! is killed in any phase of a session costs nobody more than a credit window; and what a worker
//! shows the chain while its hub is away pays the hub too.

use std::{
    collections::BTreeSet,
    fs::File,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use mica_chain::{AccountId, Call, Chain, Signer, Until};
use mica_payer::store::Store;
use mica_primitives::{Redeem, UNIT};
use mica_protocol::limits::{DEFAULT_EXPOSURE_POSITIONS, DEFAULT_HUB_CREDIT_POSITIONS};
use mica_tests::{
    DevNode, Hub, Wallet, Worker, eventually, process::command, units, wait::promptly,
};
use serde_json::Value;

/// Until an answer comes, with all that may have to start again for it.
const RECOVERY: Duration = Duration::from_secs(240);
/// Longest wait for a phase of a session.
const PHASE: Duration = Duration::from_secs(60);
/// What a token costs through a layer where a session's worth is to be redeemed: many times the
/// first price of a market, so that it is more than a redeem costs.
const DEAR: &[&str] = &["--price", "0.0005", "--redeem-minimum", "1000000"];
/// What the hub says in a phase of a session, and how often.
type Phase = (&'static [&'static str], usize);
/// Phases of a session by what the hub says then and how often: it is killed in each of them.
const PHASES: [Phase; 7] = [
    (&["heard", "\"HubQuoteRequest\""], 1),
    (&["heard", "\"RelayOpen\""], 1),
    (&["told", "\"Relayed\""], 1),
    (&["heard", "\"RelayPay\""], 1),
    (&["heard", "\"RelayPay\""], 30),
    (&["heard", "\"Receipt\""], 6),
    (&["\"ended\"", "\"settled\"", "true"], 1),
];
/// Layers of the embedded model.
const LAYERS: u128 = 8;

/// A command of `wallet` that pays through `hub`.
fn ask(wallet: &Wallet, hub: &Hub, arguments: &[&str]) -> std::process::Command {
    let mut mica = wallet.command();
    mica.args(arguments).args(["--hub", &hub.address, "--headroom", "40", "--max-total", "10"]);
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

/// A long answer under way, which goes into the file `answer`.
fn stream(wallet: &Wallet, hub: &Hub, seed: usize) -> Child {
    let seed = seed.to_string();
    let arguments =
        ["ask", "Tell me a story.", "--max-tokens", "300", "--temperature", "1.5", "--seed", &seed];
    let mut mica = ask(wallet, hub, &arguments);
    let answer = File::create(wallet.home.join("answer")).expect("the folder is writable");
    mica.arg("-q").stdout(answer).stderr(Stdio::null());
    mica.spawn().expect("the program starts")
}

/// Waits until the payer gives up, or has its answer.
fn wait_for_end(child: &mut Child) {
    let ended = eventually("the payer gives up, or has its answer", RECOVERY, || {
        child.try_wait().expect("a child can be asked")
    });
    assert!(ended.code().is_some(), "it ends by itself: {ended}");
}

/// Begins a long answer, and waits until the hub has said what tells a phase of its session.
fn stream_to_phase(wallet: &Wallet, hub: &Hub, seed: usize, (marks, count): Phase) -> Child {
    let before = hub.lines_with(marks);
    let mut child = stream(wallet, hub, seed);
    promptly("a phase of the session", PHASE, || {
        let is_over = child.try_wait().expect("a child can be asked").is_some();
        let is_there = hub.lines_with(marks) >= before + count;
        assert!(is_there || !is_over, "the session ended and never came to {marks:?}");
        is_there.then_some(())
    });
    child
}

/// What a worker that does not run holds on all lanes.
fn held(folder: &Path, node_url: &str) -> u128 {
    let mut status = command("mica-worker");
    status.args(["status", "--json", "--node-url", node_url, "--data-dir"]).arg(folder);
    let output = status.output().expect("the program starts");
    let status: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let lanes = status["lanes"].as_array().expect("a worker that does not run shows its lanes");
    lanes.iter().map(|lane| units(&lane["promised"])).sum()
}

/// What the hub was promised by its records, and what they have that their payer has not.
fn hub_holds(hub: &Hub, chain: &Chain, wallet: &Wallet) -> u128 {
    let store = Store::open(&hub.wallet.home.join("state.redb")).expect("nobody else has it");
    let records = store.incoming(chain.genesis_hash()).expect("readable");
    let payer = Store::open(&wallet.home.join("state.redb")).expect("nobody else has it");
    let promised = |best: &Redeem| best.promised().unwrap_or(0);
    for record in &records {
        let lanes = payer.lanes(record.facts.channel).expect("readable");
        let known = lanes.iter().find(|lane| lane.lane == record.lane);
        let known = known.map_or(0, |lane| lane.promised());
        let held = record.best.as_ref().map_or(0, promised);
        assert!(known >= held, "the hub holds {held} and the payer knows of {known}");
    }
    records.iter().filter_map(|record| record.best.as_ref()).map(promised).sum()
}

/// What the payer has promised on all lanes.
async fn payer_promised(chain: &Chain, wallet: &Wallet) -> u128 {
    let store = Store::open(&wallet.home.join("state.redb")).expect("nobody else has it");
    let view = chain.at_best().await.expect("the node answers");
    let own = view.channels_of(wallet.account).await.expect("it reads");
    let lanes = own.iter().flat_map(|(id, _)| store.lanes(*id).expect("readable"));
    lanes.map(|lane| lane.promised()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_killed_costs_nobody_more_than_a_window() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut workers = [("//Bob", "0..5"), ("//Charlie", "5..8")]
        .map(|(suri, layers)| Worker::launch(folder.path(), &node.url, suri, layers, DEAR));
    workers.iter_mut().for_each(Worker::wait_until_serving);
    let deposit = ["--deposit", "20"];
    let mut hub = Hub::start(&folder.path().join("hub"), &node.url, &chain, &deposit).await;
    let wallet = Wallet::create(&folder.path().join("payer"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    hub.wait_for_channels(workers.len());
    answer(&wallet, &hub);
    for (seed, phase) in PHASES.into_iter().enumerate() {
        let mut child = stream_to_phase(&wallet, &hub, seed, phase);
        hub.kill();
        wait_for_end(&mut child);
        hub.restart();
        answer(&wallet, &hub);
    }
    hub.kill();
    workers.iter_mut().for_each(Worker::kill);

    let folders = ["bob", "charlie"].map(|name| folder.path().join(name));
    let owed: u128 = folders.iter().map(|folder| held(folder, &node.url)).sum();
    let hub_owed = hub_holds(&hub, &chain, &wallet);
    let promised = payer_promised(&chain, &wallet).await;
    let unit = units(&workers[0].events("serving")[0]["price_per_layer_token"]) * LAYERS;
    let window = u128::from(DEFAULT_HUB_CREDIT_POSITIONS) * unit;
    assert!(owed > window && hub_owed > window, "the test would show nothing");
    assert!(owed <= hub_owed + window, "the hub owes {owed} and is owed {hub_owed}: {window}");
    // A session that broke off leaves the payer with its exposure at most, and the hub takes a
    // hundredth.
    let exposure = u128::from(DEFAULT_EXPOSURE_POSITIONS) * unit * PHASES.len() as u128;
    assert!(
        promised <= owed + owed / 50 + exposure,
        "the payer has promised {promised} and the workers hold {owed}"
    );
}

/// A hub that stands still, and is then killed, was not shown what its workers were. They are paid
/// while it is away; it finds their redeems in the blocks and claims the same ticks.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_claims_what_was_shown_to_the_chain_while_it_was_away() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut worker = Worker::launch(folder.path(), &node.url, "//Bob", "0..8", DEAR);
    worker.wait_until_serving();
    let deposit = ["--deposit", "20"];
    let mut hub = Hub::start(&folder.path().join("hub"), &node.url, &chain, &deposit).await;
    let wallet = Wallet::create(&folder.path().join("payer"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    hub.wait_for_channels(1);
    answer(&wallet, &hub);
    let phase: Phase = (&["heard", "\"RelayPay\""], 24);
    let mut child = stream_to_phase(&wallet, &hub, 1, phase);
    hub.process.signal("STOP");
    let written = || wallet.home.join("answer").metadata().expect("it is there").len();
    let before = written();
    // The worker goes on as far as the hub has promised.
    eventually("tokens that the hub was not paid for", PHASE, || {
        (written() > before + 20).then_some(())
    });
    hub.kill();
    wait_for_end(&mut child);
    worker.kill();
    let owed = held(&folder.path().join("bob"), &node.url);
    let known = hub_holds(&hub, &chain, &wallet);
    assert!(owed > known, "the worker holds {owed} and the hub {known}: nothing was hidden");
    worker.set_option("--redeem-minimum", "0");
    worker.restart();
    eventually("the worker is paid", RECOVERY, || {
        let paid: u128 = worker.events("redeemed").iter().map(|event| units(&event["paid"])).sum();
        (paid == owed).then_some(())
    });
    hub.restart();
    eventually("the hub can claim what its worker was paid", RECOVERY, || {
        let status = hub.status()?;
        (units(&status["redeemable"]) >= owed).then_some(())
    });
    // It is on disk as well.
    hub.kill();
    assert!(hub_holds(&hub, &chain, &wallet) >= owed);
}
