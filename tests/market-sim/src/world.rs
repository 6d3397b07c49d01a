//! A model's market: workers, payers, and a clock that counts chain blocks.

use mica_market::{
    migration::{MigrationError, RULES, Rules},
    pricing::{PricingError, crowd::Field, rule::LOOK_BLOCKS},
    routing::{Experience, reference_cost_us},
};

use crate::{
    actors::Kind,
    agents::{self, Block},
    looks,
    market::{Market, STREAMS},
    moves, parallel,
    random::{Purpose, log_even, unit, word},
};

/// Most workers of a world: about a hundred bytes each.
pub const MOST_WORKERS: usize = 10_000_000;
/// Chain blocks that a mover needs for fetching its weights.
pub const FETCH_BLOCKS: u32 = 10;
/// Chain blocks after which the median that newcomers are held against is taken anew.
const REFERENCE_BLOCKS: u32 = 100;
/// Costs of workers, µs per layer-token: within a factor of 8.
pub const COSTS_US: (f64, f64) = (50.0, 400.0);
/// Expenses of workers, base units per layer-token.
pub const EXPENSES: (f64, f64) = (10_000.0, 200_000.0);
/// First prices of workers, base units per layer-token: four decades.
pub const FIRST_PRICES: (f64, f64) = (1e4, 1e8);
/// Least and most layers that a worker has room for.
pub const ROOM: (u16, u16) = (2, 11);

/// Where workers begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Anywhere.
    Random,
    /// All at the first layers.
    Front,
}

/// What a busy worker counts as the cost of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadRule {
    /// The sales that it displaces, [`mica_market::pricing::rule::displaced_expense`].
    Displaced,
    /// The waiting that it causes, [`mica_market::pricing::rule::waiting_expense`].
    Waiting,
}

/// What a world is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Number of workers, at least 1.
    pub workers: usize,
    /// Layers of the model, at least 1.
    pub layers: u16,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Share of workers that do not play by the rules.
    pub strategic: f64,
    /// Tokens wanted, as a part of what all workers could compute if they stood evenly.
    pub load: f64,
    /// Part of the workers that is replaced by newcomers in each round.
    pub churn: f64,
    /// Where workers begin.
    pub start: Start,
    /// How prices follow load.
    pub load_rule: LoadRule,
    /// When workers move; [`None`] if they never do.
    pub rules: Option<Rules>,
    /// Threads; they change no result.
    pub threads: usize,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            workers: 100,
            layers: 22,
            seed: 0,
            strategic: 0.0,
            load: 0.5,
            churn: 0.0,
            start: Start::Random,
            load_rule: LoadRule::Displaced,
            rules: Some(RULES),
            threads: 1,
        }
    }
}

