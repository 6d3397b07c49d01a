//! Small worlds come to rest where others say that they must.

use mica_market::pricing::{Bounds, Demand, Units, rule};
use mica_market_sim::{Market, Setting, World};
use serde_json::Value;

/// Costs are whole microseconds in a world; the recorded games have four decimals.
const FINER: f64 = 1e4;

/// A world of one layer with these (cost, expense), which nobody leaves and in which nobody waits.
fn world(demand: Demand, bounds: Bounds, workers: &[(f64, f64)], start: f64) -> World {
    let setting = Setting {
        workers: workers.len(),
        layers: 1,
        load: 1e-15,
        rules: None,
        ..Setting::default()
    };
    let mut world = World::new(setting, Market::of_one(demand, bounds)).expect("valid");
    for block in &mut world.blocks {
        for i in 0..block.len() {
            let (cost, expense) = workers[block.from + i];
            block.cost_us[i] = (cost * FINER).round() as u32;
            block.expense[i] = expense;
            block.price[i] = start;
        }
    }
    world
}

fn prices(world: &World) -> Vec<f64> {
    world.here().map(|(block, i)| block.price[i]).collect()
}

fn settle(world: &mut World) {
    for _ in 0..2_000 {
        world.step().expect("steps");
    }
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is a number"))
}

#[test]
fn every_recorded_equilibrium_is_reached() {
    let file: Value = serde_json::from_str(include_str!(
        "../../../inference-worker/market/tests/fixtures/equilibria.json"
    ))
    .expect("parses");
    let cases = file["cases"].as_array().expect("cases");
    assert!(cases.len() >= 12);
    for (n, case) in cases.iter().enumerate() {
        let price_unit = number(case, "price_unit");
        let units = Units { price: price_unit, cost: number(case, "cost_unit") * FINER };
        let reservation = case["reservation_weight"].as_f64();
        let (alpha, temperature) = (number(case, "alpha"), number(case, "temperature"));
        let demand = Demand::new(alpha, temperature, units, reservation).expect("valid");
        let bounds = Bounds::new(number(case, "floor"), number(case, "ceiling")).expect("ordered");
        let workers: Vec<(f64, f64)> = case["workers"]
            .as_array()
            .expect("workers")
            .iter()
            .map(|worker| (number(worker, "cost"), number(worker, "marginal_cost")))
            .collect();
        for start in [0.1 * price_unit, price_unit, 20.0 * price_unit] {
            let mut world = world(demand, bounds, &workers, start);
            settle(&mut world);
            let expected = case["equilibrium_prices"].as_array().expect("prices");
            for (found, expected) in prices(&world).iter().zip(expected) {
                let expected = expected.as_f64().expect("a number");
                assert!(
                    (found / expected - 1.0).abs() < 1e-6,
                    "case {n} from {start}: {found} for {expected}"
                );
            }
        }
    }
}

/// The equilibrium by another way than best responses: given everybody's mass, a worker's own
/// mass follows from its first-order condition; the sum of masses is the root of one function.
fn by_bisection(demand: &Demand, workers: &[(f64, f64)]) -> Vec<f64> {
    let slope = demand.price_slope();
    let budget = -demand.outside_exponent();
    let per_cost = -demand.exponent(mica_market::pricing::Offer { price: 0.0, cost: 1.0 });
    let price = |expense: f64, share: f64| expense + 1.0 / (slope * (1.0 - share));
    let share = |(cost, expense): (f64, f64), total: f64| {
        let (mut low, mut high) = (0.0, 1.0 - 1e-15);
        for _ in 0..200 {
            let share = 0.5 * (low + high);
            let mass = (budget - slope * price(expense, share) - per_cost * cost * FINER).exp();
            if mass / total > share { low = share } else { high = share }
        }
        low
    };
    let (mut low, mut high) = (1.0, 1e9);
    for _ in 0..200 {
        let total: f64 = 0.5 * (low + high);
        let all: f64 = workers.iter().map(|worker| share(*worker, total)).sum();
        // Doing without has a mass of 1.
        if all + 1.0 / total > 1.0 { low = total } else { high = total }
    }
    workers.iter().map(|worker| price(worker.1, share(*worker, low))).collect()
}

#[test]
fn worlds_rest_where_a_bisection_over_the_sum_of_masses_says() {
    let units = Units { price: 1_000.0, cost: FINER };
    let demand = rule::believed_demand(units).expect("valid");
    let bounds = Bounds::new(0.0, 1e6).expect("ordered");
    for n in [1usize, 2, 3, 7, 30, 64] {
        let workers: Vec<(f64, f64)> =
            (0..n).map(|i| (0.5 + (i * 7 % 10) as f64 * 0.35, (i * 3 % 5) as f64 * 50.0)).collect();
        let expected = by_bisection(&demand, &workers);
        for start in [10.0, 2_000.0, 1e5] {
            let mut world = world(demand, bounds, &workers, start);
            settle(&mut world);
            for (found, expected) in prices(&world).iter().zip(&expected) {
                assert!((found / expected - 1.0).abs() < 1e-6, "{n}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn a_world_whose_workers_never_look_stays_away_from_the_equilibrium() {
    let units = Units { price: 1_000.0, cost: FINER };
    let demand = rule::believed_demand(units).expect("valid");
    let bounds = Bounds::new(0.0, 1e6).expect("ordered");
    let workers = [(1.0, 0.0), (2.0, 0.0)];
    let world = world(demand, bounds, &workers, 10.0);
    let expected = by_bisection(&demand, &workers);
    assert!(prices(&world).iter().zip(&expected).all(|(a, b)| (a / b - 1.0).abs() > 0.5));
}
