//! Some hundred worlds in every run of the tests; `make simulate` runs as many as one likes.

use mica_simulation::{Summary, run};

/// Worlds in a run of the tests.
const SEEDS: u64 = 200;

#[test]
fn nobody_loses_nothing_is_paid_twice_and_everything_ends() {
    let mut total = Summary::default();
    for seed in 0..SEEDS {
        match run(seed) {
            Ok(summary) => total.add(&summary),
            Err(finding) => panic!("{finding}\nreplay: make simulate SEEDS={seed}"),
        }
    }
    // The trouble is real, and so is the work.
    assert!(total.deaths > SEEDS / 2, "{total:?}");
    assert!(total.answered > SEEDS && total.answered < total.sessions, "{total:?}");
    assert!(total.claimed > 0, "{total:?}");
}

#[test]
fn a_seed_gives_the_same_world_again() {
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed));
    }
}
