//! How long routing, pricing and migration take for networks of up to 100,000 workers. Prints a
//! table.
//!
//! `cargo bench -p mica-market`. Every figure is the median of several runs on one thread; networks
//! are random with a fixed seed: 32 layers, ranges of 2 to 12 layers, prices and costs within a
//! factor of 8, the dearer the faster.
#![allow(clippy::print_stdout, reason = "made to be read by people")]

use std::{collections::HashMap, hint::black_box, time::Instant};

use mica_market::{
    migration::{Member, Round, Rules},
    pricing::{Bounds, Demand, Game, Player, Units},
    routing::{Availability, Candidate, FrontierLimits, Links, Network, Preference, Request},
};
use mica_primitives::LayerRange;

const LAYERS: u16 = 32;
const RUNS: usize = 7;
const UNITS: Units = Units { price: 1e6, cost: 1e3 };

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn candidates(n: usize, random: &mut Random) -> Vec<Candidate> {
    (0..n)
        .map(|_| {
            let width = 2 + (random.unit() * 11.0) as u16;
            let first = (random.unit() * f64::from(LAYERS - width + 1)) as u16;
            let speed = 8f64.powf(random.unit());
            let luck = 0.8 + 0.4 * random.unit();
            Candidate {
                range: LayerRange { first, end: first + width },
                price_per_layer_token: (1e6 * speed * luck) as u128,
                cost_us_per_layer_token: (4e3 / speed) as u32,
                availability: Availability::Ready { free_positions: 4_096 },
            }
        })
        .collect()
}

fn median_ms<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}

fn main() {
    println!(
        "| workers | exclude ms | best path ms | with 1,000 measured links ms | 3 disjoint ms | \
         frontier ms (paths, exact) | migration round ms | price round ms |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for n in [100, 1_000, 10_000, 100_000] {
        let mut random = Random(n as u64);
        let candidates = candidates(n, &mut random);
        let plain = Links { hop_us: 18_000, assumed_us: 10_000, measured_us: HashMap::new() };
        let mut pick = || (random.unit() * n as f64) as usize;
        let measured_us = (0..1_000).map(|i| ((pick(), pick()), 1_000 + i * 20)).collect();
        let linked = Links { measured_us, ..plain.clone() };
        let request = Request {
            layers: LayerRange { first: 0, end: LAYERS },
            positions: 2_048,
            max_stages: 16,
        };
        let preference = Preference { alpha: 0.5, units: UNITS };

        let exclude = median_ms(|| {
            Network::new(&candidates, &plain, request, &[]).map(|network| network.usable_workers())
        });
        let network =
            Network::new(&candidates, &plain, request, &[]).expect("every layer is served");
        let best = median_ms(|| network.best_path(preference).expect("a path"));
        let with_links =
            Network::new(&candidates, &linked, request, &[]).expect("every layer is served");
        let best_linked = median_ms(|| with_links.best_path(preference).expect("a path"));
        let disjoint = median_ms(|| network.disjoint_paths(preference, 3).expect("paths"));
        let frontier = network.frontier(UNITS, FrontierLimits::default()).expect("a frontier");
        let frontier_ms =
            median_ms(|| network.frontier(UNITS, FrontierLimits::default()).expect("a frontier"));

        let members: Vec<Member> = candidates
            .iter()
            .enumerate()
            .map(|(i, candidate)| {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&(i as u64).to_le_bytes());
                let cost = f64::from(candidate.cost_us_per_layer_token);
                Member { id, range: candidate.range, room: candidate.range.len(), cost, since: 0 }
            })
            .collect();
        let migration = median_ms(|| {
            Round::new(LAYERS, &members, Rules::default(), 1, 1_000)
                .expect("valid")
                .decide(0, 0.5)
                .expect("member")
        });

        let bounds = Bounds::new(1e3, 1e9).expect("ordered");
        let player = |c: &Candidate| Player {
            range: c.range,
            cost: f64::from(c.cost_us_per_layer_token),
            marginal_cost: 0.0,
            bounds,
        };
        let demand = Demand::new(0.5, 1.0, UNITS, Some(8.0)).expect("valid");
        let game =
            Game::new(demand, LAYERS, candidates.iter().map(player).collect()).expect("valid");
        let prices: Vec<f64> = candidates.iter().map(|c| c.price_per_layer_token as f64).collect();
        let pricing = median_ms(|| game.prospects(&prices).expect("valid"));
        println!(
            "| {n} | {exclude:.2} | {best:.2} | {best_linked:.2} | {disjoint:.2} | \
             {frontier_ms:.1} ({}, {}) | {migration:.2} | {pricing:.2} |",
            frontier.paths().len(),
            frontier.is_exact(),
        );
    }
}
