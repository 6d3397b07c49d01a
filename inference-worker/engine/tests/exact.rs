//! The bytes of a session do not depend on how it was cut: into steps, into layer ranges, over threads, on instruction sets.

mod support;

use mica_engine::{ForwardError, GgufFile, Input, KvCache, LayerRange, Model, Output, Threads, Want, embedded};
use mica_kernels::Isa;
use support::{F16, F32, Q4_0, Q8_0, small_llama};

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

fn range(first: u16, end: u16) -> LayerRange {
    LayerRange { first, end }
}

/// Passes `tokens` through the stages in chunks, then generates greedily; all logits' bits.
fn run(stages: &[Model], tokens: &[u32], chunk: usize, generate: usize) -> Vec<u32> {
    run_parts(&stages.iter().map(|stage| (stage, stage.range())).collect::<Vec<_>>(), tokens, chunk, generate)
}

/// The same where each stage computes only some of the layers that it holds.
fn run_parts(stages: &[(&Model, LayerRange)], tokens: &[u32], chunk: usize, generate: usize) -> Vec<u32> {
    let positions = tokens.len() + generate;
    let mut caches: Vec<KvCache> =
        stages.iter().map(|(stage, layers)| stage.new_cache_for(*layers, positions).expect("layers and context")).collect();
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
        let token = mica_kernels::reduce::argmax(logits.last().expect("logits")).expect("not empty") as u32;
        logits.extend(step(&[token], Want::LastLogits));
        all.extend(bits(logits.last().expect("logits")));
    }
    all
}

fn load(file: &GgufFile, cuts: &[u16], threads: usize, isa: Isa) -> Vec<Model> {
    cuts.windows(2).map(|cut| Model::load_for(file, range(cut[0], cut[1]), Threads::new(threads), isa).expect("loads")).collect()
}

