//! `mica matrix` and `mica workflow` as a user meets them without a network: reports, mistakes, and
//! what is said of them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn mica(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mica"));
    command
        .env_clear()
        .env("MICA_HOME", folder.join("home"))
        .env("MICA_PASSWORD", "correct horse")
        .stdin(Stdio::null());
    command
        .current_dir(folder)
        .args(["--node-url", "ws://127.0.0.1:9"])
        .args(arguments)
        .output()
        .expect("ran")
}

fn stored() -> String {
    format!("{}/../workflow/tests/matrix/table.csv", env!("CARGO_MANIFEST_DIR"))
}

/// What it says on stderr when it ends with `code`.
#[track_caller]
fn fail(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = mica(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn a_report_is_made_of_a_table_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let output = mica(folder.path(), &["matrix", "report", &stored(), "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reported: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&reported["page"], &reported["failures"]),
        (&"matrix-report/report.html".into(), &0.into())
    );
    assert!(reported["groupings"][0]["results"][0]["anova"]["p"].is_number());
    assert!(folder.path().join("matrix-report/report.html").is_file());
    assert!(folder.path().join("matrix-report/figures/distributions.svg").is_file());
    let output = mica(folder.path(), &["matrix", "report", &stored(), "--out", "other"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("other/report.html") && said.contains("by prompt type: 5 groups"),
        "{said}"
    );
}

#[test]
fn tables_that_are_none_are_named_with_line_and_column() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let text = std::fs::read_to_string(stored()).expect("stored");
    let report = |name: &str, text: &str, code: i32| {
        std::fs::write(folder.path().join(name), text).expect("written");
        fail(folder.path(), &["matrix", "report", name], code)
    };
    let error = report("columns.csv", &text.replacen("peer2_eval_count", "tokens", 1), 2);
    assert!(
        error.contains("columns.csv") && error.contains("the column peer2_eval_count is missing"),
        "{error}"
    );
    let number = text.lines().nth(1).and_then(|line| line.split(',').nth(3)).expect("a duration");
    let error = report("number.csv", &text.replacen(number, "fast", 1), 2);
    assert!(error.contains("number.csv, line 2, column peer1_total_duration: 'fast'"), "{error}");
    let error = report("empty.csv", text.lines().next().expect("a header"), 2);
    assert!(error.contains("has no rows"), "{error}");
    let error = report("nothing.csv", "", 2);
    assert!(error.contains("missing"), "{error}");
    fail(folder.path(), &["matrix", "report", "absent.csv"], 11);
    assert!(!folder.path().join("matrix-report").exists(), "nothing was written");
    std::fs::write(folder.path().join("file"), "").expect("written");
    fail(folder.path(), &["matrix", "report", &stored(), "--out", "file/report"], 11);
}

#[test]
fn one_row_has_a_report_in_which_nothing_is_tested() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let text = std::fs::read_to_string(stored()).expect("stored");
    // The first record is over with the third line: its two answers have two lines each.
    let one: Vec<&str> = text.lines().take(4).collect();
    std::fs::write(folder.path().join("one.csv"), one.join("\n")).expect("written");
    let output = mica(folder.path(), &["matrix", "report", "one.csv", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reported: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(reported["rows"], 1);
    assert_eq!(
        reported["groupings"][0]["results"][0]["anova"]["not_applicable"],
        "there are fewer than two groups"
    );
    let page =
        std::fs::read_to_string(folder.path().join("matrix-report/report.html")).expect("written");
    assert!(page.contains("not applicable") && !page.contains("NaN"));
}

#[test]
fn plans_and_addresses_are_checked_before_anything_is_opened() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let server = ["matrix", "--front-end", "ollama", "--first", "a", "--second", "b"];
    for (more, expected) in [
        (&["--gateway", "https://example.org"][..], "http://HOST:PORT"),
        (&["--api-key", "two words"], "API key"),
        (&["--repeat", "0"], "--repeat"),
        (&["--alpha", "2"], "from 0 to 1"),
        (&["--temperature", "-1"], "--temperature"),
        (&["--prompt", "no kind"], "KIND=TEXT"),
        (&["--first", "a"], "'a' is named twice"),
        (&["--timeout", "0"], "--timeout"),
        (&["--front-end", "carrier-pigeon"], "carrier-pigeon"),
    ] {
        let error = fail(folder.path(), &[&server[..], more].concat(), 2);
        assert!(error.contains(expected), "{more:?}: {error}");
    }
    // Direct needs a wallet; nobody listens at the gateway's address.
    fail(folder.path(), &["matrix"], 10);
    fail(
        folder.path(),
        &["matrix", "--front-end", "openai", "--gateway", "http://127.0.0.1:9"],
        17,
    );
    assert!(!folder.path().join("matrix.csv").exists(), "no table without a plan");
}

#[test]
fn a_workflow_that_is_shown_can_be_run_as_a_file() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let output = mica(folder.path(), &["workflow", "show"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "generate-summarise");
    let shown = mica(folder.path(), &["workflow", "show", "generate-summarise"]);
    let mut text = String::from_utf8(shown.stdout).expect("text");
    assert!(text.contains("Summarize the following text in 2 lines:"), "{text}");
    text.push_str("max_total = \"0.5 MICA\"\n");
    std::fs::write(folder.path().join("mine.toml"), &text).expect("written");
    let again = mica(folder.path(), &["workflow", "show", "mine.toml"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(String::from_utf8_lossy(&again.stdout).matches("max_total").count(), 1);
    fail(folder.path(), &["workflow", "show", "absent"], 11);
    std::fs::write(folder.path().join("bad.toml"), "name = 5").expect("written");
    let error = fail(folder.path(), &["workflow", "run", "bad.toml", "Hello"], 2);
    assert!(error.contains("bad.toml") && error.contains("line 1"), "{error}");
}
