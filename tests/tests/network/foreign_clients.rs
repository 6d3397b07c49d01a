//! Clients that we did not write: `@polkadot/api` and Python's `substrate-interface` send what
//! workers, payers and voters send, and decode everything that the chain has.
//!
//! What they decode they encode again, and that is compared with what the node has and with what
//! `mica-chain` reads: a value that came back to its bytes was understood.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use codec::Encode;
use mica_chain::{AccountId, Chain, Head, View};
use mica_primitives::{ChannelId, ChannelState, LaneId, ModelId};
use mica_tests::{DevNode, NodeRpc, Reader, eventually_async, javascript, python};
use serde_json::{Value, json};

/// Longest time until a block is final.
const FINAL: Duration = Duration::from_secs(90);
/// Most keys in one answer of the node.
const PAGE: usize = 500;
/// Keys outside the storage of pallets: the runtime's code, the roots of the registry's shards.
const NO_PALLETS: [&[u8]; 2] = [b":code", b":child_storage:default:mica/shard/"];
/// End of the key of a pallet's version, `twox_128(":__STORAGE_VERSION__:")`: no metadata has it.
const VERSION_KEY: &str = "4e7b9012096b41c4eb3aaf947f6ea429";
/// `substrate-interface` reads the events of a block as something of its own, which it cannot
/// encode as a whole; each is compared by itself.
const NOT_WRITTEN_BY_PYTHON: &str = "System.Events";
/// Functions that answer only in states that no finished block has: while a block is being made,
/// and where the runtime may use the node's keys.
const NOT_CALLED: [&str; 2] = ["BlockBuilder_finalize_block", "SessionKeys_generate_session_keys"];
/// Storage of which there must be something to decode.
const MADE: [&str; 8] = [
    "Registry.Models",
    "Registry.Workers",
    "Registry.PeerOwner",
    "Channels.Channels",
    "Receipts.Roots",
    "Sla.Agreements",
    "Balances.Holds",
    "Staking.Ledger",
];

#[tokio::test(flavor = "multi_thread")]
async fn polkadot_js_and_substrate_interface_understand_the_whole_chain() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let chain = node.connect().await;
    let (by_javascript, by_python) = both(
        || javascript(&[&node.url, "transact", "//Charlie", "//Dave"]),
        || python(&[&node.url, "transact", "//Eve", "//Ferdie"]),
    );
    let made = chain.best().await.expect("the node answers").number;
    let head = eventually_async("what the clients sent is final", FINAL, || async {
        chain.finalized().await.ok().filter(|head| head.number >= made)
    })
    .await;

    // Each is asked for what the other one made.
    let block = format!("0x{}", hex::encode(head.hash));
    let from_javascript = javascript(&[&node.url, "inspect", &block, &by_python.to_string()]);
    let asked = folder.path().join("asked.json");
    let questions = json!({
        "facts": by_javascript,
        "runtime_calls": without_answers(&from_javascript["runtime_calls"]),
    });
    std::fs::write(&asked, questions.to_string()).expect("the folder is writable");
    let from_python = python(&[&node.url, "inspect", &block, &asked.display().to_string()]);

    let seen = [&from_javascript, &from_python];
    let view = chain.at(head);
    values_have_their_names(&view, [&by_python, &by_javascript], seen).await;
    let rpc = NodeRpc::new(&node.url);
    storage_is_understood(&rpc, &block, seen);
    every_block_is_understood(&chain, &rpc, head, seen).await;
    every_function_is_understood(&rpc, &view, &by_python, seen).await;
    // And what has not happened here: events, calls and storage of every kind.
    assert_eq!(from_javascript["kinds"], from_python["kinds"]);
    referenda_are_there([&by_javascript, &by_python], &from_javascript);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_for_other_clients_work() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let installed = "the tests have it installed, in the same version";
    let (package, requirement) = ("@polkadot/api@16.5.6", "substrate-interface==1.8.1");
    let said = Reader::open("docs/operations/other-clients.md", folder.path())
        .replacing("ws://127.0.0.1:9944", &node.url)
        .leaving(&format!("npm install {package}"), installed)
        .leaving(&format!("pip install {requirement}"), installed)
        .finish();
    assert!(said.contains("channels Opened") && said.contains("Channels Opened"), "{said}");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(source.join(path)).expect("it is there");
    let (name, version) = package.rsplit_once('@').expect("a version");
    assert!(read("javascript/package.json").contains(&format!("\"{name}\": \"{version}\"")));
    assert!(read("python/requirements.txt").lines().any(|line| line == requirement));
}

fn javascript(arguments: &[&str]) -> Value {
    said(&javascript::script("polkadot_js_client.mjs", arguments))
}

fn python(arguments: &[&str]) -> Value {
    said(&python::script("substrate_interface_client.py", arguments, &[]))
}

