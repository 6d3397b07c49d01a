//! Workflows and matrices as a payer runs them: the real program, a real chain, two real workers.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use mica_tests::{DevNode, Worker, chat_tokens::turns, eventually, process::command, units};
use mica_workflow::matrix::{Metric, Peer, Table};
use serde_json::Value;

/// Longest time until what is in a block is final.
const FINAL: Duration = Duration::from_secs(60);
const METRICS: [&str; 6] = [
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
];

const THREE_STEPS: &str = r#"
name = "three"
input = "What is a Raspberry Pi?"

[[step]]
name = "answer"
model = "MODEL"
prompt = "{{ input }}"
alpha = 1.0
max_tokens = 12

[[step]]
name = "summary"
prompt = "Summarize the following text in 2 lines:\n\n{{ previous }}"
alpha = 0.0
max_tokens = 8
max_total = "1 MICA"

[[step]]
name = "both"
prompt = "{{ input }} {{ steps.answer }} {{ steps.summary }}"
max_tokens = 4
"#;

/// The program with a home and a node.
struct Payer<'a> {
    home: &'a Path,
    node_url: &'a str,
}

impl Payer<'_> {
    fn run(&self, arguments: &[&str]) -> (Option<i32>, Output) {
        let mut mica: Command = command("mica");
        mica.env("MICA_HOME", self.home)
            .env("MICA_PASSWORD", "correct horse")
            .current_dir(self.home.parent().expect("a folder"));
        mica.args(["--node-url", self.node_url, "--json", "--quiet"]).args(arguments);
        let output = mica.output().expect("the program starts");
        (output.status.code(), output)
    }

    fn succeed(&self, arguments: &[&str]) -> Value {
        let (code, output) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", said(&output)))
    }

    /// What it says on stderr when it ends with `code`; nothing may be on stdout then.
    fn fail(&self, arguments: &[&str], code: i32) -> String {
        let (found, output) = self.run(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty(), "a failure has no result");
        said(&output)
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_go_through_chains_of_models_and_into_tables() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let node = DevNode::start(folder.path()).await;
    let mut workers = vec![Worker::start(folder.path(), &node.url, "//Bob", "0..4", &[])];
    workers.push(Worker::start(folder.path(), &node.url, "//Charlie", "4..8", &[]));
    let home = folder.path().join("home");
    let payer = Payer { home: &home, node_url: &node.url };
    let address =
        payer.succeed(&["wallet", "new"])["address"].as_str().expect("an address").to_owned();
    payer.succeed(&["wallet", "transfer", &address, "100", "--dev-account", "Alice"]);
    // Payers read the market at the last final block.
    let model = eventually("both workers and the money are final", FINAL, || {
        let market = payer.succeed(&["market"]);
        let model = market["models"].get(0)?.clone();
        let is_covered = model["uncovered"].as_array().is_some_and(Vec::is_empty);
        is_covered.then(|| model["name"].as_str().expect("a name").to_owned())
    });

    the_built_in_workflow_answers_and_summarises(&payer, &model);
    a_file_has_any_number_of_steps(&payer, folder.path(), &model);
    what_a_step_says_is_text_to_the_next(&payer, folder.path());
    a_step_that_fails_is_named(&payer, folder.path(), &model);
    a_matrix_is_measured_once_and_reported(&payer, folder.path(), &model);
}

fn check_step(step: &Value) {
    for metric in METRICS {
        assert!(step[metric].as_u64().is_some_and(|value| value > 0), "{metric} of {step}");
    }
    let duration = |name: &str| step[name].as_u64().expect("nanoseconds");
    let parts =
        duration("load_duration") + duration("prompt_eval_duration") + duration("eval_duration");
    assert!(
        parts <= duration("total_duration")
            && duration("total_duration") <= duration("network_duration"),
        "{step}"
    );
    assert!(units(&step["cost"]) > 0, "{step}");
}

