//! Networks of many sizes migrate by the public rule alone. They must come to rest, never lose a
//! layer, and end balanced.

use mica_market::migration::{Decision, Member, Round, Rules, Stay, Supply};
use mica_primitives::LayerRange;

const LAYERS: u16 = 22;

/// SplitMix64; the seed is printed when a test fails.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: u64) -> u16 {
        (self.word() % n) as u16
    }
}

#[derive(Clone, Copy, Debug)]
enum Start {
    /// Everybody begins at layer 0.
    Front,
    /// Anywhere.
    Anywhere,
}

/// `n` workers with 2 to 11 layers and costs within a factor of 8.
fn network(n: usize, start: Start, random: &mut Random) -> Vec<Member> {
    (0..n)
        .map(|_| {
            let room = 2 + random.below(10);
            let first = match start {
                Start::Front => 0,
                Start::Anywhere => random.below(u64::from(LAYERS - room) + 1),
            };
            let mut id = [0; 32];
            id.chunks_exact_mut(8)
                .for_each(|word| word.copy_from_slice(&random.word().to_le_bytes()));
            let range = LayerRange { first, end: first + room };
            Member { id, range, room, cost: 100.0 * 8f64.powf(random.unit()), since: 0 }
        })
        .collect()
}

struct Outcome {
    rounds: u64,
    moves: usize,
    /// Weakest layer's speed over the even split of all speed, at the end.
    balance: f64,
}

/// Plays rounds until nobody would gain, guardian or not.
fn settle(
    members: &mut [Member],
    rules: Rules,
    max_rounds: u64,
    random: &mut Random,
    label: &str,
) -> Outcome {
    let start = Supply::new(LAYERS, members).expect("valid");
    let even: f64 =
        members.iter().map(|m| f64::from(m.room) / m.cost).sum::<f64>() / f64::from(LAYERS);
    let mut covered: Vec<bool> = start.workers().iter().map(|n| *n > 0).collect();
    let mut moves = 0;
    for number in 0..max_rounds {
        let snapshot = members.to_vec();
        let round = Round::new(LAYERS, &snapshot, rules, number, number as u32).expect("valid");
        let decisions: Vec<Decision> =
            (0..members.len()).map(|i| round.decide(i, random.unit()).expect("a member")).collect();
        let at_rest = |decision: &Decision| matches!(decision, Decision::Stay(Stay::NoGain { .. }));
        if decisions.iter().all(at_rest) {
            return Outcome { rounds: number, moves, balance: round.supply().throughput() / even };
        }
        let mut in_flight = 0.0;
        for (member, decision) in members.iter_mut().zip(&decisions) {
            if let Decision::Move(to) = decision {
                member.range = to.to;
                member.since = number as u32;
                in_flight += member.cost.recip();
                moves += 1;
            }
        }
        let after = Supply::new(LAYERS, members).expect("valid");
        for (was, now) in covered.iter_mut().zip(after.workers()) {
            assert!(!*was || *now > 0, "{label}: a layer was left bare in round {number}");
            *was = *now > 0;
        }
        assert!(
            after.throughput() >= start.throughput() - in_flight - 1e-12,
            "{label}: throughput fell from {} to {} in round {number}",
            start.throughput(),
            after.throughput()
        );
    }
    panic!("{label}: not at rest after {max_rounds} rounds");
}

#[test]
fn networks_of_every_size_come_to_rest_balanced_and_never_lose_a_layer() {
    for n in [8, 20, 50, 100, 200, 400] {
        for start in [Start::Front, Start::Anywhere] {
            for threshold in [0.0, 0.05] {
                for seed in 0..5 {
                    let label = format!("n {n}, {start:?}, threshold {threshold}, seed {seed}");
                    let mut random = Random(seed);
                    let mut members = network(n, start, &mut random);
                    let rules =
                        Rules { gain_threshold: threshold, minimum_stay: 0, ..Rules::default() };
                    let outcome =
                        settle(&mut members, rules, 300 + 6 * n as u64, &mut random, &label);
                    println!(
                        "{label}: {} rounds, {} moves, {:.2}",
                        outcome.rounds, outcome.moves, outcome.balance
                    );
                    let most_moves = if threshold > 0.0 { 30 + 2 * n } else { 60 + 8 * n };
                    assert!(outcome.moves <= most_moves, "{label}: {} moves", outcome.moves);
                    if n >= 50 {
                        assert!(
                            outcome.balance > 0.7,
                            "{label}: weakest layer at {}",
                            outcome.balance
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_third_of_the_workers_leave_and_the_rest_close_the_gaps() {
    for seed in 0..5 {
        let label = format!("shock, seed {seed}");
        let mut random = Random(seed);
        let mut members = network(90, Start::Anywhere, &mut random);
        let rules = Rules { minimum_stay: 0, ..Rules::default() };
        settle(&mut members, rules, 600, &mut random, &label);
        // The third with the earliest layers leaves: nearly all of the front is gone.
        members.sort_by_key(|member| member.range.first);
        members.drain(..30);
        members.iter_mut().for_each(|member| member.since = 0);
        let before = Supply::new(LAYERS, &members).expect("valid").throughput();
        let outcome = settle(&mut members, rules, 600, &mut random, &label);
        println!(
            "{label}: {} rounds, {} moves, {:.2}",
            outcome.rounds, outcome.moves, outcome.balance
        );
        assert!(
            outcome.balance > 0.7
                && before < Supply::new(LAYERS, &members).expect("valid").throughput(),
            "{label}"
        );
    }
}
