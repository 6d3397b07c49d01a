//! Every recorded game of `fixtures/equilibria.json`: equilibria found elsewhere, by best responses
//! to 1e-12.

use mica_market::pricing::{Bounds, Demand, Game, Player, Units};
use mica_primitives::LayerRange;
use serde::Deserialize;

/// Relative error allowed in a price. The file has nine decimals and prices from 0.3 on: 3e-9 is
/// its own rounding.
const PRICE_TOLERANCE: f64 = 1e-7;
/// Absolute error allowed in a share.
const SHARE_TOLERANCE: f64 = 1e-7;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alpha: f64,
    temperature: f64,
    price_unit: f64,
    cost_unit: f64,
    reservation_weight: Option<f64>,
    floor: f64,
    ceiling: f64,
    workers: Vec<Worker>,
    equilibrium_prices: Vec<f64>,
    shares: Vec<f64>,
}

#[derive(Deserialize)]
struct Worker {
    cost: f64,
    marginal_cost: f64,
}

fn game(case: &Case) -> Game {
    let units = Units { price: case.price_unit, cost: case.cost_unit };
    let demand =
        Demand::new(case.alpha, case.temperature, units, case.reservation_weight).expect("valid");
    let bounds = Bounds::new(case.floor, case.ceiling).expect("ordered");
    let range = LayerRange { first: 0, end: 1 };
    let player =
        |w: &Worker| Player { range, cost: w.cost, marginal_cost: w.marginal_cost, bounds };
    Game::new(demand, 1, case.workers.iter().map(player).collect()).expect("valid")
}

#[test]
fn every_recorded_equilibrium_is_reached_from_the_floor_the_ceiling_and_between() {
    let file: File =
        serde_json::from_str(include_str!("fixtures/equilibria.json")).expect("parses");
    assert!(file.cases.len() >= 12);
    for (number, case) in file.cases.iter().enumerate() {
        let game = game(case);
        let workers = case.workers.len();
        let mixed =
            (0..workers).map(|i| if i % 2 == 0 { case.floor } else { case.ceiling }).collect();
        for start in [
            vec![case.floor; workers],
            vec![case.ceiling; workers],
            vec![case.price_unit; workers],
            mixed,
        ] {
            let settled = game.settle(&start, 1e-11, 400).expect("solves");
            assert!(
                settled.last_change <= 1e-9,
                "case {number}: still moving by {}",
                settled.last_change
            );
            for (found, expected) in settled.prices.iter().zip(&case.equilibrium_prices) {
                assert!(
                    (found / expected - 1.0).abs() < PRICE_TOLERANCE,
                    "case {number}: {found} for {expected}"
                );
            }
            for (found, expected) in
                game.sales(&settled.prices).expect("valid").iter().zip(&case.shares)
            {
                assert!(
                    (found - expected).abs() < SHARE_TOLERANCE,
                    "case {number}: {found} for {expected}"
                );
            }
            let report = game.nash_check(&settled.prices).expect("valid");
            assert!(report.holds(1e-9), "case {number}: {:?}", report.worst());
        }
    }
}

#[test]
fn a_recorded_game_off_its_equilibrium_fails_the_check() {
    let file: File =
        serde_json::from_str(include_str!("fixtures/equilibria.json")).expect("parses");
    for case in &file.cases {
        let game = game(case);
        let mut prices = case.equilibrium_prices.clone();
        prices[0] *= 1.5;
        assert!(!game.nash_check(&prices).expect("valid").holds(1e-3));
    }
}