fn said(output: &str) -> Value {
    serde_json::from_str(output).unwrap_or_else(|error| panic!("not JSON ({error}): {output}"))
}

/// Runs both side by side.
fn both<T: Send>(one: impl FnOnce() -> T + Send, other: impl FnOnce() -> T) -> (T, T) {
    std::thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().expect("it does not panic"), other)
    })
}

fn members(value: &Value) -> &serde_json::Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("not an object: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn hash(value: &Value) -> [u8; 32] {
    let digits = text(value).trim_start_matches("0x");
    hex::decode(digits).expect("hex").try_into().expect("32 bytes")
}

/// All keys of the state and their values, in hexadecimal.
fn state(rpc: &NodeRpc, block: &str) -> BTreeMap<String, String> {
    let (mut state, mut last) = (BTreeMap::new(), Value::Null);
    loop {
        let keys = rpc.call("state_getKeysPaged", json!(["0x", PAGE, last, block]));
        let Some(end) = keys.as_array().expect("keys").last() else { return state };
        last = end.clone();
        let found = rpc.call("state_queryStorageAt", json!([keys, block]));
        for change in found[0]["changes"].as_array().expect("changes") {
            state.insert(text(&change[0]).to_owned(), text(&change[1]).to_owned());
        }
    }
}

/// A few values by the names that people look for, as `mica-chain` has them.
async fn values_have_their_names(view: &View, made: [&Value; 2], seen: [&Value; 2]) {
    for (made, seen) in made.into_iter().zip(seen) {
        let account: AccountId = text(&made["worker"]).parse().expect("an account");
        let (worker, online) = view.worker(account).await.expect("it reads").expect("a worker");
        let id = ChannelId(hash(&made["channel"]));
        let channel = view.channel(id).await.expect("it reads").expect("a channel");
        let lane = made["lane"].as_u64().and_then(|lane| LaneId::try_from(lane).ok());
        let lane = channel.lanes.get(&lane.expect("a lane")).expect("something was redeemed");
        let addresses = worker.addresses.iter().map(|address| String::from_utf8_lossy(address));
        let expected = json!({
            "worker": worker.account.to_string(),
            "model": worker.model.to_string(),
            "layers": [worker.range.first, worker.range.end],
            "list_price": worker.list_price_per_layer_token.to_string(),
            "addresses": addresses.collect::<Vec<_>>(),
            "stake": worker.stake.to_string(),
            "online": online,
            "payer": channel.payer.to_string(),
            "payee": channel.payee.to_string(),
            "deposit": channel.deposit.to_string(),
            "claimed": channel.claimed.to_string(),
            "lane_cumulative": lane.cumulative.to_string(),
            "is_open": channel.state == ChannelState::Open,
        });
        assert_eq!(seen["read"], expected);
        assert_eq!(channel.claimed.to_string(), text(&made["paid"]));
    }
}

/// Every key of the state is read, and comes back with its value.
fn storage_is_understood(rpc: &NodeRpc, block: &str, [javascript, python]: [&Value; 2]) {
    let is_of_a_pallet = |key: &String| {
        let bytes = hex::decode(&key[2..]).expect("hex");
        !key.ends_with(VERSION_KEY) && !NO_PALLETS.iter().any(|start| bytes.starts_with(start))
    };
    let state: BTreeMap<_, _> =
        state(rpc, block).into_iter().filter(|(key, _)| is_of_a_pallet(key)).collect();
    let read = |seen: &Value, item: &str| -> BTreeMap<String, String> {
        let entries = members(&seen["storage"]).iter().filter(|(_, entry)| entry[0] != item);
        entries.map(|(key, entry)| (key.clone(), text(&entry[1]).to_owned())).collect()
    };
    same("storage read by JavaScript", &read(javascript, ""), &state);
    let items = members(&javascript["storage"]);
    let but_events: BTreeMap<_, _> =
        state.into_iter().filter(|(key, _)| items[key][0] != NOT_WRITTEN_BY_PYTHON).collect();
    same("storage read by Python", &read(python, NOT_WRITTEN_BY_PYTHON), &but_events);
    let filled: BTreeSet<&str> = items.values().map(|entry| text(&entry[0])).collect();
    let empty: Vec<_> = MADE.iter().filter(|item| !filled.contains(*item)).collect();
    assert!(empty.is_empty(), "nothing to decode in {empty:?}");
}

/// Fails with the entries that differ and not with all of them.
fn same(what: &str, found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>) {
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differ: Vec<_> = keys
        .into_iter()
        .filter(|key| found.get(*key) != expected.get(*key))
        .map(|key| format!("{key}: {:?}, not {:?}", found.get(key), expected.get(key)))
        .collect();
    assert!(differ.is_empty(), "{what}:\n{}", differ.join("\n"));
}

