//! Logits against an independent reference in f64, for every architecture and format.
//!
//! How far may they be apart? The reference computes with the same weights, but exactly. The engine
//! rounds in three places:
//!
//! * keys and values to half precision: at most 2⁻¹¹ of a value, 2·10⁻⁴ on average, with every
//!   format. Scores of a few units make about three times as much of it in the weights of
//!   attention; two layers add up to 10⁻³;
//! * f32 sums: far below that;
//! * before a product with quantised weights, activations to 8 bits with one scale per block of 32
//!   (256 for K formats). The error of an element is uniform in ± half a step, and a step is 1/127
//!   of the block's largest value, which for normally distributed values is 2.1 (2.8 in 256)
//!   standard deviations on average. That is a relative error of 2.1/127/√12 ≈ 0.5 % (0.7 %) in
//!   every product. A layer puts four products behind one another, partly multiplied with each
//!   other (gate times up), and two layers and the head add up as independent errors do: about √10
//!   times as much, 2 %.
//!
//! So the bounds are 0.2 % of the logits' size for plain formats and 4 % for quantised ones (root
//! of mean squares), twice what is expected; 6 % for Q2_K, whose four levels leave more of a row's
//! size in what its weights have in common, and so less in what a product is made of. Routers round
//! once more: half as much again for mixtures. Where two experts' scores are nearer to each other
//! than rounding, either may be chosen, which is up to a third of what one of two blocks gives:
//! then, and only then, 30 % is allowed.
//! `the_bounds_tell_models_apart` shows that a wrong architecture is beyond them by far.

mod support;

use mica_engine::{GgufFile, Input, LayerRange, Model, Output, Threads, Want};
use support::{
    Meta, Writer,
    blocks::{BF16, F16, F32, FORMATS, Q2_K, Q4_0, Q4_K, Q5_0, Q6_K, Q8_0, format},
    reference::{Pairs, Reference},
    shapes::{Shape, architectures},
};

const PLAIN_BOUND: f64 = 2e-3;
const QUANTISED_BOUND: f64 = 4e-2;
const OTHER_EXPERT_BOUND: f64 = 0.3;

fn bound(kind: u32) -> f64 {
    match kind {
        F32 | F16 | BF16 => PLAIN_BOUND,
        Q2_K => 1.5 * QUANTISED_BOUND,
        _ => QUANTISED_BOUND,
    }
}

/// The engine's logits, the prompt cut into two steps, so that cached keys count.
fn engine(writer: &Writer, tokens: &[u32]) -> Vec<f64> {
    let file = GgufFile::from_bytes(writer.bytes()).expect("well-formed");
    let layers = file.config().expect("a configuration").layers;
    let model =
        Model::load(&file, LayerRange { first: 0, end: layers }, Threads::new(2)).expect("loads");
    let mut cache = model.new_cache(tokens.len()).expect("context");
    let (first, rest) = tokens.split_at(tokens.len() / 2);
    if !first.is_empty() {
        model.forward(&mut cache, Input::Tokens(first), Want::Nothing).expect("computes");
    }
    match model.forward(&mut cache, Input::Tokens(rest), Want::LastLogits).expect("computes") {
        Output::Logits(logits) => logits.into_iter().map(f64::from).collect(),
        other => panic!("{other:?}"),
    }
}

fn prompt(length: usize, vocabulary: u64) -> Vec<u32> {
    (0..length as u64).map(|i| ((i * 7919 + 13) % vocabulary) as u32).collect()
}