/// Why a world cannot be made or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A number out of its range.
    #[error("{what} is {value}: choose {range}")]
    Setting {
        /// What is out of range.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// The production code refused a price.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// The production code refused a look at the network.
    #[error(transparent)]
    Migration(#[from] MigrationError),
}

/// The state of a market.
#[derive(Clone, Debug)]
pub struct World {
    /// What it is made of.
    pub setting: Setting,
    /// Its constants.
    pub market: Market,
    /// The workers.
    pub blocks: Vec<Block>,
    /// Chain block.
    pub now: u32,
    /// Tokens wanted per µs.
    pub demand: f64,
    /// Masses of the layers, one field per stream of payers.
    pub fields: [Field; STREAMS],
    /// Mass of each layer, per stream, and last that of the cartel.
    pub masses: [Vec<f64>; STREAMS + 1],
    /// What newcomers are held against, µs per layer-token.
    pub reference_us: u32,
    /// Looks at the market so far, of all workers.
    pub looks: u64,
}

impl World {
    /// A world in its first moment.
    ///
    /// # Errors
    /// [`SimError::Setting`].
    pub fn new(setting: Setting, market: Market) -> Result<Self, SimError> {
        check(&setting)?;
        let mut blocks = agents::blocks(setting.workers, setting.layers);
        parallel::each(setting.threads, &mut blocks, |block| populate(block, &setting));
        let mut world = Self {
            setting,
            market,
            blocks,
            // Nobody has moved lately.
            now: setting.rules.map_or(0, |rules| rules.minimum_stay),
            demand: 0.0,
            fields: Default::default(),
            masses: std::array::from_fn(|_| vec![0.0; setting.layers.into()]),
            reference_us: 0,
            looks: 0,
        };
        world.demand = setting.load * world.power() / f64::from(setting.layers);
        world.take_reference();
        let mut blocks = std::mem::take(&mut world.blocks);
        let looker = looks::Looker::new(&world);
        parallel::each(setting.threads, &mut blocks, |block| looker.appear(block));
        world.blocks = blocks;
        world.sum();
        Ok(world)
    }

    /// One chain block: the workers whose turn it is look at the market, and where a round of moves
    /// begins those who are drawn move.
    ///
    /// # Errors
    /// [`SimError::Migration`], never for a world made by [`World::new`].
    pub fn step(&mut self) -> Result<moves::Moved, SimError> {
        self.now += 1;
        if self.now.is_multiple_of(REFERENCE_BLOCKS) {
            self.take_reference();
        }
        let phase = self.now % LOOK_BLOCKS;
        let mut blocks = std::mem::take(&mut self.blocks);
        let looker = looks::Looker::new(self);
        let mut turn: Vec<&mut Block> =
            blocks.iter_mut().skip(phase as usize).step_by(LOOK_BLOCKS as usize).collect();
        parallel::each(self.setting.threads, &mut turn, |block| looker.look(block));
        let looks = turn.iter().map(|block| block.len() as u64).sum::<u64>();
        self.blocks = blocks;
        self.looks += looks;
        self.sum();
        let Some(rules) = self.setting.rules else { return Ok(moves::Moved::default()) };
        if self.now.is_multiple_of(mica_market::migration::ROUND_BLOCKS) {
            let moved = moves::round(self, rules)?;
            self.sum();
            return Ok(moved);
        }
        Ok(moves::Moved::default())
    }

    /// Every worker for which `chosen` is true leaves at once.
    pub fn leave(&mut self, chosen: impl Fn(usize) -> bool + Sync) {
        parallel::each(self.setting.threads, &mut self.blocks, |block| {
            for i in 0..block.len() {
                if chosen(block.from + i) {
                    block.until[i] = agents::GONE;
                    block.mass.iter_mut().for_each(|mass| mass[i] = 0.0);
                }
            }
            block.sum();
        });
        self.sum();
    }

    /// A third of the workers leave at once.
    pub fn shock(&mut self) {
        let seed = self.setting.seed;
        self.leave(|who| unit(seed, Purpose::Shock, who as u64, 0) < 1.0 / 3.0);
    }

    /// Layer-tokens per µs that all registered workers can compute.
    pub fn power(&self) -> f64 {
        self.here().map(|(block, i)| f64::from(block.cost_us[i]).recip()).sum()
    }

    /// All registered workers, in order.
    pub fn here(&self) -> impl Iterator<Item = (&Block, usize)> {
        self.blocks
            .iter()
            .flat_map(|block| (0..block.len()).map(move |i| (block, i)))
            .filter(|(block, i)| block.is_here(*i))
    }

    /// Adds the blocks up, in their order, and derives the fields.
    pub(crate) fn sum(&mut self) {
        for (stream, masses) in self.masses.iter_mut().enumerate() {
            masses.fill(0.0);
            for block in &self.blocks {
                for (mass, step) in masses.iter_mut().zip(&block.steps[stream]) {
                    *mass += step;
                }
            }
            let mut sum = 0.0;
            for mass in masses.iter_mut() {
                sum += *mass;
                *mass = sum;
            }
        }
        let [streams @ .., cartel] = &self.masses;
        for ((field, masses), stream) in
            self.fields.iter_mut().zip(streams).zip(&self.market.streams)
        {
            field.set(stream.outside, masses, cartel);
        }
    }

    fn take_reference(&mut self) {
        self.reference_us = reference_cost_us(
            self.here().map(|(block, i)| (block.declared_us(i), block.experience[i])),
        );
    }
}

fn check(setting: &Setting) -> Result<(), SimError> {
    let fault = |what, value, range| Err(SimError::Setting { what, value, range });
    if !(1..=MOST_WORKERS).contains(&setting.workers) {
        return fault("the number of workers", setting.workers as f64, "1 to 10,000,000");
    }
    if !(1..=1_000).contains(&setting.layers) {
        return fault("the number of layers", setting.layers.into(), "1 to 1,000");
    }
    if !(0.0..=1.0).contains(&setting.strategic) {
        return fault("the share of strategic actors", setting.strategic, "0 to 1");
    }
    if !(setting.load > 0.0 && setting.load <= 100.0) {
        return fault("the load", setting.load, "more than 0, at most 100");
    }
    if !(0.0..=1.0).contains(&setting.churn) {
        return fault("the churn", setting.churn, "0 to 1");
    }
    Ok(())
}

/// Fills a block with the workers that a world begins with.
fn populate(block: &mut Block, setting: &Setting) {
    for who in block.from..block.from + agents::length(setting.workers, block.from) {
        let worker = Newcomer::draw(setting, who, 0);
        let first = match setting.start {
            Start::Front => 0,
            Start::Random => {
                let places = u64::from(setting.layers - worker.room) + 1;
                // Below the number of layers.
                (word(setting.seed, Purpose::Place, who as u64, 0) % places) as u16
            }
        };
        block.first.push(first);
        block.end.push(first + worker.room);
        block.kind.push(worker.kind);
        block.cost_us.push(worker.cost_us);
        block.expense.push(worker.expense);
        block.counted.push(worker.expense);
        block.price.push(worker.price);
        block.utilisation.push(0.0);
        block.experience.push(Experience::default());
        block.believed_us.push(worker.cost_us);
        block.since.push(0);
        block.until.push(0);
        block.generation.push(0);
        block.mass.iter_mut().for_each(|mass| mass.push(0.0));
    }
}

/// A worker before it has a place.
pub(crate) struct Newcomer {
    pub kind: Kind,
    pub room: u16,
    pub cost_us: u32,
    pub expense: f64,
    pub price: f64,
}

impl Newcomer {
    /// The worker of slot `who` after `generation` others.
    pub(crate) fn draw(setting: &Setting, who: usize, generation: u32) -> Self {
        let draw = |purpose| unit(setting.seed, purpose, who as u64, generation.into());
        let rooms = f64::from(ROOM.1 - ROOM.0 + 1);
        Self {
            kind: Kind::draw(setting.seed, who as u64, setting.strategic),
            room: (ROOM.0 + (draw(Purpose::Room) * rooms) as u16).min(setting.layers),
            cost_us: log_even(COSTS_US.0, COSTS_US.1, draw(Purpose::Cost)) as u32,
            expense: log_even(EXPENSES.0, EXPENSES.1, draw(Purpose::Expense)),
            price: log_even(FIRST_PRICES.0, FIRST_PRICES.1, draw(Purpose::Price)),
        }
    }
}
