//! A chain, three workers, two models, two wallets, two gateways.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mica_chain::Chain;
use mica_payer::{model::LocalModel, store::Store};
use mica_primitives::{Balance, UNIT};
use mica_tests::{DevNode, Gateway, Wallet, Worker, eventually, http};
use serde_json::Value;

use crate::relay::Relay;

/// Settings of the first gateway: nobody needs a key, and it takes many at once.
const OPEN: &str = r#"
parallel = 16
queue_seconds = 600
headroom = HEADROOM
body_bytes = 65536
read_seconds = 3
[models."qwen2.5:0.5b-instruct"]
is = "mica-tiny:q8_0"
[models."small"]
file = "SMALL"
[hosts."192.168.238.209:11434".models]
"smollm2:1.7b" = "mica-tiny:q4_0"
"#;

/// Settings of the second: keys with budgets, one at a time.
const KEYED: &str = r#"
parallel = 1
queue = 1
read_seconds = 3
state_seconds = 20
[limits]
day = "1 MICA"
[[keys]]
name = "plenty"
key = "key-with-plenty"
[[keys]]
name = "careful"
key = "key-careful"
request = "1u"
[[keys]]
name = "daily"
key = "key-daily"
day = "DAY"
"#;

pub struct Fixture {
    pub node: DevNode,
    pub chain: Chain,
    pub workers: Vec<Worker>,
    pub open: Gateway,
    pub keyed: Gateway,
    pub folder: tempfile::TempDir,
    /// The wire to the second gateway's node.
    pub relay: Relay,
    /// A third model, if there is one.
    pub bench: Option<PathBuf>,
    wallets: [Wallet; 2],
}

/// The first model's name.
pub const TINY: &str = "mica-tiny:q8_0";
/// The third model's name.
pub const BENCH: &str = "bench";

impl Fixture {
    pub async fn start() -> Self {
        Self::start_with(2_000, None).await
    }

    /// With a deposit for so many sessions at the first gateway, and maybe a fourth worker, which
    /// serves all of the model in the file `bench`.
    pub async fn start_with(headroom: u32, bench: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let node = DevNode::start(folder.path()).await;
        let small = small_model();
        let small = small.to_str().expect("a plain path");
        let launch = |suri, layers, extra: &[&str]| {
            Worker::launch(folder.path(), &node.url, suri, layers, extra)
        };
        let mut workers = vec![
            launch("//Bob", "0..4", &[]),
            launch("//Dave", "4..8", &[]),
            launch("//Charlie", "0..8", &["--model", small]),
        ];
        let mut settings = OPEN.replace("SMALL", small).replace("HEADROOM", &headroom.to_string());
        if let Some(bench) = bench.as_ref().map(|bench| bench.to_str().expect("a plain path")) {
            let layers = LocalModel::open(Some(bench.as_ref())).expect("a model").manifest().layers;
            workers.push(launch("//Eve", &format!("0..{layers}"), &["--model", bench]));
            settings.push_str(&format!("[models.{BENCH}]\nfile = \"{bench}\"\n"));
            // Many long answers.
            settings.push_str("[limits]\nday = \"1000 MICA\"\n");
        }
        let chain = node.connect().await;
        let relay = Relay::start(node.url.trim_start_matches("ws://").parse().expect("an address"));
        let cuttable = format!("ws://{}", relay.address);
        let wallets = [("open", &node.url), ("keyed", &cuttable)]
            .map(|(name, url)| Wallet::create(&folder.path().join(name), url));
        for wallet in &wallets {
            wallet.fund(&chain, 100 * UNIT).await;
        }
        workers.iter_mut().for_each(Worker::wait_until_serving);
        let open = wallets[0].gateway(&settings, false);
        let keyed = wallets[1].gateway(&KEYED.replace("DAY", &format!("{}u", day_budget())), false);
        let fixture = Self { node, chain, workers, open, keyed, folder, relay, bench, wallets };
        for gateway in [&fixture.open, &fixture.keyed] {
            // The registration of both models must be final.
            eventually("the gateway knows the models", Duration::from_secs(60), || {
                let tags = http::send(gateway.address, "GET", "/api/tags", &[], b"");
                let plenty = [("authorization", "Bearer key-with-plenty")];
                let tags = if tags.status == 401 {
                    http::send(gateway.address, "GET", "/api/tags", &plenty, b"")
                } else {
                    tags
                };
                let body = tags.json();
                body["models"].as_array().is_some_and(|models| !models.is_empty()).then_some(())
            });
        }
        let names = 4 + usize::from(fixture.bench.is_some());
        eventually("all models are offered", Duration::from_secs(60), || {
            let tags = http::send(fixture.open.address, "GET", "/api/tags", &[], b"").json();
            (tags["models"].as_array().expect("a list").len() >= names).then_some(())
        });
        fixture
    }

