//! The six models of P2PLLMEdge's table 2 (Ray and Pradhan 2025, doi:10.4108/airo.9292): by the
//! ratios of their shapes in every test run, and in full size on request:
//!
//! ```text
//! cargo test --release -p mica-engine --test models -- --ignored --nocapture
//! ```
//!
//! Types are laid out as in published files of the same names: Q8_0, or the mixture "Q4_K medium",
//! which takes Q5_0 and Q8_0 where rows are not whole blocks of 256.

mod support;

use std::time::Instant;

use mica_engine::{GgufFile, Input, Model, Output, Threads, Want};
use support::{
    Writer,
    blocks::{Q4_K, Q5_0, Q6_K, Q8_0},
    reference::Reference,
    shapes::Shape,
};

/// A model, as it is and made small.
struct Published {
    name: &'static str,
    full: Shape,
    small: Shape,
    kind: fn(&str, u64) -> u32,
}

fn q8_0(_: &str, _: u64) -> u32 {
    Q8_0
}

fn q4_k_medium(name: &str, columns: u64) -> u32 {
    let better =
        ["attn_v", "ffn_down", "token_embd", "output."].iter().any(|part| name.contains(part));
    match (columns.is_multiple_of(256), better) {
        (true, true) => Q6_K,
        (true, false) => Q4_K,
        (false, true) => Q8_0,
        (false, false) => Q5_0,
    }
}

/// The shapes are those of the models' published `config.json` files.
fn published() -> Vec<Published> {
    let shape = |architecture, sizes: [u64; 7], rope_base: f32| {
        let [layers, hidden, heads, kv_heads, head_size, feed_forward, vocabulary] = sizes;
        Shape {
            architecture,
            layers,
            hidden,
            heads,
            kv_heads,
            head_size,
            feed_forward,
            vocabulary,
            experts: None,
            tied: true,
            rope_factors: false,
            rope_base,
            portable: false,
        }
    };
    // Heads and their groups stay; heads are narrower, and with them everything else.
    let small = |full: &Shape, head_size: u64| {
        let hidden = full.heads * head_size;
        let feed_forward = (full.feed_forward * head_size / full.head_size).next_multiple_of(32);
        Shape { layers: 2, hidden, head_size, feed_forward, vocabulary: 320, ..full.clone() }
    };
    let model = |name, full: Shape, head_size, kind| Published {
        name,
        small: small(&full, head_size),
        full,
        kind,
    };
    let granite = shape("granitemoe", [24, 1024, 16, 8, 64, 512, 49_155], 10_000.0);
    let llama = shape("llama", [16, 2048, 32, 8, 64, 8192, 128_256], 500_000.0);
    vec![
        model(
            "qwen2.5 0.5b",
            shape("qwen2", [24, 896, 14, 2, 64, 4864, 151_936], 1e6),
            16,
            q4_k_medium,
        ),
        model(
            "smollm2 360m",
            shape("llama", [32, 960, 15, 5, 64, 2560, 49_152], 100_000.0),
            32,
            q8_0,
        ),
        model("granite3.1-moe 1b", Shape { experts: Some((32, 8)), ..granite }, 16, q4_k_medium),
        model("llama3.2 1b", Shape { rope_factors: true, ..llama }, 16, q8_0),
        model(
            "qwen2.5 1.5b",
            shape("qwen2", [28, 1536, 12, 2, 128, 8960, 151_936], 1e6),
            32,
            q4_k_medium,
        ),
        model(
            "smollm2 1.7b",
            shape("llama", [24, 2048, 32, 32, 64, 8192, 49_152], 130_000.0),
            16,
            q8_0,
        ),
    ]
}

fn load(bytes: Vec<u8>) -> Model {
    let file = GgufFile::from_bytes(bytes).expect("well-formed");
    Model::load(&file, file.config().expect("a configuration").all_layers(), Threads::new(2))
        .expect("loads")
}

fn logits(model: &Model, tokens: &[u32]) -> Vec<f32> {
    let mut cache = model.new_cache(tokens.len()).expect("context");
    match model.forward(&mut cache, Input::Tokens(tokens), Want::LastLogits).expect("computes") {
        Output::Logits(logits) => logits,
        other => panic!("{other:?}"),
    }
}

/// Relative distance, root of mean squares.
fn distance(found: &[f32], right: &[f64]) -> f64 {
    let (mut difference, mut size) = (0.0, 0.0);
    for (&a, &b) in found.iter().zip(right) {
        difference += (f64::from(a) - b).powi(2);
        size += b * b;
    }
    (difference / size).sqrt()
}

#[test]
fn the_models_compute_in_small() {
    for Published { name, small, kind, .. } in published() {
        let columns: std::collections::HashMap<String, u64> = small
            .write(0, |_| 0)
            .tensors
            .iter()
            .map(|t| (t.name.clone(), *t.shape.last().expect("a dimension")))
            .collect();
        let writer: Writer = small.write(0, |tensor| kind(tensor, columns[tensor]));
        let tokens = [5, 300, 17, 17, 80, 1, 250];
        let reference = Reference::new(&writer);
        let right = reference.logits(&tokens);
        let error = distance(&logits(&load(writer.bytes()), &tokens), &right);
        println!("{name}: {error:.1e}");
        // As in the test `logits`: 4 %, and twice that where two experts are as good as each other.
        assert!(error < if small.experts.is_some() { 8e-2 } else { 4e-2 }, "{name}: {error:.2e}");
    }
}

#[test]
#[ignore = "models of full size: 15 GB of memory and some minutes"]
fn the_models_load_in_full_size() {
    for Published { name, full, kind, .. } in published() {
        let bytes = full.write_large(kind).bytes();
        let size = bytes.len();
        let start = Instant::now();
        let model = load(bytes);
        let loaded = start.elapsed();
        let logits = logits(&model, &[1, 2, 3]);
        assert!(
            logits.len() as u64 == full.vocabulary && logits.iter().all(|logit| logit.is_finite()),
            "{name}"
        );
        let (file, held) = (size as f64 / 1e6, model.weight_bytes() as f64 / 1e6);
        println!(
            "{name}: file of {file:.0} MB, {held:.0} MB of weights, loaded in {:.2} s",
            loaded.as_secs_f64()
        );
    }
}
