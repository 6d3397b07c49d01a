//! The bytes of a session do not depend on how it was cut: into steps, into layer ranges, over
//! threads, on instruction sets, nor on the sessions that are computed with it. Small in
//! computation, so that an emulator of another CPU can run all of it.

mod support;

use mica_engine::{
    ForwardError, GgufFile, Input, KvCache, LayerRange, LoadError, Model, Output, Threads, Want,
    embedded,
};
use mica_kernels::Isa;
use support::{
    F16, F32, Q4_0, Q8_0,
    blocks::FORMATS,
    shapes::{Shape, architectures},
    small_llama,
};

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn range(first: u16, end: u16) -> LayerRange {
    LayerRange { first, end }
}

/// Passes `tokens` through the stages in chunks, then generates greedily; all logits' bits.
fn run(stages: &[Model], tokens: &[u32], chunk: usize, generate: usize) -> Vec<u32> {
    run_parts(
        &stages.iter().map(|stage| (stage, stage.range())).collect::<Vec<_>>(),
        tokens,
        chunk,
        generate,
    )
}

/// The same where each stage computes only some of the layers that it holds.
fn run_parts(
    stages: &[(&Model, LayerRange)],
    tokens: &[u32],
    chunk: usize,
    generate: usize,
) -> Vec<u32> {
    let positions = tokens.len() + generate;
    let mut caches: Vec<KvCache> = stages
        .iter()
        .map(|(stage, layers)| stage.new_cache_for(*layers, positions).expect("layers and context"))
        .collect();
    let mut step = |tokens: &[u32], want: Want| {
        let mut hidden: Option<Vec<f32>> = None;
        for ((stage, _), cache) in stages.iter().zip(&mut caches) {
            let input = hidden.as_deref().map_or(Input::Tokens(tokens), Input::Hidden);
            match stage.forward(cache, input, want).expect("forward") {
                Output::Hidden(rows) => hidden = Some(rows),
                Output::Logits(logits) => return Some(logits),
                Output::Nothing => return None,
            }
        }
        panic!("the last stage gives no logits")
    };
    let mut logits = Vec::new();
    let chunks: Vec<&[u32]> = tokens.chunks(chunk).collect();
    for (index, chunk) in chunks.iter().enumerate() {
        let want = if index + 1 == chunks.len() { Want::LastLogits } else { Want::Nothing };
        logits.extend(step(chunk, want));
    }
    let mut all = bits(&logits[0]);
    for _ in 0..generate {
        let token =
            mica_kernels::reduce::argmax(logits.last().expect("logits")).expect("not empty") as u32;
        logits.extend(step(&[token], Want::LastLogits));
        all.extend(bits(logits.last().expect("logits")));
    }
    all
}

fn load(file: &GgufFile, cuts: &[u16], threads: usize, isa: Isa) -> Vec<Model> {
    cuts.windows(2)
        .map(|cut| {
            Model::load_for(file, range(cut[0], cut[1]), Threads::new(threads), isa).expect("loads")
        })
        .collect()
}