#[test]
fn every_cut_of_a_session_gives_the_same_bytes() {
    let tokens: Vec<u32> = (0..150).map(|i| (i * 37 + 11) % 300).collect();
    for (kind, tied) in [(F32, false), (F16, true), (Q8_0, true), (Q4_0, false)] {
        let file = GgufFile::from_bytes(small_llama(kind, tied).bytes()).expect("file");
        let truth = run(&load(&file, &[0, 3], 1, Isa::scalar()), &tokens, tokens.len(), 3);
        for isa in Isa::available() {
            for threads in [1, 2, 3] {
                for cuts in [&[0, 3][..], &[0, 1, 3], &[0, 2, 3], &[0, 1, 2, 3]] {
                    let stages = load(&file, cuts, threads, isa);
                    for chunk in [1, 5, 64, tokens.len()] {
                        // One row at a time on every combination would take minutes; the two ends of the list cover it.
                        if chunk == 1 && threads == 2 {
                            continue;
                        }
                        assert!(
                            run(&stages, &tokens, chunk, 3) == truth,
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
    let tokens: Vec<u32> = (0..130).map(|i| (i * 97 + 3) % 2048).collect();
    let truth = run(&load(&file, &[0, 8], 1, Isa::scalar()), &tokens, 130, 4);
    for (cuts, threads, chunk) in
        [(&[0, 8][..], 2, 64), (&[0, 3, 8], 3, 5), (&[0, 1, 2, 3, 4, 5, 6, 7, 8], 1, 1), (&[0, 7, 8], 2, 16), (&[0, 4, 8], 1, 130)]
    {
        assert!(
            run(&load(&file, cuts, threads, Isa::best()), &tokens, chunk, 4) == truth,
            "{cuts:?}, {threads} threads, chunks of {chunk}"
        );
    }
}

#[test]
fn every_split_of_a_model_that_each_stage_holds_whole_gives_the_same_bytes() {
    let file = GgufFile::from_bytes(embedded::TINY_Q8_0).expect("embedded");
    let tokens: Vec<u32> = (0..40).map(|i| (i * 97 + 3) % 2048).collect();
    let whole = Model::load(&file, range(0, 8), Threads::new(1)).expect("loads");
    let truth = run_parts(&[(&whole, range(0, 8))], &tokens, 16, 3);
    for first in 1..8 {
        assert!(run_parts(&[(&whole, range(0, first)), (&whole, range(first, 8))], &tokens, 16, 3) == truth, "cut at {first}");
        for second in first + 1..8 {
            let parts = [(&whole, range(0, first)), (&whole, range(first, second)), (&whole, range(second, 8))];
            assert!(run_parts(&parts, &tokens, 16, 3) == truth, "cuts at {first} and {second}");
        }
    }
    let part = Model::load(&file, range(2, 5), Threads::new(1)).expect("loads");
    for (first, end) in [(1, 3), (4, 6), (3, 3), (5, 2)] {
        assert!(matches!(part.new_cache_for(range(first, end), 8), Err(ForwardError::Layers { .. })), "{first}..{end}");
    }
}

#[test]
fn a_failed_over_stage_continues_with_the_same_bytes() {
    let file = GgufFile::from_bytes(small_llama(Q8_0, false).bytes()).expect("file");
    let stages = load(&file, &[0, 1, 3], 1, Isa::best());
    let tokens: Vec<u32> = (0..40).collect();
    let mut first = stages[0].new_cache(64).expect("context");
    let Ok(Output::Hidden(history)) = stages[0].forward(&mut first, Input::Tokens(&tokens), Want::Nothing) else {
        panic!("hidden")
    };
    let last = |cache: &mut KvCache, rows: &[f32]| match stages[1].forward(cache, Input::Hidden(rows), Want::LastLogits) {
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
    let forward = |cache: &mut KvCache, input: Input<'_>| stages[0].forward(cache, input, Want::Nothing);
    assert_eq!(forward(&mut cache, Input::Tokens(&[])), Err(ForwardError::Empty));
    assert_eq!(forward(&mut cache, Input::Tokens(&[300])), Err(ForwardError::Token { token: 300, vocabulary: 300 }));
    assert!(matches!(forward(&mut cache, Input::Hidden(&[0.0; 64])), Err(ForwardError::WrongInput { .. })));
    assert!(matches!(forward(&mut cache, Input::Tokens(&[1; 5])), Err(ForwardError::CacheFull { held: 0, rows: 5, limit: 4 })));
    assert_eq!(cache.len(), 0);
    assert!(forward(&mut cache, Input::Tokens(&[1; 4])).is_ok());
    assert!(matches!(forward(&mut cache, Input::Tokens(&[1])), Err(ForwardError::CacheFull { held: 4, .. })));
    assert_eq!(cache.len(), 4);
    assert_eq!(stages[1].forward(&mut cache, Input::Hidden(&[0.0; 64]), Want::Nothing), Err(ForwardError::ForeignCache));
    assert!(matches!(stages[1].new_cache(257), Err(ForwardError::Context { wanted: 257, limit: 256 })));

    let mut cache = stages[1].new_cache(4).expect("context");
    let forward = |cache: &mut KvCache, rows: &[f32]| stages[1].forward(cache, Input::Hidden(rows), Want::LastLogits);
    assert!(matches!(forward(&mut cache, &[0.0; 65]), Err(ForwardError::RaggedRows { .. })));
    assert!(matches!(forward(&mut cache, &[f32::NAN; 64]), Err(ForwardError::NotFinite { .. })));
    assert_eq!(cache.len(), 0);
    assert!(matches!(stages[1].forward(&mut cache, Input::Tokens(&[1]), Want::Nothing), Err(ForwardError::WrongInput { .. })));

    let mut damaged = small_llama(Q8_0, false);
    let query = damaged.tensors.iter_mut().find(|tensor| tensor.name == "blk.1.attn_q.weight").expect("tensor");
    query.bytes[..2].copy_from_slice(&0x7e00u16.to_le_bytes());
    let file = GgufFile::from_bytes(damaged.bytes()).expect("file");
    let stage = Model::load(&file, range(1, 3), Threads::new(1)).expect("loads");
    let mut cache = stage.new_cache(4).expect("context");
    let outcome = stage.forward(&mut cache, Input::Hidden(&[1.0; 64]), Want::Nothing);
    assert!(matches!(outcome, Err(ForwardError::NotFinite { .. })), "a weight that is a NaN is seen: {outcome:?}");
    assert_eq!(cache.len(), 0);
}
