//! What users, files, peers and disks can do wrong, as the real programs report it: an exit code
//! and a remedy, with nothing changed and nothing lost.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use mica_protocol::{
    FaultCode, Message,
    limits::{MAX_FRAME_BYTES, PROTOCOL_VERSION},
};
use mica_tests::{
    DevNode, Payer, Worker, binary, eventually,
    process::command,
    raw_peer::{send_bytes, tcp_address},
};
use serde_json::Value;

/// Longest time until what is in a block is final.
const FINAL: Duration = Duration::from_secs(60);

fn mica(home: &Path, node_url: &str) -> Command {
    let mut mica = command("mica");
    mica.env("MICA_HOME", home).env("MICA_PASSWORD", "correct horse").args([
        "--node-url",
        node_url,
        "--json",
        "--quiet",
    ]);
    mica
}

fn run(mut command: Command) -> (Option<i32>, Output) {
    let output = command.output().expect("the program starts");
    (output.status.code(), output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_with_a_gap_an_empty_wallet_and_strangers_refuse_without_harm() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let front = Worker::start(folder.path(), &node.url, "//Bob", "0..5", &[]);
    let home = folder.path().join("home");
    let mica = |arguments: &[&str]| {
        let mut mica = mica(&home, &node.url);
        mica.args(arguments);
        run(mica)
    };
    let (code, made) = mica(&["wallet", "new"]);
    assert_eq!(code, Some(0), "{}", said(&made));
    let address = json(&made)["address"].as_str().expect("an address").to_owned();

    // Payers read the market at the last final block, so what workers do shows a little later.
    let ask = || mica(&["ask", "Hello", "--max-tokens", "8"]);
    let ask_until = |code: i32, text: &str| {
        eventually(&format!("exit code {code} and `{text}`"), FINAL, || {
            let (found, refused) = ask();
            (found == Some(code) && said(&refused).contains(text)).then_some(refused)
        })
    };

    // Layers 5 to 7 have no worker.
    let refused = ask_until(15, "[5, 8)");
    assert!(said(&refused).contains("start a worker"), "{}", said(&refused));

    // The layers are served, but the wallet is empty.
    let _back = Worker::start(folder.path(), &node.url, "//Charlie", "5..8", &[]);
    let refused = ask_until(14, &address);
    assert!(said(&refused).contains("send it"), "{}", said(&refused));

    // Strangers who write garbage, or speak another version, are told so and put out.
    let payer = Payer::new(node.connect().await, "//Alice");
    let record = payer.worker(&front.account).await;
    let at = tcp_address(&record.addresses);
    let cases: [(&[u8], FaultCode); 3] = [
        (&[2, 0, 0, 0, PROTOCOL_VERSION + 1, 5], FaultCode::UnknownVersion),
        (&[3, 0, 0, 0, PROTOCOL_VERSION, 200, 1], FaultCode::Malformed),
        (&(MAX_FRAME_BYTES as u32 + 1).to_le_bytes(), FaultCode::FrameTooLarge),
    ];
    for (bytes, expected) in cases {
        let answers = send_bytes(&record.peer, &at, bytes).await;
        let [Message::Fault(fault)] = &answers[..] else { panic!("{expected}: {answers:?}") };
        assert_eq!(fault.code(), expected);
    }

    // And after all of it a paid prompt is answered.
    let (code, sent) = mica(&["wallet", "transfer", &address, "100", "--dev-account", "Alice"]);
    assert_eq!(code, Some(0), "{}", said(&sent));
    let (code, answered) = ask();
    assert_eq!(code, Some(0), "{}", said(&answered));
}

/// The program in a shell that lets no file grow beyond `blocks` of 512 bytes, as on a full disk.
fn on_a_full_disk(program: &str, blocks: u32) -> Command {
    let mut shell = Command::new("bash");
    // Without the trap the limit would be a signal, which a full disk is not.
    let script = r#"trap '' XFSZ; ulimit -f "$0"; exec "$@""#;
    shell.args(["-c", script, &blocks.to_string()]).arg(binary(program));
    shell
}

#[test]
fn a_full_disk_is_told_and_leaves_no_half_a_wallet() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut mica = on_a_full_disk("mica", 0);
    mica.env("MICA_HOME", home.path())
        .env("MICA_PASSWORD", "correct horse")
        .args(["wallet", "new"]);
    let (code, refused) = run(mica);
    assert_eq!(code, Some(11), "{}", said(&refused));
    assert!(!home.path().join("wallets/default.json").exists());
    // The same command works once there is room.
    let mut mica = self::mica(home.path(), "ws://127.0.0.1:9");
    mica.args(["wallet", "new"]);
    let (code, made) = run(mica);
    assert_eq!(code, Some(0), "{}", said(&made));
}

#[test]
fn a_full_disk_is_told_and_leaves_no_half_a_worker() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("worker");
    let init = |mut worker: Command| {
        worker.args(["init", "--json", "--suri", "//Bob", "--data-dir"]).arg(&data);
        run(worker)
    };
    let (code, refused) = init(on_a_full_disk("mica-worker", 0));
    assert!(code.is_some_and(|code| code != 0), "{}", said(&refused));
    assert!(
        said(&refused).contains("space") || said(&refused).contains("disk"),
        "{}",
        said(&refused)
    );
    assert!(!said(&refused).contains("panicked"), "{}", said(&refused));
    let (code, made) = init(command("mica-worker"));
    assert_eq!(code, Some(0), "{}", said(&made));
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let mut worker = command("mica-worker");
    worker.args(["generate", "--prompt", "Hello", "--max-tokens", "4", "--json"]);
    let full =
        std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has /dev/full");
    let ended = worker.stdout(full).output().expect("the program starts");
    assert!(!ended.status.success());
    assert!(!said(&ended).contains("panicked"), "{}", said(&ended));
}
