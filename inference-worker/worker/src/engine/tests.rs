use mica_protocol::{
    messages::Payload,
    stage::{ComputeResult, Drawn, JobOutput},
};

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
        let engine = Engine::start(source.clone(), Threads::new(1), 0, sender).expect("a thread");
        assert!(engine.load(range).await.expect("loaded") >= 1);
        Self { engine, answers }
    }

    async fn compute(
        &mut self,
        first_position: u32,
        payload: Payload,
        want: JobOutput,
    ) -> ComputeResult {
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

/// Greedy tokens of one session over stages with these ranges; `opened` are the layers that the
/// caches are for.
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
            let sample =
                JobOutput::Sample { sampling, position: position + rows, logprobs: Some(3) };
            let want = if index == last { sample } else { JobOutput::Hidden };
            payload = match stage.compute(position, payload, want).await {
                ComputeResult::Hidden(bytes) => Payload::Hidden(bytes),
                ComputeResult::Sampled(Some(Drawn { id, log_probabilities: Some(likely) })) => {
                    likely.check(id, 3).expect("what any payer takes");
                    assert_eq!(
                        (likely.top[0].id, likely.top.len()),
                        (id, 3),
                        "a greedy token is the most likely one"
                    );
                    Payload::Tokens(vec![id])
                }
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
    assert!(failed(stage.compute(0, tokens(), JobOutput::Hidden).await).contains("no cache"));
    stage.engine.open(id(1), LayerRange { first: 1, end: 3 }, 8).expect("queued");
    assert!(
        failed(stage.compute(0, tokens(), JobOutput::Hidden).await).contains("no cache"),
        "layers that are not loaded"
    );
    stage.engine.open(id(1), LayerRange { first: 0, end: 2 }, 8).expect("queued");
    assert!(failed(stage.compute(5, tokens(), JobOutput::Hidden).await).contains("begins at 5"));
    assert!(
        failed(stage.compute(0, tokens(), JobOutput::Nothing).await).len() > 10,
        "not the last layers"
    );
    stage.engine.drop_cache(id(1)).expect("queued");
    stage.engine.open(id(1), LayerRange { first: 0, end: 2 }, 8).expect("queued");
    assert!(matches!(
        stage.compute(0, tokens(), JobOutput::Hidden).await,
        ComputeResult::Hidden(_)
    ));
    assert!(stage.engine.load(LayerRange { first: 0, end: 200 }).await.is_err());
}

/// The hidden rows that a session alone gets for its tokens.
async fn alone(source: &Arc<ModelSource>, range: LayerRange, tokens: &[u32]) -> Vec<u8> {
    let mut stage = Stage::start(source, range).await;
    stage.engine.open(id(1), range, 512).expect("queued");
    match stage.compute(0, Payload::Tokens(tokens.to_vec()), JobOutput::Hidden).await {
        ComputeResult::Hidden(bytes) => bytes,
        other => panic!("unexpected {other:?}"),
    }
}

fn prompt(length: u32, salt: u32) -> Vec<u32> {
    (0..length).map(|i| (i * 97 + salt) % 2048).collect()
}

#[tokio::test]
async fn sessions_that_wait_together_get_what_they_get_alone_and_short_ones_first() {
    let source = source();
    let range = LayerRange { first: 0, end: 2 };
    let mut stage = Stage::start(&source, range).await;
    // A long prompt, five short ones, one that is no prompt, and one of a session that is dropped
    // while it waits.
    let prompts: Vec<Vec<u32>> = [400, 1, 1, 7, 33, 1]
        .into_iter()
        .enumerate()
        .map(|(salt, length)| prompt(length, salt as u32))
        .collect();
    let (bad, dropped) = (prompts.len() as u8, prompts.len() as u8 + 1);
    for session in 0..=dropped {
        stage.engine.open(id(session), range, 512).expect("queued");
    }
    let job = |session: u8, tokens: Vec<u32>| ComputeJob {
        session: id(session),
        first_position: 0,
        rows: tokens.len() as u16,
        payload: Payload::Tokens(tokens),
        want: JobOutput::Hidden,
    };
    for (session, prompt) in prompts.iter().enumerate() {
        stage.engine.compute(job(session as u8, prompt.clone())).expect("queued");
    }
    stage.engine.compute(job(bad, vec![1, 9_999])).expect("queued");
    stage.engine.compute(job(dropped, prompt(300, 9))).expect("queued");
    stage.engine.drop_cache(id(dropped)).expect("queued");
    let mut order = Vec::new();
    for _ in 0..=dropped {
        let computed = stage.answers.recv().await.expect("an answer");
        let session = computed.session.0[0];
        order.push(session);
        match computed.result {
            ComputeResult::Hidden(bytes) => {
                let diagnosis = alone(&source, range, &prompts[usize::from(session)]).await;
                assert!(bytes == diagnosis, "session {session} is not what it is alone");
            }
            ComputeResult::Failed(text) if session == bad => {
                assert!(text.contains("vocabulary"), "{text}")
            }
            ComputeResult::Failed(text) if session == dropped => {
                assert!(text.contains("ended"), "{text}")
            }
            other => panic!("session {session}: {other:?}"),
        }
    }
    assert_eq!(order.last(), Some(&0), "a long prompt keeps nobody waiting: {order:?}");
    // Whoever failed can go on.
    stage.engine.compute(job(bad, vec![1])).expect("queued");
    assert!(matches!(
        stage.answers.recv().await.expect("an answer").result,
        ComputeResult::Hidden(_)
    ));
}

#[tokio::test]
async fn what_memory_holds_is_known_when_layers_are_loaded() {
    let source = source();
    let (sender, _answers) = async_mpsc::channel(1);
    let engine = Engine::start(source, Threads::new(1), 0, sender).expect("a thread");
    assert_eq!(engine.room(8), Room { sessions: 0, positions: 0 });
    engine.load(LayerRange { first: 0, end: 1 }).await.expect("loaded");
    let room = engine.room(8);
    assert!(room.sessions == 8 && room.positions > 1_000, "{room:?}");
}

/// A thread of this process.
#[cfg(target_os = "linux")]
struct Thread {
    name: String,
    nice: i32,
    /// What it has computed, in the system's ticks.
    ticks: u64,
}

/// The threads that give way so much.
#[cfg(target_os = "linux")]
fn threads(nice: u8) -> Vec<Thread> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("readable").flatten();
    let found = tasks.filter_map(|task| thread(&task.path()));
    found.filter(|thread| thread.nice == i32::from(nice)).collect()
}

