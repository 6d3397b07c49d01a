//! The examples of the payer's library, run as programs against a real node and two workers.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use mica_chain::{Chain, Signer};
use mica_payer::{LocalModel, ModelSnapshot};
use mica_tests::{DevNode, Worker, eventually_async, process::command};

/// Longest time until workers that serve are in a final block.
const FINAL: Duration = Duration::from_secs(60);
/// The development account that pays.
const PAYER: &str = "//Dave";
const PROMPT: &str = "How does a blockchain work?";

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_quote_ask_stream_and_verify() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let folder = folder.path();
    let node = DevNode::start(folder).await;
    let mut workers = [("//Bob", "0..5"), ("//Charlie", "5..8")]
        .map(|(suri, layers)| Worker::launch(folder, &node.url, suri, layers, &[]));
    workers.iter_mut().for_each(Worker::wait_until_serving);
    let chain = node.connect().await;
    wait_until_the_market_is_final(&chain).await;
    let before = total(&chain).await;

    let quote = run(folder, example("quote").args([&node.url, PROMPT]));
    assert!(quote.contains(&format!("{} computes [0, 5) for ", workers[0].account)), "{quote}");
    assert!(
        quote.contains(" per token\nat most ") && quote.ends_with(" for 64 tokens\n"),
        "{quote}"
    );
    assert_eq!(total(&chain).await, before, "a quote costs nothing");

    let asked = run(folder, example("ask").args([&node.url, PROMPT]));
    let lines: Vec<&str> = asked.lines().collect();
    let [answer @ .., first, second, paid] = lines.as_slice() else { panic!("{asked}") };
    let answer = answer.join("\n");
    assert!(answer.len() > 10, "{asked}");
    for (line, worker, layers) in [(first, &workers[0], "[0, 5)"), (second, &workers[1], "[5, 8)")]
    {
        assert!(line.starts_with(&format!("{} computed {layers}: ", worker.account)), "{asked}");
        assert!(line.ends_with(" receipts verify") && !line.contains(": 0 "), "{asked}");
    }
    assert!(paid.starts_with("paid ") && !paid.starts_with("paid 0 "), "{asked}");
    let moved = before - total(&chain).await;
    assert!(moved > 0, "opening the channels costs a fee");

    // The same answer, in pieces, over the same channels.
    let streamed = run(folder, example("stream").args([&node.url, PROMPT]));
    assert_eq!(streamed, format!("{answer}\n{paid}\n"));

    let verified = run(folder, example("verify").arg("payer.redb"));
    assert_eq!(verified.lines().count(), 2, "one session each: {verified}");
    assert!(verified.lines().all(|line| line.ends_with(" receipts verify")), "{verified}");
}

fn example(name: &str) -> Command {
    command(&format!("examples/{name}"))
}

fn run(folder: &Path, example: &mut Command) -> String {
    let output = example
        .current_dir(folder)
        .env("MICA_SECRET", PAYER)
        .stdin(Stdio::null())
        .output()
        .expect("the example starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

async fn wait_until_the_market_is_final(chain: &Chain) {
    let model = LocalModel::open(None).expect("the built-in model").id();
    eventually_async("the workers are in a final block", FINAL, || async {
        let view = chain.at_finalized().await.ok()?;
        let snapshot = ModelSnapshot::read(&view, model).await.ok()?;
        snapshot.coverage().iter().all(|count| *count > 0).then_some(())
    })
    .await;
}

/// What the payer has, deposits included.
async fn total(chain: &Chain) -> u128 {
    let account = Signer::from_suri(PAYER).expect("a development account").account();
    let view = chain.at_best().await.expect("the node answers");
    view.account(account).await.expect("it reads").total()
}
