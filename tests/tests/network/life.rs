//! A worker's life: registered before it serves, its stake raised, backed up, and left with all its
//! money, by its own key and by an operator's.

use std::{path::Path, time::Duration};

use mica_chain::{AccountId, Chain, Signer};
use mica_primitives::{LayerRange, UNIT, WorkerStatus};
use mica_tests::{DevNode, Operator, Payer, Process, Ran, Worker, python, run, units};
use serde_json::{Value, json};

const ALL: LayerRange = LayerRange { first: 0, end: 8 };
/// Longer than a new channel takes to be final, which is when a worker believes in it.
const QUIET: Duration = Duration::from_secs(20);
/// Longest time for a step: a worker that drains and redeems, blocks that become final.
const STEP: Duration = Duration::from_secs(180);
/// More than a stake is held on a development chain: ninety minutes.
const UNBONDING: &str = "1900";

fn event(line: &str, name: &str) -> Option<Value> {
    serde_json::from_str::<Value>(line).ok().filter(|event| event["event"] == name)
}

fn events(text: &str, name: &str) -> Vec<Value> {
    text.lines().filter_map(|line| event(line, name)).collect()
}

fn account(suri: &str) -> AccountId {
    Signer::from_suri(suri).expect("a development key").account()
}

async fn status(chain: &Chain, account: AccountId) -> Option<WorkerStatus> {
    let view = chain.at_best().await.expect("the node answers");
    view.worker(account).await.expect("it reads").map(|(record, _)| record.status)
}

/// What the chain holds of whoever registers a model, base units.
const MODEL_DEPOSIT: u128 = 10 * UNIT;

/// The market's clock goes ahead by more than a stake is held.
fn advance(node: &DevNode) {
    python::script("advance_clock.py", &[&node.url, UNBONDING], &[]);
}

/// Attack: take the stake while channels or the chain still hold it, or interrupt it at its worst.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaves_is_paid_what_it_is_owed_and_gets_its_stake_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    // It never redeems by itself, and is dear enough that what it earns is worth a redeem.
    let extra = ["--redeem-minimum", "1000000", "--price", "100000000u"];
    let mut worker = Worker::start(folder.path(), &node.url, "//Bob", "0..8", &extra);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    let channel = payer.open_channel(record.account, 100 * UNIT).await;
    let mut ledger = payer.ledger(channel).await;
    let prompt = payer.prompt("Explain how a market finds its prices, in many words.");
    let plan = payer.plan(1, &mut [(&record, ALL, &mut ledger)], prompt, 160).await;
    let (_, held) = payer.leave_open(plan, QUIET).await;
    let before = payer.total(record.account).await;

    let leave = ["leave", "--json", "--node-url", &node.url];
    let mut leaving = Process::start(worker.command(&leave), folder.path().join("leave.log"));
    let told = leaving.wait_for_line("the worker is told", STEP, |line| event(line, "stopping"));
    assert_eq!(told["pid"], worker.process.id());
    let left = leaving.wait_for_line("it leaves", STEP, |line| event(line, "unregistered"));
    leaving.wait_for_line("channels are closed", STEP, |line| event(line, "channel_closed"));
    leaving.wait_for_line("it waits for the stake", STEP, |line| event(line, "unbonding"));
    // The process ended by itself, in order.
    assert!(worker.process.wait(STEP).success());
    let unit = record.list_price_per_layer_token * 8;
    let after = payer.total(record.account).await;
    assert!(
        after + unit >= before + held - UNIT / 10 && after <= before + held,
        "{after} after {before} and {held} owed, less fees and at most the last tick"
    );
    // Whoever pulls the plug now loses nothing.
    leaving.kill();
    assert!(matches!(
        status(&payer.chain, record.account).await,
        Some(WorkerStatus::Unbonding { .. })
    ));
    let early = run(worker.command(&["withdraw", "--node-url", &node.url]), "");
    assert_eq!(early.code, Some(1), "{}", early.stderr);
    assert!(early.stderr.contains(&format!("block {}", left["until"])), "{}", early.stderr);
    let (code, said) = start_refused(&worker, &node.url);
    assert!(code == Some(1) && said.contains("mica-worker withdraw"), "{code:?} {said}");

    // It goes on where it stopped, and ends when the stake is free.
    let mut leaving = Process::start(worker.command(&leave), folder.path().join("leave-2.log"));
    leaving.wait_for_line("it waits for the stake", STEP, |line| event(line, "unbonding"));
    advance(&node);
    let back = leaving.wait_for_line("the stake is back", STEP, |line| event(line, "withdrawn"));
    assert!(leaving.wait(STEP).success());
    assert_eq!(units(&back["amount"]), record.stake);
    assert_eq!(status(&payer.chain, record.account).await, None);
    let view = payer.chain.at_best().await.expect("the node answers");
    // It had registered the model, which stays, and with it that deposit.
    let held = view.account(record.account).await.expect("it reads").held;
    assert_eq!(held, MODEL_DEPOSIT);
    // A third time there is nothing to do.
    let again = run(worker.command(&leave), "");
    assert_eq!(
        (again.code, events(&again.stdout, "has_left").len()),
        (Some(0), 1),
        "{}",
        again.stderr
    );
}

