//! What protects a payer who sets nothing: limits of money, a hot key that can be replaced, and
//! screens that strangers cannot write on.

use std::{path::PathBuf, time::Duration};

use mica_chain::{Call, Signer, Until};
use mica_payer::model::LocalModel;
use mica_primitives::{ChannelState, MarketUnits};
use mica_tests::{Process, Terminal, Worker, eventually, http, run, units};

use crate::wallet::World;

/// Longest time until a worker's registration is final.
const FINAL: Duration = Duration::from_secs(90);
/// A thousand times the first price of a market: 0.008 MICA for a token of 8 layers.
const DEAR: &str = "1000000000u";

fn small_model() -> PathBuf {
    mica_tests::book::repository().join("inference-worker/engine/models/mica-tiny-q4_0.gguf")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sets_nothing_is_protected() {
    let world = World::new().await;
    a_registered_name_writes_on_no_screen(&world).await;
    a_hot_key_is_replaced_and_its_channels_are_used_up(&world);
    a_channel_gives_its_worker_the_time_that_the_payer_sets(&world).await;
    an_answer_that_is_too_dear_is_refused_until_its_payer_says_otherwise(&world);
}

async fn a_registered_name_writes_on_no_screen(world: &World) {
    let chain = world.node.connect().await;
    let mut manifest = LocalModel::open(None).expect("the embedded model").manifest().clone();
    let hostile = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\nFORGED";
    manifest.name = hostile.as_bytes().to_vec().try_into().expect("short");
    let units = MarketUnits { price_unit: 1_000_000, cost_unit_us: 100 };
    let alice = Signer::from_suri("//Alice").expect("a development key");
    let register = Call::RegisterModel { manifest, units };
    chain.submit(&alice, register, Until::Finalized).await.expect("registered");
    let is_clean = |text: &str| {
        let is_control = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        !text.chars().any(is_control) && !text.lines().any(|line| line.starts_with("FORGED"))
    };
    let market = run(world.command(&["market"]), "");
    assert_eq!(market.code, Some(0), "{}", market.stderr);
    assert!(market.stdout.contains("FORGED") && is_clean(&market.stdout), "{:?}", market.stdout);
    // A program still reads what is registered.
    let market = run(world.command(&["market", "--json"]), "").json();
    let models = market["models"].as_array().expect("a list");
    assert!(models.iter().any(|model| model["name"] == hostile), "{market}");
    let mut screen = Terminal::start(&world.command(&["market", "--json"]));
    screen.wait_for("FORGED");
    assert_eq!(screen.ends(), 0);
    assert!(!screen.screen().contains('\u{202e}'), "{:?}", screen.screen());
}

fn a_hot_key_is_replaced_and_its_channels_are_used_up(world: &World) {
    let ask = ["ask", "What is a blockchain?", "--max-tokens", "8"];
    world.ok(&ask);
    assert_eq!(world.channels(), 2);
    let shown = || world.ok(&["wallet", "show"]).json();
    let before = shown();
    let wrong = world.locked(&["wallet", "rotate-hot-key"], "");
    assert_eq!(wrong.code, Some(10), "{}", wrong.stderr);
    let rotated = world.ok(&["wallet", "rotate-hot-key"]).json();
    assert_eq!(rotated["hot_key"], 1);
    let after = shown();
    assert_eq!(after["channel_signer"], rotated["channel_signer"]);
    assert_ne!(after["channel_signer"], before["channel_signer"]);
    assert_eq!((&after["address"], &after["hot_key"]), (&before["address"], &"ready".into()));

    // The old channels are used up with the key that they were opened with, without a password ...
    let again = world.locked(&ask, "");
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(units(&again.json()["fees"]), 0);
    assert_eq!(world.channels(), 2);
    // ... and a new one takes the new key's: one session pays with both.
    let channels = world.ok(&["channel", "list"]).json();
    let first = channels[0]["channel"].as_str().expect("an id");
    world.ok(&["channel", "close", first]);
    let mixed = world.ok(&ask).json();
    assert!(units(&mixed["fees"]) > 0, "one channel had to be opened: {mixed}");
    let settled = mixed["stages"].as_array().expect("a list").iter();
    assert!(
        settled.clone().count() == 2 && settled.into_iter().all(|stage| stage["settled"] == true)
    );
    let left = world.ok(&["channel", "list"]).json();
    assert_eq!(left.as_array().map(Vec::len), Some(2), "{left}");
    assert_eq!(
        left.to_string().matches(channels[1]["channel"].as_str().expect("an id")).count(),
        1
    );

    // The words alone find the keys of all of them.
    let phrase = world.ok(&["wallet", "export", "--phrase"]).json();
    let phrase = phrase["phrase"].as_str().expect("words").to_owned();
    let second = world.home.with_file_name("second");
    let elsewhere = |arguments: &[&str], input: &str| {
        let mut mica = world.command(&[arguments, &["--json", "--quiet"]].concat());
        mica.env("MICA_HOME", &second).env("MICA_PASSWORD", "correct horse");
        let ran = run(mica, input);
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stderr);
        ran.json()
    };
    let imported = elsewhere(&["wallet", "import"], &format!("{phrase}\n"));
    assert_eq!(
        imported["channel_signer"].as_str(),
        before["channel_signer"].as_str().map(|hex| &hex[2..])
    );
    let found = elsewhere(&["wallet", "find-hot-key"], "");
    assert_eq!((&found["hot_key"], &found["unknown_signers"]), (&1.into(), &0.into()), "{found}");
    assert_eq!(found["channel_signer"], rotated["channel_signer"]);
    let answered = elsewhere(&ask, "");
    assert_eq!(units(&answered["fees"]), 0, "no channel had to be opened: {answered}");
    world.ok(&["channel", "close", "--all"]);
}

