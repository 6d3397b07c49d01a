//! A node's JSON-RPC, for what `mica-chain` has no use for.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::http;

/// The JSON-RPC of one node.
pub struct NodeRpc(SocketAddr);

impl NodeRpc {
    /// That of the node at `url`, `ws://ADDRESS:PORT`.
    pub fn new(url: &str) -> Self {
        Self(url.trim_start_matches("ws://").parse().expect("an address"))
    }

    /// The answer to a request; panics if it is an error.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let headers = [("content-type", "application/json")];
        let answer = http::send(self.0, "POST", "/", &headers, body.to_string().as_bytes()).json();
        assert!(answer["error"].is_null(), "{method} {params}: {}", answer["error"]);
        answer["result"].clone()
    }
}
