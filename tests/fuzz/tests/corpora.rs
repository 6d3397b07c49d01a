//! Every file of every corpus, and some seconds of fuzzing for each target (`FUZZ_SECONDS`).

#![allow(clippy::print_stdout, reason = "made to be read by people")]

use mica_fuzz::{
    TARGETS, Target, corpora,
    driver::{corpus, fuzz, run_once},
};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

/// Seconds for each target in a run of the tests, which run side by side.
const SECONDS: u64 = 30;

fn seconds() -> u64 {
    let asked = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(SECONDS)
}

fn survives(name: &str) {
    let target = Target::named(name).expect("a target");
    let found = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    let corpus = corpus(&target).expect("a corpus");
    let mut outcomes = BTreeSet::new();
    for (path, bytes) in &corpus {
        let outcome = run_once(target, bytes);
        assert!(outcome.is_ok(), "{} panics: {}", target.name, path.display());
        outcomes.extend(outcome);
    }
    assert!(outcomes.len() > 2, "{name}: its corpus reaches {} outcomes", outcomes.len());
    let inputs = corpus.into_iter().map(|(_, bytes)| bytes).collect();
    match fuzz(target, inputs, 1, Duration::from_secs(seconds()), &found) {
        Ok(tried) => {
            assert!(tried.outcomes > outcomes.len(), "{name} finds nothing new: {tried:?}");
            println!("{name}: {tried:?}");
        }
        Err(crash) => panic!("{}", crash.keep(&found).expect("the input is kept")),
    }
}

macro_rules! targets {
    ($($name:ident)+) => {
        $(#[test] fn $name() { survives(stringify!($name)); })+

        #[test]
        fn every_target_is_tested() {
            let tested: BTreeSet<&str> = [$(stringify!($name)),+].into();
            assert_eq!(tested, TARGETS.iter().map(|target| target.name).collect());
        }
    };
}

targets!(frames sessions ledgers promises gguf keystore gateway runtime);

/// Writes the corpora that are made by code. Run it after a change of the wire format:
/// `cargo test --release --workspace --test corpora -- --ignored`.
#[test]
#[ignore = "writes files that are committed"]
fn write_corpora() {
    for (target, name, bytes) in corpora::all() {
        let folder = Target::named(target).expect("a target").corpus();
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), bytes).expect("a file");
    }
}

#[test]
fn the_corpora_have_every_kind_of_message() {
    let frames = Target::named("frames").expect("a target").corpus();
    for (target, name, _) in corpora::all() {
        if target == "frames" {
            assert!(frames.join(&name).exists(), "{name} is missing: run write_corpora");
        }
    }
}