async fn a_channel_gives_its_worker_the_time_that_the_payer_sets(world: &World) {
    let set = world.ok(&["config", "set", "window", "40"]);
    assert_eq!(set.json()["value"], "40", "{}", set.stdout);
    world.ok(&["ask", "What is a blockchain?", "--max-tokens", "8"]);
    let chain = world.node.connect().await;
    let address = world.ok(&["wallet", "show"]).json()["address"].as_str().map(str::to_owned);
    let account = address.and_then(|address| address.parse().ok()).expect("an address");
    let view = chain.at_best().await.expect("the node answers");
    let channels = view.channels_of(account).await.expect("the node answers");
    let open = channels.iter().filter(|(_, channel)| channel.state == ChannelState::Open);
    let windows: Vec<u32> = open.map(|(_, channel)| channel.window).collect();
    assert_eq!(windows, [40, 40], "20 would be usual here");
    world.ok(&["config", "unset", "window"]);
}

fn an_answer_that_is_too_dear_is_refused_until_its_payer_says_otherwise(world: &World) {
    let model = small_model();
    let model = model.to_str().expect("a plain path");
    let folder = world.home.with_file_name("dear");
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut worker = Worker::launch(
        &folder,
        &world.node.url,
        "//Dave",
        "0..8",
        &["--model", model, "--price", DEAR],
    );
    worker.wait_until_serving();
    let ask = ["ask", "What is a blockchain?", "--max-tokens", "8", "--model-file", model];
    let with = |more: &[&str]| world.locked(&[&ask[..], more, &["--dry-run"]].concat(), "");
    let dear = eventually("the dear worker is on the market", FINAL, || {
        let ran = with(&[]);
        (ran.code != Some(12) && ran.stderr.contains("limit")).then_some(ran)
    });
    assert_eq!(dear.code, Some(14), "{}", dear.stderr);
    for word in ["0.1 MICA", "--max-total"] {
        assert!(dear.stderr.contains(word), "{}", dear.stderr);
    }
    // A quote, which spends nothing, shows it and says so.
    let quote = ["quote", "What is a blockchain?", "--max-tokens", "8", "--model-file", model];
    let quoted = run(world.command(&quote), "");
    assert_eq!(quoted.code, Some(0), "{}", quoted.stderr);
    for word in ["0.1 MICA", "--max-total"] {
        assert!(quoted.stdout.contains(word), "{}", quoted.stdout);
    }
    let allowed = with(&["--max-total", "5"]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.stderr);
    let run_workflow = ["workflow", "run", "generate-summarise", "Hi", "--model-file", model];
    let stopped = world.open(&run_workflow);
    assert_eq!(stopped.code, Some(14), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("--max-total"), "{}", stopped.stderr);

    // A gateway with nothing but its defaults, too.
    let start = |more: &[&str]| {
        let arguments =
            [&["gateway", "--listen", "127.0.0.1:0", "--model-file", model], more].concat();
        let mut gateway = world.command(&arguments);
        gateway.env("MICA_PASSWORD", "correct horse");
        let mut gateway = Process::start(gateway, world.home.with_file_name("gateway.log"));
        let address: std::net::SocketAddr =
            gateway.wait_for_line("the gateway listens", FINAL, |line| {
                line.strip_prefix("listening on http://").and_then(|address| address.parse().ok())
            });
        let tags = http::send(address, "GET", "/api/tags", &[], b"").json();
        let names = tags["models"].as_array().expect("a list").iter();
        let names: Vec<&str> = names.filter_map(|model| model["name"].as_str()).collect();
        let name = *names.iter().find(|name| name.contains("q4_0")).expect("the dear model");
        let body = serde_json::json!({
            "model": name, "prompt": "Hi", "stream": false, "options": {"num_predict": 4},
        });
        let answer = http::send(address, "POST", "/api/generate", &[], body.to_string().as_bytes());
        gateway.signal("TERM");
        assert!(gateway.wait(Duration::from_secs(60)).success(), "{}", gateway.output());
        answer
    };
    let refused = start(&[]);
    assert_eq!(refused.status, 402, "{}", refused.body);
    assert!(refused.body.contains("--max-price"), "{}", refused.body);
    let refused = start(&["--max-price-per-token", "1", "--max-day", "0.01"]);
    assert_eq!(refused.status, 402, "{}", refused.body);
    assert!(refused.body.contains("--max-day"), "{}", refused.body);
    let answered = start(&["--max-price-per-token", "1", "--max-day", "5"]);
    assert_eq!(answered.status, 200, "{}", answered.body);

    // Nothing more goes into a channel of an earlier hot key: what it cannot pay, a new one does.
    world.ok(&["channel", "close", "--all"]);
    let once = [&ask[..], &["--max-total", "5", "--headroom", "1"]].concat();
    world.ok(&once);
    let deposits = || {
        let list = world.ok(&["channel", "list"]).json();
        let of = |one: &serde_json::Value| (one["channel"].to_string(), units(&one["deposit"]));
        list.as_array().expect("a list").iter().map(of).collect::<Vec<_>>()
    };
    let old = deposits();
    world.ok(&["wallet", "rotate-hot-key"]);
    world.ok(&once);
    let all = deposits();
    assert_eq!((old.len(), all.len()), (1, 2), "{old:?} {all:?}");
    assert!(all.contains(&old[0]), "something more went into the old one: {old:?} {all:?}");
}
