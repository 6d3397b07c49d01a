//! Fuzzes one target or all of them, each on a thread of its own.
//!
//!     fuzz --minutes 10 [--target NAME] [--seed N]
//!     fuzz --target NAME --input FILE      runs one input
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use mica_fuzz::{
    TARGETS, Target,
    driver::{corpus, fuzz, run_once},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where inputs go that went wrong.
const FOUND: &str = "target/fuzz";

fn main() -> ExitCode {
    match start() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
    }
}

fn start() -> Result<bool, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: BTreeMap<&str, &str> = arguments
        .chunks(2)
        .filter_map(|pair| Some((pair.first()?.as_str(), pair.get(1)?.as_str())))
        .collect();
    let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    let targets: Vec<Target> = match options.get("--target") {
        None => TARGETS.to_vec(),
        Some(name) => vec![
            Target::named(name).ok_or_else(|| format!("there is no target {name}: {}", names()))?,
        ],
    };
    if let Some(input) = options.get("--input") {
        let [target] = targets[..] else {
            return Err(format!("name the input's target with --target: {}", names()));
        };
        return one(target, Path::new(input));
    }
    let minutes: f64 = match options.get("--minutes") {
        Some(text) => text.parse().map_err(|_| format!("{text} is no number of minutes"))?,
        None => return Err("say for how long: --minutes 1".to_owned()),
    };
    let seed = match options.get("--seed") {
        Some(text) => text.parse().map_err(|_| format!("{text} is no seed"))?,
        None => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| u64::from(time.subsec_nanos())),
    };
    println!("seed {seed}, {minutes} minutes for each of {} targets", targets.len());
    Ok(all(targets, seed, Duration::from_secs_f64(60.0 * minutes)))
}

fn one(target: Target, input: &Path) -> Result<bool, String> {
    let bytes = fs::read(input).map_err(|error| format!("{}: {error}", input.display()))?;
    Ok(run_once(target, &bytes).is_ok())
}

fn all(targets: Vec<Target>, seed: u64, time: Duration) -> bool {
    let found = PathBuf::from(FOUND);
    let threads: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let found = found.clone();
            std::thread::spawn(move || {
                let inputs = match corpus(&target) {
                    Ok(inputs) => inputs.into_iter().map(|(_, bytes)| bytes).collect(),
                    Err(error) => {
                        println!("{}: its corpus cannot be read: {error}", target.name);
                        return false;
                    }
                };
                match fuzz(target, inputs, seed, time, &found) {
                    Ok(tried) => {
                        let (name, inputs, outcomes) = (target.name, tried.inputs, tried.outcomes);
                        println!("{name}: {inputs} inputs, {outcomes} outcomes, nothing found");
                        true
                    }
                    Err(crash) => {
                        println!(
                            "{}",
                            crash.keep(&found).unwrap_or_else(|error| error.to_string())
                        );
                        false
                    }
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or(false))
        .fold(true, |all, one| all & one)
}
