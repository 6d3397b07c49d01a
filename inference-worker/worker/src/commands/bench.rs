//! `mica-worker bench`: how fast this machine computes a model, how close that comes to its memory
//! bandwidth, and what a token costs it.

mod machine;
mod report;

use std::{
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use mica_engine::{
    ForwardError, Isa, LayerRange, LoadError, Model,
    speed::{self, Round, Trial, Workload},
};

use self::report::Report;
use super::{
    generate::{OpenError, open_model, threads},
    progress::Progress,
};
use crate::config::parse_layers;

/// Most rounds, so that a typing error does not keep a machine busy for days.
const MAX_ROUNDS: usize = 1000;
/// Most sessions, so that a typing error does not fill the memory.
const MAX_BATCH: usize = 256;

/// Arguments of `mica-worker bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// GGUF file; the model built into this program if absent.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Layers to load and to compute; all if absent. Layers without the first one get made-up
    /// hidden states.
    #[arg(long, value_name = "FIRST..END", value_parser = parse_layers)]
    pub layers: Option<LayerRange>,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "T")]
    pub threads: Option<usize>,
    /// Positions of each session's prompt.
    #[arg(long, default_value_t = 128, value_name = "N")]
    pub prompt_tokens: usize,
    /// Tokens of each session's answer.
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub gen_tokens: usize,
    /// Sessions that decode together.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub batch: usize,
    /// Rounds; the middle one counts.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub rounds: usize,
    /// Instructions to compute with, as the output names them; the best of this machine if absent.
    /// The bytes are the same.
    #[arg(long, value_name = "NAME", value_parser = parse_isa)]
    pub isa: Option<Isa>,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// A length of nothing.
    #[error("--prompt-tokens and --gen-tokens must be at least 1")]
    NoTokens,
    /// Too many rounds, or none.
    #[error("--rounds must be 1 to {MAX_ROUNDS}")]
    Rounds,
    /// Too many sessions, or none.
    #[error("--batch must be 1 to {MAX_BATCH}")]
    Batch,
    /// The model cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its numbers make no model.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// The layers cannot be loaded.
    #[error("cannot load layers {range}")]
    Layers {
        /// The layers.
        range: LayerRange,
        /// Why.
        source: LoadError,
    },
    /// The lengths do not fit.
    #[error("--prompt-tokens and --gen-tokens do not fit this model")]
    Lengths(#[source] ForwardError),
    /// A step fails.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// Standard output takes no more.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// If the model cannot be used, if the lengths do not fit its context, or if there is not enough
/// memory.
pub(crate) fn run(args: &BenchArgs) -> Result<(), BenchError> {
    if args.prompt_tokens == 0 || args.gen_tokens == 0 {
        return Err(BenchError::NoTokens);
    }
    if !(1..=MAX_ROUNDS).contains(&args.rounds) {
        return Err(BenchError::Rounds);
    }
    if !(1..=MAX_BATCH).contains(&args.batch) {
        return Err(BenchError::Batch);
    }
    let mut progress = Progress::new();
    progress.say("loading the model");
    let started = Instant::now();
    let file = open_model(args.model.as_ref())?;
    let config = file.config()?;
    let range = args.layers.unwrap_or(config.all_layers());
    let isa = args.isa.unwrap_or_else(Isa::best);
    let model = Model::load_for(&file, range, threads(args.threads), isa)
        .map_err(|source| BenchError::Layers { range, source })?;
    let load = started.elapsed();

    let workload = Workload {
        prompt_tokens: args.prompt_tokens,
        generated_tokens: args.gen_tokens,
        sessions: args.batch,
    };
    let mut trial = Trial::new(&model, workload).map_err(BenchError::Lengths)?;
    let first_token = load + trial.first_token()?;
    progress.say("warming up");
    trial.warm_up()?;
    let mut rounds = Vec::with_capacity(args.rounds);
    for round in 1..=args.rounds {
        progress.say(&format!("round {round} of {}", args.rounds));
        rounds.push(trial.round()?);
    }
    let memory = machine::memory();
    let cache_bytes = trial.cache_bytes();
    drop(trial);
    progress.say("measuring the cost of a token");
    let cost_us_per_layer_token = speed::cost_us_per_layer_token(&model)?;
    progress.say("measuring the memory's speed");
    let bandwidth = speed::read_bytes_per_second(threads(args.threads));
    progress.done();

    let report = Report {
        model: &model,
        workload,
        rounds: args.rounds,
        load,
        first_token,
        prefill: middle(&rounds, |round| round.prefill),
        decode: middle(&rounds, |round| round.decode),
        decode_bytes: speed::decode_bytes(&file, &config, range),
        bandwidth,
        memory,
        cache_bytes,
        cost_us_per_layer_token,
    };
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report.json())?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(())
}

fn parse_isa(name: &str) -> Result<Isa, String> {
    Isa::available().find(|isa| isa.name() == name).ok_or_else(|| {
        let names: Vec<_> = Isa::available().map(Isa::name).collect();
        format!("this machine has {}", names.join(", "))
    })
}

/// The median of one time of the rounds, of which there is at least one.
fn middle(rounds: &[Round], time: impl Fn(&Round) -> Duration) -> Duration {
    let mut times: Vec<Duration> = rounds.iter().map(time).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_round_counts() {
        let round = |ms| Round {
            prefill: Duration::from_millis(ms),
            decode: Duration::from_millis(100 - ms),
        };
        let rounds = [round(9), round(1), round(5)];
        assert_eq!(middle(&rounds, |round| round.prefill), Duration::from_millis(5));
        assert_eq!(middle(&rounds, |round| round.decode), Duration::from_millis(95));
    }

    #[test]
    fn only_instructions_of_this_machine_are_taken() {
        assert_eq!(parse_isa("scalar").expect("always there"), Isa::scalar());
        let refusal = parse_isa("amx").expect_err("never used");
        assert!(refusal.starts_with("this machine has scalar"), "{refusal}");
    }

    #[test]
    fn the_built_in_model_is_measured_in_part_and_with_several_sessions() {
        let args = BenchArgs {
            model: None,
            layers: LayerRange::new(3, 5),
            threads: Some(1),
            prompt_tokens: 3,
            gen_tokens: 2,
            batch: 2,
            rounds: 1,
            isa: None,
            json: true,
        };
        run(&args).expect("measures");
        for bad in [
            BenchArgs { gen_tokens: 0, ..args.clone() },
            BenchArgs { layers: LayerRange::new(3, 99), ..args },
        ] {
            assert!(run(&bad).is_err(), "{bad:?}");
        }
    }
}