    /// Base units that the first gateway has promised so far, from its own counters.
    pub fn paid(&self) -> Balance {
        metric(&self.open, "mica_gateway_paid_base_units_total")
    }

    /// Waits until no session runs, so that every account is known.
    pub fn quiet(&self) {
        eventually("every session has ended", Duration::from_secs(60), || {
            (metric(&self.open, "mica_gateway_sessions_running") == 0).then_some(())
        });
    }

    /// Stops the gateways, and compares what was promised with what was delivered, session by
    /// session.
    pub async fn settle_and_compare(mut self) {
        self.open.stop();
        self.keyed.stop();
        let mut sessions = 0;
        for wallet in &self.wallets {
            let store =
                Store::open(&wallet.home.join("state.redb")).expect("the gateway has let go of it");
            let mut promised: BTreeMap<[u8; 32], Balance> = BTreeMap::new();
            for session in store.sessions().expect("readable") {
                sessions += 1;
                // Every position of the prompt and every token that was fed back is computed once
                // by each stage, and paid once.
                let positions = match session.tokens.len() {
                    0 => None,
                    tokens => Some((session.prompt.len() + tokens - 1) as Balance),
                };
                for stage in &session.stages {
                    let unit = stage.price_per_layer_token * Balance::from(stage.layers.len());
                    assert_eq!(stage.paid % unit, 0, "a part of a position was paid: {session:?}");
                    match positions {
                        Some(positions) => assert_eq!(
                            stage.paid,
                            unit * positions,
                            "tokens and ticks differ: {session:?}"
                        ),
                        None => assert!(
                            stage.paid <= unit * session.prompt.len() as Balance,
                            "{session:?}"
                        ),
                    }
                    *promised.entry(stage.channel.0).or_default() += stage.paid;
                }
            }
            for (channel, sum) in promised {
                let lanes = store.lanes(mica_primitives::ChannelId(channel)).expect("readable");
                let total: Balance = lanes.iter().map(|lane| lane.promised()).sum();
                assert_eq!(total, sum, "the lanes promise what the sessions cost");
            }
        }
        assert!(sessions > 100, "only {sessions} sessions were seen");
    }
}

/// What `key-daily` may spend: two answers of the size that the tests ask for, and not three.
pub fn day_budget() -> Balance {
    // Price 1,000,000 per layer-token, 8 layers, some 30 positions of prompt and 8 of answer.
    8 * 1_000_000 * 90
}

/// The second model: the first one's sibling with smaller weights.
fn small_model() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../inference-worker/engine/models/mica-tiny-q4_0.gguf");
    path.canonicalize().expect("the repository's own model")
}

/// One of a gateway's counters.
pub fn metric(gateway: &Gateway, name: &str) -> Balance {
    let plenty = [("authorization", "Bearer key-with-plenty")];
    let text = http::send(gateway.address, "GET", "/metrics", &plenty, b"").body;
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")))
        .unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

/// A body for `/api/generate`.
pub fn prompt(text: &str, tokens: u32, seed: u64, stream: bool) -> Vec<u8> {
    prompt_of(TINY, text, tokens, seed, stream)
}

/// The same for some model.
pub fn prompt_of(model: &str, text: &str, tokens: u32, seed: u64, stream: bool) -> Vec<u8> {
    let body = serde_json::json!({
        "model": model,
        "prompt": text,
        "stream": stream,
        "options": {"num_predict": tokens, "seed": seed, "temperature": 0.8},
    });
    body.to_string().into_bytes()
}

/// The text of a streamed answer that came to its end.
pub fn text_of(lines: &[Value]) -> String {
    let last = lines.last().expect("at least one line");
    assert_eq!(last["done"], true, "the answer broke off: {last}");
    lines.iter().map(|line| line["response"].as_str().expect("a piece")).collect()
}
