//! Sessions that share a model: the bytes of each are those that it has alone, whoever else is
//! computed with it, whatever happens to the others, and whatever pages its keys and values come to
//! lie in. Small in computation, so that an emulator can run all of it.

mod support;

use mica_engine::{
    BatchItem, ForwardError, GgufFile, Input, KvCache, LayerRange, Model, Output, Threads, Want,
};
use mica_kernels::Isa;
use support::{F32, HIDDEN, Q4_0, Q8_0, small_llama};

const HIDDEN_SIZE: usize = HIDDEN as usize;

fn range(first: u16, end: u16) -> LayerRange {
    LayerRange { first, end }
}

fn bits(output: &Output) -> Vec<u32> {
    match output {
        Output::Hidden(values) | Output::Logits(values) => {
            values.iter().map(|x| x.to_bits()).collect()
        }
        Output::Nothing => Vec::new(),
    }
}

fn small(kind: u32) -> GgufFile {
    GgufFile::from_bytes(small_llama(kind, false).bytes()).expect("file")
}

fn model(kind: u32, layers: LayerRange, threads: usize) -> Model {
    Model::load(&small(kind), layers, Threads::new(threads)).expect("loads")
}

fn tokens(count: usize, salt: u32) -> Vec<u32> {
    (0..count as u32).map(|i| (i * 37 + salt * 53 + 11) % 300).collect()
}

/// What a session does: its tokens and how many of them each step takes.
struct Script {
    tokens: Vec<u32>,
    steps: Vec<usize>,
}

/// Sessions of all kinds: long prompts in one step, decoding ones, chunks that cross the ends of
/// pages and pieces.
fn scripts(count: usize) -> Vec<Script> {
    let steps: [&[usize]; 7] =
        [&[1; 6], &[66, 1, 1, 1], &[3, 1, 1], &[60, 8, 1], &[1; 4], &[20, 20, 20, 20], &[5, 135]];
    let script = |(salt, steps): (usize, &&[usize])| Script {
        tokens: tokens(steps.iter().sum(), salt as u32),
        steps: steps.to_vec(),
    };
    steps.iter().take(count).enumerate().map(script).collect()
}

fn inputs(script: &Script) -> impl Iterator<Item = &[u32]> {
    script.steps.iter().scan(0, |at, &rows| {
        *at += rows;
        Some(&script.tokens[*at - rows..*at])
    })
}

/// The outputs of a session alone, step by step.
fn alone(model: &Model, script: &Script) -> Vec<Vec<u32>> {
    let mut cache = model.new_cache(script.tokens.len()).expect("room");
    let step = |input| {
        model.forward(&mut cache, Input::Tokens(input), Want::LastLogits).expect("computed")
    };
    inputs(script).map(step).map(|output| bits(&output)).collect()
}

/// The outputs of sessions that are computed together; session `i` begins `i` rounds late, so that
/// they are at different positions.
fn together(model: &Model, scripts: &[Script]) -> Vec<Vec<Vec<u32>>> {
    let mut caches: Vec<KvCache> =
        scripts.iter().map(|script| model.new_cache(script.tokens.len()).expect("room")).collect();
    let mut waiting: Vec<_> = scripts.iter().map(|script| inputs(script).peekable()).collect();
    let mut outputs = vec![Vec::new(); scripts.len()];
    for round in 0.. {
        let (mut items, mut sessions) = (Vec::new(), Vec::new());
        for (session, (cache, waiting)) in caches.iter_mut().zip(&mut waiting).enumerate() {
            if let Some(input) = waiting.next_if(|_| session <= round) {
                items.push(BatchItem {
                    cache,
                    input: Input::Tokens(input),
                    want: Want::LastLogits,
                });
                sessions.push(session);
            }
        }
        if items.is_empty() && round > scripts.len() {
            return outputs;
        }
        for (session, outcome) in sessions.into_iter().zip(model.forward_batch(&mut items)) {
            outputs[session].push(bits(&outcome.expect("computed")));
        }
    }
    outputs
}