fn start_refused(worker: &Worker, url: &str) -> (Option<i32>, String) {
    let ran = run(worker.command(&["run", "--threads", "1", "--node-url", url]), "");
    (ran.code, ran.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_key_does_what_it_may_and_names_the_command_for_the_cold_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let bob = Operator::init(&folder.path().join("bob"), "//Bob");
    let ran = |arguments: &[&str]| -> Ran {
        let mut command = bob.command(arguments);
        command.args(["--node-url", &node.url]);
        run(command, "")
    };
    // Registered before it serves, handed over, and the cold key carried away.
    let registered = ran(&["register", "--json", "--register-model", "--layers", "0..3"]);
    assert_eq!(registered.code, Some(0), "{}", registered.stderr);
    assert_eq!(events(&registered.stdout, "registered")[0]["layers"], json!([0, 3]));
    let raised = ran(&["stake", "add", "5MICA", "--json"]);
    assert_eq!(raised.code, Some(0), "{}", raised.stderr);
    let handed = ran(&["hand-over", "--json"]);
    assert_eq!(handed.code, Some(0), "{}", handed.stderr);
    let cold = folder.path().join("cold.key");
    std::fs::rename(bob.folder.join("cold.key"), &cold).expect("carried away");
    let chain = node.connect().await;
    let view = chain.at_best().await.expect("the node answers");
    let (record, _) = view.worker(account("//Bob")).await.expect("it reads").expect("registered");
    assert_eq!(units(&events(&raised.stdout, "stake_added")[0]["stake"]), record.stake);

    for (arguments, what) in
        [(&["stake", "add", "1MICA"][..], "raise the stake"), (&["leave"], "leave the registry")]
    {
        let refused = ran(arguments);
        assert_eq!(refused.code, Some(25), "{}", refused.stderr);
        for wanted in [what, "--cold-key", &node.url] {
            assert!(refused.stderr.contains(wanted), "{wanted} in {}", refused.stderr);
        }
    }
    assert_eq!(status(&chain, account("//Bob")).await, Some(WorkerStatus::Active));
    let other = folder.path().join("other.key");
    std::fs::write(&other, "//Eve\n").expect("written");
    let refused = ran(&["leave", "--cold-key", path(&other)]);
    assert!(refused.code == Some(2) && refused.stderr.contains("another --data-dir"));

    // Where the key is there need be no worker.
    let elsewhere = |arguments: &[&str]| -> Ran {
        let mut command = mica_tests::process::command("mica-worker");
        command.args(arguments).args(["--node-url", &node.url, "--cold-key", path(&cold)]);
        command.arg("--data-dir").arg(folder.path().join("nobody"));
        run(command, "")
    };
    let left = elsewhere(&["leave", "--json", "--no-wait"]);
    assert_eq!(left.code, Some(0), "{}", left.stderr);
    assert_eq!(events(&left.stdout, "unregistered").len(), 1);
    let late = ran(&["stake", "add", "1MICA"]);
    assert!(
        late.code == Some(1) && late.stderr.contains("mica-worker withdraw"),
        "{}",
        late.stderr
    );
    advance(&node);
    let refused = ran(&["withdraw"]);
    assert_eq!(refused.code, Some(25), "{}", refused.stderr);
    let back = elsewhere(&["withdraw", "--json"]);
    assert_eq!(back.code, Some(0), "{}", back.stderr);
    assert_eq!(units(&events(&back.stdout, "withdrawn")[0]["amount"]), record.stake);
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_worker_brings_back_what_it_is_owed_and_never_less() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let extra = ["--redeem-minimum", "1000000", "--price", "100000000u"];
    let mut worker = Worker::start(folder.path(), &node.url, "//Bob", "0..8", &extra);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    let channel = payer.open_channel(record.account, 100 * UNIT).await;
    let mut ledger = payer.ledger(channel).await;
    let text = "Explain how a market finds its prices, in many words.";
    let prompt = payer.prompt(text);
    let plan = payer.plan(1, &mut [(&record, ALL, &mut ledger)], prompt, 60).await;
    let (_, held) = payer.leave_open(plan, QUIET).await;

    let saved = folder.path().join("saved");
    let made = run(worker.command(&["backup", "--json", path(&saved)]), "");
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(
        units(&made.json()["backup"]["promised"]) + record.list_price_per_layer_token * 8 >= held
    );
    let restore = ["restore", "--json", path(&saved)];
    assert_eq!(run(worker.command(&restore), "").code, Some(11), "it is running");

    // More is promised, then the worker dies: the backup is older than what is on its disk.
    let prompt = payer.prompt(text);
    let plan = payer.plan(2, &mut [(&record, ALL, &mut ledger)], prompt, 60).await;
    payer.leave_open(plan, QUIET).await;
    worker.kill();
    let refused = run(worker.command(&restore), "");
    assert_eq!(refused.code, Some(11), "{}", refused.stderr);
    assert!(refused.stderr.contains("newer records"), "{}", refused.stderr);

    // On a machine whose disk was lost it is all there is.
    let new = folder.path().join("new");
    let mut command = mica_tests::process::command("mica-worker");
    command.args(["restore", "--json", path(&saved), "--data-dir", path(&new)]);
    let restored = run(command, "");
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    let mut command = mica_tests::process::command("mica-worker");
    command.args([
        "leave",
        "--json",
        "--no-wait",
        "--node-url",
        &node.url,
        "--data-dir",
        path(&new),
    ]);
    let left = run(command, "");
    assert_eq!(left.code, Some(0), "{}", left.stderr);
    let paid: u128 =
        events(&left.stdout, "redeemed").iter().map(|event| units(&event["paid"])).sum();
    assert!(paid + record.list_price_per_layer_token * 8 >= held, "{paid} of {held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_events_and_the_live_screen_are_there_for_people_and_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    let ran = |bob: &Operator, arguments: &[&str]| -> Ran { run(bob.command(arguments), "") };
    assert!(ran(&bob, &["logs"]).stderr.contains("mica-worker run"));
    let set = ran(&bob, &["config", "set", "limits.sessions", "7"]);
    assert_eq!((set.code, set.stdout.trim()), (Some(0), "limits.sessions = 7"), "{}", set.stderr);
    let set = ran(&bob, &["config", "set", "machine.nice", "12"]);
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let refused = ran(&bob, &["config", "set", "limits.sessions", "many"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    let got = ran(&bob, &["config", "get", "limits.sessions", "--json"]).json();
    assert_eq!(got["value"], "7");
    assert!(ran(&bob, &["config", "list", "--json"]).json().as_array().expect("a list").len() > 30);

    bob.serve(&node.url, &["--layers", "0..8"]);
    bob.wait_for_status(&node.url, 0, STEP, |status| status["serving"] == true);
    let logs = ran(&bob, &["logs", "--json"]);
    let kept: Vec<Value> =
        logs.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(kept.iter().any(|line| line["event"]["event"] == "serving"), "{}", logs.stdout);
    assert!(ran(&bob, &["logs", "-n", "1"]).stdout.lines().count() == 1);

    let mut watch = bob.command(&["status", "--watch", "--json", "--node-url", &node.url]);
    watch.env_remove("MICA_NODE_URL");
    let mut watch = Process::start(watch, folder.path().join("watch.log"));
    watch.wait_for_line("a line of the live status", STEP, |line| {
        let shown: Value = serde_json::from_str(line).ok()?;
        let hour = &shown["running"]["last_hour"];
        (shown["serving"] == true && hour["minutes"].as_u64()? > 0).then_some(())
    });
    watch.signal("TERM");
    assert!(watch.wait(STEP).success());
}
