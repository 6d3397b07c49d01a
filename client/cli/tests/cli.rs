//! The program as a user meets it: exit codes, messages with a remedy, nothing changed by what
//! fails.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
const ADDRESS: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";

/// A command in a home of its own, with a password, and with a node that nobody runs.
fn mica(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mica"));
    command
        .env_clear()
        .env("MICA_HOME", home)
        .env("MICA_PASSWORD", "correct horse")
        .stdin(Stdio::null());
    command.args(["--node-url", "ws://127.0.0.1:9"]);
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn import(home: &Path, phrase: &str) -> Output {
    let mut child = mica(home)
        .args(["--json", "wallet", "import"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut stdin = child.stdin.take().expect("piped");
    writeln!(stdin, "{phrase}").expect("written");
    drop(stdin);
    child.wait_with_output().expect("ended")
}

#[test]
fn a_new_wallet_can_be_imported_elsewhere_and_has_the_same_address() {
    let home = tempfile::tempdir().expect("temporary folder");
    let output = mica(home.path()).args(["--json", "wallet", "new"]).output().expect("ran");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    let phrase = made["phrase"].as_str().expect("a phrase");
    assert_eq!(phrase.split(' ').count(), 12);
    let file =
        std::fs::read_to_string(home.path().join("wallets/default.json")).expect("wallet file");
    assert!(!file.contains(phrase), "the phrase lies in the file");

    let elsewhere = tempfile::tempdir().expect("temporary folder");
    let output = import(elsewhere.path(), phrase);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let imported: serde_json::Value = serde_json::from_slice(&output.stdout).expect("json");
    assert_eq!(imported["address"], made["address"]);
    assert_eq!(imported["channel_signer"], made["channel_signer"]);
    assert!(imported.get("phrase").is_none());
}

#[test]
fn a_known_phrase_has_the_address_that_other_wallets_show() {
    let home = tempfile::tempdir().expect("temporary folder");
    assert_eq!(code(&import(home.path(), PHRASE)), 0);
    let output = mica(home.path()).args(["wallet", "list"]).output().expect("ran");
    assert!(String::from_utf8_lossy(&output.stdout).contains(ADDRESS));
}

#[test]
fn an_existing_wallet_is_left_as_it_is() {
    let home = tempfile::tempdir().expect("temporary folder");
    assert_eq!(code(&import(home.path(), PHRASE)), 0);
    let path = home.path().join("wallets/default.json");
    let before = std::fs::read(&path).expect("wallet file");
    for arguments in [&["wallet", "new"][..], &["wallet", "import"]] {
        let output = mica(home.path()).args(arguments).output().expect("ran");
        assert_eq!(code(&output), 10);
        assert!(stderr(&output).contains("already"), "{}", stderr(&output));
    }
    assert_eq!(std::fs::read(&path).expect("wallet file"), before);
}

#[test]
fn what_is_wrong_with_a_password_is_told_and_changes_nothing() {
    let home = tempfile::tempdir().expect("temporary folder");
    assert_eq!(code(&import(home.path(), PHRASE)), 0);
    let path = home.path().join("wallets/default.json");
    let before = std::fs::read(&path).expect("wallet file");
    let wrong = mica(home.path())
        .env("MICA_PASSWORD", "wrong horse")
        .args(["wallet", "sign", "hello"])
        .output()
        .expect("ran");
    assert_eq!(code(&wrong), 10);
    assert!(stderr(&wrong).contains("wrong password"), "{}", stderr(&wrong));
    let none = mica(home.path())
        .env_remove("MICA_PASSWORD")
        .args(["wallet", "sign", "hello"])
        .output()
        .expect("ran");
    assert_eq!(code(&none), 10);
    assert!(
        stderr(&none).contains("--password-file") && stderr(&none).contains("MICA_PASSWORD"),
        "{}",
        stderr(&none)
    );
    let short = mica(home.path())
        .env("MICA_PASSWORD", "short")
        .args(["--wallet", "b", "wallet", "new"])
        .output()
        .expect("ran");
    assert_eq!(code(&short), 10);
    assert!(!home.path().join("wallets/b.json").exists());
    assert_eq!(std::fs::read(&path).expect("wallet file"), before);
}

#[test]
fn each_class_of_failure_has_its_exit_code_and_json_names_it() {
    let home = tempfile::tempdir().expect("temporary folder");
    let run = |arguments: &[&str]| mica(home.path()).args(arguments).output().expect("ran");
    assert_eq!(code(&run(&["no-such-command"])), 2);
    assert_eq!(code(&run(&["wallet", "transfer", ADDRESS, "1.5 apples"])), 2);
    assert_eq!(code(&run(&["wallet", "transfer", "not-an-address", "1"])), 2);
    assert_eq!(code(&run(&["wallet", "balance"])), 10);
    assert_eq!(code(&run(&["market"])), 12);
    assert_eq!(code(&run(&["ask", "hello", "--model-file", "/no/such/file.gguf"])), 16);
    assert_eq!(code(&run(&["ask", "   "])), 16);
    assert_eq!(code(&run(&["receipt", "verify"])), 19);
    let output = run(&["--json", "market"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("json");
    assert_eq!(error["error"]["class"], "node");
    assert_eq!(error["error"]["code"], 12);
}

#[test]
fn a_damaged_database_is_told_and_left_alone() {
    let home = tempfile::tempdir().expect("temporary folder");
    let state = home.path().join("state.redb");
    std::fs::write(&state, "this was a database once ".repeat(1000)).expect("written");
    let output = mica(home.path()).args(["receipt", "list"]).output().expect("ran");
    assert_eq!(code(&output), 11);
    assert!(stderr(&output).contains("backup"), "{}", stderr(&output));
    assert!(std::fs::read_to_string(&state).expect("read").starts_with("this was a database once"));
}

#[test]
fn a_demo_without_its_programs_says_what_to_build() {
    let home = tempfile::tempdir().expect("temporary folder");
    let output = mica(home.path())
        .env("MICA_NODE_BIN", "/no/such/node")
        .args(["--quiet", "demo"])
        .output()
        .expect("ran");
    assert_eq!(code(&output), 20);
    assert!(
        stderr(&output).contains("mica-node") && stderr(&output).contains("MICA_NODE_BIN"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn completions_are_a_script() {
    let home = tempfile::tempdir().expect("temporary folder");
    let output = mica(home.path()).args(["completions", "bash"]).output().expect("ran");
    assert_eq!(code(&output), 0);
    assert!(String::from_utf8_lossy(&output.stdout).contains("complete -F _mica"));
}
