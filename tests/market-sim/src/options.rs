//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use mica_market::migration::{RULES, Rules};
use mica_market_sim::{LoadRule, Plan, Setting, Start};

/// Where workers begin.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Place {
    /// Anywhere.
    Random,
    /// All at the first layers.
    Front,
}

/// What a busy worker counts as the cost of a sale.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Load {
    /// The sales that it displaces, as workers do.
    Displaced,
    /// The waiting that it causes.
    Waiting,
}

/// Simulates a model's market: prices, moves, payers, shocks and actors that do not play by the
/// rules. The same options give the same bytes.
#[derive(Debug, Parser)]
#[command(name = "mica-market-sim", version)]
pub struct Options {
    /// Workers, up to ten million.
    #[arg(long, default_value_t = 100)]
    pub workers: usize,
    /// Layers of the model.
    #[arg(long, default_value_t = 22)]
    pub layers: u16,
    /// Rounds of 20 blocks.
    #[arg(long, default_value_t = 100)]
    pub rounds: u32,
    /// Seed of all random numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Share of workers that are Sybils, liars, a cartel or free riders; with any, a flash crowd
    /// comes after a quarter of the rounds.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub strategic: f64,
    /// A third of the workers leaves after half of the rounds.
    #[arg(long)]
    pub shock: bool,
    /// Part of the workers that newcomers replace in each round.
    #[arg(long, default_value_t = 0.0, value_name = "PART")]
    pub churn: f64,
    /// Demand, as a part of what all workers could compute if they stood evenly.
    #[arg(long, default_value_t = 0.5, value_name = "PART")]
    pub load: f64,
    /// Where workers begin.
    #[arg(long, value_enum, default_value_t = Place::Random)]
    pub start: Place,
    /// How prices follow load.
    #[arg(long, value_enum, default_value_t = Load::Displaced)]
    pub load_rule: Load,
    /// Workers stay where they begin.
    #[arg(long)]
    pub no_moves: bool,
    /// Least probability with which a worker that would gain moves; workers' own by default.
    #[arg(long, value_name = "P")]
    pub least_probability: Option<f64>,
    /// Threads; they change no result. As many as there are cores by default.
    #[arg(long)]
    pub threads: Option<usize>,
    /// Plays this many worlds, from as many random starts, and prints the worst of each figure.
    #[arg(long, value_name = "WORLDS")]
    pub starts: Option<usize>,
    /// Workers whose Nash gap is taken in each round; in the end it is up to 2,000.
    #[arg(long, default_value_t = 100, value_name = "WORKERS")]
    pub gap_sample: usize,
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
    /// Writes a line per round to this file.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Draws this run's figures into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub figures: Option<PathBuf>,
    /// Plays the worlds of the book's chapter, draws all its figures into this folder and writes
    /// their numbers beside them.
    #[arg(long, value_name = "FOLDER")]
    pub book: Option<PathBuf>,
    /// The sources' commit, for captions.
    #[arg(long, default_value = "unknown")]
    pub commit: String,
}

impl Options {
    /// The world that is asked for.
    pub fn setting(&self) -> Setting {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let start = match self.start {
            Place::Random => Start::Random,
            Place::Front => Start::Front,
        };
        let rules = Rules {
            least_probability: self.least_probability.unwrap_or(RULES.least_probability),
            ..RULES
        };
        Setting {
            workers: self.workers,
            layers: self.layers,
            seed: self.seed,
            strategic: self.strategic,
            load: self.load,
            churn: self.churn,
            start,
            load_rule: match self.load_rule {
                Load::Displaced => LoadRule::Displaced,
                Load::Waiting => LoadRule::Waiting,
            },
            rules: (!self.no_moves).then_some(rules),
            threads: self.threads.unwrap_or_else(cores).clamp(1, 256),
        }
    }

    /// What happens in it.
    pub fn plan(&self) -> Plan {
        Plan {
            rounds: self.rounds,
            shock: self.shock,
            flash: self.strategic > 0.0,
            gap_sample: if self.starts.is_some() { 0 } else { self.gap_sample },
        }
    }

    /// What stands below figures.
    pub fn caption(&self) -> String {
        format!(
            "{} workers, {} layers, seed {}, commit {}",
            self.workers, self.layers, self.seed, self.commit
        )
    }
}
