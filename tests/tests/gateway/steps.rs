//! Workflows over HTTP: one request, several models, every intermediate result with its cost.

use mica_primitives::Balance;
use mica_tests::{http, process::command, units};
use serde_json::{Value, json};

use crate::{bad_requests, fixture::Fixture};

const METRICS: [&str; 6] = [
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
];

fn post(fixture: &Fixture, path: &str, headers: &[(&str, &str)], body: &Value) -> http::Answer {
    http::send(fixture.open.address, "POST", path, headers, body.to_string().as_bytes())
}

const WARM: &str = r#"
name = "warm"
input = "What is a Raspberry Pi?"

[[step]]
name = "answer"
prompt = "{{ input }}"
alpha = 0.5
max_tokens = 6
temperature = 0.7
top_p = 0.95
top_k = 40
seed = 18446744073709551615

[[step]]
name = "again"
prompt = "{{ previous }}"
max_tokens = 4
temperature = 1e-1
"#;

/// As `mica workflow run` sends it, over both APIs: the same seeds, so the same texts.
pub fn a_workflow_runs_behind_the_gateway_with_decimals(fixture: &Fixture) {
    let file = fixture.folder.path().join("warm.toml");
    std::fs::write(&file, WARM).expect("written");
    let texts = ["ollama", "openai"].map(|front_end| {
        let mut mica = command("mica");
        mica.env("MICA_HOME", fixture.folder.path().join("without-wallet"))
            .args(["--json", "--quiet", "workflow", "run"])
            .arg(&file);
        mica.args([
            "--model",
            "mica-tiny:q8_0",
            "--front-end",
            front_end,
            "--gateway",
            &format!("http://{}", fixture.open.address),
        ]);
        let output = mica.output().expect("the program starts");
        assert!(
            output.status.success(),
            "{front_end}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let finished: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let steps = finished["steps"].as_array().expect("steps").clone();
        for step in &steps {
            assert!(
                METRICS.iter().all(|metric| step[metric].as_u64().is_some_and(|value| value > 0)),
                "{front_end}: {step}"
            );
            assert!(units(&step["cost"]) > 0, "{front_end}: {step}");
        }
        steps
            .iter()
            .map(|step| step["text"].as_str().expect("a text").to_owned())
            .collect::<Vec<_>>()
    });
    assert_eq!(texts[0], texts[1], "both ask for the same");
}

pub fn a_workflow_goes_through_two_models(fixture: &Fixture) {
    fixture.quiet();
    let before = fixture.paid();
    let models = json!({"generate": "mica-tiny:q8_0", "summarise": "mica-tiny:q4_0"});
    let asked = json!({"input": "What is a Raspberry Pi?", "models": models});
    let answer =
        post(fixture, "/workflow/generate-summarise", &[("x-mica-max-total", "1 MICA")], &asked);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let finished = answer.json();
    let steps = finished["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 2);
    for (step, model) in steps.iter().zip(["mica-tiny:q8_0", "mica-tiny:q4_0"]) {
        assert_eq!(step["model"], model);
        for metric in METRICS {
            assert!(step[metric].as_u64().is_some_and(|value| value > 0), "{metric}: {step}");
        }
    }
    let text = steps[0]["text"].as_str().expect("a text");
    assert!(
        !text.is_empty()
            && steps[1]["prompt"].as_str().is_some_and(|prompt| prompt.ends_with(text)),
        "{finished}"
    );
    assert_eq!(finished["result"], steps[1]["text"]);
    fixture.quiet();
    let paid = fixture.paid() - before;
    assert_eq!(paid, steps.iter().map(|step| units(&step["cost"])).sum::<Balance>());
    assert_eq!(paid, units(&finished["cost"]));

    let before = fixture.paid();
    let misspelt = json!({"input": "Hi", "model": "mica-tiny", "max-total": "1u"});
    let cases = [
        (
            "/workflow/nothing",
            404,
            "generate-summarise",
            json!({"input": "Hi", "model": "mica-tiny"}),
        ),
        ("/workflow/generate-summarise", 400, "names no model", json!({"input": "Hi"})),
        ("/workflow/generate-summarise", 400, "max-total", misspelt),
        (
            "/workflow/generate-summarise",
            400,
            "no step 'third'",
            json!({"input": "Hi", "models": {"third": "mica-tiny"}}),
        ),
        (
            "/workflow/generate-summarise",
            404,
            "nobody",
            json!({"input": "Hi", "models": {"summarise": "nobody"}, "model": "mica-tiny"}),
        ),
        (
            "/workflow/generate-summarise",
            400,
            "generate",
            json!({"input": " ", "model": "mica-tiny"}),
        ),
    ];
    for (path, status, word, body) in cases {
        let answer = post(fixture, path, &[], &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        bad_requests::is_error(path, &answer.json());
        assert!(answer.body.contains(word), "{body}: {}", answer.body);
    }
    let asked = json!({"input": "Hi", "model": "mica-tiny"});
    let answer =
        post(fixture, "/workflow/generate-summarise", &[("x-mica-max-total", "1u")], &asked);
    assert_eq!(answer.status, 402, "{}", answer.body);
    assert!(answer.body.contains("'generate'"), "{}", answer.body);
    fixture.quiet();
    assert_eq!(fixture.paid(), before, "a workflow that was refused cost something");
    let list = http::send(fixture.open.address, "GET", "/workflow", &[], b"").json();
    assert_eq!(list["workflows"], json!(["generate-summarise"]));
    let shown =
        http::send(fixture.open.address, "GET", "/workflow/generate-summarise", &[], b"").json();
    assert_eq!(shown["step"][1]["name"], "summarise");
}