#[cfg(target_os = "linux")]
fn thread(task: &std::path::Path) -> Option<Thread> {
    let read = |name: &str| std::fs::read_to_string(task.join(name)).ok();
    // Counted from behind the name in brackets, which may have blanks in it.
    let stat = read("stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Thread {
        name: read("comm")?.trim().to_owned(),
        nice: fields.get(16)?.parse().ok()?,
        ticks: number(11)? + number(12)?,
    })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn all_threads_that_compute_give_way_and_no_others() {
    // No other test uses it.
    const NICE: u8 = 7;
    let (sender, _answers) = async_mpsc::channel(1);
    let engine = Engine::start(source(), Threads::new(3), NICE, sender).expect("a thread");
    engine.load(LayerRange { first: 0, end: 1 }).await.expect("loaded");
    let names: Vec<String> = threads(NICE).into_iter().map(|thread| thread.name).collect();
    let is_engines = |name: &String| name.starts_with("mica-engine");
    assert!(names.len() == 3 && names.iter().all(is_engines), "{names:?}");
}

/// What the owner of a machine does on a core that the engine wants too is slowed down by a tenth
/// at most: this thread is the owner's program.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_wants_the_same_core_keeps_nine_tenths_of_it() {
    use std::time::{Duration, Instant};
    // As it is shipped; no other test uses it.
    let nice = crate::config::MachineConfig::default().nice;
    let this = std::path::Path::new("/proc/thread-self");
    if thread(this).expect("this thread").nice != 0 {
        eprintln!("NOT TESTED: this process gives way itself");
        return;
    }
    let link = std::fs::read_link(this).expect("a thread");
    let number = link.file_name().expect("its number").to_string_lossy().into_owned();
    let pinned = std::process::Command::new("taskset").args(["-cp", "0", &number]).output();
    if !pinned.is_ok_and(|pinned| pinned.status.success()) {
        eprintln!("NOT TESTED: there is no taskset, or core 0 is not this process's");
        return;
    }
    let range = LayerRange { first: 0, end: 8 };
    let (sender, mut answers) = async_mpsc::channel(8);
    // Its thread begins where this one is.
    let engine = Engine::start(source(), Threads::new(1), nice, sender).expect("a thread");
    engine.load(range).await.expect("loaded");
    let job = |session| ComputeJob {
        session,
        first_position: 0,
        rows: 64,
        payload: Payload::Tokens(vec![5; 64]),
        want: JobOutput::Nothing,
    };
    let begin = |number: u8| {
        engine.open(id(number), range, 64).expect("queued");
        engine.compute(job(id(number))).expect("queued");
    };
    let ticks = || {
        let engines = threads(nice).iter().map(|thread| thread.ticks).sum::<u64>();
        (thread(this).expect("this thread").ticks, engines)
    };
    let (own, engines) = ticks();
    begin(0);
    begin(1);
    // Until this thread has computed for two seconds, however busy the machine is.
    let end = Instant::now() + Duration::from_secs(120);
    let mut sum = 0_u64;
    while ticks().0 < own + 200 && Instant::now() < end {
        sum = (0..1_000_000_u64).fold(sum, |sum, n| std::hint::black_box(sum.wrapping_add(n)));
        // It never waits for us, and always has work.
        while let Ok(computed) = answers.try_recv() {
            engine.drop_cache(computed.session).expect("queued");
            begin(computed.session.0[0]);
        }
    }
    let (now_own, now_engines) = ticks();
    let (own, engines) = (now_own - own, now_engines - engines);
    let part = own as f64 / (own + engines) as f64;
    assert!(engines > 0, "the engine had work");
    assert!(part >= 0.88, "{own} ticks to {engines}: {:.1} %", 100.0 * part);
}

