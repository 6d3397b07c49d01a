//! The climb must find the best price from any start, in any market, and the games must settle.

use mica_market::pricing::{Bounds, Demand, Game, Offer, Player, Prospect, Units, best_price};
use mica_primitives::LayerRange;
use proptest::prelude::*;

fn market() -> impl Strategy<Value = (Demand, f64, f64)> {
    let unit = || prop::sample::select(vec![1.0, 0.5, 2.5, 1e3, 1e6, 1e12]);
    (0.02f64..=1.0, 0.1f64..4.0, unit(), unit(), prop::option::of(0.5f64..12.0)).prop_map(
        |(alpha, t, price, cost, outside)| {
            (Demand::new(alpha, t, Units { price, cost }, outside).expect("in range"), price, cost)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// One layer, 0 to 63 rivals with prices over nine decades, any start: slope zero at the
    /// answer, or a bound holds it.
    #[test]
    fn the_peak_is_found_from_any_start(
        (demand, price_unit, cost_unit) in market(),
        rivals in prop::collection::vec((-6f64..3.0, 0.05f64..10.0), 0..64),
        cost in 0.05f64..10.0,
        expense in prop::sample::select(vec![0.0, 0.3, 2.0]),
        starts in prop::collection::vec(0f64..=1.0, 3),
    ) {
        let rivals: Vec<Offer> = rivals
            .into_iter()
            .map(|(decade, cost)| Offer { price: price_unit * 10f64.powf(decade), cost: cost * cost_unit })
            .collect();
        let prospect = Prospect::on_layer(&demand, cost * cost_unit, expense * price_unit, &rivals).expect("valid");
        let bounds = Bounds::new(price_unit * 1e-6, price_unit * 1e6).expect("ordered");
        let mut first = None;
        for start in starts {
            let start = bounds.floor * (bounds.ceiling / bounds.floor).powf(start);
            let found = best_price(&prospect, bounds, start).expect("converges");
            prop_assert!(bounds.floor <= found.price && found.price <= bounds.ceiling);
            let slope = prospect.log_profit_gradient((found.price - expense * price_unit).ln());
            prop_assert!(slope.abs() < 1e-6 || (found.price == bounds.ceiling && slope > 0.0), "slope {} at {}", slope, found.price);
            let reference = *first.get_or_insert(found.price);
            prop_assert!((found.price / reference - 1.0).abs() < 1e-7);
        }
    }

    /// Several layers: no price of a fine grid earns more.
    #[test]
    fn nothing_on_a_grid_beats_the_price_over_several_layers(
        (demand, price_unit, cost_unit) in market(),
        masses in prop::collection::vec(-30f64..3.0, 1..16),
        start in 0f64..=1.0,
    ) {
        let prospect = Prospect::new(&demand, cost_unit, 0.0, &masses).expect("valid");
        let bounds = Bounds::new(price_unit * 1e-3, price_unit * 1e3).expect("ordered");
        let found = best_price(&prospect, bounds, bounds.floor * 1e6f64.powf(start)).expect("converges");
        for i in 0..=4_000 {
            let price = bounds.floor * 1e6f64.powf(f64::from(i) / 4_000.0);
            prop_assert!(prospect.profit(price) <= found.profit * (1.0 + 1e-7), "{} beats {}", price, found.price);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Games of 1 to 64 workers settle at one point whatever the start, and it passes the check of
    /// eq. 6.
    #[test]
    fn games_of_one_to_sixty_four_workers_settle_at_one_equilibrium(
        (demand, price_unit, cost_unit) in market(),
        workers in prop_oneof![
            prop::collection::vec((0.1f64..5.0, prop::sample::select(vec![0.0, 0.3])), 1..=4),
            prop::collection::vec((0.1f64..5.0, prop::sample::select(vec![0.0, 0.3])), 1..=64),
        ],
        starts in prop::collection::vec(0f64..=1.0, 64),
    ) {
        let bounds = Bounds::new(price_unit * 1e-3, price_unit * 1e6).expect("ordered");
        let range = LayerRange { first: 0, end: 1 };
        let players: Vec<Player> = workers
            .iter()
            .map(|(cost, expense)| Player { range, cost: cost * cost_unit, marginal_cost: expense * price_unit, bounds })
            .collect();
        let game = Game::new(demand, 1, players).expect("valid");
        let random: Vec<f64> = starts[..workers.len()].iter().map(|s| bounds.floor * 1e9f64.powf(*s)).collect();
        let from_floor = game.settle(&vec![bounds.floor; workers.len()], 1e-10, 150).expect("solves");
        for start in [random, vec![bounds.ceiling; workers.len()]] {
            let settled = game.settle(&start, 1e-10, 150).expect("solves");
            prop_assert!(settled.last_change <= 1e-10, "moving by {} after {}", settled.last_change, settled.rounds);
            for (a, b) in settled.prices.iter().zip(&from_floor.prices) {
                prop_assert!((a / b - 1.0).abs() < 1e-6, "{} and {}", a, b);
            }
            prop_assert!(game.nash_check(&settled.prices).expect("valid").holds(1e-8));
        }
    }
}
