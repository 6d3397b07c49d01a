//! Where to serve: the layers that need us most, and when it is our turn to go there.
//!
//! Pure: the caller reads the chain and draws the random number, asks here, and acts. The rules are
//! `mica-market`'s, and so are the constants on which all workers must agree; this file turns
//! records into its members.

use mica_chain::AccountId;
pub(crate) use mica_market::migration::ROUND_BLOCKS;
use mica_market::migration::{Decision, Member, MigrationError, RULES, Round, Stay, Supply};
use mica_primitives::{BlockNumber, LayerRange, WorkerRecord};

/// Sums of shares that differ by less are equal: they are rounded.
const EQUAL: f64 = 1.0 + 1e-12;

/// What the worker `account` does in the round of block `now`, and why.
///
/// `workers`: all active workers of the model that are online, `account` among them. `random`:
/// drawn evenly from `[0, 1)`.
///
/// # Errors
/// [`MigrationError::NoMember`] if `account` is not among `workers`, [`MigrationError::Range`] for
/// a range beyond the model.
pub(crate) fn decide(
    layers: u16,
    workers: &[WorkerRecord<AccountId>],
    account: AccountId,
    now: BlockNumber,
    random: f64,
) -> Result<Decision, MigrationError> {
    let members: Vec<Member> = workers.iter().map(member).collect();
    let own = workers.iter().position(|worker| worker.account == account).unwrap_or(workers.len());
    Round::new(layers, &members, RULES, (now / ROUND_BLOCKS).into(), now)?.decide(own, random)
}

/// Where to go in this round, if anywhere. Arguments and errors as for [`decide`]; the reason for
/// staying is logged.
///
/// # Errors
/// Those of [`decide`].
pub(crate) fn next_range(
    layers: u16,
    workers: &[WorkerRecord<AccountId>],
    account: AccountId,
    now: BlockNumber,
    random: f64,
) -> Result<Option<LayerRange>, MigrationError> {
    match decide(layers, workers, account, now, random)? {
        Decision::Move(to) => {
            tracing::info!(layers = %to.to, gain = to.gain, "other layers pay better");
            Ok(Some(to.to))
        }
        Decision::Stay(reason) => {
            match reason {
                Stay::NoGain { .. } | Stay::MinimumStay { .. } => tracing::trace!(?reason, "stays"),
                _ => tracing::debug!(?reason, "stays for this round"),
            }
            Ok(None)
        }
    }
}

/// Which of `candidates` a new worker should serve: where it would have the largest share, if it
/// were as fast as the others are on average; of equals the first. `workers` as for [`decide`], but
/// without the new one. Nothing if there is no candidate.
///
/// # Errors
/// [`MigrationError::Range`] for a worker whose range ends beyond the model.
pub(crate) fn first_range(
    layers: u16,
    workers: &[WorkerRecord<AccountId>],
    candidates: &[LayerRange],
) -> Result<Option<LayerRange>, MigrationError> {
    let members: Vec<Member> = workers.iter().map(member).collect();
    let supply = Supply::new(layers, &members)?;
    let costs: f64 = members.iter().map(|member| member.cost).sum();
    let cost = if members.is_empty() { 1.0 } else { costs / members.len() as f64 };
    let mut best: Option<(LayerRange, f64)> = None;
    for range in candidates.iter().filter(|range| range.is_valid_for(layers)) {
        let share = supply.share_of_range(*range, cost, None);
        if best.is_none_or(|(_, most)| share > most * EQUAL) {
            best = Some((*range, share));
        }
    }
    Ok(best.map(|(range, _)| range))
}

fn member(worker: &WorkerRecord<AccountId>) -> Member {
    Member {
        id: worker.account.0,
        range: worker.range,
        room: worker.range.len(),
        // Nobody computes in no time, whatever the record says.
        cost: worker.cost_us_per_layer_token.max(1).into(),
        since: worker.since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pricing::tests::worker;

    fn account(n: u8) -> AccountId {
        AccountId::from([n; 32])
    }

    /// All ranges of at most this width that begin at each layer.
    fn windows(layers: u16, width: u16) -> Vec<LayerRange> {
        let range = |first: u16| LayerRange::new(first, layers.min(first.saturating_add(width)));
        (0..layers).filter_map(range).collect()
    }

    #[test]
    fn a_new_worker_takes_the_layers_that_nobody_has() {
        let first = |layers, workers: &[_], width| {
            first_range(layers, workers, &windows(layers, width)).expect("valid")
        };
        assert_eq!(first(8, &[], 4), LayerRange::new(0, 4));
        let workers = [worker(1, 0, 4, 1, 50), worker(2, 2, 6, 1, 50)];
        assert_eq!(first(8, &workers, 2), LayerRange::new(6, 8));
        assert_eq!(first(8, &workers, 99), LayerRange::new(0, 8));
        assert_eq!(first(8, &workers, 0), None);
        assert!(first_range(5, &workers, &windows(5, 2)).is_err());
    }

    #[test]
    fn a_wide_range_among_others_may_be_worth_less_than_a_narrow_one_alone() {
        let crowd: Vec<_> = (1..=9).map(|n| worker(n, 0, 6, 1, 50)).collect();
        let candidates = [LayerRange { first: 0, end: 6 }, LayerRange { first: 6, end: 8 }];
        assert_eq!(first_range(8, &crowd, &candidates), Ok(Some(candidates[1])));
        // One that the model does not have is none.
        let beyond = [LayerRange { first: 6, end: 9 }];
        assert_eq!(first_range(8, &crowd, &beyond), Ok(None));
    }

    #[test]
    fn of_a_crowd_all_but_the_guardian_may_go_but_not_at_once() {
        let workers: Vec<_> = (1..=9).map(|n| worker(n, 0, 4, 1, 50)).collect();
        let now = RULES.minimum_stay;
        let going = |random| {
            (1..=9)
                .filter(|n| {
                    next_range(8, &workers, account(*n), now, random) == Ok(LayerRange::new(4, 8))
                })
                .count()
        };
        assert_eq!(going(0.0), 8);
        assert_eq!(going(0.26), 0, "two of eight on average");
        assert_eq!(next_range(8, &workers, account(1), now - 1, 0.0), Ok(None), "too soon");
    }

    #[test]
    fn the_last_worker_of_a_layer_stays_and_a_stranger_is_told() {
        let workers = [worker(1, 0, 4, 1, 50), worker(2, 2, 6, 1, 400)];
        for round in 5..40 {
            let now = round * ROUND_BLOCKS;
            for n in [1, 2] {
                let to = next_range(6, &workers, account(n), now, 0.0).expect("valid");
                assert_eq!(to, None, "both have layers of their own");
            }
        }
        assert_eq!(next_range(6, &workers, account(7), 500, 0.0), Err(MigrationError::NoMember(2)));
    }
}
