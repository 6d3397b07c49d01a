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
    assert_eq!(seated(winners(&[100; 4], &[1_000_000])), [4, 0, 1, 2, 3]);
    assert_eq!(seated(winners(&[100, 60, 55], &[1_000_000])), [3, 0, 1, 2]);
    // Split over seats of the others' size it comes in, as many as may.
    assert_eq!(seated(winners(&[100; 4], &[150; 9])), [4, 0, 1, 2, 3]);
}

#[test]
fn little_backing_loses_the_seat_also_for_the_proven() {
    assert_eq!(seated(winners(&[100, 100, 100, 100, 49, 10], &[])), [0, 1, 2, 3, 4]);
}

#[test]
fn a_newcomer_of_middling_stake_drives_out_nobody_that_is_proven() {
    // With it the average would drop the two of 100: three seats, one of them a newcomer's, which
    // then stops finality alone.
    assert_eq!(seated(winners(&[300, 300, 100, 100], &[201])), [0, 1, 2, 3]);
    assert_eq!(seated(winners(&[300, 100, 100, 100], &[201])), [0, 4, 1, 2, 3]);
    // The one of 50 has just enough among the proven; beside the newcomer it has not.
    let proven = [100, 100, 100, 100, 100, 100, 53];
    assert_eq!(seated(winners(&proven, &[])).len(), 7);
    assert_eq!(seated(winners(&proven, &[200, 200, 200])), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn what_is_left_of_three_takes_no_newcomer_as_two_would() {
    assert_eq!(seated(winners(&[1_000, 1_000, 10], &[1_000])), [0, 1]);
    assert_eq!(seated(winners(&[1_000, 1_000], &[1_000])), [0, 1, 2]);
}

#[test]
fn a_great_stake_leaves_the_others_their_seats() {
    assert_eq!(seated(winners(&[1_000, 100, 100, 100], &[])), [0, 1, 2, 3]);
    // Each of them has less than half of the average of those before it, counted in full.
    let falling = [1_000, 332, 265, 227, 201, 182, 168, 156];
    assert_eq!(seated(winners(&falling, &[])).len(), falling.len());
}

/// Attack: hold half of the seats, let go of the stake behind them, and have all further ones for
/// the least bond.
#[test]
fn who_lets_go_of_its_stake_loses_its_seats_though_it_holds_half_of_them() {
    assert_eq!(seated(winners(&[100, 100, 100, 100, 1, 1, 1, 1], &[])), [0, 1, 2, 3]);
    assert_eq!(seated(winners(&[100, 100, 100, 100, 1, 1, 1, 1], &[1, 1, 1])), [0, 1, 2, 3]);
    assert_eq!(seated(winners(&[&[100; 4][..], &[1; 7]].concat(), &[1])), [0, 1, 2, 3]);
    // Two thirds of the seats: a third of all stake. With a little less all of them go.
    assert_eq!(seated(winners(&[&[100; 4][..], &[24; 7]].concat(), &[24])), [0, 1, 2, 3]);
    assert_eq!(seated(winners(&[&[100; 4][..], &[25; 7]].concat(), &[25])).len(), 12);
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
    // A nominator's stake counts for its names, in equal parts.
    voters.push((7_000, 5_000, vec![10, 20]));
    assert_eq!(picked(&voters, 16, 500, 4, 600), [3, 2, 1, 0, 20]);
    // Who is no candidate any more takes no place.
    assert_eq!(picked(&voters, 16, 500, 4, 15), [3, 2, 1, 0, 10]);
    assert_eq!(picked(&voters, 16, 500, 4, 4), [3, 2, 1, 0]);
}

#[test]
fn a_name_that_is_repeated_counts_once_and_stake_is_shared_among_names() {
    // 4 has a stake of 100; 5 has 1 and a nominator of 50 that names it sixteen times.
    let mut voters: Vec<Voter> = (0..4).map(|n| (n, 1_000, vec![n])).collect();
    voters.extend([(4, 100, vec![4]), (5, 1, vec![5]), (6, 50, vec![5; 16])]);
    assert_eq!(picked(&voters, 16, 500, 4, 6), [0, 1, 2, 3, 4]);
    // Nor does one of 150 that names both of its two count for each in full.
    voters.push((7, 150, vec![5, 8]));
    assert_eq!(picked(&voters, 16, 500, 4, 9), [0, 1, 2, 3, 5]);
    voters.pop();
    voters.push((7, 80, vec![5, 8]));
    assert_eq!(picked(&voters, 16, 500, 4, 9), [0, 1, 2, 3, 4]);
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
        let outside = |mut of: Vec<u128>| {
            of.sort_unstable_by(|a, b| b.cmp(a));
            of.get(if of.len() == 2 { 1 } else { of.len() / 3 }).copied()
        };
        let cap = 2 * outside(proven.clone()).or(outside(new.clone())).unwrap_or_default();
        let counted = |backing: u128| backing.min(cap);
        let sum: u128 = seats.iter().map(|seat| counted(of(seat).backing)).sum();
        let third = seats.len().div_ceil(3);
        let cost: u128 = seats.iter().rev().take(third).map(|seat| of(seat).backing).sum();
        if let Some(last) = seats.last() {
            prop_assert!(2 * of(last).backing * seats.len() as u128 >= sum);
        }
        // A third of the seats costs a sixth of the stake that counts in the seats, and a twelfth
        // of that of all proven winners, whether seated or not.
        prop_assert!(6 * cost >= sum);
        prop_assert!(12 * cost >= proven.iter().copied().map(counted).sum::<u128>());

        let newcomers = seats.iter().filter(|seat| !of(seat).proven).count();
        let kept = seats.len() - newcomers;
        if proven.len() > 2 {
            // GRANDPA finalizes without any newcomer.
            prop_assert!(newcomers == 0 || 3 * kept > 2 * seats.len());
            prop_assert!(3 * kept > proven.len(), "more than a third of the proven stay");
        } else if !proven.is_empty() {
            prop_assert!(newcomers <= 1);
        }
        let alone = seated(winners(&proven, &[])).len();
        prop_assert!(kept >= alone, "newcomers take no proven validator's seat");
        prop_assert_eq!(seats.is_empty(), all.is_empty());
        prop_assert!(proven.is_empty() || kept > 0, "newcomers replace nobody's whole set");
    }
}
