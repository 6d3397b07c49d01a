//! The reference of these tests against llama.cpp, so that it is not only our own reading of the
//! models' definitions.
//!
//! `fixtures/llama_cpp.json` holds llama.cpp's logits for random models of every architecture, and
//! of Llama in every format. It is made by `tests/python/llama_reference.py logits` from files that
//! the ignored test here writes.

mod support;

use std::{fs, path::Path};

use serde_json::Value;
use support::{
    Meta, Writer,
    blocks::{F32, FORMATS, format},
    reference::Reference,
    shapes::{Shape, architectures},
};

/// llama.cpp keeps keys and values in f32 for this, so that only the order of f32 sums differs.
const PLAIN_BOUND: f64 = 1e-4;
/// It looks GELU up in a table over half-precision numbers.
const TABLE_BOUND: f64 = 1e-3;
/// It quantises activations as we do, so that it is as far from the reference as we are; see the
/// test `logits`.
const QUANTISED_BOUND: f64 = 5e-2;
/// It computes with F16 and BF16 by rounding activations to them.
const ROUNDED_BOUND: f64 = 2e-2;

/// Name, model and how far apart the logits may be.
fn models() -> Vec<(String, Writer, f64)> {
    let mut models = Vec::new();
    let mut add = |name: &str, shape: &Shape, kind: u32, bound: f64| {
        let mut writer = shape.write(1, |_| kind);
        vocabulary(&mut writer, shape.vocabulary);
        models.push((name.to_owned(), writer, bound));
    };
    for architecture in architectures() {
        let bound = if architecture == "gemma3" { TABLE_BOUND } else { PLAIN_BOUND };
        add(architecture, &Shape::small(architecture), F32, bound);
    }
    add(
        "llama with factors",
        &Shape { rope_factors: true, ..Shape::small("llama") },
        F32,
        PLAIN_BOUND,
    );
    add(
        "phi3 with factors",
        &Shape { rope_factors: true, ..Shape::small("phi3") },
        F32,
        PLAIN_BOUND,
    );
    for kind in FORMATS.into_iter().filter(|&kind| kind != F32) {
        let name = format(kind).0;
        let bound = if name.ends_with("F16") { ROUNDED_BOUND } else { QUANTISED_BOUND };
        add(name, &Shape::small("llama"), kind, bound);
    }
    models
}

/// Tokens of one letter each and some more, as llama.cpp does not load a model without.
fn vocabulary(writer: &mut Writer, size: u64) {
    let itself = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut shifted = 256..;
    let letters = (0..256u32).map(|byte| if itself(byte) { Some(byte) } else { shifted.next() });
    let mut tokens: Vec<String> =
        letters.flatten().filter_map(char::from_u32).map(String::from).collect();
    tokens.extend((256..size).map(|id| format!("<token {id}>")));
    let kinds = (0..size).map(|id| if id < 256 { 1 } else { 3 }).collect();
    writer
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "gpt-2")
        .set("tokenizer.ggml.tokens", Meta::Texts(tokens))
        .set("tokenizer.ggml.token_type", Meta::I32s(kinds))
        .set("tokenizer.ggml.merges", Meta::Texts(vec!["a b".to_owned()]))
        .set("tokenizer.ggml.bos_token_id", 256)
        .set("tokenizer.ggml.eos_token_id", 257);
}

#[test]
#[ignore = "writes models for tests/python/llama_reference.py into the folder that MODELS names"]
fn models_are_written() {
    let folder = std::env::var("MODELS").expect("MODELS names a folder");
    for (name, writer, _) in models() {
        fs::write(Path::new(&folder).join(format!("{name}.gguf")), writer.bytes()).expect("a file");
    }
}

#[test]
fn the_reference_computes_what_llama_cpp_computes() {
    let fixture: Value =
        serde_json::from_str(include_str!("fixtures/llama_cpp.json")).expect("JSON");
    let tokens: Vec<u32> = fixture["tokens"]
        .as_array()
        .expect("tokens")
        .iter()
        .filter_map(Value::as_u64)
        .map(|id| id as u32)
        .collect();
    assert_eq!(tokens.len(), 12);
    for (name, writer, bound) in models() {
        let expected = fixture["logits"][&name]
            .as_array()
            .unwrap_or_else(|| panic!("{name} is not in the fixture"));
        let expected: Vec<f64> = expected.iter().filter_map(Value::as_f64).collect();
        let found = Reference::new(&writer).logits(&tokens);
        assert_eq!(found.len(), expected.len(), "{name}");
        let difference: f64 = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum();
        let error = (difference / expected.iter().map(|x| x * x).sum::<f64>()).sqrt();
        println!("{name}: {error:.1e} of {bound:.0e}");
        assert!(error < bound, "{name}: {error:.2e}");
    }
}
