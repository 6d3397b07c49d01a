//! The registry keeps a market complete: a worker that moves leaves no layer uncovered.

use mica_chain::{Call, Signer, SubmitError, Until};
use mica_primitives::LayerRange;
use mica_tests::{DevNode, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_would_uncover_a_layer_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let _front = Worker::start(folder.path(), &node.url, "//Bob", "0..5", &[]);
    let _back = Worker::start(folder.path(), &node.url, "//Charlie", "4..8", &[]);
    let chain = node.connect().await;
    let bob = Signer::from_suri("//Bob").expect("a development key");
    let move_to = |first, end| Call::SetRange(LayerRange { first, end });

    match chain.submit(&bob, move_to(4, 8), Until::InBlock).await {
        Err(SubmitError::Failed { failure, .. }) => {
            assert!(failure.pallet == "Registry" && failure.name.contains("ncover"), "{failure:?}")
        }
        other => panic!("layers 0 to 3 would be bare: {other:?}"),
    }
    let view = chain.at_best().await.expect("the node answers");
    let (record, _) = view.worker(bob.account()).await.expect("it reads").expect("registered");
    assert_eq!(record.range, LayerRange { first: 0, end: 5 }, "nothing has changed");
    assert_eq!(view.coverage(record.model).await.expect("it reads"), [1, 1, 1, 1, 2, 1, 1, 1]);

    chain.submit(&bob, move_to(0, 4), Until::InBlock).await.expect("layer 4 has another worker");
    let view = chain.at_best().await.expect("the node answers");
    assert_eq!(view.coverage(record.model).await.expect("it reads"), [1; 8]);
}
