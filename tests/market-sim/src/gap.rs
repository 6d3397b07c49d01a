//! What workers would gain by another price (P2P-LLM eq. 6), by the production code's own climb.

use mica_market::pricing::{Prospect, best_price};

use crate::{
    actors::Kind,
    agents::Block,
    parallel,
    random::{Purpose, word},
    world::{SimError, World},
};

/// Gains over what could be earned, over a sample of the honest workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct NashGap {
    /// The greatest.
    pub greatest: f64,
    /// The mean.
    pub mean: f64,
    /// Workers in the sample.
    pub workers: usize,
}

/// The Nash gap of at most `sample` honest workers that serve; all of them if there are no more.
///
/// As the worker's own rule has it, profit is counted against what a sale costs a busy worker. A
/// full worker that counts the sales that it displaces has no profit at its price and so the
/// greatest gap: it is not at rest.
///
/// # Errors
/// [`SimError::Pricing`] where the production code cannot climb.
pub fn nash_gap(world: &World, sample: usize) -> Result<NashGap, SimError> {
    if sample == 0 {
        return Ok(NashGap::default());
    }
    let mut honest: Vec<(&Block, usize)> = world
        .here()
        .filter(|(block, i)| block.kind[*i] == Kind::Honest && block.mass[0][*i] > 0.0)
        .collect();
    if honest.len() > sample {
        let draw = |(block, i): &(&Block, usize)| {
            word(world.setting.seed, Purpose::Sample, (block.from + i) as u64, 0)
        };
        honest.sort_by_key(draw);
        honest.truncate(sample);
    }
    let gaps = parallel::map(world.setting.threads, honest.len(), |k| {
        let (block, i) = honest[k];
        gain(world, block, i)
    });
    let mut gap = NashGap { workers: honest.len(), ..NashGap::default() };
    for gain in gaps {
        let gain = gain?;
        gap.greatest = gap.greatest.max(gain);
        gap.mean += gain / honest.len() as f64;
    }
    Ok(gap)
}

/// What worker `i` of a block would gain, over what it could earn.
fn gain(world: &World, block: &Block, i: usize) -> Result<f64, SimError> {
    let stream = &world.market.streams[0];
    let own = block.mass[0][i];
    // Masses count from the outside option, or from 0 where there is none.
    let rivals: Vec<f64> = (block.first[i]..block.end[i])
        .map(|layer| {
            let others = (world.masses[0][usize::from(layer)] - own).max(0.0);
            (stream.outside + others).ln() - stream.budget
        })
        .collect();
    let price = block.price[i];
    let expense = block.counted[i];
    let prospect = Prospect::new(&stream.demand, block.believed_us[i].into(), expense, &rivals)?;
    if world.market.bounds.ceiling <= expense {
        return Ok(0.0);
    }
    let best = best_price(&prospect, world.market.bounds, price)?;
    Ok(if best.profit > 0.0 {
        ((best.profit - prospect.profit(price)) / best.profit).max(0.0)
    } else {
        0.0
    })
}