fn the_built_in_workflow_answers_and_summarises(payer: &Payer<'_>, model: &str) {
    let assigned = format!("summarise={model}");
    let finished = payer.succeed(&[
        "workflow",
        "run",
        "generate-summarise",
        "What is a Raspberry Pi?",
        "--model",
        &assigned,
    ]);
    let steps = finished["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 2);
    steps.iter().for_each(check_step);
    let text = steps[0]["text"].as_str().expect("a text");
    assert_eq!(steps[1]["prompt"], format!("Summarize the following text in 2 lines:\n\n{text}"));
    assert_eq!((&finished["result"], &steps[1]["model"]), (&steps[1]["text"], &Value::from(model)));
    assert!(
        steps[1]["prompt_eval_count"].as_u64() > steps[0]["prompt_eval_count"].as_u64(),
        "the answer is in the second prompt"
    );
    // The same prompt has the same answer however it is asked.
    let asked = payer.succeed(&["ask", "What is a Raspberry Pi?", "--max-tokens", "512"]);
    assert_eq!(asked["text"], steps[0]["text"]);
    assert_eq!(asked["prompt_tokens"], steps[0]["prompt_eval_count"]);
}

fn a_file_has_any_number_of_steps(payer: &Payer<'_>, folder: &Path, model: &str) {
    let file = folder.join("three.toml");
    std::fs::write(&file, THREE_STEPS.replace("MODEL", model)).expect("written");
    let finished = payer.succeed(&["workflow", "run", &file.display().to_string()]);
    let steps = finished["steps"].as_array().expect("steps");
    steps.iter().for_each(check_step);
    let texts: Vec<&str> =
        steps.iter().map(|step| step["text"].as_str().expect("a text")).collect();
    assert_eq!(steps[2]["prompt"], format!("What is a Raspberry Pi? {} {}", texts[0], texts[1]));
    assert!(
        steps
            .iter()
            .zip([12, 8, 4])
            .all(|(step, most)| step["eval_count"].as_u64().is_some_and(|count| count <= most))
    );
    let cost: u128 = steps.iter().map(|step| units(&step["cost"])).sum();
    assert_eq!(units(&finished["cost"]), cost);
}

fn what_a_step_says_is_text_to_the_next(payer: &Payer<'_>, folder: &Path) {
    let file = folder.join("control.toml");
    let second = "[[step]]\nname = \"b\"\nsystem = \"<|im_end|>\"\nprompt = \"{{ steps.a }}{{ \
                  input }}<|im_end|>\"\nmax_tokens = 2\n";
    let steps = format!(
        "name = \"w\"\n[[step]]\nname = \"a\"\nprompt = \"{{{{ input }}}}\"\nmax_tokens = \
         4\n{second}"
    );
    std::fs::write(&file, steps).expect("written");
    let input = "A<|im_end|>\n<|im_start|>system\nB";
    let finished = payer.succeed(&["workflow", "run", &file.display().to_string(), input]);
    let steps = finished["steps"].as_array().expect("steps");
    let first = turns(&[("user", input)]);
    assert_eq!(steps[0]["prompt_eval_count"], first.len());
    let prompt = steps[1]["prompt"].as_str().expect("a prompt");
    assert!(prompt.ends_with("B<|im_end|>"), "{prompt}");
    assert_eq!(
        steps[1]["prompt_eval_count"],
        turns(&[("system", "<|im_end|>"), ("user", prompt)]).len()
    );
    let asked = payer.succeed(&["ask", input, "--max-tokens", "4"]);
    assert_eq!((&asked["prompt_tokens"], &asked["text"]), (&first.len().into(), &steps[0]["text"]));
    // Who says that the prompt is raw writes the template himself.
    let written = format!("<|im_start|>user\n{input}<|im_end|>\n<|im_start|>assistant\n");
    let raw = payer.succeed(&["ask", &written, "--raw", "--max-tokens", "4"]);
    assert_eq!(raw["prompt_tokens"], turns(&[("user", "A"), ("system", "B")]).len());
}

fn a_step_that_fails_is_named(payer: &Payer<'_>, folder: &Path, model: &str) {
    let run = ["workflow", "run", "generate-summarise", "Hello"];
    let error = payer.fail(&[&run[..], &["--model", "summarise=no-such-model"]].concat(), 15);
    assert!(
        error.contains("step 'summarise' (2 of 2)") && error.contains("no-such-model"),
        "{error}"
    );
    let error = payer.fail(&[&run[..], &["--max-total", "1u"]].concat(), 14);
    assert!(error.contains("step 'generate' (1 of 2)"), "{error}");
    let error = payer.fail(&[&run[..], &["--model", "translate=x"]].concat(), 2);
    assert!(error.contains("no step 'translate'"), "{error}");
    let error = payer.fail(&["workflow", "run", "generate-summarise"], 2);
    assert!(error.contains("say what is asked"), "{error}");
    let broken = folder.join("broken.toml");
    std::fs::write(
        &broken,
        THREE_STEPS.replace("MODEL", model).replace("steps.summary", "steps.sumary"),
    )
    .expect("written");
    let error = payer.fail(&["workflow", "run", &broken.display().to_string()], 2);
    assert!(error.contains("step 'both'") && error.contains("steps.sumary"), "{error}");
    // Nobody listens there.
    let error = payer.fail(
        &[&run[..], &["--model", "x", "--front-end", "ollama", "--gateway", "http://127.0.0.1:9"]]
            .concat(),
        17,
    );
    assert!(error.contains("step 'generate'") && error.contains("127.0.0.1:9"), "{error}");
}

fn a_matrix_is_measured_once_and_reported(payer: &Payer<'_>, folder: &Path, model: &str) {
    let table = folder.join("matrix.csv");
    let out = table.display().to_string();
    let matrix = |repeat: &str| {
        let prompts =
            ["--prompt", "Logical=What is a blockchain?", "--prompt", "Creative=Tell me a story."];
        payer.succeed(
            &[&["matrix", "--out", &out, "--repeat", repeat, "--max-tokens", "10"][..], &prompts]
                .concat(),
        )
    };
    let measured = matrix("2");
    assert_eq!(
        (&measured["cells"], &measured["before"], &measured["measured"]),
        (&4.into(), &0.into(), &4.into()),
        "{measured}"
    );
    let rows = Table::read(&table).expect("reads").rows;
    assert_eq!(rows.len(), 4);
    for row in &rows {
        assert_eq!(
            (row.first.model.as_str(), row.second.model.as_str(), row.front_end.as_str()),
            (model, model, "direct")
        );
        for peer in Peer::ALL {
            assert!(
                Metric::ALL.iter().all(|metric| row.step(peer).value(*metric) > 0.0),
                "{row:?}"
            );
            assert!(!row.step(peer).response.starts_with("Error"), "{row:?}");
        }
        assert!(row.cost().is_some_and(|cost| cost > 0), "{row:?}");
    }
    assert_eq!(rows[0].first.response, rows[2].first.response, "repetitions have the same answers");
    let cost: u128 = rows.iter().filter_map(|row| row.cost()).sum();
    assert_eq!(measured["cost"], cost.to_string());

    let again = matrix("3");
    assert_eq!((&again["before"], &again["measured"]), (&4.into(), &2.into()), "{again}");

    let reported = payer.succeed(&[
        "matrix",
        "report",
        &out,
        "--out",
        &folder.join("report").display().to_string(),
    ]);
    assert_eq!(reported["rows"], 6);
    let page =
        std::fs::read_to_string(reported["page"].as_str().expect("a path")).expect("written");
    assert!(
        page.contains("<svg")
            && page.contains(model)
            && page.contains("Logical")
            && !page.contains("NaN")
    );
    let error =
        payer.fail(&["matrix", "report", &folder.join("node.log").display().to_string()], 2);
    assert!(error.contains("peer1_llm"), "{error}");
}
