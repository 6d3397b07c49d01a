//! The rules against their definitions.

use proptest::prelude::*;

use super::*;

fn winner(account: u32, backing: u128, proven: bool) -> Winner<u32> {
    Winner { account, backing, proven }
}

/// `proven` and then `new` backings, numbered from 0.
fn winners(proven: &[u128], new: &[u128]) -> Vec<Winner<u32>> {
    let all = proven.iter().map(|backing| (*backing, true));
    (0..)
        .zip(all.chain(new.iter().map(|backing| (*backing, false))))
        .map(|(account, (backing, proven))| winner(account, backing, proven))
        .collect()
}

#[test]
fn newcomers_are_fewer_than_a_third() {
    for proven in 3..200 {
        let newcomers = most_newcomers(proven);
        assert!(newcomers <= (proven + newcomers - 1) / 3);
        assert!(newcomers + 1 > (proven + newcomers) / 3, "one more would be too many");
        // GRANDPA needs more than two thirds of the votes.
        assert!(3 * proven > 2 * (proven + newcomers));
    }
}

#[test]
fn four_take_one_newcomer_of_equal_stake_and_none_of_a_hundredth() {
    assert_eq!(seated(winners(&[100; 4], &[100, 100])), [0, 1, 2, 3, 4]);
    assert_eq!(seated(winners(&[100; 4], &[1, 1])), [0, 1, 2, 3]);
    assert_eq!(seated(winners(&[100; 7], &[100; 7])).len(), 10);
}

#[test]
fn a_first_set_has_no_newcomers_to_fear() {
    assert_eq!(seated(winners(&[], &[100, 90, 80, 10])), [0, 1, 2]);
    assert_eq!(seated(winners(&[100], &[100, 100])), [0, 1]);
    assert!(seated(Vec::<Winner<u32>>::new()).is_empty());
}

#[test]
fn a_newcomer_with_all_the_stake_drives_nobody_out() {
    assert_eq!(seated(winners(&[100; 4], &[1_000_000])), [0, 1, 2, 3]);
    // Split over seats of the others' size it comes in, as many as may.
    assert_eq!(seated(winners(&[100; 4], &[150; 9])), [4, 0, 1, 2, 3]);
}

#[test]
fn little_backing_loses_the_seat_also_for_the_proven() {
    assert_eq!(seated(winners(&[100, 100, 100, 100, 49, 10], &[])), [0, 1, 2, 3, 4]);
}

type Voter = (u32, u64, Vec<u32>);

fn picked(voters: &[Voter], seats: u32, limit: u32, proven: u32, candidates: u32) -> Vec<u32> {
    super::candidates(voters, seats, limit, |name| *name < proven, |name| *name < candidates)
}

#[test]
fn proven_candidates_always_stand_and_newcomers_by_approval() {
    // 0..4 are proven; 4..600 name themselves with growing stake.
    let mut voters: Vec<Voter> = (0..600).map(|n| (n, 1_000 + u64::from(n), vec![n])).collect();
    assert_eq!(picked(&voters, 16, 500, 4, 600), [3, 2, 1, 0, 599]);
    // A nominator's stake counts for each of its names.
    voters.push((7_000, 5_000, vec![10, 20]));
    assert_eq!(picked(&voters, 16, 500, 4, 600), [3, 2, 1, 0, 20]);
    // Who is no candidate any more takes no place.
    assert_eq!(picked(&voters, 16, 500, 4, 15), [3, 2, 1, 0, 10]);
    assert_eq!(picked(&voters, 16, 500, 4, 4), [3, 2, 1, 0]);
}

#[test]
fn without_proven_candidates_the_limit_alone_bounds() {
    let voters: Vec<Voter> = (0..600).map(|n| (n, 1_000 + u64::from(n), vec![n])).collect();
    let stand = picked(&voters, 16, 50, 0, 600);
    assert_eq!(stand, (550..600).rev().collect::<Vec<_>>());
}

fn backings() -> impl Strategy<Value = Vec<u128>> {
    prop::collection::vec(prop_oneof![1u128..1_000, 1u128..1_000_000_000], 0..60)
}

proptest! {
    /// What the crate's documentation promises of every seated set.
    #[test]
    fn every_set_is_safe(proven in backings(), new in backings()) {
        let all = winners(&proven, &new);
        let seats = seated(all.clone());
        let of = |account: &u32| &all[*account as usize];
        let sum: u128 = seats.iter().map(|seat| of(seat).backing).sum();
        if let Some(last) = seats.last() {
            let least = of(last).backing;
            prop_assert!(2 * least * seats.len() as u128 >= sum);
            // A third of the seats costs a sixth of the stake in them.
            let third = seats.len().div_ceil(3);
            let cost: u128 = seats.iter().rev().take(third).map(|seat| of(seat).backing).sum();
            prop_assert!(6 * cost >= sum);
        }
        let newcomers = seats.iter().filter(|seat| !of(seat).proven).count();
        let kept = seats.len() - newcomers;
        prop_assert!(newcomers == 0 || newcomers <= most_newcomers(kept));
        prop_assert_eq!(seats.is_empty(), all.is_empty());
        prop_assert!(proven.is_empty() || kept > 0, "newcomers replace nobody's whole set");
    }
}
