//! Real nodes: one that runs alone, and four of which one fails.

use std::time::Duration;

use mica_chain::Signer;
use mica_tests::{
    DevNode, LocalNetwork, Process, eventually_async, free_port, http, process::command,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_development_node_runs_alone_and_finalizes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let alice = Signer::from_suri("//Alice").expect("a development key").account();
    let view = chain.at_best().await.expect("the node answers");
    assert!(view.account(alice).await.expect("balances are read").free > 0);
    assert!(
        view.registry_parameters().await.expect("runtime calls are answered").heartbeat_interval
            > 0
    );
    eventually_async("block 2 is final", Duration::from_secs(60), || async {
        chain.finalized().await.ok().filter(|head| head.number >= 2)
    })
    .await;
    // What a light client begins with.
    let address = node.url.trim_start_matches("ws://").parse().expect("an address");
    let asked = json!({
        "jsonrpc": "2.0", "id": 1, "method": "sync_state_genSyncSpec", "params": [true]
    });
    let headers = [("content-type", "application/json")];
    let told = http::send(address, "POST", "/", &headers, asked.to_string().as_bytes()).json();
    let spec = &told["result"];
    assert_eq!(spec["id"], "mica-dev", "{}", told["error"]);
    let begins = spec["lightSyncState"].to_string();
    assert!(begins.contains("finalizedBlockHeader"), "{begins}");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_finalize_while_one_is_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut network = LocalNetwork::start(folder.path()).await;
    let chain = mica_chain::Chain::connect(&network.urls[0]).await.expect("alice answers");
    let finalized = |least: u32| {
        let chain = chain.clone();
        async move {
            eventually_async(
                &format!("block {least} is final"),
                Duration::from_secs(180),
                || async { chain.finalized().await.ok().filter(|head| head.number >= least) },
            )
            .await
            .number
        }
    };
    let reached = finalized(2).await;
    network.nodes[3].kill();
    // Blocks made after the stop, so that the votes of the three who are left are what makes them
    // final.
    let best = chain.best().await.expect("alice answers").number;
    finalized(best.max(reached) + 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_built_in_chain_has_one_genesis_however_it_is_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spec = folder.path().join("spec.json");
    let exported = command("mica-node")
        .args(["export-chain-spec", "--chain", "dev"])
        .output()
        .expect("mica-node starts");
    assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    std::fs::write(&spec, exported.stdout).expect("the folder is writable");
    let [built_in, from_file] = ["built-in", "from-file"].map(|name| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("the folder is writable");
        folder
    });

    let built_in = DevNode::start(&built_in).await;
    let from_file =
        DevNode::start_with(&from_file, &["--chain", &spec.display().to_string()]).await;
    assert_eq!(built_in.connect().await.genesis_hash(), from_file.connect().await.genesis_hash());
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_looked_for_on_the_local_network_only_if_asked() {
    /// UDP port of multicast DNS.
    const MDNS: u16 = 5353;
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, flags, expected) in [
        ("plain", &[][..], false),
        ("asked", &["--discover-local"], true),
        ("both", &["--discover-local", "--no-mdns"], false),
    ] {
        let rpc = free_port();
        let mut node = command("mica-node");
        node.args(["--chain", "local", "--no-prometheus", "--no-telemetry", "--base-path"])
            .arg(folder.path().join(name))
            .args(["--rpc-port", &rpc.to_string(), "--port", &free_port().to_string()])
            .args(flags);
        let node = Process::start(node, folder.path().join(format!("{name}.log")));
        // Its network starts before its RPC server.
        let url = format!("ws://127.0.0.1:{rpc}");
        eventually_async("the node answers", Duration::from_secs(120), || async {
            mica_chain::Chain::connect(&url).await.ok()
        })
        .await;
        let ports = node.udp_ports();
        assert_eq!(ports.contains(&MDNS), expected, "{name}: {ports:?}");
    }
}

#[test]
fn an_unknown_chain_says_what_the_flag_may_be() {
    let refused =
        command("mica-node").args(["--chain", "mars"]).output().expect("mica-node starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(
        said.contains("--chain mars")
            && said.contains("`dev`")
            && said.contains("export-chain-spec"),
        "{said}"
    );
}
