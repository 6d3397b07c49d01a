//! A worker whose stake's key is elsewhere: the operator's key does the daily work, and no more.

use std::time::Duration;

use mica_chain::{Call, Signer, SubmitError, Until, address};
use mica_primitives::UNIT;
use mica_tests::{DevNode, Worker, eventually_async};

/// Longest time from one heartbeat to the next, on a busy machine.
const BEAT: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_serves_with_an_operators_key_that_cannot_touch_the_stake() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut worker = Worker::start(folder.path(), &node.url, "//Bob", "0..3", &[]);
    let stake = Signer::from_suri("//Bob").expect("a development key").account();

    let said = worker.hand_over(&node.url);
    assert_eq!(said["account"], stake.to_string(), "{said}");
    let operator = address::parse(said["operator"].as_str().expect("an address")).expect("one");
    assert_eq!(worker.secret("cold.key").trim(), "//Bob");
    let key = Signer::from_suri(worker.secret("account.key").trim()).expect("words");
    assert_eq!(key.account(), operator);

    worker.restart();
    worker.wait_until_serving();
    let chain = node.connect().await;
    let since = chain.best().await.expect("the node answers").number;
    eventually_async("the operator beats for the stake account", BEAT, || async {
        let (record, _) = chain.at_best().await.ok()?.worker(stake).await.ok()??;
        (record.last_heartbeat > since).then_some(())
    })
    .await;
    let left = chain.at_best().await.expect("read").account(operator).await.expect("read").free;
    assert!(left > UNIT / 2 && left < UNIT, "the operator pays the fees: {left}");

    // Whoever steals the operator's key has a worker to run, and nothing else.
    let thief = key.acting_for(stake);
    let takes = [
        Call::Transfer { to: operator, amount: UNIT },
        Call::Unregister,
        Call::BatchAll(vec![Call::Transfer { to: operator, amount: UNIT }]),
    ];
    for call in takes {
        let what = call.to_string();
        let refused = chain.submit(&thief, call, Until::InBlock).await.expect_err(&what);
        assert!(
            matches!(&refused, SubmitError::Failed { failure, .. } if failure.is("System", "CallFiltered")),
            "{what}: {refused}"
        );
    }
}
