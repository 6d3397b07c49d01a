//! The book's pages as they stand, on one market that serves the embedded model. The gateway's page
//! is with the gateway's tests, the validator's with its own.

use std::{path::Path, time::Duration};

use mica_tests::{Reader, eventually, process::command};
use serde_json::Value;

const PASSWORD: &str = "correct horse";
/// Longest time until a new worker serves.
const SERVING: Duration = Duration::from_secs(120);

/// A page whose commands talk to the node at `url` with a wallet of their own.
fn open(page: &'static str, folder: &Path, url: &str) -> Reader {
    Reader::open(page, folder).variable("MICA_NODE_URL", url).variable("MICA_PASSWORD", PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_payers_and_the_workers_pages_works() {
    let (node, _workers, world) = crate::wallet::market().await;
    let [wallet, payer, worker] =
        ["wallet", "payer", "worker"].map(|name| world.path().join(format!("{name}-page")));
    // Each has a wallet of its own; the worker comes and goes after them, because it changes the
    // market.
    std::thread::scope(|both| {
        both.spawn(|| the_wallets_page(&wallet, &node.url));
        both.spawn(|| the_payers_pages(&payer, &node.url));
    });
    the_workers_page(&worker, &node.url);
}

fn the_wallets_page(folder: &Path, url: &str) {
    let said = open("docs/wallet.md", folder, url).finish();
    assert!(folder.join("man/mica-wallet-transfer.1").exists());
    assert!(said.contains("signed by") && said.contains("nothing was sent"), "{said}");
}

/// The second page goes on with the first one's wallet.
fn the_payers_pages(folder: &Path, url: &str) {
    open("docs/payer.md", folder, url).finish();
    let model = model(url);
    let models = "--model qwen2.5:1.5b --model check=smollm2:1.7b --model-file qwen.gguf \
                  --model-file smollm.gguf";
    open("docs/workflows.md", folder, url)
        .file("name = \"answer-in-german\"", "german.toml")
        // The market has the embedded model only; its file is built in.
        .replacing("smollm2:360m", &model)
        .replacing(models, &format!("--model '{model}'"))
        // Prices are what these workers ask for, and not what a page can promise.
        .replacing("max_price_per_token = \"0.00001 MICA\"", "max_price_per_token = \"1 MICA\"")
        .leaving(
            "$ mica matrix --out matrix.csv --front-end ollama --front-end openai \\\n    --first \
             qwen2.5:0.5b --second smollm2:1.7b --second llama3.2:1b --prompt \"Logical=What are \
             the three laws of motion?\"",
            "it measures models of a gigabyte behind a gateway; the gateway's tests run both \
             front-ends",
        )
        .finish();
    assert!(folder.join("matrix-report/report.html").exists());
}

/// The name of the only model on the market.
fn model(url: &str) -> String {
    let market = command("mica")
        .args(["--json", "market", "--node-url", url])
        .output()
        .expect("mica starts");
    let market: Value = serde_json::from_slice(&market.stdout).expect("JSON");
    market["models"][0]["name"].as_str().expect("a name").to_owned()
}

fn the_workers_page(folder: &Path, url: &str) {
    let mut page = open("docs/worker.md", folder, url)
        .replacing("ws://NODE:9944", url)
        .replacing("ws://127.0.0.1:9944", url)
        .leaving(
            "[network]\nlisten = [\"/ip4/0.0.0.0/tcp/4001\", \"/ip4/0.0.0.0/udp/4001/quic-v1\"]",
            "settings that let other machines in; the tests of addresses set them",
        )
        .leaving("mica-worker hand-over", "the worker of this page runs; operator.rs does it");
    page.until("mica-worker run");
    let mut worker = page.start("worker.log");
    worker.wait_for_line("the worker of the page says that it serves", SERVING, |line| {
        line.contains("serving").then_some(())
    });
    let status = || {
        let status = command("mica-worker")
            .env("HOME", folder.join("home"))
            .args(["status", "--json", "--node-url", url])
            .output();
        serde_json::from_slice::<Value>(&status.expect("the program starts").stdout).ok()
    };
    eventually("the worker of the page serves", SERVING, || {
        status().filter(|status| status["running"].is_object()).map(|_| ())
    });
    page.until("mica-worker watch");
    let mut watcher = page.start("watcher.log");
    watcher.wait_for_line("the watcher of the page says what it watches", SERVING, |line| {
        line.contains("watching").then_some(())
    });
    page.finish();
    watcher.signal("TERM");
    assert!(watcher.wait(Duration::from_secs(60)).success(), "{}", watcher.output());
    worker.signal("TERM");
    assert!(worker.wait(Duration::from_secs(60)).success(), "{}", worker.output());
}

#[test]
fn every_command_of_the_readme_works() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model =
        mica_tests::book::repository().join("inference-worker/engine/models/mica-tiny-q4_0.gguf");
    let made = "`make` builds everything again; what the target runs then has tests of its own";
    Reader::open("README.md", folder.path())
        .leaving("make demo", made)
        .leaving("make demo PROMPT=\"Tell me a story about a fox.\"\nmake demo MODEL=smollm2", made)
        .leaving(
            "sudo apt install -y ./mica_*_amd64.deb ./mica-worker_*_amd64.deb \
             ./mica-node_*_amd64.deb\nmica demo",
            "it installs for the whole machine; scripts/test-dist.sh runs it in a fresh Debian",
        )
        .leaving("make test", made)
        // A part of an example, which has a test of its own.
        .file(SNIPPET, "ask.rs")
        .replacing("llama.gguf", &model.display().to_string())
        .finish();
}

/// First line of the README's Rust.
const SNIPPET: &str = "let secret = Secret::from_suri(&std::env::var(\"MICA_SECRET\")?)?;";

#[test]
fn the_readmes_rust_is_a_part_of_the_example() {
    let read = |path: &str| {
        std::fs::read_to_string(mica_tests::book::repository().join(path)).expect("it is there")
    };
    let (readme, example) = (read("README.md"), read("client/payer/examples/ask.rs"));
    let blocks = mica_tests::book::blocks(&readme);
    let snippet = blocks.iter().find(|block| block.first_line() == SNIPPET).expect("the snippet");
    let unindented: Vec<&str> =
        example.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
    assert!(unindented.join("\n").contains(snippet.text.trim_end()), "{}", snippet.text);
}