#[test]
fn every_cut_of_a_session_gives_the_same_bytes() {
    // Beyond the first tile of attention, which ends at 64.
    let tokens: Vec<u32> = (0..70).map(|i| (i * 37 + 11) % 300).collect();
    for (kind, tied) in [(F32, false), (F16, true), (Q8_0, true), (Q4_0, false)] {
        let file = GgufFile::from_bytes(small_llama(kind, tied).bytes()).expect("file");
        let truth = run(&load(&file, &[0, 3], 1, Isa::scalar()), &tokens, tokens.len(), 2);
        for isa in Isa::available() {
            for threads in [1, 2, 3] {
                for cuts in [&[0, 3][..], &[0, 1, 3], &[0, 2, 3], &[0, 1, 2, 3]] {
                    let stages = load(&file, cuts, threads, isa);
                    for chunk in [1, 5, 64, tokens.len()] {
                        assert!(
                            run(&stages, &tokens, chunk, 2) == truth,
                            "type {kind}, {}, {threads} threads, cuts {cuts:?}, chunks of {chunk}",
                            isa.name()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_embedded_model_gives_the_same_bytes_however_it_is_cut() {
    let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
    let tokens: Vec<u32> = (0..70).map(|i| (i * 97 + 3) % 2048).collect();
    let truth = run(&load(&file, &[0, 8], 1, Isa::scalar()), &tokens, 70, 2);
    for (cuts, threads, chunk) in [
        (&[0, 8][..], 2, 64),
        (&[0, 3, 8], 3, 5),
        (&[0, 1, 2, 3, 4, 5, 6, 7, 8], 1, 1),
        (&[0, 7, 8], 2, 16),
        (&[0, 4, 8], 1, 70),
    ] {
        assert!(
            run(&load(&file, cuts, threads, Isa::best()), &tokens, chunk, 2) == truth,
            "{cuts:?}, {threads} threads, chunks of {chunk}"
        );
    }
}

/// How many formats are mixed: first those that came with the first version of the kernels, so that
/// their hashes never change, then all.
const MIXTURES: [usize; 2] = [11, FORMATS.len()];

/// Hashes of the logits of a small model of every architecture, formats mixed as [`MIXTURES`] says:
/// the same on every CPU.
const HASHES: [(&str, [&str; 2]); 9] = [
    ("llama", ["0296c44d29100d59", "fb1591bbbc1b9690"]),
    ("qwen2", ["05b2172b80459a43", "2f922c633be0312a"]),
    ("qwen3", ["f4066782a0d10e39", "597076127e0c4c17"]),
    ("granite", ["82fcab347145ce25", "072895432d5fcf71"]),
    ("granitemoe", ["028e0a7a0927b013", "c329141080b77692"]),
    ("qwen3moe", ["06bad8c8d071a9d0", "a1332f9f892ebbf2"]),
    ("gemma3", ["0591b983f2d310c0", "3665abcf79183563"]),
    ("phi3", ["69a36cbeac1e64cc", "10e17b47caf53838"]),
    ("gpt-oss", ["81162bd8e99baca2", "f02a8f4199067ee2"]),
];

#[test]
fn every_architecture_in_every_format_gives_the_same_bytes_however_it_is_cut() {
    let mut found_hashes = Vec::new();
    for (salt, architecture) in architectures().enumerate() {
        let hashes = MIXTURES.map(|formats| mixed_hash(architecture, salt, formats));
        found_hashes.push((architecture, hashes));
    }
    assert_eq!(
        found_hashes,
        HASHES.map(|(architecture, hashes)| (architecture, hashes.map(str::to_owned))),
        "a new architecture (left) needs its hashes here"
    );
}

/// The hash of the logits of a model whose matrices have the first `formats` formats, after they
/// were found to be the same on every way.
fn mixed_hash(architecture: &'static str, salt: usize, formats: usize) -> String {
    let tokens: Vec<u32> = (0..9).map(|i| (i * 37 + 11) % 320).collect();
    // Every matrix has another format, as in files of mixed ones; over the architectures every
    // matrix has several.
    let kind =
        |name: &str| FORMATS[(name.bytes().map(usize::from).sum::<usize>() + 3 * salt) % formats];
    let mut shape = Shape::small(architecture);
    shape.rope_factors = architecture == "llama";
    shape.portable = true;
    let file = GgufFile::from_bytes(shape.write(salt as u64, kind).bytes()).expect("file");
    let truth = run(&load(&file, &[0, 2], 1, Isa::scalar()), &tokens, tokens.len(), 2);
    for isa in Isa::available() {
        for (cuts, threads, chunk) in [(&[0, 2][..], 2, 1), (&[0, 1, 2], 3, 5), (&[0, 2], 1, 9)] {
            let found = run(&load(&file, cuts, threads, isa), &tokens, chunk, 2);
            assert!(
                found == truth,
                "{architecture}, {}, {threads} threads, cuts {cuts:?}, chunks of {chunk}",
                isa.name()
            );
        }
    }
    let bytes: Vec<u8> = truth.iter().flat_map(|bits| bits.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex()[..16].to_owned()
}

#[test]
fn every_split_of_a_model_that_each_stage_holds_whole_gives_the_same_bytes() {
    let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
    let tokens: Vec<u32> = (0..20).map(|i| (i * 97 + 3) % 2048).collect();
    let whole = Model::load(&file, range(0, 8), Threads::new(1)).expect("loads");
    let truth = run_parts(&[(&whole, range(0, 8))], &tokens, 16, 1);
    for first in 1..8 {
        assert!(
            run_parts(&[(&whole, range(0, first)), (&whole, range(first, 8))], &tokens, 16, 1)
                == truth,
            "cut at {first}"
        );
        for second in first + 1..8 {
            let parts = [
                (&whole, range(0, first)),
                (&whole, range(first, second)),
                (&whole, range(second, 8)),
            ];
            assert!(run_parts(&parts, &tokens, 16, 1) == truth, "cuts at {first} and {second}");
        }
    }
    let part = Model::load(&file, range(2, 5), Threads::new(1)).expect("loads");
    for (first, end) in [(1, 3), (4, 6), (3, 3), (5, 2)] {
        assert!(
            matches!(part.new_cache_for(range(first, end), 8), Err(ForwardError::Layers { .. })),
            "{first}..{end}"
        );
    }
}

#[test]
fn a_failed_over_stage_continues_with_the_same_bytes() {
    let file = GgufFile::from_bytes(small_llama(Q8_0, false).bytes()).expect("file");
    let stages = load(&file, &[0, 1, 3], 1, Isa::best());
    let tokens: Vec<u32> = (0..40).collect();
    let mut first = stages[0].new_cache(64).expect("context");
    let Ok(Output::Hidden(history)) =
        stages[0].forward(&mut first, Input::Tokens(&tokens), Want::Nothing)
    else {
        panic!("hidden")
    };
    let last = |cache: &mut KvCache, rows: &[f32]| match stages[1].forward(
        cache,
        Input::Hidden(rows),
        Want::LastLogits,
    ) {
        Ok(Output::Logits(logits)) => bits(&logits),
        other => panic!("{other:?}"),
    };
    let mut steady = stages[1].new_cache(64).expect("context");
    let mut rows = history.chunks_exact(64);
    let mut truth = Vec::new();
    for row in rows.by_ref() {
        truth = last(&mut steady, row);
    }
    let mut replacement = stages[1].new_cache(64).expect("context");
    assert_eq!(last(&mut replacement, &history), truth, "a replay in one step");
    replacement.truncate(25);
    assert_eq!(last(&mut replacement, &history[25 * 64..]), truth, "a replay from position 25");
}

#[test]
fn wrong_steps_are_refused_and_leave_the_cache_as_it_was() {
    let file = GgufFile::from_bytes(small_llama(Q8_0, false).bytes()).expect("file");
    let stages = load(&file, &[0, 1, 3], 1, Isa::best());
    let mut cache = stages[0].new_cache(4).expect("context");
    let forward =
        |cache: &mut KvCache, input: Input<'_>| stages[0].forward(cache, input, Want::Nothing);
    assert_eq!(forward(&mut cache, Input::Tokens(&[])), Err(ForwardError::Empty));
    assert_eq!(
        forward(&mut cache, Input::Tokens(&[300])),
        Err(ForwardError::Token { token: 300, vocabulary: 300 })
    );
    assert!(matches!(
        forward(&mut cache, Input::Hidden(&[0.0; 64])),
        Err(ForwardError::WrongInput { .. })
    ));
    assert!(matches!(
        forward(&mut cache, Input::Tokens(&[1; 5])),
        Err(ForwardError::CacheFull { held: 0, rows: 5, limit: 4 })
    ));
    assert_eq!(cache.len(), 0);
    assert!(forward(&mut cache, Input::Tokens(&[1; 4])).is_ok());
    assert!(matches!(
        forward(&mut cache, Input::Tokens(&[1])),
        Err(ForwardError::CacheFull { held: 4, .. })
    ));
    assert_eq!(cache.len(), 4);
    assert_eq!(
        stages[1].forward(&mut cache, Input::Hidden(&[0.0; 64]), Want::Nothing),
        Err(ForwardError::ForeignCache)
    );
    assert!(matches!(
        stages[1].new_cache(257),
        Err(ForwardError::Context { wanted: 257, limit: 256 })
    ));

    let mut cache = stages[1].new_cache(4).expect("context");
    let forward = |cache: &mut KvCache, rows: &[f32]| {
        stages[1].forward(cache, Input::Hidden(rows), Want::LastLogits)
    };
    assert!(matches!(forward(&mut cache, &[0.0; 65]), Err(ForwardError::RaggedRows { .. })));
    assert!(matches!(forward(&mut cache, &[f32::NAN; 64]), Err(ForwardError::NotFinite { .. })));
    assert_eq!(cache.len(), 0);
    assert!(matches!(
        stages[1].forward(&mut cache, Input::Tokens(&[1]), Want::Nothing),
        Err(ForwardError::WrongInput { .. })
    ));
}

#[test]
fn a_weight_that_is_no_number_is_an_error_with_its_tensors_name() {
    for (name, at, bad) in [
        ("blk.1.attn_q.weight", 0, 0x7e00u16),
        ("blk.2.ffn_down.weight", 34, 0xfc00),
        ("token_embd.weight", 34 * 7, 0x7c00),
    ] {
        let mut damaged = small_llama(Q8_0, false);
        let tensor = damaged.tensors.iter_mut().find(|tensor| tensor.name == name).expect("tensor");
        tensor.bytes[at..at + 2].copy_from_slice(&bad.to_le_bytes());
        let file = GgufFile::from_bytes(damaged.bytes()).expect("file");
        let outcome = Model::load(&file, range(0, 3), Threads::new(2)).err();
        assert!(
            matches!(&outcome, Some(LoadError::NotFinite { name: found }) if found == name),
            "{name}: {outcome:?}"
        );
    }
    let mut damaged = small_llama(F32, false);
    let norm = damaged
        .tensors
        .iter_mut()
        .find(|tensor| tensor.name == "blk.1.ffn_norm.weight")
        .expect("tensor");
    norm.bytes[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    let file = GgufFile::from_bytes(damaged.bytes()).expect("file");
    assert!(matches!(
        Model::load(&file, range(1, 2), Threads::new(1)).err(),
        Some(LoadError::NotFinite { .. })
    ));
    assert!(
        Model::load(&file, range(2, 3), Threads::new(1)).is_ok(),
        "of other layers nothing is read"
    );
}

/// The first 8 bytes of a hash over values, as they go over the wire.
fn hash(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex()[..16].to_owned()
}

/// What leaves each layer of Mica Tiny for 70 tokens; of the last one the logits. The same on every
/// CPU and for ever, or else the kernels' version has to change.
const GOLDEN: [(&str, [&str; 8]); 3] = [
    (
        "f32",
        [
            "62ef3515a286d0bf",
            "615fce9aefe698b1",
            "09cf6335a97395cb",
            "7644b0a75aadff88",
            "66a607dbef328c42",
            "b8f00ed43dec5bf0",
            "369dadfacd90d378",
            "c52b5d58d1470c93",
        ],
    ),
    (
        "q8_0",
        [
            "05c95899d79fbd8e",
            "0be4c0abe0e65fc1",
            "951420268a39edb0",
            "c264c189754e796b",
            "0d284898626b102f",
            "6be464a738f84189",
            "5333d4ea8fed6011",
            "49f4eb5aec9644f0",
        ],
    ),
    (
        "q4_0",
        [
            "e95a89562cda5e93",
            "342f2afb8bd02a73",
            "7ae317a092ce7a6a",
            "b3bee4c5ac9a5cc4",
            "7f7b34002281d31d",
            "5240e398be0c6b52",
            "bb533b78b9869d7a",
            "d4c8d9d5bd31c3fd",
        ],
    ),
];

#[test]
fn what_leaves_every_layer_has_the_stored_hash() {
    let tokens: Vec<u32> = (0..70).map(|i| (i * 97 + 3) % 2048).collect();
    for (name, golden) in GOLDEN {
        let path = format!("{}/models/mica-tiny-{name}.gguf", env!("CARGO_MANIFEST_DIR"));
        let file = GgufFile::open(path).expect("model");
        for isa in Isa::available() {
            let mut hidden: Vec<f32> = Vec::new();
            for (layer, golden) in golden.iter().enumerate() {
                let layers = range(layer as u16, layer as u16 + 1);
                let stage = Model::load_for(&file, layers, Threads::new(2), isa).expect("loads");
                let mut cache = stage.new_cache(70).expect("room");
                let input =
                    if layer == 0 { Input::Tokens(&tokens) } else { Input::Hidden(&hidden) };
                match stage.forward(&mut cache, input, Want::LastLogits).expect("computed") {
                    Output::Hidden(rows) => hidden = rows,
                    Output::Logits(logits) => hidden = logits,
                    Output::Nothing => panic!("logits were wanted"),
                }
                assert_eq!(hash(&hidden), *golden, "{name}, layer {layer}, {}", isa.name());
            }
        }
    }
}
