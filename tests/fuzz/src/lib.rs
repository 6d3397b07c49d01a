//! Fuzzing: bytes go in, nothing may panic, hang or break an account, whatever they are.
//!
//! Each [`Target`] is a function over bytes with a committed corpus in `corpus/<name>`. Three
//! things run it:
//!
//! * [`driver`], a small fuzzer of our own, which works with the ordinary compiler: it mutates the
//!   corpus and keeps what leads to an outcome not seen before. `make fuzz MINUTES=n` runs it, and
//!   for some seconds every run of the tests (`tests/corpora.rs`).
//! * `libfuzzer/`, for whoever has cargo-fuzz and a nightly compiler: the same functions, guided by
//!   coverage.
//! * The corpora alone, byte by byte as they are, in the tests.
//!
//! A target returns what came out, folded into a number: two inputs with different numbers went
//! different ways.
#![forbid(unsafe_code)]

pub mod driver;
mod mutate;

mod frames;
mod gateway;
mod gguf;
mod keystore;
mod ledgers;
mod outcome;
mod promises;
mod reader;
pub mod runtime;
mod sessions;

#[path = "../../../inference-worker/protocol/tests/common/mod.rs"]
mod common;

#[path = "../../../runtime/tests/chain/mod.rs"]
mod chain;

pub mod corpora;

use std::path::{Path, PathBuf};

/// Something that reads bytes of strangers.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and the folder of its corpus.
    pub name: &'static str,
    /// What it does with an input. Returns what came out.
    pub run: fn(&[u8]) -> u64,
    /// Longest input, bytes.
    pub max_bytes: usize,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "frames", run: frames::run, max_bytes: 4_096 },
    Target { name: "sessions", run: sessions::run, max_bytes: 1_024 },
    Target { name: "ledgers", run: ledgers::run, max_bytes: 1_024 },
    Target { name: "promises", run: promises::run, max_bytes: 2_048 },
    Target { name: "gguf", run: gguf::run, max_bytes: 16_384 },
    Target { name: "keystore", run: keystore::run, max_bytes: 4_096 },
    Target { name: "gateway", run: gateway::run, max_bytes: 4_096 },
    Target { name: "runtime", run: runtime::run, max_bytes: 1_024 },
];

impl Target {
    /// The target with this name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.iter().copied().find(|target| target.name == name)
    }

    /// The folder of its corpus. The GGUF reader's lies with the engine, which also makes it.
    pub fn corpus(&self) -> PathBuf {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        match self.name {
            "gguf" => own.join("../../inference-worker/engine/fuzz/corpus/gguf"),
            name => own.join("corpus").join(name),
        }
    }
}

/// Runs one input of the target with this name: what a fuzzer's entry calls.
pub fn run(name: &str, bytes: &[u8]) {
    if let Some(target) = Target::named(name) {
        (target.run)(bytes);
    }
}
