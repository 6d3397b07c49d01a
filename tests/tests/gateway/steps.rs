//! Workflows over HTTP: one request, several models, every intermediate with what it took.

use mica_primitives::Balance;
use mica_tests::http;
use serde_json::{Value, json};

use crate::{manners, world::World};

const METRICS: [&str; 6] =
    ["total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count", "eval_duration"];

fn post(world: &World, path: &str, headers: &[(&str, &str)], body: &Value) -> http::Answer {
    http::send(world.open.address, "POST", path, headers, body.to_string().as_bytes())
}

fn units(value: &Value) -> Balance {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no amount")).into()
}

pub fn a_workflow_goes_through_two_models(world: &World) {
    world.quiet();
    let before = world.paid();
    let models = json!({"generate": "mica-tiny:q8_0", "summarise": "mica-tiny:q4_0"});
    let asked = json!({"input": "What is a Raspberry Pi?", "models": models});
    let answer = post(world, "/workflow/generate-summarise", &[("x-mica-max-total", "1 MICA")], &asked);
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
    assert!(!text.is_empty() && steps[1]["prompt"].as_str().is_some_and(|prompt| prompt.ends_with(text)), "{finished}");
    assert_eq!(finished["result"], steps[1]["text"]);
    world.quiet();
    let paid = world.paid() - before;
    assert_eq!(paid, steps.iter().map(|step| units(&step["cost"])).sum::<Balance>());
    assert_eq!(paid, units(&finished["cost"]));

    let before = world.paid();
    let misspelt = json!({"input": "Hi", "model": "mica-tiny", "max-total": "1u"});
    let cases = [
        ("/workflow/nothing", 404, "generate-summarise", json!({"input": "Hi", "model": "mica-tiny"})),
        ("/workflow/generate-summarise", 400, "names no model", json!({"input": "Hi"})),
        ("/workflow/generate-summarise", 400, "max-total", misspelt),
        ("/workflow/generate-summarise", 400, "no step 'third'", json!({"input": "Hi", "models": {"third": "mica-tiny"}})),
        (
            "/workflow/generate-summarise",
            404,
            "nobody",
            json!({"input": "Hi", "models": {"summarise": "nobody"}, "model": "mica-tiny"}),
        ),
        ("/workflow/generate-summarise", 400, "generate", json!({"input": " ", "model": "mica-tiny"})),
    ];
    for (path, status, word, body) in cases {
        let answer = post(world, path, &[], &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        manners::is_error(path, &answer.json());
        assert!(answer.body.contains(word), "{body}: {}", answer.body);
    }
    let asked = json!({"input": "Hi", "model": "mica-tiny"});
    let answer = post(world, "/workflow/generate-summarise", &[("x-mica-max-total", "1u")], &asked);
    assert_eq!(answer.status, 402, "{}", answer.body);
    assert!(answer.body.contains("'generate'"), "{}", answer.body);
    world.quiet();
    assert_eq!(world.paid(), before, "a workflow that was refused cost something");
    let list = http::send(world.open.address, "GET", "/workflow", &[], b"").json();
    assert_eq!(list["workflows"], json!(["generate-summarise"]));
    let shown = http::send(world.open.address, "GET", "/workflow/generate-summarise", &[], b"").json();
    assert_eq!(shown["step"][1]["name"], "summarise");
}
