//! The result of a measurement, for people and for programs.

use std::{fmt, time::Duration};

use mica_engine::{Model, speed::Workload};
use mica_host::json::Layers;
use serde_json::{Value, json};

use super::machine::{self, Memory};

/// A measurement.
pub(crate) struct Report<'a> {
    pub model: &'a Model,
    pub workload: Workload,
    pub rounds: usize,
    /// From opening the file until the model could compute.
    pub load: Duration,
    /// From opening the file until the first token of a prompt of one.
    pub first_token: Duration,
    /// The prompts of all sessions.
    pub prefill: Duration,
    /// The answers of all sessions.
    pub decode: Duration,
    /// Bytes of weights that a step of decoding reads.
    pub decode_bytes: u64,
    /// Bytes that the threads can read per second.
    pub bandwidth: f64,
    /// After the rounds.
    pub memory: Option<Memory>,
    /// Of all sessions.
    pub cache_bytes: usize,
    pub cost_us_per_layer_token: u32,
}

impl Report<'_> {
    fn layers(&self) -> f64 {
        f64::from(self.model.range().len())
    }

    fn prefill_tokens(&self) -> usize {
        self.workload.prompt_tokens * self.workload.sessions
    }

    fn decode_tokens(&self) -> usize {
        self.workload.generated_tokens * self.workload.sessions
    }

    /// All sessions together.
    fn prefill_tok_s(&self) -> f64 {
        self.prefill_tokens() as f64 / self.prefill.as_secs_f64()
    }

    /// All sessions together.
    fn decode_tok_s(&self) -> f64 {
        self.decode_tokens() as f64 / self.decode.as_secs_f64()
    }

    /// Sessions that decode together share one reading of the weights.
    fn decode_bytes_per_second(&self) -> f64 {
        self.decode_bytes as f64 * self.workload.generated_tokens as f64 / self.decode.as_secs_f64()
    }

    /// One object.
    pub(crate) fn json(&self) -> Value {
        let (config, range) = (self.model.config(), self.model.range());
        json!({
            "prefill_tok_s": self.prefill_tok_s(),
            "decode_tok_s": self.decode_tok_s(),
            "decode_gb_s": self.decode_bytes_per_second() / 1.0e9,
            "bandwidth_gb_s": self.bandwidth / 1.0e9,
            "bandwidth_share": self.decode_bytes_per_second() / self.bandwidth,
            "cost_us_per_layer_token": self.cost_us_per_layer_token,
            "load_ms": self.load.as_secs_f64() * 1.0e3,
            "first_token_ms": self.first_token.as_secs_f64() * 1.0e3,
            "rss_bytes": self.memory.map(|memory| memory.resident),
            "peak_rss_bytes": self.memory.map(|memory| memory.peak),
            "weight_bytes": self.model.weight_bytes(),
            "decode_bytes": self.decode_bytes,
            "cache_bytes": self.cache_bytes,
            "kernel_path": self.model.isa_name(),
            "threads": self.model.threads(),
            "layers": Layers(range),
            "prompt_tokens": self.workload.prompt_tokens,
            "gen_tokens": self.workload.generated_tokens,
            "batch": self.workload.sessions,
            "rounds": self.rounds,
            "machine": {
                "cpu": machine::cpu_name(),
                "arch": std::env::consts::ARCH,
                "os": std::env::consts::OS,
                "logical_cpus": machine::logical_cpus(),
            },
            "model": {
                "name": config.name,
                "architecture": config.architecture,
                "quantisation": config.quantisation,
                "layers": config.layers,
                "hidden": config.hidden,
            },
        })
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (model, config) = (self.model, self.model.config());
        let (cpu, arch, os, cpus) = (
            machine::cpu_name(),
            std::env::consts::ARCH,
            std::env::consts::OS,
            machine::logical_cpus(),
        );
        writeln!(
            f,
            "{cpu} ({arch}, {os}), {} of {cpus} threads, {}",
            model.threads(),
            model.isa_name()
        )?;
        let (range, layers) = (model.range(), config.layers);
        writeln!(
            f,
            "{}, {}, layers {range} of {layers}, hidden {}\n",
            config.name, config.quantisation, config.hidden
        )?;
        writeln!(
            f,
            "{:<10} {:>10} {:>12} {:>20}",
            "", "positions", "tokens/s", "µs per layer-token"
        )?;
        for (name, positions, rate) in [
            ("prefill", self.prefill_tokens(), self.prefill_tok_s()),
            ("decode", self.decode_tokens(), self.decode_tok_s()),
        ] {
            writeln!(
                f,
                "{name:<10} {positions:>10} {rate:>12.1} {:>20.1}",
                1.0e6 / rate / self.layers()
            )?;
        }
        writeln!(f)?;
        if self.workload.sessions > 1 {
            writeln!(
                f,
                "{} sessions decode together; their tokens are added up.",
                self.workload.sessions
            )?;
        }
        let (reached, possible) = (self.decode_bytes_per_second(), self.bandwidth);
        writeln!(
            f,
            "Decoding reads {:.1} MB of weights per {}: {:.1} GB/s, {:.0} % of the {:.1} GB/s \
             that {} can read here.",
            self.decode_bytes as f64 / 1.0e6,
            if self.workload.sessions == 1 { "token" } else { "step" },
            reached / 1.0e9,
            reached / possible * 100.0,
            possible / 1.0e9,
            if model.threads() == 1 {
                "one thread".to_owned()
            } else {
                format!("{} threads", model.threads())
            },
        )?;
        writeln!(
            f,
            "Loaded in {:.2} s, first token after {:.2} s.{}",
            self.load.as_secs_f64(),
            self.first_token.as_secs_f64(),
            Resident(self),
        )?;
        writeln!(
            f,
            "Cost of a token: {} µs per layer, which is what a worker advertises.",
            self.cost_us_per_layer_token
        )?;
        writeln!(
            f,
            "Embedding and head count as part of the layers. Middle of {} {}.",
            self.rounds,
            if self.rounds == 1 { "round" } else { "rounds" }
        )
    }
}

/// Where the memory goes, if the system tells how much there is.
struct Resident<'a>(&'a Report<'a>);

impl fmt::Display for Resident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(memory) = self.0.memory else { return Ok(()) };
        let mega = |bytes: f64| bytes / 1.0e6;
        let (resident, weights) =
            (mega(memory.resident as f64), mega(self.0.model.weight_bytes() as f64));
        let caches = mega(self.0.cache_bytes as f64);
        write!(
            f,
            " {resident:.1} MB resident: {weights:.1} weights, {caches:.1} caches, {:.1} others.",
            resident - weights - caches
        )
    }
}
