//! The examples run: started as programs, as a reader would start them.
//!
//! `cargo test` builds examples with the tests. Where a test was picked by name it does not, hence
//! the message.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mica_engine::{
    Bos, GgufFile, Input, LayerRange, Model, Output as Computed, Sampler, Special, Threads,
    Tokenizer, Want,
};

const QUESTION: &str = "Tell me a story about a fox.";
/// The question as the model's template renders it.
const PROMPT: &str =
    "<|im_start|>user\nTell me a story about a fox.<|im_end|>\n<|im_start|>assistant\n";
const TOKENS: usize = 24;

fn example(name: &str, arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent).expect("target/<profile>/deps");
    let program = folder.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is missing: build it with `cargo build --release --workspace --example {name}`",
        program.display()
    );
    Command::new(program).args(arguments).output().expect("it starts")
}

fn model_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

/// The answer that two machines with half of the layers each would give.
fn answer_of_two_halves(path: &Path) -> String {
    let file = GgufFile::open(path).expect("a model");
    let layers = file.config().expect("a configuration").layers;
    let half = |first, end| {
        Model::load(&file, LayerRange { first, end }, Threads::new(1)).expect("it loads")
    };
    let (lower, upper) = (half(0, layers / 2), half(layers / 2, layers));
    let tokenizer = Tokenizer::from_gguf(&file).expect("a tokenizer");
    let mut input = tokenizer.encode(PROMPT, Special::Parse, Bos::Model).expect("it encodes");
    let (mut below, mut above) =
        (lower.new_cache(256).expect("room"), upper.new_cache(256).expect("room"));
    let mut answer = Vec::new();
    while answer.len() < TOKENS {
        let step = lower.forward(&mut below, Input::Tokens(&input), Want::Nothing);
        let Ok(Computed::Hidden(rows)) = step else { panic!("{step:?}") };
        let step = upper.forward(&mut above, Input::Hidden(&rows), Want::LastLogits);
        let Ok(Computed::Logits(logits)) = step else { panic!("{step:?}") };
        let token = Sampler::greedy().sample(&logits, above.len() as u32);
        if tokenizer.is_end(token) {
            break;
        }
        answer.push(token);
        input = vec![token];
    }
    tokenizer.decode(&answer)
}

#[test]
fn generate_prints_the_models_answer() {
    let path = model_file("mica-tiny-q8_0.gguf");
    let limit = TOKENS.to_string();
    let output =
        example("generate", &[path.to_str().expect("a plain path"), QUESTION, limit.as_str()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer = String::from_utf8(output.stdout).expect("text");
    assert_eq!(answer, answer_of_two_halves(&path) + "\n");
    assert!(answer.contains("fox"), "{answer}");
}

#[test]
fn generate_refuses_what_is_no_model() {
    let page = model_file("README.md");
    let output = example("generate", &[page.to_str().expect("a plain path"), QUESTION, "4"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("Magic"), "{error}");
    assert!(!example("generate", &[]).status.success(), "without arguments");
}
