//! `mica-worker bench`: how fast this machine computes a model, as a basis for its cost and price.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use eyre::{Result, ensure};
use mica_engine::{Input, KvCache, Model, Want};
use serde_json::json;

use super::generate::{open_model, threads};

/// Most rounds, so that a typing error does not keep a machine busy for days.
const MAX_ROUNDS: usize = 1000;

/// Arguments of `mica-worker bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// GGUF file; the model built into this program if absent.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Threads that compute; as many as the machine has if absent.
    #[arg(long, value_name = "T")]
    pub threads: Option<usize>,
    /// Positions of the prompt that is measured.
    #[arg(long, default_value_t = 128, value_name = "N")]
    pub prefill: usize,
    /// Tokens of the answer that is measured.
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub decode: usize,
    /// Rounds; the middle one counts.
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub rounds: usize,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Times of one round.
struct Round {
    prefill: Duration,
    decode: Duration,
}

/// Runs the command.
///
/// # Errors
/// If the model cannot be used or the lengths do not fit its context.
pub fn run(args: &BenchArgs) -> Result<()> {
    let file = open_model(args.model.as_ref())?;
    let config = file.config()?;
    ensure!(args.prefill > 0 && args.decode > 0, "--prefill and --decode must be at least 1");
    ensure!((1..=MAX_ROUNDS).contains(&args.rounds), "--rounds must be 1 to {MAX_ROUNDS}");
    let positions = args.prefill.saturating_add(args.decode);
    ensure!(positions <= config.context, "--prefill and --decode together exceed the model's context of {}", config.context);
    let loading = Instant::now();
    let model = Model::load(&file, config.all_layers(), threads(args.threads))?;
    let load_ms = loading.elapsed().as_millis();
    let mut cache = model.new_cache(positions)?;
    let mut rounds = (0..args.rounds).map(|_| round(&model, &mut cache, args)).collect::<Result<Vec<_>>>()?;
    rounds.sort_by_key(|round| round.prefill);
    let prefill = rounds[args.rounds / 2].prefill.as_secs_f64() / args.prefill as f64;
    rounds.sort_by_key(|round| round.decode);
    let decode = rounds[args.rounds / 2].decode.as_secs_f64() / args.decode as f64;

    let layers = f64::from(config.layers);
    let facts = json!({
        "machine": {
            "cpu": cpu_name(),
            "arch": std::env::consts::ARCH,
            "os": std::env::consts::OS,
            "logical_cpus": std::thread::available_parallelism().map_or(1, Into::<usize>::into),
            "threads": model.threads(),
            "instructions": model.isa_name(),
        },
        "model": {
            "name": config.name,
            "quantisation": config.quantisation,
            "layers": config.layers,
            "hidden": config.hidden,
            "weight_bytes": model.weight_bytes(),
            "cache_bytes_per_position": model.cache_bytes_per_position(),
            "load_ms": load_ms as u64,
        },
        "prefill": { "positions": args.prefill, "tokens_per_second": 1.0 / prefill, "us_per_layer_token": prefill * 1.0e6 / layers },
        "decode": { "tokens": args.decode, "tokens_per_second": 1.0 / decode, "us_per_layer_token": decode * 1.0e6 / layers },
        "rounds": args.rounds,
    });
    if args.json {
        println!("{facts}");
        return Ok(());
    }
    println!(
        "{} ({}), {}, {} threads, {}",
        cpu_name(),
        std::env::consts::ARCH,
        std::env::consts::OS,
        model.threads(),
        model.isa_name()
    );
    println!(
        "{} {}, {} layers, hidden {}, {} bytes of weights",
        config.name,
        config.quantisation,
        config.layers,
        config.hidden,
        model.weight_bytes()
    );
    println!();
    println!("{:<10} {:>10} {:>12} {:>20}", "", "positions", "tokens/s", "µs per layer-token");
    for (name, count, seconds) in [("prefill", args.prefill, prefill), ("decode", args.decode, decode)] {
        println!("{name:<10} {count:>10} {:>12.1} {:>20.1}", 1.0 / seconds, seconds * 1.0e6 / layers);
    }
    println!("\nEmbedding and head are counted as part of the layers. Middle of {} rounds.", args.rounds);
    Ok(())
}

/// One prompt and one answer. The tokens do not matter for the time, so they are simply counted up.
fn round(model: &Model, cache: &mut KvCache, args: &BenchArgs) -> Result<Round> {
    let vocabulary = model.config().vocabulary;
    // Ids below the vocabulary, which has at most 2²⁰.
    let token = |position: usize| (position % vocabulary) as u32;
    let prompt: Vec<u32> = (0..args.prefill).map(token).collect();
    cache.clear();
    let started = Instant::now();
    model.forward(cache, Input::Tokens(&prompt), Want::LastLogits)?;
    let prefill = started.elapsed();
    let started = Instant::now();
    for position in args.prefill..args.prefill + args.decode {
        model.forward(cache, Input::Tokens(&[token(position)]), Want::LastLogits)?;
    }
    Ok(Round { prefill, decode: started.elapsed() })
}

/// The processor's name as the system tells it.
fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name").or_else(|| line.strip_prefix("Model")));
    name.and_then(|line| line.split_once(':')).map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}
