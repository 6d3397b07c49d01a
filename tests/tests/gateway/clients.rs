//! Clients that we did not write.

use mica_tests::python;
use serde_json::Value;

use crate::fixture::Fixture;

const PROMPT: &str = "How does a blockchain work?";
const METRICS: [&str; 6] = [
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
];

pub fn the_ollama_and_openai_packages_are_served(fixture: &Fixture) {
    let base = format!("http://{}", fixture.open.address);
    let ollama = python::script("ollama_client.py", &[&base, "mica-tiny:q8_0", PROMPT], &[]);
    let openai = python::script("openai_client.py", &[&base, "mica-tiny:q8_0", PROMPT], &[]);
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(parse(&ollama)["text"], parse(&openai)["text"], "both speak with the same model");
    assert!(parse(&ollama)["text"].as_str().is_some_and(|text| text.len() > 20));
}

/// Two hosts that do not exist, asked as the published peer-to-peer experiment asks them.
pub fn a_program_behind_a_proxy_reaches_two_models(fixture: &Fixture) {
    let proxy = format!("http://{}", fixture.open.address);
    let said = python::script(
        "two_hosts.py",
        &["qwen2.5:0.5b-instruct", "smollm2:1.7b", PROMPT],
        &[("HTTP_PROXY", &proxy)],
    );
    let answers: Vec<Value> = serde_json::from_str(&said).expect("JSON");
    assert_eq!(answers.len(), 2);
    for answer in &answers {
        for metric in METRICS {
            assert!(answer[metric].as_u64().is_some_and(|value| value > 0), "{metric} of {answer}");
        }
        assert!(
            answer["response"].as_str().is_some_and(|text| !text.is_empty())
                && answer["cost"]["paid"].as_str().is_some_and(|units| units != "0")
        );
    }
    let workers = |answer: &Value| -> Vec<String> {
        answer["path"]
            .as_array()
            .expect("a path")
            .iter()
            .map(|stage| stage["worker"].to_string())
            .collect()
    };
    assert_eq!(
        (workers(&answers[0]).len(), workers(&answers[1]).len()),
        (2, 1),
        "two models of the network"
    );
    assert!(workers(&answers[1]).iter().all(|worker| !workers(&answers[0]).contains(worker)));
}