#[tokio::test]
async fn tokens_of_sessions_that_decode_are_timed_and_prompts_are_not() {
    let range = LayerRange { first: 0, end: 2 };
    let mut stage = Stage::start(&source(), range).await;
    stage.engine.open(id(1), range, 64).expect("queued");
    let tokens = |ids: &[u32]| Payload::Tokens(ids.to_vec());
    stage.compute(0, tokens(&PROMPT), JobOutput::Hidden).await;
    assert_eq!(stage.engine.take_observed(range), None);
    for position in 7..10 {
        stage.compute(position, tokens(&[5]), JobOutput::Hidden).await;
    }
    let seen = stage.engine.take_observed(range).expect("three tokens");
    assert!(seen.tokens == 3 && seen.us_per_layer_token > 0.0, "{seen:?}");
    assert_eq!(stage.engine.take_observed(range), None);
}

#[test]
fn sessions_that_fit_into_the_room_fit_into_the_pages() {
    for (pages, sessions) in [(0, 5), (1, 5), (3, 5), (10, 5), (11, 5), (1_000, 5), (1_000, 0)] {
        let room = room(pages, sessions);
        assert!(room.sessions <= sessions);
        // The worst that sessions can do: all but one take a single position, the last one the
        // rest.
        let positions = room.positions as usize;
        if room.sessions > 0 && positions > room.sessions {
            let worst =
                (room.sessions - 1) + (positions - room.sessions + 1).div_ceil(PAGE_POSITIONS);
            assert!(worst <= pages, "{pages} pages, {room:?}");
        }
    }
    assert_eq!(room(1_000, 10), Room { sessions: 10, positions: 990 * 64 });
}
