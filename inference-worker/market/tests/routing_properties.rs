//! Routing against brute force: every path of a small random network is listed, and the searches
//! must agree with the list.

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
};

use mica_market::{
    pricing::Units,
    routing::{
        Availability, Candidate, FrontierLimits, Links, Network, Path, Preference, Request,
        RouteError,
    },
};
use mica_primitives::LayerRange;
use proptest::{prelude::*, test_runner::TestRunner};

const READY: Availability = Availability::Ready { free_positions: 10 };

/// All paths: (workers with their entry and end, price, time). Written apart from the code under
/// test.
fn every_path(
    candidates: &[Candidate],
    links: &Links,
    request: Request,
) -> Vec<(Vec<usize>, u128, u64)> {
    let mut finished = Vec::new();
    let mut open = vec![(Vec::new(), 0u128, 0u64, request.layers.first)];
    while let Some((workers, price, time, at)) = open.pop() {
        if at == request.layers.end {
            finished.push((workers, price, time));
            continue;
        }
        if workers.len() == usize::from(request.max_stages) {
            continue;
        }
        for (i, candidate) in candidates.iter().enumerate() {
            let usable = matches!(candidate.availability, Availability::Ready { free_positions } if free_positions >= request.positions);
            if !usable || !candidate.range.contains(at) {
                continue;
            }
            let end = candidate.range.end.min(request.layers.end);
            let layers = end - at;
            let latency = workers
                .last()
                .and_then(|last| links.measured_us.get(&(*last, i)))
                .copied()
                .unwrap_or(links.assumed_us);
            let mut next = workers.clone();
            next.push(i);
            open.push((
                next,
                price + candidate.price_per_layer_token * u128::from(layers),
                time + u64::from(candidate.cost_us_per_layer_token) * u64::from(layers)
                    + u64::from(links.hop_us)
                    + u64::from(latency),
                end,
            ));
        }
    }
    finished
}

fn networks() -> impl Strategy<Value = (Vec<Candidate>, Links, Request, Units)> {
    let candidate = (0u16..6, 1u16..=6, 0u128..12, 0u32..12, 0u8..12).prop_map(
        |(first, width, price, cost, luck)| Candidate {
            range: LayerRange { first, end: first + width },
            price_per_layer_token: price,
            cost_us_per_layer_token: cost,
            availability: match luck {
                0 => Availability::Banned,
                1 => Availability::Ready { free_positions: 9 },
                _ => READY,
            },
        },
    );
    let links =
        (0u32..15, 0u32..15, prop::collection::vec(((0usize..9, 0usize..9), 0u32..30), 0..12))
            .prop_map(|(hop_us, assumed_us, measured)| Links {
                hop_us,
                assumed_us,
                measured_us: HashMap::from_iter(measured),
            });
    let request = (0u16..4, 1u16..=5, 1u16..=8).prop_map(|(first, width, max_stages)| Request {
        layers: LayerRange { first, end: first + width },
        positions: 10,
        max_stages,
    });
    let units = (1f64..20.0, 1f64..20.0).prop_map(|(price, cost)| Units { price, cost });
    (prop::collection::vec(candidate, 1..10), links, request, units)
}

fn check_shape(path: &Path, request: Request, candidates: &[Candidate]) {
    let mut at = request.layers.first;
    let mut used = BTreeSet::new();
    for stage in &path.stages {
        assert_eq!(stage.range.first, at);
        assert!(candidates[stage.worker].range.covers(stage.range));
        assert!(used.insert(stage.worker), "a worker is on the path twice");
        at = stage.range.end;
    }
    assert_eq!(at, request.layers.end);
    assert!(path.stages.len() <= usize::from(request.max_stages));
}

/// What a network turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    NoPath,
    TooManyStages,
    Paths(usize),
}

