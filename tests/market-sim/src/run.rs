//! A world's life in rounds, and what is written down of it.

use mica_market::migration::ROUND_BLOCKS;

use crate::{
    assignment::{Assignment, assignment},
    gap::{NashGap, nash_gap},
    moves::Moved,
    parallel,
    routes::{Routes, Snapshot},
    welfare::{Welfare, optimum, welfare},
    world::{Setting, SimError, World},
};

/// Demand in a flash crowd over that before.
const FLASH: f64 = 3.0;
/// Rounds that a flash crowd stays.
const FLASH_ROUNDS: u32 = 5;
/// Most workers up to which the single payers' market and whole paths are looked at.
const MOST_FOR_PATHS: usize = 20_000;
/// Payers who pick paths at the end.
const PATHS: u32 = 64;

/// How long a world lives and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Rounds of [`ROUND_BLOCKS`] chain blocks.
    pub rounds: u32,
    /// Whether a third of the workers leaves after half of the rounds.
    pub shock: bool,
    /// Whether three times as many payers come for some rounds after a quarter of them.
    pub flash: bool,
    /// Workers whose Nash gap is taken in each round; 0 for none but in the end.
    pub gap_sample: usize,
}

/// The state of a world after a round.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Row {
    /// Rounds played.
    pub round: u32,
    /// Registered workers.
    pub workers: usize,
    /// Mean price of what is sold, base units per layer-token.
    pub price: f64,
    /// Part of workers that changed their price at their last look.
    pub price_changes: f64,
    /// What honest workers would gain by other prices.
    pub gap: NashGap,
    /// Speed of the weakest layer over the even split of all speed.
    pub throughput: f64,
    /// Layers that nobody serves.
    pub bare_layers: u16,
    /// Layers that were served before this round and are not any more, though nobody left.
    pub bared_by_moves: u16,
    /// Workers that would have gained by moving.
    pub wishes: usize,
    /// Workers that moved.
    pub moves: usize,
    /// Welfare.
    pub welfare: Welfare,
    /// Part of the bound of welfare that is reached.
    pub welfare_part: f64,
}

/// What a run amounts to.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Summary {
    /// Number of workers at the beginning.
    pub workers: usize,
    /// Layers.
    pub layers: u16,
    /// Rounds.
    pub rounds: u32,
    /// Seed.
    pub seed: u64,
    /// Share of strategic actors.
    pub strategic: f64,
    /// The world after the last round; its Nash gap is over up to 2,000 workers.
    pub end: Row,
    /// Rounds that it took until nobody wanted to move any more, if that happened before a shock.
    pub rest_round: Option<u32>,
    /// Moves in all.
    pub moves: usize,
    /// Layers left bare by moves in all.
    pub bared_by_moves: u32,
    /// Part of the greatest welfare with the workers where they stand; not for large worlds.
    pub optimum_part: Option<f64>,
    /// Least part of the bound of welfare in the round of the shock and after it.
    pub shock_low: Option<f64>,
    /// Rounds after the shock until the weakest layer was at 95 % of what it is in the end.
    pub recovery_rounds: Option<u32>,
    /// Single payers against the best assignment; not for large worlds.
    pub assignment: Option<Assignment>,
    /// What payers' routers pick; not for large worlds, nor where a layer is bare.
    pub routes: Option<Routes>,
    /// Part of all revenue, and part of all speed, of eighths of the workers from the fastest to
    /// the slowest.
    pub revenue_by_cost: Vec<(f64, f64)>,
    /// Looks at the market.
    pub looks: u64,
}

/// A world with its rows so far.
pub struct Run {
    /// The world.
    pub world: World,
    /// Rows, one per round, and the first before any.
    pub rows: Vec<Row>,
    /// Mean price per layer, after each round, base units per layer-token.
    pub layer_prices: Vec<Vec<f64>>,
    plan: Plan,
    demand: f64,
    /// Workers registered for each layer.
    served: Vec<u32>,
}

