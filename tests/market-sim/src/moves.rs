//! Rounds of moves, decided by the production code and refused where the chain would refuse them.

use mica_market::migration::{Decision, Member, Move, ROUND_BLOCKS, Round, Rules};
use mica_primitives::LayerRange;

use crate::{
    agents::Block,
    parallel,
    random::{Purpose, unit, word},
    world::{FETCH_BLOCKS, Newcomer, SimError, World},
};

/// What happened in a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Workers that would have gained.
    pub wishes: usize,
    /// Workers that moved.
    pub moves: usize,
    /// Moves that the chain refused because they would have left a layer bare.
    pub refused: usize,
    /// Newcomers in place of workers that left.
    pub newcomers: usize,
}

/// Plays one round.
pub(crate) fn round(world: &mut World, rules: Rules) -> Result<Moved, SimError> {
    let mut moved = Moved::default();
    let setting = world.setting;
    let number = world.now / ROUND_BLOCKS;
    let (members, places) = members(world);
    let round = Round::uncounted(setting.layers, &members, rules, number.into(), world.now)?;
    let wishes: Vec<Option<Move>> =
        parallel::map(setting.threads, members.len(), |i| round.wish(i).ok());
    moved.wishes = wishes.iter().flatten().count();
    let mut served = round.supply().workers().to_vec();
    for (wish, &(block, i)) in wishes.iter().zip(&places) {
        let Some(wanted) = wish else { continue };
        let block = &mut world.blocks[block];
        let draw = unit(setting.seed, Purpose::Turn, (block.from + i) as u64, number.into());
        if let Decision::Move(to) = round.draw(*wanted, moved.wishes, draw) {
            let from = LayerRange { first: block.first[i], end: block.end[i] };
            if leaves_bare(&served, from, to.to) {
                moved.refused += 1;
                continue;
            }
            from.layers().for_each(|layer| served[usize::from(layer)] -= 1);
            to.to.layers().for_each(|layer| served[usize::from(layer)] += 1);
            place(block, i, to.to, world.now);
            moved.moves += 1;
        }
    }
    if setting.churn > 0.0 {
        moved.newcomers = churn(world, &round, number);
    }
    if moved.moves + moved.newcomers > 0 {
        parallel::each(setting.threads, &mut world.blocks, Block::sum);
    }
    Ok(moved)
}

/// The registered workers as the production code sees them, and where each stands.
fn members(world: &World) -> (Vec<Member>, Vec<(usize, usize)>) {
    let mut members = Vec::with_capacity(world.setting.workers);
    let mut places = Vec::with_capacity(world.setting.workers);
    for (number, block) in world.blocks.iter().enumerate() {
        for i in (0..block.len()).filter(|i| block.is_here(*i)) {
            let range = LayerRange { first: block.first[i], end: block.end[i] };
            let name = word(
                world.setting.seed,
                Purpose::Name,
                (block.from + i) as u64,
                block.generation[i].into(),
            );
            members.push(Member {
                id: id(name),
                range,
                room: range.len(),
                // Several identities together declare as many times the power.
                cost: f64::from(block.declared_us(i).max(1)) / block.kind[i].identities(),
                since: block.since[i],
            });
            places.push((number, i));
        }
    }
    (members, places)
}

/// An account's bytes.
fn id(name: u64) -> [u8; 32] {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&name.to_le_bytes());
    id
}

fn leaves_bare(served: &[u32], from: LayerRange, to: LayerRange) -> bool {
    from.layers().any(|layer| !to.contains(layer) && served[usize::from(layer)] <= 1)
}

/// Worker `i` of a block is registered at `range` and fetches its weights.
fn place(block: &mut Block, i: usize, range: LayerRange, now: u32) {
    block.first[i] = range.first;
    block.end[i] = range.end;
    block.since[i] = now;
    block.until[i] = now + FETCH_BLOCKS;
    block.mass.iter_mut().for_each(|mass| mass[i] = 0.0);
}

/// Some workers leave, and newcomers go where the production code sends them.
fn churn(world: &mut World, round: &Round<'_>, number: u32) -> usize {
    let setting = world.setting;
    let mut newcomers = 0;
    for block in &mut world.blocks {
        for i in 0..block.len() {
            let who = block.from + i;
            let draw = unit(setting.seed, Purpose::Churn, who as u64, number.into());
            if !block.is_here(i) || draw >= setting.churn {
                continue;
            }
            let generation = block.generation[i] + 1;
            let worker = Newcomer::draw(&setting, who, generation);
            let best =
                round.supply().best_range(f64::from(worker.cost_us), worker.room, None, None);
            // Every newcomer has room for two layers, or for the one that there is.
            let Some((range, _)) = best else { continue };
            block.generation[i] = generation;
            block.kind[i] = worker.kind;
            block.cost_us[i] = worker.cost_us;
            block.expense[i] = worker.expense;
            block.counted[i] = worker.expense;
            block.price[i] = worker.price;
            block.utilisation[i] = 0.0;
            block.experience[i] = Default::default();
            place(block, i, range, world.now);
            newcomers += 1;
        }
    }
    newcomers
}