#[test]
fn strangers_in_a_batch_change_nothing() {
    for kind in [F32, Q8_0, Q4_0] {
        let file = small(kind);
        for layers in [range(0, 3), range(0, 2)] {
            let truth_model =
                Model::load_for(&file, layers, Threads::new(1), Isa::scalar()).expect("loads");
            let truth: Vec<_> =
                scripts(7).iter().map(|script| alone(&truth_model, script)).collect();
            for isa in Isa::available() {
                for threads in [1, 3] {
                    let model =
                        Model::load_for(&file, layers, Threads::new(threads), isa).expect("loads");
                    for count in [1, 2, 7] {
                        let found = together(&model, &scripts(count));
                        assert!(
                            found == truth[..count],
                            "type {kind}, layers {layers}, {}, {threads} threads, {count}",
                            isa.name()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_logits_of_every_row_are_those_of_its_own_step() {
    let model = model(Q8_0, range(0, 3), 2);
    // Longer than what is computed at once, beside another session that wants its last row only.
    let (first, second) = (tokens(150, 1), tokens(70, 2));
    let stepped = |tokens: &[u32]| {
        let script = Script { tokens: tokens.to_vec(), steps: vec![1; tokens.len()] };
        alone(&model, &script)
    };
    let mut caches = [150, 70].map(|length| model.new_cache(length).expect("room"));
    let [first_cache, second_cache] = &mut caches;
    let mut items = [
        BatchItem { cache: first_cache, input: Input::Tokens(&first), want: Want::EveryLogits },
        BatchItem { cache: second_cache, input: Input::Tokens(&second), want: Want::LastLogits },
    ];
    let found: Vec<Vec<u32>> = model
        .forward_batch(&mut items)
        .into_iter()
        .map(|outcome| bits(&outcome.expect("computed")))
        .collect();
    assert!(found[0] == stepped(&first).concat());
    assert!(Some(&found[1]) == stepped(&second).last());
}

#[test]
fn one_that_fails_fails_alone() {
    let later = model(Q8_0, range(1, 3), 2);
    let rows: Vec<f32> = (0..6 * HIDDEN_SIZE).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let mut damaged = rows.clone();
    damaged[5 * HIDDEN_SIZE + 3] = f32::NAN;
    let mut lonely = later.new_cache(6).expect("room");
    let truth =
        later.forward(&mut lonely, Input::Hidden(&rows), Want::LastLogits).expect("computed");

    let limits = [6, 6, 3, 6, 6, 6];
    let mut caches: Vec<KvCache> =
        limits.iter().map(|&limit| later.new_cache(limit).expect("room")).collect();
    let inputs = [
        Input::Hidden(&rows),
        Input::Hidden(&damaged),
        Input::Hidden(&rows),
        Input::Tokens(&[1, 2]),
        Input::Hidden(&rows[1..]),
        Input::Hidden(&rows),
    ];
    let step = |caches: &mut [KvCache]| {
        let mut items: Vec<_> = caches
            .iter_mut()
            .zip(inputs)
            .map(|(cache, input)| BatchItem { cache, input, want: Want::LastLogits })
            .collect();
        later.forward_batch(&mut items)
    };
    let outcomes = step(&mut caches);
    assert!(matches!(outcomes[1], Err(ForwardError::NotFinite { .. })), "{:?}", outcomes[1]);
    assert!(matches!(outcomes[2], Err(ForwardError::CacheFull { held: 0, rows: 6, limit: 3 })));
    assert!(matches!(outcomes[3], Err(ForwardError::WrongInput { .. })));
    assert!(matches!(outcomes[4], Err(ForwardError::RaggedRows { .. })), "{:?}", outcomes[4]);
    for good in [0, 5] {
        assert!(
            outcomes[good].as_ref().is_ok_and(|output| bits(output) == bits(&truth)),
            "session {good}"
        );
    }
    assert_eq!(caches.iter().map(KvCache::len).collect::<Vec<_>>(), [6, 0, 0, 0, 0, 6]);
    // The ones that failed go on as if nothing had been.
    for failed in [1, 3, 4] {
        let again = later
            .forward(&mut caches[failed], Input::Hidden(&rows), Want::LastLogits)
            .expect("computed");
        assert_eq!(bits(&again), bits(&truth), "session {failed}");
    }
    assert!(later.forward_batch(&mut []).is_empty());
    let mut foreign = model(Q8_0, range(1, 3), 1).new_cache(6).expect("room");
    assert_eq!(
        later.forward(&mut foreign, Input::Hidden(&rows), Want::Nothing),
        Err(ForwardError::ForeignCache)
    );
}

#[test]
fn sessions_of_different_layers_pass_one_batch() {
    let whole = model(Q4_0, range(0, 3), 2);
    let tokens = tokens(9, 1);
    let cache = |layers| whole.new_cache_for(layers, 9).expect("room");
    let mut first = cache(range(0, 2));
    let hidden =
        whole.forward(&mut first, Input::Tokens(&tokens), Want::Nothing).expect("computed");
    let Output::Hidden(rows) = &hidden else { panic!("{hidden:?}") };
    let mut last = cache(range(2, 3));
    let logits = whole.forward(&mut last, Input::Hidden(rows), Want::LastLogits).expect("computed");

    let mut caches = [range(2, 3), range(0, 2), range(0, 3), range(0, 2), range(2, 3)].map(cache);
    let inputs = [
        Input::Hidden(rows),
        Input::Tokens(&tokens),
        Input::Tokens(&tokens),
        Input::Tokens(&tokens),
        Input::Hidden(rows),
    ];
    let mut items: Vec<_> = caches
        .iter_mut()
        .zip(inputs)
        .map(|(cache, input)| BatchItem { cache, input, want: Want::LastLogits })
        .collect();
    let outputs: Vec<Output> = whole
        .forward_batch(&mut items)
        .into_iter()
        .map(|outcome| outcome.expect("computed"))
        .collect();
    let expected = [&logits, &hidden, &logits, &hidden, &logits];
    for (session, (found, expected)) in outputs.iter().zip(expected).enumerate() {
        assert_eq!(bits(found), bits(expected), "session {session}");
    }
}

#[test]
fn a_session_cut_back_repeats_its_bytes() {
    let model = model(Q8_0, range(0, 3), 2);
    let tokens = tokens(70, 2);
    let mut cache = model.new_cache(72).expect("room");
    let step = |cache: &mut KvCache, input: &[u32]| {
        bits(&model.forward(cache, Input::Tokens(input), Want::LastLogits).expect("computed"))
    };
    let truth = step(&mut cache, &tokens);
    let full = cache.bytes();
    for len in [69, 65, 64, 63, 1, 0] {
        cache.truncate(len);
        assert_eq!((cache.len(), cache.is_empty()), (len, len == 0));
        assert_eq!(cache.bytes(), full / 2 * len.div_ceil(64), "whole pages");
        cache.truncate(70);
        assert_eq!(cache.len(), len, "a cache does not grow by that");
        // Something else in between, cut back again.
        step(&mut cache, &[7, 8]);
        cache.truncate(len);
        assert_eq!(step(&mut cache, &tokens[len..]), truth, "from position {len}");
    }
}

#[test]
fn a_full_pool_refuses_and_loses_nothing() {
    let model = model(Q4_0, range(0, 3), 2);
    let pool = model.kv_pool();
    let page = pool.page_bytes();
    assert_eq!(page, 64 * model.cache_bytes_per_position() / 3);
    assert_eq!(model.cache_bytes(range(0, 3), 65), 6 * page);
    let script = Script { tokens: tokens(100, 3), steps: vec![50, 30, 20] };
    let truth = alone(&model, &script);

    pool.set_budget_bytes(10 * page);
    assert_eq!((pool.budget_bytes(), pool.free_bytes()), (10 * page, 10 * page));
    let mut cache = model.new_cache(100).expect("room");
    let mut small = model.new_cache_for(range(0, 1), 64).expect("room");
    assert_eq!(pool.reserved_bytes(), 7 * page);
    assert_eq!((cache.bytes(), small.bytes()), (0, 0), "memory is taken when it is used");
    let refused = |positions: usize, wanted: usize| {
        let error = model.new_cache(positions).err();
        assert_eq!(
            error,
            Some(ForwardError::CacheBudget {
                wanted: wanted * page,
                free: 3 * page,
                budget: 10 * page
            })
        );
    };
    refused(65, 6);
    let mut found = Vec::new();
    for (step, input) in inputs(&script).enumerate() {
        if step == 1 {
            model
                .forward(&mut small, Input::Tokens(&tokens(64, 9)), Want::Nothing)
                .expect("computed");
            refused(256, 12);
        }
        found.push(bits(
            &model.forward(&mut cache, Input::Tokens(input), Want::LastLogits).expect("computed"),
        ));
    }
    assert!(found == truth, "a session that is there is not touched by those that are refused");
    assert_eq!((cache.bytes(), pool.reserved_bytes()), (6 * page, 7 * page));

    cache.truncate(10);
    assert_eq!(
        (cache.bytes(), pool.reserved_bytes()),
        (3 * page, 7 * page),
        "its pages are kept for it"
    );
    drop(cache);
    assert_eq!(pool.free_bytes(), 9 * page);
    // On pages with other sessions' remains.
    assert!(alone(&model, &script) == truth);
    drop(small);
    assert_eq!(pool.reserved_bytes(), 0);
    pool.set_budget_bytes(0);
    assert!(matches!(model.new_cache(1), Err(ForwardError::CacheBudget { free: 0, .. })));
}
