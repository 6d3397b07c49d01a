//! Real nodes: one that runs alone, and four of which one stops.

use std::time::Duration;

use mica_chain::Signer;
use mica_tests::{DevNode, LocalNetwork, eventually_async};

#[tokio::test(flavor = "multi_thread")]
async fn a_development_node_runs_alone_and_finalizes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let alice = Signer::from_suri("//Alice").expect("a development key").account();
    let view = chain.at_best().await.expect("the node answers");
    assert!(view.account(alice).await.expect("balances are read").free > 0);
    assert!(view.registry_parameters().await.expect("runtime calls are answered").heartbeat_interval > 0);
    eventually_async("block 2 is final", Duration::from_secs(60), || async {
        chain.finalized().await.ok().filter(|head| head.number >= 2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_finalize_while_one_is_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut network = LocalNetwork::start(folder.path()).await;
    let chain = mica_chain::Chain::connect(&network.urls[0]).await.expect("alice answers");
    let finalized = |least: u32| {
        let chain = chain.clone();
        async move {
            eventually_async(&format!("block {least} is final"), Duration::from_secs(180), || async {
                chain.finalized().await.ok().filter(|head| head.number >= least)
            })
            .await
            .number
        }
    };
    let reached = finalized(2).await;
    network.nodes[3].kill();
    // Blocks made after the stop, so that the votes of the three who are left are what makes them final.
    let best = chain.best().await.expect("alice answers").number;
    finalized(best.max(reached) + 3).await;
}
