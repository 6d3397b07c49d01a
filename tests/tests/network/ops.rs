//! What `ops/` names is what real programs export: every metric of every dashboard and alarm.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, time::Duration};

use mica_tests::{
    DevNode, Operator, Process, Wallet, book::repository, eventually, free_port, http,
    process::command,
};
use serde_json::Value;

/// Longest time until a node has made blocks, and a worker serves.
const START: Duration = Duration::from_secs(120);

/// The metrics that a program exports, by their names.
fn exported(address: SocketAddr) -> Option<BTreeSet<String>> {
    let answer = http::send(address, "GET", "/metrics", &[], b"");
    if answer.status != 200 {
        return None;
    }
    let types = answer.body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    Some(types.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect())
}

/// The metrics that a text names, without the endings of a histogram's parts.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| word.starts_with("mica_") || word.starts_with("substrate_");
    words.filter(is_metric).map(str::to_owned).collect()
}

/// Every expression of a dashboard.
fn expressions(board: &Value, found: &mut Vec<String>) {
    match board {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| expressions(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// Fails for a name that nothing exports.
fn check(what: &str, names: &BTreeSet<String>, exported: &BTreeSet<String>) {
    assert!(!names.is_empty(), "{what} names no metric");
    for name in names {
        let parts = ["_sum", "_count", "_bucket"];
        let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(
            exported.contains(name) || exported.contains(whole),
            "{what} names {name}, which no program exports"
        );
    }
}

fn ops(path: &str) -> String {
    let path = repository().join("ops").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The address at which the compose file, or Prometheus' settings, expect a program.
fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn node(folder: &Path, rpc: u16, prometheus: u16) -> Process {
    let mut node = command("mica-node");
    node.args(["--dev", "--no-telemetry", "--no-mdns"]).arg("--base-path").arg(folder.join("node"));
    for (option, port) in
        [("--rpc-port", rpc), ("--port", free_port()), ("--prometheus-port", prometheus)]
    {
        node.args([option, &port.to_string()]);
    }
    Process::start(node, folder.join("node.log"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_of_a_dashboard_is_exported_by_a_real_program() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (rpc, prometheus, metrics) = (free_port(), free_port(), free_port());
    let process = node(folder.path(), rpc, prometheus);
    let node = DevNode { process, url: format!("ws://127.0.0.1:{rpc}") };
    node.connect().await;
    let mut bob = Operator::init(&folder.path().join("bob"), "//Bob");
    let address = loopback(metrics).to_string();
    bob.serve(&node.url, &["--layers", "0..8", "--no-pricing", "--metrics", &address]);
    let wallet = Wallet::create(&folder.path().join("home"), &node.url);
    let gateway = wallet.gateway("", false);

    let of_worker = eventually("the worker's metrics", START, || {
        exported(loopback(metrics)).filter(|found| found.contains("mica_worker_tokens_total"))
    });
    let of_gateway = exported(gateway.address).expect("the gateway's metrics");
    let of_node = eventually("a node's metrics after blocks", START, || {
        exported(loopback(prometheus))
            .filter(|found| found.contains("substrate_block_verification_and_import_time"))
    });
    let boards = [("worker", &of_worker), ("gateway", &of_gateway), ("node", &of_node)];
    for (name, exported) in boards {
        let board: Value = serde_json::from_str(&ops(&format!("grafana/dashboards/{name}.json")))
            .expect("a dashboard");
        let mut found = Vec::new();
        expressions(&board, &mut found);
        assert!(found.len() > 8, "{name} has {} expressions", found.len());
        check(name, &named(&found.join("\n")), exported);
    }
    let all: BTreeSet<String> =
        boards.iter().flat_map(|(_, exported)| exported.iter().cloned()).collect();
    let alerts = ops("alerts.yml");
    let rules = alerts.lines().filter(|line| line.trim_start().starts_with("expr:"));
    check("alerts.yml", &named(&rules.collect::<Vec<_>>().join("\n")), &all);

    // The page of the documentation and the worker have the same list.
    let page = fs::read_to_string(repository().join("docs/operations/metrics.md")).expect("a page");
    let documented = named(&page);
    let of_worker: Vec<&String> =
        of_worker.iter().filter(|name| !documented.contains(*name)).collect();
    assert!(of_worker.is_empty(), "docs/operations/metrics.md lacks {of_worker:?}");
}
