//! The rules of seats as pure functions: which candidates an election looks at, and which of its
//! winners get a seat.

use alloc::{collections::BTreeMap, vec::Vec};

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
    let mut newcomers = most_newcomers(proven).min(winners.len() - proven);
    loop {
        let kept = well_backed(with_newcomers(&winners, newcomers));
        let kept_proven = kept.iter().filter(|winner| winner.proven).count();
        let kept_newcomers = kept.len() - kept_proven;
        // Where newcomers have so much backing that no proven validator is left, fewer of them.
        let fits =
            kept_newcomers <= most_newcomers(kept_proven) && (kept_proven > 0 || proven == 0);
        if fits || newcomers == 0 {
            return kept.into_iter().map(|winner| winner.account.clone()).collect();
        }
        newcomers -= 1;
    }
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
/// its average backing.
fn well_backed<AccountId>(mut winners: Vec<&Winner<AccountId>>) -> Vec<&Winner<AccountId>> {
    let (mut sum, mut longest) = (0u128, 0);
    for (count, winner) in (1u128..).zip(&winners) {
        sum = sum.saturating_add(winner.backing);
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
        for name in votes.clone() {
            let approval = approvals.entry(name).or_default();
            *approval = approval.saturating_add(u128::from(*weight));
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
