//! A node whose answers are crafted to harm the terminal or the log they are written to.

use jsonrpsee::{
    RpcModule,
    server::{Server, ServerHandle},
    types::ErrorObjectOwned,
};
use mica_tests::process::command;

/// Colours, a title, the eight-bit form of an escape sequence, and a line of its own.
const HOSTILE: &str = "oops \u{1b}[31mred\u{1b}]0;title\u{7} \u{9b}2J\nERROR forged";

/// Answers the first question of every client with [`HOSTILE`]. Returns its address.
async fn hostile_node() -> (ServerHandle, String) {
    let server = Server::builder().build("127.0.0.1:0").await.expect("loopback has a free port");
    let address = server.local_addr().expect("it listens");
    let mut module = RpcModule::new(());
    module
        .register_method("chain_getBlockHash", |_, (), _| {
            Err::<(), _>(ErrorObjectOwned::owned(-32000, HOSTILE, None::<()>))
        })
        .expect("one method of this name");
    (server.start(module), format!("ws://{address}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_says_is_told_and_logged_without_control_characters() {
    let (_node, url) = hostile_node().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let worker = folder.path().join("worker").display().to_string();
    for (program, log, arguments) in [
        ("mica-worker", "RUST_LOG", &["--data-dir", &worker, "init"][..]),
        ("mica-worker", "RUST_LOG", &["--data-dir", &worker, "status", "--node-url", &url]),
        ("mica-worker", "RUST_LOG", &["--data-dir", &worker, "run", "--node-url", &url]),
        ("mica", "MICA_LOG", &["doctor", "--node-url", &url]),
    ] {
        let ran = command(program)
            .args(arguments)
            .env("MICA_HOME", folder.path())
            .envs([(log, "trace"), ("NO_COLOR", "1"), ("RUST_BACKTRACE", "0")])
            .output()
            .expect("the program starts");
        let [told, logged] =
            [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        if arguments.contains(&"init") {
            continue;
        }
        let said = format!("{told}{logged}");
        assert!(said.contains("oops") && said.contains("red"), "{program} {arguments:?}: {said}");
        // The subscriber's lines, with the whole message of the node in one of them.
        assert!(
            logged.lines().any(|line| line.contains("TRACE") && line.contains("oops")),
            "{logged}"
        );
        let harmful = said
            .lines()
            .find(|line| line.chars().any(char::is_control) || line.starts_with("ERROR forged"));
        assert_eq!(harmful, None, "{program} {arguments:?}");
    }
}
