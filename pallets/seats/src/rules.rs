//! The rules of seats as pure functions: which candidates an election looks at, and which of its
//! winners get a seat.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

/// A winner of an election.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Winner<AccountId> {
    /// Who.
    pub account: AccountId,
    /// The stake behind it, in the election's units.
    pub backing: u128,
    /// Whether it has authored since it came into the set.
    pub proven: bool,
}

/// Most newcomers that may sit beside `proven` validators: the most `c` with `c <= (proven + c − 1)
/// / 3`, so that all newcomers together are fewer than a third of the set and finality goes on if
/// none of them ever votes.
///
/// One or two validators tolerate no idle one, whoever it is; so that a set can grow beyond two,
/// one newcomer at a time may join them. Without any proven candidate there is nobody to protect,
/// and no bound.
pub fn most_newcomers(proven: usize) -> usize {
    match proven {
        0 => usize::MAX,
        1 | 2 => 1,
        _ => (proven - 1) / 2,
    }
}

/// Who of `winners` gets a seat: see the crate's documentation. In falling order of backing.
pub fn seated<AccountId: Clone + Ord>(mut winners: Vec<Winner<AccountId>>) -> Vec<AccountId> {
    winners.sort_by(|a, b| b.backing.cmp(&a.backing).then_with(|| a.account.cmp(&b.account)));
    let proven = winners.iter().filter(|winner| winner.proven).count();
    let cap = most_counted(&winners);
    // What the proven have among themselves, no newcomer takes from them.
    let least = well_backed(with_newcomers(&winners, 0), cap).len();
    let mut newcomers = most_newcomers(proven).min(winners.len() - proven);
    loop {
        let kept = well_backed(with_newcomers(&winners, newcomers), cap);
        let kept_proven = kept.iter().filter(|winner| winner.proven).count();
        let kept_newcomers = kept.len() - kept_proven;
        let fits = kept_proven >= least && kept_newcomers <= most_beside(kept_proven, proven);
        if fits || newcomers == 0 {
            return kept.into_iter().map(|winner| winner.account.clone()).collect();
        }
        newcomers -= 1;
    }
}

/// Most newcomers beside `kept` of `proven` proven winners. The exception for one or two is for
/// sets that are so small, not for what is left of a larger one.
fn most_beside(kept: usize, proven: usize) -> usize {
    if proven > 2 { kept.saturating_sub(1) / 2 } else { most_newcomers(kept) }
}

/// The most that one backing counts in the average: twice the best one outside of the best third of
/// the proven `winners` (of two, twice the smaller), or of all if none is proven. Without it one
/// great stake would drop everybody else; newcomers, however many, do not move it.
///
/// A third from the top and not the middle: those who hold half of the seats could else let go of
/// their stake and keep them, and have all the others for the least bond.
fn most_counted<AccountId>(winners: &[Winner<AccountId>]) -> u128 {
    let anybody = !winners.iter().any(|winner| winner.proven);
    let backings: Vec<u128> = winners
        .iter()
        .filter(|winner| winner.proven || anybody)
        .map(|winner| winner.backing)
        .collect();
    let outside = if backings.len() == 2 { 1 } else { backings.len() / 3 };
    // They fall.
    backings.get(outside).map_or(0, |backing| backing.saturating_mul(2))
}

/// The proven of `winners` and the first `newcomers` others, in their order.
fn with_newcomers<AccountId>(
    winners: &[Winner<AccountId>],
    mut newcomers: usize,
) -> Vec<&Winner<AccountId>> {
    let takes = |winner: &&Winner<AccountId>| {
        if winner.proven {
            return true;
        }
        let takes = newcomers > 0;
        newcomers = newcomers.saturating_sub(1);
        takes
    };
    winners.iter().filter(takes).collect()
}

/// The longest beginning of `winners`, which fall in backing, whose last one has at least half of
/// its average backing; each counts for at most `cap`.
fn well_backed<AccountId>(
    mut winners: Vec<&Winner<AccountId>>,
    cap: u128,
) -> Vec<&Winner<AccountId>> {
    let (mut sum, mut longest) = (0u128, 0);
    for (count, winner) in (1u128..).zip(&winners) {
        sum = sum.saturating_add(winner.backing.min(cap));
        if winner.backing.saturating_mul(2 * count) >= sum {
            longest = count as usize;
        }
    }
    winners.truncate(longest);
    winners
}

/// The candidates that an election of `seats` looks at, at most `limit`: of those that `voters`
/// name and `is_candidate` accepts, all that `is_proven` and as many others as may become
/// newcomers, those with the most stake behind their names first.
///
/// A voter's stake is shared among the different accounts that it names, as it is when they win:
/// naming one account often, or many accounts, makes no stake out of nothing.
///
/// At most `4 · limit` names are asked about, so the cost is bounded however many there are.
pub fn candidates<AccountId, Votes>(
    voters: &[(AccountId, u64, Votes)],
    seats: u32,
    limit: u32,
    is_proven: impl Fn(&AccountId) -> bool,
    is_candidate: impl Fn(&AccountId) -> bool,
) -> Vec<AccountId>
where
    AccountId: Clone + Ord,
    Votes: Clone + IntoIterator<Item = AccountId>,
{
    let limit = limit as usize;
    let mut approvals: BTreeMap<AccountId, u128> = BTreeMap::new();
    for (_, weight, votes) in voters {
        let names: BTreeSet<AccountId> = votes.clone().into_iter().collect();
        let share = u128::from(*weight).checked_div(names.len() as u128).unwrap_or_default();
        for name in names {
            let approval = approvals.entry(name).or_default();
            *approval = approval.saturating_add(share);
        }
    }
    let mut names: Vec<(AccountId, u128)> = approvals.into_iter().collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let (known, new): (Vec<_>, Vec<_>) =
        names.into_iter().map(|(name, _)| name).partition(|name| is_proven(name));
    let mut chosen: Vec<AccountId> =
        known.into_iter().filter(|name| is_candidate(name)).take(limit).collect();
    let seats = seats as usize;
    let newcomers = if chosen.is_empty() {
        limit
    } else {
        // So many that they fit beside the proven, and no more than fit into the seats at all.
        most_newcomers(chosen.len().min(seats)).min((seats.saturating_sub(1) / 3).max(1))
    };
    let room = limit.saturating_sub(chosen.len()).min(newcomers);
    chosen.extend(new.into_iter().take(4 * limit).filter(|name| is_candidate(name)).take(room));
    chosen
}

#[cfg(test)]
mod tests;
