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

    /// The whole answer to a request.
    pub fn answer(&self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        // A node answers those that know its port.
        let host = self.0.to_string();
        let headers = [("content-type", "application/json"), ("host", host.as_str())];
        http::send(self.0, "POST", "/", &headers, body.to_string().as_bytes()).json()
    }

    /// The result of a request; panics if it is an error.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, &params);
        assert!(answer["error"].is_null(), "{method} {params}: {}", answer["error"]);
        answer["result"].clone()
    }
}
