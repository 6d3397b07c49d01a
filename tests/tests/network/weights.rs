//! Workers that hold only their layers, fetched from others, and a payer that holds nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use mica_engine::embedded;
use mica_payer::LocalModel;
use mica_tests::{DevNode, Operator, Worker, eventually, process::command, run};
use serde_json::Value;

/// Longest time until what is in a block is final.
const FINAL: Duration = Duration::from_secs(60);
/// Longest time until layers are fetched.
const FETCH: Duration = Duration::from_secs(120);
const PROMPT: &str = "How does a blockchain work?";
/// The model's own name, and another of the same length: the same weights under another id.
const NAMES: [&[u8]; 2] = [b"Mica Tiny", b"Mica Seed"];

/// A model that no program has built in, with its id.
fn other_model(folder: &Path) -> (PathBuf, String) {
    let mut bytes = embedded::TINY_Q8_0.to_vec();
    let at = bytes.windows(NAMES[0].len()).position(|part| part == NAMES[0]).expect("its name");
    bytes[at..at + NAMES[1].len()].copy_from_slice(NAMES[1]);
    let path = folder.join("seed.gguf");
    fs::write(&path, bytes).expect("written");
    let id = LocalModel::open(Some(&path)).expect("a model").id().to_string();
    (path, id)
}

fn number(event: &Value, name: &str) -> u64 {
    event[name].as_u64().unwrap_or_else(|| panic!("{name} in {event}"))
}

/// Waits until live workers serve all of the model, in a final block.
fn wait_until_final(node_url: &str, folder: &Path, model: &str) {
    eventually("the market is final", FINAL, || {
        let mut looking = command("mica");
        looking.env("MICA_HOME", folder.join("nobody"));
        looking.args(["--node-url", node_url, "--json", "market", "--model", model]);
        let ran = run(looking, "");
        let models = (ran.code == Some(0)).then(|| ran.json()["models"].clone())?;
        let uncovered = models[0]["uncovered"].as_array().cloned()?;
        uncovered.is_empty().then_some(())
    });
}

fn mica(home: &Path, node_url: &str, arguments: &[&str]) -> mica_tests::Ran {
    let ran = try_mica(home, node_url, arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    ran
}

fn try_mica(home: &Path, node_url: &str, arguments: &[&str]) -> mica_tests::Ran {
    let mut mica = command("mica");
    mica.env("MICA_HOME", home).env("MICA_PASSWORD", "correct horse").args(arguments);
    mica.args(["--node-url", node_url, "--json", "--quiet"]);
    for variable in ["MICA_WALLET", "MICA_WAIT", "MICA_OUTPUT", "MICA_MODEL_FILE"] {
        mica.env_remove(variable);
    }
    run(mica, "")
}

fn funded(home: &Path, node_url: &str) {
    let address = mica(home, node_url, &["wallet", "new"]).json()["address"].clone();
    let address = address.as_str().expect("an address");
    let transfer =
        ["wallet", "transfer", address, "100", "--dev-account", "Alice", "--wait", "finalized"];
    mica(home, node_url, &transfer);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_with_a_third_each_and_a_payer_with_nothing_answer_a_paid_prompt() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, id) = other_model(folder.path());
    let node = DevNode::start(folder.path()).await;
    let seed_file = file.to_str().expect("a plain path");
    let mut seed =
        Worker::start(folder.path(), &node.url, "//Bob", "0..8", &["--model", seed_file]);
    let parts = [("//Charlie", "0..3"), ("//Dave", "3..6"), ("//Eve", "6..8")];
    let mut workers = parts.map(|(suri, layers)| {
        Worker::launch(folder.path(), &node.url, suri, layers, &["--model", &id])
    });
    for worker in &mut workers {
        let fetched = worker.wait_for_event("fetched", FETCH);
        let [bytes, received, disk] =
            ["bytes", "received_bytes", "disk_bytes"].map(|name| number(&fetched, name));
        println!(
            "{}: {bytes} bytes of layers, {received} received, {disk} on disk",
            fetched["layers"]
        );
        assert!(received * 10 <= bytes * 11, "{received} bytes came for {bytes}");
        // The head has as many bytes as a layer of this small model.
        assert!(disk * 10 <= (bytes + 100_000) * 11, "{disk} bytes on disk for {bytes}");
        worker.wait_until_serving();
    }
    // From now on nobody has all of it.
    seed.kill();
    fs::remove_file(&file).expect("removed");
    wait_until_final(&node.url, folder.path(), &id);

    let home = folder.path().join("home");
    funded(&home, &node.url);
    let quote = mica(&home, &node.url, &["quote", PROMPT, "--model", "Mica Seed"]).json();
    assert!(quote["stages"].as_array().is_some_and(|stages| stages.len() >= 2), "{quote}");
    let arguments = ["ask", PROMPT, "--model", "Mica Seed", "--max-tokens", "24"];
    let answer = mica(&home, &node.url, &arguments).json();
    let mut generate = command("mica-worker");
    generate.args(["generate", "--prompt", PROMPT, "--max-tokens", "24", "--json"]);
    let expected = run(generate, "").json();
    let text = |answer: &Value| answer["text"].as_str().expect("a text").trim().to_owned();
    assert_eq!(text(&answer), text(&expected), "the weights are those of the built-in model");
    let heads = home.join("models");
    let kept = fs::read_dir(&heads).expect("a folder").count();
    assert_eq!(kept, 1, "the head is kept");
    let taken: u64 = walk(&heads).iter().map(|path| path.metadata().expect("a file").len()).sum();
    assert!(taken < 200_000, "a payer holds no weights: {taken} bytes");

    // A move fetches what is new, from those who have it.
    let [charlie, _, _] = &mut workers;
    charlie.set_option("--layers", "0..4");
    charlie.restart();
    let fetched = charlie.wait_for_event("fetched", FETCH);
    let moved = number(&fetched, "bytes");
    assert!(moved < 600_000, "layer 3 alone is missing, and {moved} bytes came");
    charlie.wait_until_serving();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_while_it_fetches_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, id) = other_model(folder.path());
    let node = DevNode::start(folder.path()).await;
    let mut seed = Operator::init(&folder.path().join("seed"), "//Bob");
    let config = seed.folder.join("config.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    let slow = text.replace("upload_mb_per_second = 32", "upload_mb_per_second = 1");
    assert_ne!(slow, text);
    fs::write(&config, slow).expect("written");
    let model = file.to_str().expect("a plain path");
    seed.serve(&node.url, &["--layers", "0..8", "--model", model]);

    let mut worker = Operator::init(&folder.path().join("worker"), "//Charlie");
    let arguments = ["--layers", "0..8", "--model", &id];
    worker.start(&node.url, &arguments);
    let is_under_way = |event: &Value| number(event, "done_bytes") > 0;
    let fetching = worker.wait_for("fetching", FETCH, is_under_way);
    worker.kill();
    worker.start(&node.url, &arguments);
    let fetched = worker.wait_for("fetched", FETCH, |_| true);
    let (total, again) = (number(&fetching, "total_bytes"), number(&fetched, "bytes"));
    println!("{again} of {total} bytes were fetched after the kill");
    assert!(again < total, "what was there stayed: {again} of {total}");
    worker.wait_for("serving", FETCH, |_| true);
    let mut verify = command("mica-worker");
    verify.args(["model", "verify", "--data-dir"]).arg(&worker.folder);
    let verify = verify.output().expect("it starts");
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stderr));
}

