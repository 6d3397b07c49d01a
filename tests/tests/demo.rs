//! The whole system on one machine, the way a newcomer starts it: `mica demo`.

use std::time::Duration;

use mica_tests::{eventually, leftovers, process::command, units};
use serde_json::Value;

#[test]
fn a_prompt_is_answered_paid_and_proved_and_nothing_is_left_behind() {
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

    eventually(
        "every process that the demonstration started is gone",
        Duration::from_secs(15),
        || leftovers().is_empty().then_some(()),
    );
}