/// Every event and every call of every block.
async fn every_block_is_understood(chain: &Chain, rpc: &NodeRpc, head: Head, seen: [&Value; 2]) {
    let blocks = seen.map(|seen| seen["history"].as_array().expect("blocks"));
    assert_eq!(blocks.map(Vec::len), [head.number as usize + 1; 2]);
    for number in 0..=head.number {
        let block = rpc.call("chain_getBlockHash", json!([number]));
        let view = chain.at(Head { number, hash: hash(&block) });
        let events = view.events().await.expect("it reads").into_iter();
        let events: Vec<_> = events
            .map(|event| {
                json!([format!("{}.{}", event.pallet, event.name), hexadecimal(&event.fields)])
            })
            .collect();
        let extrinsics = rpc.call("chain_getBlock", json!([block]))["block"]["extrinsics"].clone();
        for blocks in blocks {
            let seen = &blocks[number as usize];
            assert_eq!(seen["events"], json!(events), "block {number}");
            let calls = seen["calls"].as_array().expect("calls");
            let extrinsics = extrinsics.as_array().expect("extrinsics");
            assert_eq!(calls.len(), extrinsics.len(), "block {number}");
            // The call is an extrinsic's end.
            for (call, extrinsic) in calls.iter().zip(extrinsics) {
                let call = text(call).trim_start_matches("0x");
                assert!(text(extrinsic).ends_with(call), "block {number}: {call} in {extrinsic}");
            }
        }
    }
}

fn without_answers(calls: &Value) -> Value {
    let asked = members(calls).iter().map(|(name, call)| {
        (name.clone(), json!({"at": call["at"], "argument": call["argument"]}))
    });
    Value::Object(asked.collect())
}

/// Every function of the runtime is called, and its answer is understood.
async fn every_function_is_understood(rpc: &NodeRpc, view: &View, made: &Value, seen: [&Value; 2]) {
    let [calls, by_python] = seen.map(|seen| members(&seen["runtime_calls"]));
    assert_eq!(calls, by_python);
    let all = seen[1]["functions"].as_array().expect("names").iter().map(text);
    let left: BTreeSet<_> = all.filter(|name| !calls.contains_key(*name)).collect();
    assert_eq!(left, BTreeSet::from(NOT_CALLED), "functions of the runtime that nobody called");
    for (name, call) in calls {
        let answer = rpc.call("state_call", json!([name, call["argument"], call["at"]]));
        assert_eq!(answer, call["answer"], "{name} {}", call["argument"]);
    }
    for (name, answer) in answers(view, made).await {
        assert_eq!(text(&calls[name]["answer"]), hexadecimal(&answer), "{name}");
    }
}

/// What `mica-chain` reads where the clients have asked: SCALE.
async fn answers(view: &View, made: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let account = |role: &str| text(&made[role]).parse::<AccountId>().expect("an account");
    let (worker, payer) = (account("worker"), account("payer"));
    let model = ModelId(hash(&made["model"]));
    let channel = ChannelId(hash(&made["channel"]));
    let lane = made["lane"].as_u64().and_then(|lane| LaneId::try_from(lane).ok()).expect("a lane");
    let agreement = made["agreement"].as_u64().expect("a number");
    vec![
        ("RegistryApi_model", view.model(model).await.expect("it reads").encode()),
        ("RegistryApi_models", view.models().await.expect("it reads").encode()),
        ("RegistryApi_worker", view.worker(worker).await.expect("it reads").encode()),
        ("RegistryApi_workers", view.workers(model, None).await.expect("it reads").encode()),
        ("RegistryApi_coverage", view.coverage(model).await.expect("it reads").encode()),
        (
            "RegistryApi_registry_parameters",
            view.registry_parameters().await.expect("it reads").encode(),
        ),
        ("ChannelsApi_channel", view.channel(channel).await.expect("it reads").encode()),
        ("ChannelsApi_channels_of", view.channels_of(payer).await.expect("it reads").encode()),
        (
            "ChannelsApi_channels_to",
            view.channels_to(worker, None, 64).await.expect("it reads").encode(),
        ),
        (
            "ChannelsApi_channel_parameters",
            view.channel_parameters().await.expect("it reads").encode(),
        ),
        ("ReceiptsApi_roots", view.receipt_roots(channel, lane).await.expect("it reads").encode()),
        ("SlaApi_agreement", view.agreement(agreement).await.expect("it reads").encode()),
    ]
}

/// Each has brought a referendum about, and voted.
fn referenda_are_there(made: [&Value; 2], seen: &Value) {
    let numbers: BTreeSet<_> = made.iter().filter_map(|made| made["referendum"].as_u64()).collect();
    assert_eq!(numbers.len(), 2, "two referenda: {made:?}");
    for item in ["Referenda.ReferendumInfoFor", "ConvictionVoting.VotingFor"] {
        let entries = members(&seen["storage"]).values();
        assert_eq!(entries.filter(|entry| entry[0] == item).count(), 2, "{item}");
    }
}
