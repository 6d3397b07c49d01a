//! A small fuzzer for the ordinary compiler: it mutates a corpus and keeps what leads to an outcome
//! not seen before. The same seed gives the same inputs, as long as time lasts.

use std::{
    collections::BTreeSet,
    fs, io,
    panic::catch_unwind,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    Target,
    mutate::{Chance, mutate},
};

/// Inputs kept beside the corpus.
const MAX_KEPT: usize = 4_096;
/// An input that takes longer than this hangs.
const HANGS: Duration = Duration::from_secs(20);

/// What a run of the driver came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tried {
    /// Inputs given to the target.
    pub inputs: u64,
    /// Different outcomes.
    pub outcomes: usize,
}

/// An input on which a target panicked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crash {
    /// Which target.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
}

impl Crash {
    /// Writes the input to a file in `folder` and says how to run it again.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn keep(&self, folder: &Path) -> io::Result<String> {
        let path = keep(folder, self.target, &self.input)?;
        Ok(format!("{} panics: make fuzz TARGET={0} INPUT={}", self.target, path.display()))
    }
}

/// The files of a target's corpus, by name.
///
/// # Errors
/// If the folder cannot be read.
pub fn corpus(target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(target.corpus())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    paths.into_iter().map(|path| fs::read(&path).map(|bytes| (path, bytes))).collect()
}

/// Mutates `corpus` until `time` is over.
///
/// An input that hangs cannot be stopped: it is written to `folder`, and the process exits.
///
/// # Errors
/// The first [`Crash`].
pub fn fuzz(
    target: Target,
    corpus: Vec<Vec<u8>>,
    seed: u64,
    time: Duration,
    folder: &Path,
) -> Result<Tried, Crash> {
    let watch = Watch::start(target.name, folder.to_owned());
    let (began, mut chance) = (Instant::now(), Chance::of(seed));
    let (mut pool, mut outcomes, mut inputs) = (Vec::new(), BTreeSet::new(), 0);
    for input in corpus.into_iter().chain([Vec::new()]) {
        outcomes.insert(watch.run(target, &input)?);
        inputs += 1;
        pool.push(input);
    }
    let (own, mut oldest) = (pool.len(), 0);
    while began.elapsed() < time {
        let mut input = pool[chance.below(pool.len())].clone();
        let other = &pool[chance.below(pool.len())];
        mutate(&mut input, other, target.max_bytes, &mut chance);
        inputs += 1;
        if outcomes.insert(watch.run(target, &input)?) {
            if pool.len() < own + MAX_KEPT {
                pool.push(input);
            } else {
                pool[own + oldest] = input;
                oldest = (oldest + 1) % MAX_KEPT;
            }
        }
    }
    Ok(Tried { inputs, outcomes: outcomes.len() })
}

/// Runs one input.
///
/// # Errors
/// The [`Crash`], if the target panics.
pub fn run_once(target: Target, input: &[u8]) -> Result<u64, Crash> {
    catch_unwind(|| (target.run)(input))
        .map_err(|_| Crash { target: target.name, input: input.to_owned() })
}

/// An input that is being worked on, and since when.
type Current = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// Looks after the input under way.
struct Watch {
    current: Current,
    stop: Arc<AtomicBool>,
}

impl Watch {
    fn start(name: &'static str, folder: PathBuf) -> Self {
        let watch = Self { current: Arc::default(), stop: Arc::default() };
        let (current, stop) = (watch.current.clone(), watch.stop.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(500));
                let Ok(current) = current.lock() else { return };
                if let Some((since, input)) = current.as_ref()
                    && since.elapsed() > HANGS
                {
                    let kept = keep(&folder, name, input);
                    eprintln!("{name} hangs on an input: {kept:?}");
                    std::process::exit(1);
                }
            }
        });
        watch
    }

    fn run(&self, target: Target, input: &[u8]) -> Result<u64, Crash> {
        self.set(Some((Instant::now(), input.to_owned())));
        let outcome = run_once(target, input);
        self.set(None);
        outcome
    }

    fn set(&self, value: Option<(Instant, Vec<u8>)>) {
        if let Ok(mut current) = self.current.lock() {
            *current = value;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn keep(folder: &Path, name: &str, input: &[u8]) -> io::Result<PathBuf> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    let path = folder.join(&blake3::hash(input).to_hex()[..16]);
    fs::write(&path, input)?;
    Ok(path)
}
