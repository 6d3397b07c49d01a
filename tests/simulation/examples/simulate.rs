//! Runs the worlds of many seeds, on all cores, and prints the command that replays one that
//! fails.
//!
//!     simulate 0..100000     the worlds of these seeds
//!     simulate 17            one world, told step by step on standard error
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use mica_simulation::{Finding, Summary, run, run_loudly};
use std::{
    ops::Range,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

/// Seeds between two lines that tell how far it is.
const STRIDE: u64 = 10_000;
/// Findings after which no more seeds are begun.
const MAX_FINDINGS: usize = 10;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let seeds = match parse(&argument) {
        Some(Seeds::Range(seeds)) => seeds,
        Some(Seeds::One(seed)) => return tell(seed),
        None => {
            eprintln!("name the seeds: simulate 0..100000 runs them, simulate 17 tells of one");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let (summary, findings) = run_all(seeds);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} worlds in {seconds:.1} s: {} sessions, {} answered, {} deaths, {} events, {} base units \
         claimed, {} findings",
        summary.worlds + findings.len() as u64,
        summary.sessions,
        summary.answered,
        summary.deaths,
        summary.events,
        summary.claimed,
        findings.len()
    );
    for finding in &findings {
        println!("{finding}\n  replay: make simulate SEEDS={}", finding.seed);
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

enum Seeds {
    One(u64),
    Range(Range<u64>),
}

fn parse(argument: &str) -> Option<Seeds> {
    match argument.split_once("..") {
        None => argument.parse().ok().map(Seeds::One),
        Some((first, end)) => {
            let range = first.parse().ok()?..end.parse().ok()?;
            (!range.is_empty()).then_some(Seeds::Range(range))
        }
    }
}

fn tell(seed: u64) -> ExitCode {
    match run_loudly(seed) {
        Ok(summary) => {
            println!("seed {seed}: {summary:?}");
            ExitCode::SUCCESS
        }
        Err(finding) => {
            println!("{finding}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all seeds; a panic in a world is a finding of its seed.
fn run_all(seeds: Range<u64>) -> (Summary, Vec<Finding>) {
    let (next, stop) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let total = Mutex::new((Summary::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if seed > seeds.start && (seed - seeds.start).is_multiple_of(STRIDE) {
                        eprintln!("at seed {seed}");
                    }
                    let outcome = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|panic| {
                        let text = format!("panic: {}", text_of(panic.as_ref()));
                        Err(Finding { seed, at_ms: 0, text })
                    });
                    let Ok(mut total) = total.lock() else { return };
                    match outcome {
                        Ok(summary) => total.0.add(&summary),
                        Err(finding) => total.1.push(finding),
                    }
                    stop.fetch_or(total.1.len() >= MAX_FINDINGS, Ordering::Relaxed);
                }
            });
        }
    });
    total.into_inner().unwrap_or_default()
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a text")
}
