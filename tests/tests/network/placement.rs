//! Where a worker goes that was not told where, and that it stays there over a restart.

use std::time::Duration;

use mica_chain::{AccountId, Chain};
use mica_primitives::LayerRange;
use mica_tests::{DevNode, Operator, eventually_async, run};
use serde_json::json;

/// Longest time until a change has reached the registry.
const REGISTRY: Duration = Duration::from_secs(120);

async fn range(chain: &Chain, account: &str) -> Option<LayerRange> {
    let account: AccountId = account.parse().expect("an SS58 account");
    let found = chain.at_best().await.ok()?.worker(account).await.ok()?;
    found.map(|(record, _)| record.range)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_layers_a_worker_takes_what_fits_where_it_is_needed_and_comes_back_there() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    bob.serve(&node.url, &["--layers", "0..4", "--no-pricing"]);

    // Nothing is configured: the little model fits whole.
    let mut charlie = Operator::init(&folder.path().join("charlie"), "//Charlie");
    charlie.serve(&node.url, &["--no-pricing"]);
    assert_eq!(range(&chain, &charlie.account).await, LayerRange::new(0, 8));

    // At most four layers: those that only one other serves.
    let mut dave = Operator::init(&folder.path().join("dave"), "//Dave");
    let set = run(dave.command(&["config", "set", "width", "4"]), "");
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    dave.serve(&node.url, &["--no-pricing", "--share", "0.5"]);
    assert_eq!(range(&chain, &dave.account).await, LayerRange::new(4, 8));
    dave.kill();
    // Meanwhile others have come: it goes back to where it was all the same.
    let mut eve = Operator::init(&folder.path().join("eve"), "//Eve");
    eve.serve(&node.url, &["--layers", "4..8", "--no-pricing"]);
    dave.serve(&node.url, &["--no-pricing"]);
    assert_eq!(dave.events("serving")[0]["layers"], json!([4, 8]));
    // Told where, it goes there.
    dave.kill();
    dave.serve(&node.url, &["--no-pricing", "--layers", "0..4"]);
    eventually_async("the registry follows", REGISTRY, || async {
        (range(&chain, &dave.account).await == LayerRange::new(0, 4)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_takes_sessions_in_its_hours_only_and_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    // One minute, half a day from now: whoever runs this at that minute has two more.
    let hours = {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let minute = (now.expect("after 1970").as_secs() / 60 + 12 * 60) % (24 * 60);
        let next = (minute + 1) % (24 * 60);
        format!("{:02}:{:02}-{:02}:{:02}", minute / 60, minute % 60, next / 60, next % 60)
    };
    let set = run(bob.command(&["config", "set", "machine.hours", &hours]), "");
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let utc = [("TZ", "UTC")];
    bob.start_with(&node.url, &["--layers", "0..8", "--no-pricing"], &utc);
    let paused = bob.wait_for("paused", REGISTRY, |_| true);
    assert_eq!(paused["code"], "out_of_hours", "{paused}");
    let status = bob.wait_for_status(&node.url, 22, REGISTRY, |status| status["serving"] == false);
    assert_eq!(status["problems"][0]["code"], "paused", "{status}");
}