impl Run {
    /// Begins.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn new(world: World, plan: Plan) -> Result<Self, SimError> {
        let demand = world.demand;
        let served = served(&sums(&world));
        let mut run =
            Self { world, rows: Vec::new(), layer_prices: Vec::new(), plan, demand, served };
        run.note(Moved::default())?;
        Ok(run)
    }

    /// Plays one round.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn round(&mut self) -> Result<(), SimError> {
        let round = self.rows.len() as u32;
        if self.plan.shock && round == self.plan.rounds / 2 + 1 {
            self.world.shock();
            self.served = served(&sums(&self.world));
        }
        let begin = self.plan.rounds / 4;
        let flash = self.plan.flash && (begin..begin + FLASH_ROUNDS).contains(&round);
        self.world.demand = self.demand * if flash { FLASH } else { 1.0 };
        let mut moved = Moved::default();
        for _ in 0..ROUND_BLOCKS {
            let one = self.world.step()?;
            moved.wishes += one.wishes;
            moved.moves += one.moves;
            moved.newcomers += one.newcomers;
        }
        self.note(moved)
    }

    /// Plays the rest of the plan; `tell` hears of each round.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn finish(&mut self, tell: impl Fn(u32)) -> Result<(), SimError> {
        for round in 1..=self.plan.rounds {
            self.round()?;
            tell(round);
        }
        Ok(())
    }

    fn note(&mut self, moved: Moved) -> Result<(), SimError> {
        let world = &self.world;
        let sums = sums(world);
        let served = served(&sums);
        let bared = self.served.iter().zip(&served).filter(|(was, is)| **was > 0 && **is == 0);
        // With churn a layer may be left by who leaves the market.
        let bared_by_moves = if moved.newcomers > 0 { 0 } else { bared.count() as u16 };
        self.served = served;
        let supply: Vec<f64> = sums.iter().map(|sums| sums[1]).collect();
        let even = supply.iter().sum::<f64>() / supply.len() as f64;
        let weakest = supply.iter().copied().fold(f64::INFINITY, f64::min);
        let here = world.here().count();
        let changes: u64 = world.blocks.iter().map(|block| u64::from(block.changes)).sum();
        let welfare = welfare(world);
        let price = |paid: f64, bought: f64| if bought > 0.0 { paid / bought } else { 0.0 };
        self.layer_prices.push(sums.iter().map(|sums| price(sums[3], sums[2])).collect());
        let all = |k: usize| sums.iter().map(|sums| sums[k]).sum::<f64>();
        self.rows.push(Row {
            round: self.rows.len() as u32,
            workers: here,
            price: price(all(3), all(2)),
            price_changes: changes as f64 / here.max(1) as f64,
            gap: nash_gap(world, self.plan.gap_sample)?,
            throughput: if even > 0.0 { weakest / even } else { 0.0 },
            bare_layers: supply.iter().filter(|speed| **speed == 0.0).count() as u16,
            bared_by_moves,
            wishes: moved.wishes,
            moves: moved.moves,
            welfare,
            welfare_part: welfare.part(),
        });
        Ok(())
    }

    /// What it amounts to.
    ///
    /// # Errors
    /// [`SimError`].
    pub fn summary(&self) -> Result<Summary, SimError> {
        let world = &self.world;
        let Setting { workers, layers, seed, strategic, .. } = world.setting;
        let mut end = self.rows.last().cloned().unwrap_or_default();
        end.gap = nash_gap(world, 2_000)?;
        let small = workers <= MOST_FOR_PATHS;
        let shock_at = self.plan.shock.then_some(self.plan.rounds as usize / 2 + 1);
        let calm = self.rows.get(..shock_at.unwrap_or(self.rows.len())).unwrap_or(&self.rows);
        let after = shock_at.and_then(|at| self.rows.get(at..)).unwrap_or_default();
        Ok(Summary {
            workers,
            layers,
            rounds: self.plan.rounds,
            seed,
            strategic,
            rest_round: calm
                .iter()
                .rposition(|row| row.wishes > 0)
                .map_or(Some(0), |last| (last + 1 < calm.len()).then_some(last as u32 + 1)),
            moves: self.rows.iter().map(|row| row.moves).sum(),
            bared_by_moves: self.rows.iter().map(|row| u32::from(row.bared_by_moves)).sum(),
            shock_low: after.iter().map(|row| row.welfare_part).reduce(f64::min),
            recovery_rounds: (!after.is_empty())
                .then(|| after.iter().position(|row| row.throughput >= 0.95 * end.throughput))
                .flatten()
                .map(|rounds| rounds as u32),
            optimum_part: small.then(|| end.welfare.reached / optimum(world)),
            assignment: small.then(|| assignment(world)),
            routes: small.then(|| Snapshot::new(world).pick(PATHS).ok()).flatten(),
            revenue_by_cost: revenue_by_cost(world),
            end,
            looks: world.looks,
        })
    }
}

/// Sums over the workers of each layer: how many there are, their speed in tokens per µs, the mass
/// of the first stream, and that mass times the price.
fn sums(world: &World) -> Vec<[f64; 4]> {
    let layers = usize::from(world.setting.layers);
    let parts = parallel::map(world.setting.threads, world.blocks.len(), |number| {
        let block = &world.blocks[number];
        // Differences at the ends of ranges would lose small sums beside great ones.
        let mut part = vec![[0.0; 4]; layers];
        for i in (0..block.len()).filter(|i| block.is_here(*i)) {
            let mass = block.mass[0][i];
            let speed = f64::from(block.cost_us[i]).recip();
            let one = [1.0, speed, mass, mass * block.price[i]];
            for sums in &mut part[usize::from(block.first[i])..usize::from(block.end[i])] {
                sums.iter_mut().zip(one).for_each(|(sum, value)| *sum += value);
            }
        }
        part
    });
    let mut total = vec![[0.0; 4]; layers];
    for part in parts {
        for (sums, one) in total.iter_mut().zip(part) {
            sums.iter_mut().zip(one).for_each(|(sum, value)| *sum += value);
        }
    }
    total
}

/// Workers registered for each layer.
fn served(sums: &[[f64; 4]]) -> Vec<u32> {
    // Whole numbers below 2^32.
    sums.iter().map(|sums| sums[0] as u32).collect()
}

/// See [`Summary::revenue_by_cost`].
fn revenue_by_cost(world: &World) -> Vec<(f64, f64)> {
    const PARTS: usize = 8;
    let mut workers: Vec<(u32, f64)> = world
        .here()
        .map(|(block, i)| {
            let sales: f64 = (0..world.fields.len())
                .map(|k| {
                    world.market.streams[k].part
                        * world.fields[k].sales(block.first[i], block.end[i], block.mass[k][i])
                })
                .sum();
            let served = f64::from(block.utilisation[i]).max(1.0).recip();
            (block.cost_us[i], served * sales * block.price[i])
        })
        .collect();
    workers.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let revenue: f64 = workers.iter().map(|worker| worker.1).sum();
    let speed: f64 = workers.iter().map(|worker| f64::from(worker.0).recip()).sum();
    workers
        .chunks(workers.len().div_ceil(PARTS).max(1))
        .map(|part| {
            (
                part.iter().map(|worker| worker.1).sum::<f64>() / revenue.max(f64::MIN_POSITIVE),
                part.iter().map(|worker| f64::from(worker.0).recip()).sum::<f64>() / speed,
            )
        })
        .collect()
}
