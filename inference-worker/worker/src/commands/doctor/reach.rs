//! Whether payers can reach the worker, as far as it and the peers that tried know.

use mica_net::Reach;
use serde_json::Value;

use super::Finding;

/// How it is opened to other machines.
const LISTEN: &str = "mica-worker config set network.listen \
                      '[\"/ip4/0.0.0.0/tcp/4001\", \"/ip4/0.0.0.0/udp/4001/quic-v1\"]', and behind \
                      a router network.announce";

/// What lets payers in who are elsewhere.
const OPEN: &str = "let the router pass the listening port on to this machine (UPnP or by hand), \
                    and name the address outside with `mica-worker config set network.announce`";

/// What `running`, the worker's own status, says of its addresses and peers. `node_url`: its node.
pub(super) fn finding(running: &Value, node_url: &str) -> Finding {
    let addresses: Vec<&str> =
        running["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let peers = running["totals"]["network"]["peers"].as_u64().unwrap_or(0);
    if addresses.is_empty() {
        return Finding::wrong("reach", "no address is published", LISTEN);
    }
    let mut found = format!("published at {}; {peers} peers are connected", addresses.join(", "));
    let is_here = addresses.iter().all(|text| mica_net::reach(text) == Some(Reach::Machine));
    if !is_here {
        let reachability = &running["reachability"];
        if let Some(why) = reachability["why"].as_str().filter(|why| !why.is_empty()) {
            found.push_str(&format!("; {why}"));
        }
        return match reachability["status"].as_str() {
            Some("unreachable") => Finding::wrong("reach", found, OPEN),
            Some("via_relay") => Finding::note("reach", found, Some(OPEN.to_owned())),
            _ => Finding::good("reach", found),
        };
    }
    let found = format!("{found}: these lead here from this machine alone");
    // A development chain's payers are on this machine too.
    match is_loopback(node_url) {
        true => Finding::note("reach", found, Some(LISTEN.to_owned())),
        false => Finding::wrong("reach", found, LISTEN),
    }
}

/// Whether a node's address is this machine's own.
fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|name| host.starts_with(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::State, *};

    fn state(addresses: Value, url: &str) -> State {
        let running = json!({ "addresses": addresses, "totals": { "network": { "peers": 2 } } });
        finding(&running, url).state
    }

    #[test]
    fn loopback_is_wrong_unless_the_node_is_there_too() {
        let here = json!(["/ip4/127.0.0.1/tcp/4001"]);
        assert_eq!(state(here.clone(), "ws://127.0.0.1:9944"), State::Note);
        assert_eq!(state(here.clone(), "ws://localhost:9944"), State::Note);
        assert_eq!(state(here, "wss://node.example.org"), State::Wrong);
        let there = json!(["/ip4/127.0.0.1/tcp/4001", "/ip4/203.0.113.7/tcp/4001"]);
        assert_eq!(state(there, "wss://node.example.org"), State::Good);
        let behind = |status: &str| {
            let running = json!({
                "addresses": ["/ip4/192.168.1.7/tcp/4001"],
                "reachability": { "status": status, "why": "nobody came in" },
            });
            finding(&running, "wss://node.example.org").state
        };
        assert_eq!(behind("directly"), State::Good);
        assert_eq!(behind("unknown"), State::Good);
        assert_eq!(behind("via_relay"), State::Note);
        assert_eq!(behind("unreachable"), State::Wrong);
        assert_eq!(state(json!([]), "ws://127.0.0.1:9944"), State::Wrong);
        assert_eq!(state(Value::Null, "ws://127.0.0.1:9944"), State::Wrong);
    }
}