/// Size of the difference relative to the size of what is right.
fn distance(found: &[f64], right: &[f64]) -> f64 {
    assert_eq!(found.len(), right.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    (square(&mut found.iter().zip(right).map(|(a, b)| a - b)) / square(&mut right.iter().copied()))
        .sqrt()
}

fn check(name: &str, shape: &Shape, kinds: impl Fn(&str) -> u32, lengths: &[usize], bound: f64) {
    let writer = shape.write(1, kinds);
    let reference = Reference::new(&writer);
    for &length in lengths {
        let tokens = prompt(length, shape.vocabulary);
        let error = distance(&engine(&writer, &tokens), &reference.logits(&tokens));
        // What the router weighs is rounded once more.
        let bound = if shape.experts.is_some() { 1.5 * bound } else { bound };
        // Scores are a few units large.
        let is_near = reference.nearest_choice.get() < 3.0 * bound;
        let bound = if is_near { bound.max(OTHER_EXPERT_BOUND) } else { bound };
        eprintln!("{name}, {length} tokens: {error:.1e} of {bound:.0e}");
        assert!(error < bound, "{name}, {length} tokens: {error:.2e} is not below {bound:.0e}");
    }
}

fn every_format(architecture: &'static str) {
    for kind in FORMATS {
        let lengths: &[usize] = if kind == F32 { &[1, 9, 70] } else { &[1, 9] };
        check(
            &format!("{architecture} {}", format(kind).0),
            &Shape::small(architecture),
            |_| kind,
            lengths,
            bound(kind),
        );
    }
}

#[test]
fn llama_in_every_format() {
    every_format("llama");
}

#[test]
fn qwen2_in_every_format() {
    every_format("qwen2");
}

#[test]
fn qwen3_in_every_format() {
    every_format("qwen3");
}

#[test]
fn granite_in_every_format() {
    every_format("granite");
}

#[test]
fn granitemoe_in_every_format() {
    every_format("granitemoe");
}

#[test]
fn qwen3moe_in_every_format() {
    every_format("qwen3moe");
}

#[test]
fn gemma3_in_every_format() {
    every_format("gemma3");
}

#[test]
fn phi3_in_every_format() {
    every_format("phi3");
}

#[test]
fn gpt_oss_in_every_format() {
    every_format("gpt-oss");
}

#[test]
fn factors_of_the_rotations_count() {
    let shape = Shape { rope_factors: true, rope_base: 500_000.0, ..Shape::small("llama") };
    check("llama with factors", &shape, |_| F32, &[9, 70], PLAIN_BOUND);
    check("llama with factors, Q8_0", &shape, |_| Q8_0, &[70], QUANTISED_BOUND);
    let shape = Shape { rope_factors: true, ..Shape::small("phi3") };
    check("phi3 with factors", &shape, |_| F32, &[9, 70], PLAIN_BOUND);
}

/// As the K mixtures of published files: better types for values, output and embedding.
#[test]
fn tensors_of_different_formats_work_together() {
    let mixture = |name: &str| match name {
        name if name.contains("attn_v") || name.contains("ffn_down") => Q6_K,
        "token_embd.weight" => Q8_0,
        "output.weight" => Q6_K,
        name if name.contains("attn_output") => Q5_0,
        name if name.contains("attn_k") => F16,
        _ => Q4_K,
    };
    for architecture in architectures() {
        check(
            &format!("{architecture} mixed"),
            &Shape::small(architecture),
            mixture,
            &[9],
            QUANTISED_BOUND,
        );
    }
}

#[test]
fn the_bounds_tell_models_apart() {
    let tokens = prompt(9, 320);
    let wrong = |name: &str,
                 architecture: &'static str,
                 twist: &dyn Fn(&mut Writer),
                 change: &dyn Fn(&mut Reference)| {
        let rope_factors = matches!(architecture, "llama" | "phi3");
        let shape = Shape { rope_factors, ..Shape::small(architecture) };
        let writer = shape.write(1, |_| F32);
        let right = Reference::new(&writer).logits(&tokens);
        let mut twisted = writer.clone();
        twist(&mut twisted);
        let mut reference = Reference::new(&twisted);
        change(&mut reference);
        let error = distance(&reference.logits(&tokens), &right);
        println!("{name}: {error:.2}");
        assert!(error > 2.0 * QUANTISED_BOUND, "{name}: {error:.2e} could be taken for rounding");
    };
    let nothing = |_: &mut Writer| ();
    let keep = |_: &mut Reference| ();
    let without = |part: &'static str| {
        move |writer: &mut Writer| writer.tensors.retain(|tensor| !tensor.name.contains(part))
    };
    let unset = |key: &'static str| {
        move |writer: &mut Writer| {
            writer.metadata.retain(|(name, _)| !name.ends_with(key));
        }
    };
    for architecture in architectures() {
        let other = |reference: &mut Reference| {
            reference.pairs =
                if reference.pairs == Pairs::Halves { Pairs::Neighbours } else { Pairs::Halves };
        };
        wrong(&format!("{architecture}, other rotation"), architecture, &nothing, &other);
    }
    wrong("no factors", "llama", &without("rope_freqs"), &keep);
    wrong(
        "another base",
        "qwen2",
        &|writer| _ = writer.set("qwen2.rope.freq_base", Meta::F32(10_000.0)),
        &keep,
    );
    for bias in ["attn_q.bias", "attn_k.bias", "attn_v.bias"] {
        wrong(bias, "qwen2", &without(bias), &keep);
    }
    wrong("no norm of queries", "qwen3", &without("attn_q_norm"), &keep);
    wrong("no norm of keys", "qwen3", &without("attn_k_norm"), &keep);
    for key in ["embedding_scale", "residual_scale", "attention.scale", "logit_scale"] {
        wrong(key, "granite", &unset(key), &keep);
    }
    wrong("other experts", "granitemoe", &nothing, &|reference| reference.best_experts = false);
    let fewer = |writer: &mut Writer| _ = writer.set("granitemoe.expert_used_count", 2);
    wrong("one expert less", "granitemoe", &fewer, &keep);
    wrong("no short factors", "phi3", &without("rope_factors_short"), &keep);
    wrong("no attention factor", "phi3", &unset("attn_factor"), &keep);
    for part in ["attn_output.bias", "attn_sinks", "ffn_gate_exps.bias", "ffn_down_exps.bias"] {
        wrong(part, "gpt-oss", &without(part), &keep);
    }
    wrong("no YaRN", "gpt-oss", &unset("rope.scaling.type"), &keep);
    for (architecture, key) in [("gpt-oss", "sliding_window"), ("gemma3", "sliding_window")] {
        wrong(key, architecture, &unset(key), &keep);
    }
    wrong("other layers' windows", "gemma3", &unset("sliding_window_pattern"), &keep);
    let base = |writer: &mut Writer| _ = writer.set("gemma3.rope.freq_base_swa", Meta::F32(50.0));
    wrong("another base in windows", "gemma3", &base, &keep);
}

#[test]
fn blocks_stand_for_the_values_that_were_quantised() {
    let values: Vec<f32> = support::shapes::normal(2048, 5).collect();
    let bounds = [
        0.0, 4e-4, 8e-3, 8e-3, 0.13, 0.11, 0.06, 0.05, 0.11, 0.06, 0.03, 0.4, 0.25, 0.12, 0.12, 0.2,
    ];
    for (kind, most) in FORMATS.into_iter().zip(bounds) {
        let back = support::reference::dequantise(&support::quantise(&values, kind), kind);
        let error = distance(&back, &values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
        println!("{}: {error:.1e}", format(kind).0);
        assert!(error <= most, "{}: {error:.2e}", format(kind).0);
    }
    assert_eq!(support::quantise(&[0.0; 256], Q4_0).len(), 8 * 18);
}
