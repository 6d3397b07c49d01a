//! Many worlds from random starts, and the worst that happened in any of them.

use crate::{
    Market, Plan, Run, Setting, SimError, World, parallel,
    random::{Purpose, word},
    world::Start,
};

/// Over all starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Starts {
    /// Worlds.
    pub worlds: usize,
    /// Worlds in which somebody wanted to move in the last round.
    pub restless: usize,
    /// Greatest Nash gap at the end.
    pub gap: f64,
    /// Seed of the world that has it.
    pub gap_seed: u64,
    /// Layers left bare by moves, in all worlds together.
    pub bared_by_moves: u32,
    /// Worlds with a layer that nobody serves at the end.
    pub bare_at_end: usize,
    /// Least part of the greatest welfare with the workers where they stand, at the end.
    pub welfare: f64,
    /// Mean of it.
    pub mean_welfare: f64,
    /// Least throughput at the end.
    pub throughput: f64,
    /// Mean of it.
    pub mean_throughput: f64,
}

/// The seed of world `number`; odd worlds begin with all workers at the front.
pub fn seed(first: u64, number: u64) -> u64 {
    word(first, Purpose::Start, number, 0)
}

/// Plays this many worlds, each on one thread. `tell` hears of each that has ended.
///
/// # Errors
/// The first [`SimError`] of a world.
pub fn starts(
    setting: Setting,
    market: Market,
    plan: Plan,
    worlds: usize,
    tell: impl Fn() + Sync,
) -> Result<Starts, SimError> {
    let mut all: Vec<(u64, Option<Result<One, SimError>>)> =
        (0..worlds as u64).map(|number| (number, None)).collect();
    parallel::each(setting.threads, &mut all, |(number, result)| {
        let start = if *number % 2 == 0 { Start::Random } else { Start::Front };
        let seed = seed(setting.seed, *number);
        *result = Some(play(Setting { seed, start, threads: 1, ..setting }, market, plan));
        tell();
    });
    let mut sum =
        Starts { worlds, welfare: f64::INFINITY, throughput: f64::INFINITY, ..Starts::default() };
    for result in all.into_iter().filter_map(|(_, result)| result) {
        let one = result?;
        if one.gap > sum.gap {
            (sum.gap, sum.gap_seed) = (one.gap, one.seed);
        }
        sum.restless += usize::from(one.restless);
        sum.bared_by_moves += one.bared_by_moves;
        sum.bare_at_end += usize::from(one.bare);
        sum.welfare = sum.welfare.min(one.welfare);
        sum.throughput = sum.throughput.min(one.throughput);
        sum.mean_welfare += one.welfare / worlds as f64;
        sum.mean_throughput += one.throughput / worlds as f64;
    }
    Ok(sum)
}

struct One {
    seed: u64,
    restless: bool,
    gap: f64,
    bared_by_moves: u32,
    bare: bool,
    welfare: f64,
    throughput: f64,
}

fn play(setting: Setting, market: Market, plan: Plan) -> Result<One, SimError> {
    let mut run = Run::new(World::new(setting, market)?, plan)?;
    run.finish(|_| ())?;
    let gap = crate::gap::nash_gap(&run.world, 2_000)?.greatest;
    let end = run.rows.last().cloned().unwrap_or_default();
    Ok(One {
        seed: setting.seed,
        restless: end.wishes > 0,
        gap,
        bared_by_moves: run.rows.iter().map(|row| u32::from(row.bared_by_moves)).sum(),
        bare: end.bare_layers > 0,
        welfare: end.welfare.reached / crate::welfare::optimum(&run.world),
        throughput: end.throughput,
    })
}
