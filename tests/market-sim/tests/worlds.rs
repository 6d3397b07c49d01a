//! Whole worlds: the same bytes each time, at rest from anywhere, never bare, and little lost to
//! shocks and to those who do not play by the rules.

use mica_market::migration::{RULES, Rules};
use mica_market_sim::{LoadRule, Market, Plan, Row, Run, Setting, Start, World, starts::starts};

fn play(setting: Setting, plan: Plan) -> Run {
    let market = Market::standard().expect("valid");
    let mut run = Run::new(World::new(setting, market).expect("valid"), plan).expect("begins");
    run.finish(|_| ()).expect("runs");
    run
}

fn plan(rounds: u32) -> Plan {
    Plan { rounds, shock: false, flash: false, gap_sample: 0 }
}

fn bytes(run: &Run) -> String {
    let summary = serde_json::to_string(&run.summary().expect("adds up")).expect("json");
    let rows = serde_json::to_string(&run.rows).expect("json");
    format!("{summary}\n{rows}")
}

fn end(run: &Run) -> &Row {
    run.rows.last().expect("rows")
}

#[test]
fn one_and_two_and_five_threads_give_the_same_bytes_and_another_seed_others() {
    let setting =
        Setting { workers: 9_000, strategic: 0.3, churn: 0.01, seed: 5, ..Setting::default() };
    let plan = Plan { rounds: 8, shock: true, flash: true, gap_sample: 50 };
    let one = play(setting, plan);
    for threads in [2, 5] {
        let other = play(Setting { threads, ..setting }, plan);
        assert_eq!(bytes(&one), bytes(&other), "{threads} threads");
        assert_eq!(one.world.blocks, other.world.blocks, "{threads} threads");
    }
    let other = play(Setting { seed: 6, ..setting }, plan);
    assert_ne!(bytes(&one), bytes(&other));
}

#[test]
fn a_thousand_random_starts_come_to_rest() {
    let setting = Setting { threads: 2, ..Setting::default() };
    let market = Market::standard().expect("valid");
    let worst = starts(setting, market, plan(60), 1_000, || ()).expect("runs");
    println!("{worst:?}");
    assert_eq!(worst.bared_by_moves, 0, "{worst:?}");
    assert_eq!(worst.bare_at_end, 0, "{worst:?}");
    assert!(worst.gap < 0.001, "{worst:?}");
    assert!(worst.welfare > 0.95 && worst.welfare <= 1.001, "{worst:?}");
}

#[test]
fn without_looks_and_moves_nothing_of_that_holds() {
    let setting = Setting { start: Start::Front, rules: None, ..Setting::default() };
    let run = play(setting, plan(60));
    assert!(end(&run).bare_layers > 0, "nobody went to the last layers");
    let before = Run::new(
        World::new(Setting::default(), Market::standard().expect("valid")).expect("valid"),
        Plan { gap_sample: 100, ..plan(0) },
    )
    .expect("begins");
    assert!(end(&before).gap.greatest > 0.1, "{:?}", end(&before));
}

#[test]
fn after_a_third_has_left_the_market_is_near_its_new_optimum_again() {
    for (load_rule, least) in [(LoadRule::Waiting, 0.99), (LoadRule::Displaced, 0.9)] {
        let setting = Setting { workers: 300, load_rule, ..Setting::default() };
        let run = play(setting, Plan { shock: true, ..plan(160) });
        let summary = run.summary().expect("adds up");
        assert!(end(&run).workers < 230 && end(&run).workers > 170);
        assert!(summary.optimum_part.expect("small") > least, "{load_rule:?}: {summary:?}");
        assert_eq!((summary.bared_by_moves, end(&run).bare_layers), (0, 0));
    }
}

#[test]
fn with_a_third_of_strategic_actors_little_welfare_is_lost() {
    let setting = Setting { workers: 300, strategic: 0.3, ..Setting::default() };
    let run = play(setting, Plan { flash: true, ..plan(120) });
    let part = |run: &Run| run.summary().expect("adds up").optimum_part.expect("small");
    let honest = play(Setting { strategic: 0.0, ..setting }, plan(120));
    assert!(part(&run) > 0.9 && part(&honest) > part(&run), "{} {}", part(&run), part(&honest));
}

#[test]
fn a_crowd_at_the_front_spreads_in_rounds_that_do_not_grow_with_it() {
    let setting = Setting { workers: 2_000, layers: 40, start: Start::Front, ..Setting::default() };
    let run = play(setting, plan(130));
    assert_eq!((end(&run).wishes, run.summary().expect("adds up").bared_by_moves), (0, 0));
    assert!(end(&run).throughput > 0.9, "{:?}", end(&run));
    let two = Some(Rules { least_probability: 0.0, ..RULES });
    let slow = play(Setting { rules: two, ..setting }, plan(130));
    assert!(end(&slow).wishes > 0 && end(&slow).throughput < 0.5, "{:?}", end(&slow));
}

#[test]
fn prices_that_count_the_waiting_they_cause_hold_at_high_loads_where_displaced_sales_do_not() {
    for load in [0.5, 0.7, 0.85] {
        let part = |load_rule| {
            let run = play(Setting { load, load_rule, ..Setting::default() }, plan(100));
            run.summary().expect("adds up").optimum_part.expect("small")
        };
        let (displaced, waiting) = (part(LoadRule::Displaced), part(LoadRule::Waiting));
        println!("load {load}: {displaced:.4} and {waiting:.4}");
        assert!(waiting > 0.99 && waiting <= 1.001, "load {load}: {waiting}");
        assert!(waiting > displaced, "load {load}: {displaced} and {waiting}");
    }
}

#[test]
fn single_payers_get_nearly_the_best_assignment() {
    let run = play(Setting { workers: 300, ..Setting::default() }, plan(100));
    let summary = run.summary().expect("adds up");
    let best = summary.assignment.expect("a small world");
    assert!(best.part() > 0.95 && best.part() <= 1.0, "{best:?}");
    let routes = summary.routes.expect("covered");
    assert!(routes.stages >= 2.0 && routes.most_picked < 1.0 && routes.price > 0.0, "{routes:?}");
}

#[test]
fn settings_out_of_range_say_what_to_choose() {
    let market = Market::standard().expect("valid");
    for setting in [
        Setting { workers: 0, ..Setting::default() },
        Setting { layers: 0, ..Setting::default() },
        Setting { strategic: 1.5, ..Setting::default() },
        Setting { load: f64::NAN, ..Setting::default() },
        Setting { churn: -0.1, ..Setting::default() },
    ] {
        let error = World::new(setting, market).expect_err("refused");
        assert!(error.to_string().contains("choose"), "{error}");
    }
}
