//! Against llama.cpp: token ids of 22 prompts, and greedy answers of the F32 file.

use mica_engine::{
    Bos, GgufFile, Input, Model, Output, Sampler, Special, Threads, Tokenizer, Want,
    log_probabilities,
};
use serde_json::Value;

/// Answers that must agree, of 22.
const F32_AGREE: usize = 22;

/// How far log probabilities of the five best first tokens may lie from llama.cpp's, by id and by
/// rank; it keeps keys and values in f32.
const LOG_PROBABILITY_BOUND: f64 = 5.0e-3;

fn path(name: &str) -> String {
    format!("{}/models/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn golden() -> Vec<Value> {
    let text = std::fs::read_to_string(path("golden.json")).expect("golden.json");
    let golden: Value = serde_json::from_str(&text).expect("JSON");
    golden["prompts"].as_array().expect("prompts").clone()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().expect("ids").iter().map(|id| id.as_u64().expect("id") as u32).collect()
}

/// Greedy tokens as the golden file has them: at most `limit`, the end token included.
fn generate(
    model: &Model,
    tokenizer: &Tokenizer,
    prompt: &[u32],
    limit: usize,
) -> (Vec<u32>, Vec<f32>) {
    let mut cache = model.new_cache(prompt.len() + limit).expect("context");
    let mut first = Vec::new();
    let (mut tokens, mut input) = (Vec::new(), prompt.to_vec());
    while tokens.len() < limit {
        let Output::Logits(logits) =
            model.forward(&mut cache, Input::Tokens(&input), Want::LastLogits).expect("forward")
        else {
            panic!("no logits")
        };
        let token = Sampler::greedy().sample(&logits, cache.len() as u32);
        if first.is_empty() {
            first = logits;
        }
        tokens.push(token);
        if tokenizer.is_end(token) {
            break;
        }
        input = vec![token];
    }
    (tokens, first)
}

fn compare(file: &str, key: &str) -> (usize, f64) {
    let file = GgufFile::open(path(file)).expect("model");
    let tokenizer = Tokenizer::from_gguf(&file).expect("tokenizer");
    let model = Model::load(&file, file.config().expect("config").all_layers(), Threads::new(2))
        .expect("loads");
    let (mut equal, mut worst) = (0, 0.0f64);
    for prompt in golden() {
        let prompt_ids = ids(&prompt["prompt_ids"]);
        let text = prompt["prompt"].as_str().expect("prompt");
        assert_eq!(
            tokenizer.encode(text, Special::Parse, Bos::Model).expect("encodes"),
            prompt_ids,
            "{text}"
        );
        assert_eq!(
            tokenizer.encode(text, Special::Parse, Bos::Omit).expect("encodes"),
            prompt_ids,
            "{text}"
        );
        let expected = ids(&prompt[key]["ids"]);
        let (tokens, logits) = generate(&model, &tokenizer, &prompt_ids, 64);
        let visible: Vec<u32> =
            tokens.iter().copied().filter(|&id| !tokenizer.is_end(id)).collect();
        if tokens == expected {
            equal += 1;
            assert_eq!(tokenizer.decode(&visible), prompt[key]["text"].as_str().expect("text"));
        } else {
            eprintln!("{key}: {text:?} differs; smallest margin {}", prompt[key]["min_margin"]);
        }
        if let Some(top) = prompt[key]["top5_first"].as_array() {
            for (rank, entry) in top.iter().enumerate() {
                let (id, theirs) = (
                    entry["id"].as_u64().expect("id") as u32,
                    entry["logprob"].as_f64().expect("logprob"),
                );
                let ours = log_probabilities(&logits, id, top.len());
                worst =
                    worst.max((ours.token - theirs).abs()).max((ours.top[rank].1 - theirs).abs());
            }
            assert_eq!(
                log_probabilities(&logits, tokens[0], 1).top[0].0,
                tokens[0],
                "the greedy token is the most likely one"
            );
        }
    }
    eprintln!(
        "{key}: {equal} of 22 answers agree, log probabilities of the first token within \
         {worst:.2e}"
    );
    (equal, worst)
}

#[test]
fn f32_answers_and_probabilities_are_llama_cpps() {
    let (equal, worst) = compare("mica-tiny-f32.gguf", "f32");
    assert!(equal >= F32_AGREE, "{equal} of 22");
    assert!(worst < LOG_PROBABILITY_BOUND, "{worst}");
}

#[test]
fn quantised_answers_mostly_agree() {
    // llama.cpp rounds the scale of quantised activations to halves, we do not, so that near ties
    // may fall the other way.
    assert!(compare("mica-tiny-q8_0.gguf", "q8_0").0 >= 18);
}