fn agree(
    candidates: &[Candidate],
    links: &Links,
    request: Request,
    units: Units,
    alpha: f64,
) -> Result<Found, TestCaseError> {
    let all = every_path(candidates, links, request);
    let preference = Preference { alpha, units };
    let network = match Network::new(candidates, links, request, &[]) {
        Ok(network) => network,
        Err(RouteError::NoPath(_)) => {
            prop_assert!(all.is_empty());
            return Ok(Found::NoPath);
        }
        Err(other) => panic!("{other}"),
    };
    if all.is_empty() {
        prop_assert_eq!(
            network.best_path(preference),
            Err(RouteError::TooManyStages(request.max_stages))
        );
        prop_assert!(network.frontier(units, FrontierLimits::default()).is_err());
        return Ok(Found::TooManyStages);
    }

    let best = network.best_path(preference).expect("there is one");
    check_shape(&best, request, candidates);
    let weight = |price: u128, time: u64| {
        alpha * price as f64 / units.price + (1.0 - alpha) * time as f64 / units.cost
    };
    let least =
        all.iter().map(|(_, price, time)| weight(*price, *time)).fold(f64::INFINITY, f64::min);
    prop_assert!(
        (best.weight(preference) - least).abs() <= 1e-9 * (1.0 + least),
        "{} for {}",
        best.weight(preference),
        least
    );
    let workers: Vec<usize> = best.stages.iter().map(|stage| stage.worker).collect();
    prop_assert!(
        all.contains(&(workers, best.price_per_token, best.time_us_per_token)),
        "totals are exact"
    );

    let beaten = |price: u128, time: u64| {
        all.iter().any(|(_, p, t)| *p <= price && *t <= time && (*p < price || *t < time))
    };
    let expected: BTreeSet<(u128, u64)> = all
        .iter()
        .map(|(_, price, time)| (*price, *time))
        .filter(|(price, time)| !beaten(*price, *time))
        .collect();
    let frontier = network.frontier(units, FrontierLimits::default()).expect("there is one");
    prop_assert!(frontier.is_exact());
    frontier.paths().iter().for_each(|path| check_shape(path, request, candidates));
    let found: Vec<(u128, u64)> = frontier
        .paths()
        .iter()
        .map(|path| (path.price_per_token, path.time_us_per_token))
        .collect();
    prop_assert_eq!(&found, &expected.iter().copied().collect::<Vec<_>>());

    let (price, time) = found[found.len() / 2];
    prop_assert_eq!(
        frontier.choose(Some(price), None, preference).expect("within").time_us_per_token,
        time
    );
    prop_assert_eq!(
        frontier.choose(None, Some(time), preference).expect("within").price_per_token,
        price
    );
    prop_assert!(
        (frontier.choose(None, None, preference).expect("any").weight(preference) - least).abs()
            <= 1e-9 * (1.0 + least)
    );
    let below = found[0].0.checked_sub(1);
    if let Some(below) = below {
        prop_assert!(
            matches!(
                frontier.choose(Some(below), None, preference),
                Err(RouteError::OverLimits { .. })
            ),
            "below the cheapest"
        );
    }

    // A frontier thinned out stays a part of what is reachable, keeps its ends and says that it is
    // not whole.
    let thin =
        network.frontier(units, FrontierLimits { labels: 2, workers: 2 }).expect("there is one");
    for path in thin.paths() {
        check_shape(path, request, candidates);
        prop_assert!(
            all.iter().any(|(_, p, t)| (*p, *t) == (path.price_per_token, path.time_us_per_token))
        );
    }
    prop_assert_eq!(thin.paths()[0].price_per_token, found[0].0);
    prop_assert!(!thin.is_exact() || thin.paths().len() == found.len());

    let spares = network.disjoint_paths(preference, 4).expect("the first exists");
    prop_assert_eq!(&spares[0], &best);
    let mut used = BTreeSet::new();
    for spare in &spares {
        check_shape(spare, request, candidates);
        prop_assert!(
            spare.stages.iter().all(|stage| used.insert(stage.worker)),
            "spares share a worker"
        );
    }
    if spares.len() < 4 {
        let left: Vec<usize> = used.into_iter().collect();
        let without = Network::new(candidates, links, request, &left)
            .and_then(|network| network.best_path(preference));
        prop_assert!(without.is_err(), "a spare was overlooked");
    }
    Ok(Found::Paths(found.len()))
}

#[test]
fn searches_agree_with_the_list_of_all_paths() {
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(20_000)
    });
    let (too_many, paths, frontiers) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let outcome =
        runner.run(&(networks(), 0f64..=1.0), |((candidates, links, request, units), alpha)| {
            match agree(&candidates, &links, request, units, alpha)? {
                Found::NoPath => {}
                Found::TooManyStages => too_many.set(too_many.get() + 1),
                Found::Paths(n) => {
                    paths.set(paths.get() + 1);
                    frontiers.set(frontiers.get() + usize::from(n > 2));
                }
            }
            Ok(())
        });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    println!(
        "{} with paths, {} of them with more than two; {} with too many stages",
        paths.get(),
        frontiers.get(),
        too_many.get()
    );
    assert!(
        paths.get() > 2_000 && frontiers.get() > 200 && too_many.get() > 50,
        "the networks drawn are too simple"
    );
}
