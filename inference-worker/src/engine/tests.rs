use super::*;

const PROMPT: [u32; 7] = [1, 300, 17, 42, 900, 5, 77];
const NEW_TOKENS: u32 = 12;

fn id(byte: u8) -> SessionId {
    SessionId([byte; 32])
}

fn source() -> Arc<ModelSource> {
    Arc::new(ModelSource::open(None).expect("the built-in model"))
}

struct Stage {
    engine: Engine,
    answers: async_mpsc::Receiver<Computed>,
}

impl Stage {
    async fn start(source: &Arc<ModelSource>, range: LayerRange) -> Self {
        let (sender, answers) = async_mpsc::channel(8);
        let engine = Engine::start(source.clone(), Threads::new(1), sender).expect("a thread");
        assert!(engine.load(range).await.expect("loaded") >= 1);
        Self { engine, answers }
    }

    async fn compute(&mut self, first_position: u32, payload: Payload, want: Want) -> ComputeResult {
        let rows = match &payload {
            Payload::Tokens(tokens) => tokens.len() as u16,
            Payload::Hidden(_) => 0,
        };
        let job = ComputeJob { session: id(1), first_position, rows, payload, want };
        self.engine.compute(job).expect("queued");
        let computed = self.answers.recv().await.expect("an answer");
        assert_eq!((computed.session, computed.first_position), (id(1), first_position));
        computed.result
    }
}

/// Greedy tokens of one session over stages with these ranges; `opened` are the layers that the caches are for.
async fn tokens(stages: &[(LayerRange, LayerRange)]) -> Vec<u32> {
    let source = source();
    let mut running = Vec::new();
    for (loaded, opened) in stages {
        let stage = Stage::start(&source, *loaded).await;
        stage.engine.open(id(1), *opened, 64).expect("queued");
        running.push(stage);
    }
    let (mut position, mut step, mut all) = (0, PROMPT.to_vec(), Vec::new());
    for _ in 0..NEW_TOKENS {
        let rows = step.len() as u32;
        let mut payload = Payload::Tokens(step);
        let last = running.len() - 1;
        for (index, stage) in running.iter_mut().enumerate() {
            let sampling = Sampling::new(0.0, 0, 1.0, 0);
            let want = if index == last { Want::Sample { sampling, position: position + rows } } else { Want::Hidden };
            payload = match stage.compute(position, payload, want).await {
                ComputeResult::Hidden(bytes) => Payload::Hidden(bytes),
                ComputeResult::Sampled(Some(token)) => Payload::Tokens(vec![token]),
                other => panic!("unexpected {other:?}"),
            };
        }
        position += rows;
        let Payload::Tokens(token) = payload else { panic!("no token") };
        all.extend(&token);
        step = token;
    }
    all
}

#[tokio::test]
async fn any_split_and_any_part_gives_the_same_tokens() {
    let range = |first, end| LayerRange { first, end };
    let layers = source().manifest.layers;
    let whole = tokens(&[(range(0, layers), range(0, layers))]).await;
    assert_eq!(whole.len(), NEW_TOKENS as usize);
    let split = tokens(&[(range(0, 3), range(0, 3)), (range(3, layers), range(3, layers))]).await;
    assert_eq!(split, whole);
    let parts = tokens(&[(range(0, 4), range(0, 2)), (range(1, layers), range(2, layers))]).await;
    assert_eq!(parts, whole, "sessions that need only a part of what a worker has loaded");
}

#[tokio::test]
async fn what_cannot_be_computed_fails_the_job_and_nothing_else() {
    let source = source();
    let mut stage = Stage::start(&source, LayerRange { first: 0, end: 2 }).await;
    let tokens = || Payload::Tokens(vec![1]);
    let failed = |result: ComputeResult| match result {
        ComputeResult::Failed(text) => text,
        other => panic!("expected a failure, got {other:?}"),
    };
    assert!(failed(stage.compute(0, tokens(), Want::Hidden).await).contains("no cache"));
    stage.engine.open(id(1), LayerRange { first: 1, end: 3 }, 8).expect("queued");
    assert!(failed(stage.compute(0, tokens(), Want::Hidden).await).contains("no cache"), "layers that are not loaded");
    stage.engine.open(id(1), LayerRange { first: 0, end: 2 }, 8).expect("queued");
    assert!(failed(stage.compute(5, tokens(), Want::Hidden).await).contains("begins at 5"));
    assert!(failed(stage.compute(0, tokens(), Want::Nothing).await).len() > 10, "not the last layers");
    stage.engine.drop_cache(id(1)).expect("queued");
    stage.engine.open(id(1), LayerRange { first: 0, end: 2 }, 8).expect("queued");
    assert!(matches!(stage.compute(0, tokens(), Want::Hidden).await, ComputeResult::Hidden(_)));
    assert!(stage.engine.load(LayerRange { first: 0, end: 200 }).await.is_err());
}
