//! Addresses at which no Mica node answers.

use mica_chain::{Chain, ConnectError};

#[tokio::test]
async fn what_is_no_node_is_named() {
    assert!(matches!(Chain::connect("http://127.0.0.1:9944").await, Err(ConnectError::Url { .. })));
    let error = Chain::connect("ws://127.0.0.1:1").await.expect_err("nobody there");
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("mica-node --dev"), "{error}");
}
