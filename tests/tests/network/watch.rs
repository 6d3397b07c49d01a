//! `mica-worker watch`: somebody else redeems for a worker that is dead while its payer closes.

use std::{fs, time::Duration};

use mica_chain::{Call, Signer, Until};
use mica_primitives::{LayerRange, UNIT};
use mica_tests::{DevNode, Payer, Process, Worker, process::command, units};
use serde_json::Value;

const ALL: LayerRange = LayerRange { first: 0, end: 8 };
/// Longer than a new channel takes to be final, which is when a worker believes in it.
const QUIET: Duration = Duration::from_secs(20);
/// Longer than the window of a development chain's channel, a minute.
const WINDOW: Duration = Duration::from_secs(90);

fn event(line: &str, name: &str) -> Option<Value> {
    serde_json::from_str::<Value>(line).ok().filter(|event| event["event"] == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_redeems_for_a_worker_that_is_dead_and_only_the_worker_is_paid() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    // It never redeems by itself before it dies.
    // Dear enough that what it earns is worth a redeem.
    let extra = ["--redeem-minimum", "1000000", "--price", "100000000u"];
    let mut worker = Worker::start(folder.path(), &node.url, "//Bob", "0..8", &extra);
    let mut payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&worker.account).await;
    let channel = payer.open_channel(record.account, 100 * UNIT).await;

    let key = folder.path().join("fees.key");
    fs::write(&key, "//Charlie\n").expect("written");
    let charlie = Signer::from_suri("//Charlie").expect("a development key").account();
    let mut watch = command("mica-worker");
    watch.args(["watch", "--json", "--node-url", &node.url, "--data"]);
    watch.arg(folder.path().join("bob")).arg("--key").arg(&key);
    // While the worker runs and holds its folder.
    let mut watcher = Process::start(watch, folder.path().join("watch.log"));
    watcher.wait_for_line("it says what it watches", QUIET, |line| event(line, "watching"));

    // A session that is cut off: the worker holds a voucher with ticks.
    let mut ledger = payer.ledger(channel).await;
    let prompt = payer.prompt("Explain how a market finds its prices, in many words.");
    let plan = payer.plan(1, &mut [(&record, ALL, &mut ledger)], prompt, 160).await;
    let (_, held) = payer.leave_open(plan, QUIET).await;
    watcher.wait_for_line("it has heard of the channel", QUIET, |line| {
        event(line, "watching").filter(|event| event["channels"] == 1)
    });
    worker.kill();
    let (before, fees) = (payer.total(record.account).await, payer.total(charlie).await);

    let close = Call::Close(channel);
    let closing = payer.chain.submit(&payer.signer, close, Until::InBlock).await;
    closing.expect("a payer may ask to close");
    let redeemed = watcher.wait_for_line("it redeems", WINDOW, |line| event(line, "redeemed"));
    let paid = units(&redeemed["paid"]);
    let unit = record.list_price_per_layer_token * 8;
    assert!(
        paid <= held && paid + unit >= held,
        "at most the last tick on its way is lost: {paid} of {held}"
    );
    assert_eq!(payer.total(record.account).await, before + paid, "the worker is paid");
    assert_eq!(payer.total(charlie).await, fees - units(&redeemed["fee"]));
    watcher.signal("TERM");
    assert!(watcher.wait(QUIET).success());
}
