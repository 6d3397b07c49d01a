//! Real nodes: one that runs alone, and four of which one fails.

use std::{path::PathBuf, time::Duration};

use mica_chain::Signer;
use mica_tests::{
    DevNode, LocalNetwork, NodeRpc, Process, book::repository, eventually_async, free_port,
    process::command,
};
use serde_json::{Value, json};

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
    let told = NodeRpc::new(&node.url).answer("sync_state_genSyncSpec", &json!([true]));
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

/// The file in the source of the chain that `--chain` calls `name`.
fn checked_in(name: &str) -> PathBuf {
    repository().join(format!("node/specs/{name}.json"))
}

/// What `mica-node` prints for these arguments, as JSON.
fn printed(arguments: &[&str]) -> Value {
    let done = command("mica-node").args(arguments).output().expect("mica-node starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("a specification")
}

#[test]
fn the_specifications_in_the_source_are_what_the_node_exports() {
    // A field that is `null` says nothing.
    let said = |mut spec: Value| {
        spec.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        spec
    };
    for chain in ["dev", "local", "staging"] {
        let mut exported = printed(&["export-chain-spec", "--chain", chain]);
        let code =
            std::mem::replace(&mut exported["genesis"]["runtimeGenesis"]["code"], "0x".into());
        assert!(code.as_str().is_some_and(|code| code.len() > 100_000), "{chain}");
        let kept = std::fs::read_to_string(checked_in(chain)).expect("it is there");
        let kept: Value = serde_json::from_str(&kept).expect("it is JSON");
        assert_eq!(said(exported), said(kept), "node/specs/{chain}.json (right)");
        // A node puts its own runtime in.
        let file = checked_in(chain).display().to_string();
        let filled = printed(&["export-chain-spec", "--chain", &file]);
        assert!(filled["genesis"]["runtimeGenesis"]["code"] == code, "{chain}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_specification_in_the_source_starts_the_chain_that_it_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [built_in, from_source] = ["built-in", "from-source"].map(|name| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("the folder is writable");
        folder
    });
    let file = checked_in("dev").display().to_string();
    let built_in = DevNode::start(&built_in).await;
    let from_source = DevNode::start_with(&from_source, &["--chain", &file]).await;
    let hashes = [built_in.connect().await, from_source.connect().await].map(|c| c.genesis_hash());
    assert_eq!(hashes[0], hashes[1]);
}

#[test]
fn founders_specify_a_network_by_their_public_keys() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let key = |suri: String| Signer::from_suri(&suri).expect("a name").account().to_string();
    let validator = |number: u32, stash: &str| {
        json!({
            "stash": stash,
            "bond_mica": 2_000,
            "babe": key(format!("//founder//{number}//babe")),
            "grandpa": key(format!("//founder//{number}//grandpa")),
            "authority_discovery": key(format!("//founder//{number}//discovery")),
        })
    };
    let stashes: Vec<String> =
        (0..4).map(|number| key(format!("//founder//{number}//stash"))).collect();
    let write = |bond: u32| {
        let mut validators: Vec<Value> =
            (0..).zip(&stashes).map(|(number, stash)| validator(number, stash)).collect();
        validators[3]["bond_mica"] = bond.into();
        let accounts: Vec<Value> =
            stashes.iter().map(|stash| json!({"account": stash, "mica": 50_000_000})).collect();
        let keys = json!({"accounts": accounts, "validators": validators});
        std::fs::write(&file, keys.to_string()).expect("the folder is writable");
    };
    let keys = file.display().to_string();
    write(2_000);
    let spec = printed(&["staging-spec", "--keys", &keys]);
    assert_eq!((&spec["id"], &spec["chainType"]), (&"mica-staging".into(), &"Live".into()));
    let staging = folder.path().join("staging.json");
    std::fs::write(&staging, spec.to_string()).expect("the folder is writable");
    // Its runtime makes a genesis of it, with money beyond 64 bits.
    let raw = printed(&["export-chain-spec", "--raw", "--chain", &staging.display().to_string()]);
    assert!(raw["genesis"]["raw"]["top"].is_object());

    write(999);
    let refused = command("mica-node").args(["staging-spec", "--keys", &keys]).output();
    let refused = refused.expect("mica-node starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("at least 1,000 MICA"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_open_to_the_world_answers_safe_calls_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start_with(folder.path(), &["--chain", "dev", "--rpc-external"]).await;
    for method in ["chain_getHeader", "system_health", "state_getRuntimeVersion"] {
        let told = NodeRpc::new(&node.url).answer(method, &json!([]));
        assert!(!told["result"].is_null(), "{method}: {told}");
    }
    for (method, parameters) in [
        ("author_rotateKeys", json!([])),
        ("author_insertKey", json!(["babe", "//Alice", "0x00"])),
        ("author_hasSessionKeys", json!(["0x00"])),
        ("system_addReservedPeer", json!(["/ip4/127.0.0.1/tcp/1"])),
        ("system_peers", json!([])),
    ] {
        let told = NodeRpc::new(&node.url).answer(method, &parameters);
        let said = told["error"]["message"].as_str().unwrap_or_default();
        assert!(said.contains("unsafe"), "{method}: {told}");
    }
    let mut validator = command("mica-node");
    validator.args(["--chain", "local", "--validator", "--tmp", "--rpc-external"]);
    // Without a key of its own a validator is refused before that.
    let refused = validator.args(["--node-key", &"01".repeat(32)]).output();
    let refused = refused.expect("mica-node starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("running as a validator"), "{said}");
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
