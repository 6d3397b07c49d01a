//! The node, the clock against the chain, the money, and what the registry says.

use std::time::{SystemTime, UNIX_EPOCH};

use mica_chain::{AccountId, Chain, ReadError, Signer, View, amount};
use mica_primitives::{Balance, WorkerRecord, WorkerStatus};

use super::{Finding, NodeError, typed};
use crate::commands::status::diagnosis::{Problem, Registry};

/// Blocks that finality may lie behind: two or three are usual.
const FEW_BLOCKS: u32 = 8;
/// A newest block older than this means that the chain stands still, or that the clock is wrong.
const MAX_AGE_MS: i64 = 60_000;
/// Blocks are not from the future, but clocks differ a little.
const MAX_AHEAD_MS: i64 = 5_000;
/// What is left for fees below which somebody should know.
const LITTLE: Balance = mica_primitives::UNIT / 100;

/// Whether the node follows its chain.
pub(super) async fn node(chain: &Chain, findings: &mut Vec<Finding>) -> Result<(), NodeError> {
    let state = chain.node_state().await?;
    let (best, last) = (chain.best().await?.number, chain.finalized().await?.number);
    let found = format!(
        "{} ({}, version {}): {} peers, block {best}, final {last}",
        chain.url(),
        state.chain,
        state.version,
        state.peers
    );
    let other = "mica-worker config set node_url ws://HOST:9944";
    findings.push(if state.should_have_peers && state.peers == 0 {
        Finding::wrong("node", format!("{found}: it hears no other node"), other)
    } else if state.is_syncing {
        let found = format!("{found}: it still fetches blocks that others have");
        Finding::wrong("node", found, "wait until it has them, or name another node")
    } else if best.saturating_sub(last) > FEW_BLOCKS {
        let found = format!("{found}: finality lies behind, and payers' channels wait for it");
        Finding::wrong("node", found, other)
    } else {
        Finding::good("node", found)
    });
    Ok(())
}

/// This clock against the newest block.
pub(super) async fn clock(view: &View) -> Result<Option<Finding>, ReadError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    Ok(view.time_unix_ms().await?.map(|block_ms| judge_clock(block_ms, now_ms)))
}

fn judge_clock(block_ms: u64, now_ms: u64) -> Finding {
    let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
    let age_ms = signed(now_ms).saturating_sub(signed(block_ms));
    let mend = "timedatectl set-ntp true";
    if age_ms < -MAX_AHEAD_MS {
        let found = format!("it is {} s behind the newest block", -age_ms / 1_000);
        return Finding::wrong("clock", found, mend);
    }
    if age_ms > MAX_AGE_MS {
        let found = format!(
            "the newest block is {} s old: this clock is ahead, or the chain stands still",
            age_ms / 1_000
        );
        return Finding::wrong("clock", found, mend);
    }
    Finding::good("clock", "agrees with the chain")
}

/// The stake, and what is left for fees in the account that pays them.
pub(super) async fn money(
    view: &View,
    signer: &Signer,
    registry: &Registry,
) -> Result<Vec<Finding>, ReadError> {
    let mut findings = Vec::new();
    if let Some((record, _)) = &registry.worker {
        findings.push(stake(record, registry.min_stake_per_layer));
    }
    let payer = signer.own_account();
    let free = view.account(payer).await?.spendable();
    let found = format!("{} for fees in {payer}", amount::format(free));
    findings.push(match free {
        0..LITTLE => Finding::wrong(
            "fees",
            format!("{found}: redeems and changes of price are refused without"),
            format!("mica wallet transfer {payer} 1MICA"),
        ),
        _ => Finding::good("fees", found),
    });
    Ok(findings)
}

fn stake(record: &WorkerRecord<AccountId>, min_stake_per_layer: Balance) -> Finding {
    let needed = min_stake_per_layer.saturating_mul(record.range.len().into());
    let found = format!(
        "{} for layers {}, which need {}",
        amount::format(record.stake),
        typed(record.range),
        amount::format(needed)
    );
    match needed.checked_sub(record.stake).filter(|missing| *missing > 0) {
        Some(missing) => {
            let missing = amount::format(missing).replace(' ', "");
            Finding::wrong("stake", found, format!("mica-worker stake add {missing}"))
        }
        None => Finding::good("stake", found),
    }
}

/// What the running worker, or the registry, says is wrong.
pub(super) fn problem(problem: &Problem) -> Finding {
    let mend = match problem.code.as_str() {
        "jailed" | "offline" => {
            "see that the node answers and the account can pay a fee, then wait"
        }
        "leaving" => "mica-worker leave",
        "another_instance" => "stop the other process with this account",
        "paused" => "see above; `mica-worker config list` has the settings of the machine",
        _ => "mica-worker logs",
    };
    Finding::wrong("registry", format!("{} ({})", problem.text, problem.code), mend)
}

/// Whether payers see it alive. What a running worker knows itself has been said.
pub(super) fn online(
    record: &WorkerRecord<AccountId>,
    online: bool,
    is_running: bool,
) -> Option<Finding> {
    let found = format!("online with layers {}", typed(record.range));
    match (&record.status, online) {
        (WorkerStatus::Active, true) => Some(Finding::good("registry", found)),
        _ if is_running => None,
        (WorkerStatus::Active, false) => Some(Finding::wrong(
            "registry",
            "its heartbeats have stopped, so payers leave it out",
            "mica-worker run",
        )),
        (WorkerStatus::Jailed, _) => Some(Finding::wrong(
            "registry",
            "it was silent for too long and is jailed",
            "mica-worker run",
        )),
        (WorkerStatus::Unbonding { until }, _) => Some(Finding::wrong(
            "registry",
            format!("it has left: its stake is free at block {until} of the market's clock"),
            "mica-worker withdraw",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};
    use crate::pricing::tests::worker;

    #[test]
    fn a_clock_that_differs_by_more_than_blocks_do_is_wrong() {
        let state = |block, now| judge_clock(block, now).state;
        assert_eq!(state(100_000, 103_000), State::Good);
        assert_eq!(state(100_000, 95_001), State::Good);
        assert_eq!(state(100_000, 94_000), State::Wrong);
        assert_eq!(state(100_000, 161_000), State::Wrong);
        assert_eq!(state(0, u64::MAX), State::Wrong);
    }

    #[test]
    fn a_stake_that_is_too_low_is_mended_by_a_command_that_can_be_typed() {
        let mut record = worker(1, 0, 4, 1, 1);
        record.stake = 4 * mica_primitives::UNIT;
        assert_eq!(stake(&record, mica_primitives::UNIT).state, State::Good);
        let found = stake(&record, 2 * mica_primitives::UNIT);
        assert_eq!(found.state, State::Wrong);
        assert_eq!(found.mend.as_deref(), Some("mica-worker stake add 4MICA"));
    }

    #[test]
    fn a_worker_that_is_away_is_told_how_it_comes_back() {
        let mut record = worker(1, 0, 4, 1, 1);
        assert_eq!(online(&record, true, true).map(|found| found.state), Some(State::Good));
        assert_eq!(online(&record, false, true), None, "it knows itself");
        let found = online(&record, false, false).expect("a finding");
        assert_eq!(found.mend.as_deref(), Some("mica-worker run"));
        record.status = WorkerStatus::Unbonding { until: 70 };
        let found = online(&record, false, false).expect("a finding");
        assert!(found.found.contains("block 70"), "{found:?}");
    }
}
