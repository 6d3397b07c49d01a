//! What a payer remembers: a worker that failed is left out, after a restart of either side too,
//! and a power cut at a worker jams nobody.

use std::{
    fs,
    io::Read,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use mica_primitives::UNIT;
use mica_tests::{DevNode, Ran, Wallet, Worker, eventually, run};
use serde_json::Value;

/// Longest time until what is in a block is final.
const FINAL: Duration = Duration::from_secs(60);

fn mica(wallet: &Wallet, arguments: &[&str]) -> Ran {
    let mut mica = wallet.command();
    mica.env("MICA_ALPHA", "1").arg("--json").args(arguments);
    run(mica, "")
}

fn ask(wallet: &Wallet) -> Ran {
    mica(wallet, &["ask", "How does a blockchain work?", "--max-tokens", "40"])
}

/// The account of an answer's only worker.
fn answered_by(ran: &Ran) -> String {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.json()["stages"][0]["worker"].as_str().expect("a worker").to_owned()
}

/// A long answer of which the first words have come.
fn begin_a_story(wallet: &Wallet) -> Child {
    let mut mica = wallet.command();
    let options = ["--max-tokens", "1500", "--temperature", "1.5", "--seed", "5", "-q"];
    mica.env("MICA_ALPHA", "1").args(["ask", "Tell me a story."]).args(options);
    let mut child = mica
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut first = [0; 4];
    child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("an answer begins");
    child
}

fn remembered(wallet: &Wallet, account: &str) -> Value {
    let list = mica(wallet, &["market", "--remembered"]).json();
    let mut workers = list.as_array().expect("a list").iter();
    workers.find(|worker| worker["account"] == account).cloned().unwrap_or(Value::Null)
}

/// Waits until payers find `account` at an address where it answers.
fn wait_for(wallet: &Wallet, account: &str) {
    eventually("the worker answers payers", FINAL, || {
        let ran = mica(wallet, &["ask", "Hello.", "--max-tokens", "4", "--dry-run"]);
        (ran.code == Some(0) && ran.stdout.contains(account)).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_failed_is_left_out_until_it_is_forgotten_and_its_power_cut_jams_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let launch = |suri, price| {
        let price = ["--price", price, "--redeem-minimum", "1000000"];
        Worker::launch(folder.path(), &node.url, suri, "0..8", &price)
    };
    // Whoever asks for the cheapest path gets the first.
    let (mut cheap, mut dear) = (launch("//Bob", "1000u"), launch("//Charlie", "9000u"));
    cheap.wait_until_serving();
    dear.wait_until_serving();
    let chain = node.connect().await;
    let wallet = Wallet::create(&folder.path().join("home"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    wait_for(&wallet, &cheap.account);
    let first = ask(&wallet);
    assert_eq!(answered_by(&first), cheap.account);
    let channel = first.json()["stages"][0]["channel"].clone();
    let known = remembered(&wallet, &cheap.account);
    assert!(known["measured_us_per_layer_token"].as_u64().is_some_and(|cost| cost > 0), "{known}");
    assert_eq!((&known["measured_sessions"], &known["failures"]), (&1.into(), &0.into()));

    // It dies in mid-answer, and loses what was not flushed to its disk.
    let journal: PathBuf = folder.path().join("bob/journal.bin");
    let length = fs::metadata(&journal).expect("a journal").len();
    let mut story = begin_a_story(&wallet);
    cheap.kill();
    let status = eventually("the payer gives up", FINAL, || story.try_wait().expect("a child"));
    assert_eq!(status.code(), Some(17));
    let known = remembered(&wallet, &cheap.account);
    assert_eq!(known["failures"], 1, "{known}");
    assert!(known["banned_seconds"].as_u64().is_some_and(|left| left <= 15), "{known}");
    // However long a restart takes here.
    make_bans_last(&wallet, chain.genesis_hash());
    let file = fs::OpenOptions::new().write(true).open(&journal).expect("the journal opens");
    file.set_len(length.min(file.metadata().expect("a file").len())).expect("truncated");
    cheap.restart();
    cheap.wait_until_serving();

    // The next question, from a new process, takes the other one, dear as it is.
    assert_eq!(answered_by(&ask(&wallet)), dear.account);
    // Without it there is no path, and the error says why and what helps.
    dear.kill();
    let ran = ask(&wallet);
    assert_eq!(ran.code, Some(15), "{}", ran.stderr);
    let says = |text: &str| ran.stderr.contains(text);
    assert!(says("banned after a failure") && says("mica forget"), "{}", ran.stderr);

    // Forgotten, it answers on the channel of before, though it knows less of it than the payer.
    let ran = mica(&wallet, &["forget", &cheap.account]);
    assert_eq!(ran.json()["forgotten"], 1, "{}", ran.stderr);
    wait_for(&wallet, &cheap.account);
    let again = ask(&wallet);
    assert_eq!(answered_by(&again), cheap.account);
    assert_eq!(again.json()["stages"][0]["channel"], channel, "{}", again.stderr);
    let text = |ran: &Ran| ran.json()["text"].clone();
    assert_eq!(text(&again), text(&first));
}

/// Bans in the database as they would be after some more failures.
fn make_bans_last(wallet: &Wallet, genesis: [u8; 32]) {
    use mica_payer::store::{Change, Store};
    let store = Store::open(&wallet.home.join("state.redb")).expect("nobody else has it");
    for (account, mut worker) in store.workers(genesis).expect("readable") {
        if worker.bans.failures > 0 {
            worker.bans.until_ms = u64::MAX;
            let worker = Box::new(worker);
            store.apply(&[Change::Worker { genesis, account, worker }]).expect("written");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_a_worker_fails_is_asked_of_another_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let launch =
        |suri, price| Worker::launch(folder.path(), &node.url, suri, "0..8", &["--price", price]);
    let (mut cheap, mut dear) = (launch("//Bob", "1000u"), launch("//Charlie", "9000u"));
    cheap.wait_until_serving();
    dear.wait_until_serving();
    let chain = node.connect().await;
    let wallet = Wallet::create(&folder.path().join("home"), &node.url);
    wallet.fund(&chain, 100 * UNIT).await;
    wait_for(&wallet, &cheap.account);
    // A gateway has the quotes of both at hand when the cheap one dies.
    let mut gateway = wallet.gateway("quote_seconds = 600\n[path]\nalpha = 1.0\n", false);
    let body = serde_json::json!({"model": "mica-tiny", "prompt": "Hello.", "stream": false,
        "options": {"num_predict": 4, "seed": 5}});
    let generate = || {
        let body = body.to_string();
        mica_tests::http::send(gateway.address, "POST", "/api/generate", &[], body.as_bytes())
    };
    assert_eq!(generate().status, 200);
    cheap.kill();
    let answer = generate();
    assert_eq!(answer.status, 200, "{}", answer.body);
    // Whether the dead worker was asked and failed, or was not asked again, depends on which of
    // both heard first: what is remembered of it has tests of its own.
    gateway.stop();
    for worker in [&cheap, &dear] {
        let known = remembered(&wallet, &worker.account);
        assert_eq!(known["measured_sessions"], 1, "{known}");
    }
}