/// Runs where a network and `pip` are: the real model of the catalogue, three thirds, no file.
#[tokio::test(flavor = "multi_thread")]
async fn a_third_of_a_real_model_each() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut seed = Operator::init(&folder.path().join("seed"), "//Bob");
    let added = command("mica-worker")
        .args(["model", "add", "smollm2", "--json", "--node-url", "ws://127.0.0.1:9", "--data-dir"])
        .arg(&seed.folder)
        .output()
        .expect("it starts");
    if !added.status.success() {
        println!("skipped: {}", String::from_utf8_lossy(&added.stderr));
        return;
    }
    let added: Value = serde_json::from_slice(&added.stdout).expect("JSON");
    let id = added["model"].as_str().expect("an id").to_owned();
    let node = DevNode::start(folder.path()).await;
    seed.serve(&node.url, &["--layers", "0..30", "--model", "smollm2"]);
    wait_until_final(&node.url, folder.path(), &id);
    let home = folder.path().join("home");
    funded(&home, &node.url);
    let question = "What is the capital of France?";
    let ask = || {
        let model = ["--model", &id, "--max-tokens", "12", "--temperature", "0"];
        let arguments: Vec<&str> = ["ask", question].into_iter().chain(model).collect();
        try_mica(&home, &node.url, &arguments)
    };
    let of_one_machine = ask().json();
    let parts = [("//Charlie", "0..10"), ("//Dave", "10..20"), ("//Eve", "20..30")];
    // By its name: peers are asked before the package that the catalogue names.
    let mut workers = parts.map(|(suri, layers)| {
        Worker::launch(folder.path(), &node.url, suri, layers, &["--model", "smollm2"])
    });
    for worker in &mut workers {
        let fetched = worker.wait_for_event("fetched", FETCH);
        let [bytes, received, disk] =
            ["bytes", "received_bytes", "disk_bytes"].map(|name| number(&fetched, name));
        println!(
            "{}: {bytes} bytes of layers, {received} received, {disk} on disk",
            fetched["layers"]
        );
        assert!(received * 10 <= bytes * 11 && disk * 10 <= bytes * 11);
        worker.wait_until_serving();
    }
    seed.kill();
    let answer = eventually("an answer of the three", FETCH, || {
        let answer = Some(ask()).filter(|ran| ran.code == Some(0))?.json();
        (answer["stages"].as_array().map(Vec::len) == Some(3)).then_some(answer)
    });
    println!("{answer}");
    assert_eq!(answer["tokens"], of_one_machine["tokens"]);
    assert!(answer["text"].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path())
            } else {
                files.push(entry.path())
            }
        }
    }
    files
}
