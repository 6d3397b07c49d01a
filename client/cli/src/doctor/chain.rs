//! The node and its chain: reachable, in step with the others, the right one, and in time.

use std::time::{SystemTime, UNIX_EPOCH};

use mica_chain::{
    Account, AccountId, Call, Chain, ConnectError, NodeState, ReadError, View, amount,
};
use mica_primitives::{Balance, ChannelOpening, ChannelParameters};

use super::{Finding, channels, market, records};
use crate::context::{Context, MAX_UNFINAL_BLOCKS};

/// What is looked at through the node, when it is there.
pub(super) const CHECKS: [&str; 6] = ["node", "chain", "clock", "balance", "channels", "market"];
/// Blocks that finality may lie behind: two or three are usual.
const FEW_BLOCKS: u32 = 8;
/// A newest block older than this means that the chain stands still, or that the clock here is
/// wrong.
const MAX_AGE_MS: i64 = 60_000;
/// Blocks are not from the future, but clocks differ a little.
const MAX_AHEAD_MS: i64 = 5_000;

/// All checks that need the node.
pub(super) async fn all(context: &Context) -> Vec<Finding> {
    let url = &context.settings.node_url;
    let chain = match Chain::connect(url).await {
        Ok(chain) => chain,
        Err(error) => {
            let mend = match error {
                ConnectError::Unreachable { .. } => "mica-node --dev",
                _ => "mica config set node-url ws://HOST:9944",
            };
            let mut findings = vec![Finding::wrong("node", error.to_string(), mend)];
            findings.extend(
                CHECKS.iter().skip(1).map(|check| Finding::skipped(check, "no node answers")),
            );
            return findings;
        }
    };
    let mut findings = Vec::new();
    match look(context, &chain, &mut findings).await {
        Ok(()) => {}
        Err(error) => findings.push(Finding::wrong("node", error.to_string(), "mica doctor")),
    }
    findings
}

async fn look(
    context: &Context,
    chain: &Chain,
    findings: &mut Vec<Finding>,
) -> Result<(), ReadError> {
    let (state, best, last) =
        (chain.node_state().await?, chain.at_best().await?, chain.finalized().await?);
    findings.push(node(&state, chain.url(), best.number(), last.number));
    findings.push(identity(context, &state, &hex::encode(chain.genesis_hash())));
    findings.push(match best.time_unix_ms().await? {
        Some(block_ms) => clock(block_ms, now_ms()),
        None => Finding::skipped("clock", "the chain has no block yet"),
    });
    match context.account() {
        Ok(account) => {
            findings.push(balance(chain, &best, account, &state).await?);
            findings.extend(channels::all(context, chain, &best, account).await?);
            findings.extend(records::all(context, chain, &best, account).await?);
        }
        Err(_) => findings.extend(
            ["balance", "channels"].map(|check| Finding::skipped(check, "there is no wallet")),
        ),
    }
    findings.extend(market::all(context, chain).await?);
    Ok(())
}

fn node(state: &NodeState, url: &str, best: u32, last: u32) -> Finding {
    let found = format!(
        "{url}, version {}, {} peers, block {best}, final {last}",
        state.version, state.peers
    );
    if state.should_have_peers && state.peers == 0 {
        return Finding::wrong(
            "node",
            format!("{found}: it hears no other node"),
            "mica config set node-url ws://HOST:9944",
        );
    }
    if state.is_syncing {
        return Finding::wrong(
            "node",
            format!("{found}: it still fetches blocks that others have, so wait"),
            "mica doctor",
        );
    }
    let behind = best.saturating_sub(last);
    if behind > MAX_UNFINAL_BLOCKS {
        let found = format!(
            "{found}: finality stands still, {behind} blocks behind, so payments are made and not \
             final (do not send them again), and new deposits do not count; wait until more than \
             two thirds of the validators run again, or ask another node"
        );
        return Finding::wrong("node", found, "mica config set node-url ws://HOST:9944");
    }
    if behind > FEW_BLOCKS {
        let found = format!(
            "{found}: finality lies {behind} blocks behind, so what is sent takes longer to \
             become final"
        );
        return Finding::note("node", found, "mica doctor");
    }
    Finding::good("node", found)
}

fn identity(context: &Context, state: &NodeState, genesis: &str) -> Finding {
    let found = format!("{}, genesis 0x{genesis}", state.chain);
    match context.settings.genesis.map(hex::encode) {
        Some(expected) if expected != genesis => {
            let found = format!("{found}: the settings allow only 0x{expected}");
            Finding::wrong("chain", found, format!("mica config set genesis 0x{genesis}"))
        }
        Some(_) => Finding::good("chain", format!("{found}, as the settings say")),
        None => Finding::note("chain", found, format!("mica config set genesis 0x{genesis}")),
    }
}

fn clock(block_ms: u64, now_ms: u64) -> Finding {
    let age_ms = i64::try_from(now_ms)
        .unwrap_or(i64::MAX)
        .saturating_sub(i64::try_from(block_ms).unwrap_or(i64::MAX));
    let mend = "timedatectl set-ntp true";
    if age_ms < -MAX_AHEAD_MS {
        return Finding::wrong(
            "clock",
            format!("it is {} s behind the newest block", -age_ms / 1000),
            mend,
        );
    }
    if age_ms > MAX_AGE_MS {
        let found = format!(
            "the newest block is {} s old: this clock is ahead, or the chain stands still",
            age_ms / 1000
        );
        return Finding::wrong("clock", found, mend);
    }
    Finding::good("clock", "agrees with the chain")
}

async fn balance(
    chain: &Chain,
    view: &View,
    account: AccountId,
    state: &NodeState,
) -> Result<Finding, ReadError> {
    let (found, parameters) = (view.account(account).await?, view.channel_parameters().await?);
    let ChannelParameters { min_deposit: deposit, min_window: window, storage_deposit, .. } =
        parameters;
    // The smallest channel to anybody; without an answer about the fee the deposit alone is looked
    // at.
    let call =
        Call::OpenMany(vec![ChannelOpening { payee: account, signer: [0; 32], deposit, window }]);
    let fee = chain.estimate_fee_for(account, &call).await.unwrap_or(0);
    Ok(judge(&found, account, (deposit.saturating_add(storage_deposit), fee), state))
}

/// Whether `found` is enough for a channel's least deposit and the fee of opening it.
fn judge(
    found: &Account,
    account: AccountId,
    (deposit, fee): (Balance, Balance),
    state: &NodeState,
) -> Finding {
    let text =
        format!("{} free, {} on hold", amount::format(found.free), amount::format(found.held));
    // On a development chain everybody has the rich accounts' keys.
    let dev = if state.should_have_peers { "--wallet OTHER" } else { "--dev-account Alice" };
    let mend = format!("mica wallet transfer {account} 100 {dev}");
    match found.missing(deposit, fee) {
        _ if found.spendable() == 0 => {
            let stays = amount::format(found.stays());
            Finding::wrong(
                "balance",
                format!("{text}: nothing to pay with, because {stays} must stay"),
                mend,
            )
        }
        0 => Finding::good("balance", text),
        _ => {
            let least = amount::format(found.needed(deposit, fee));
            Finding::note(
                "balance",
                format!("{text}: too little to open a channel, which takes {least} free"),
                mend,
            )
        }
    }
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;

    fn state(peers: usize, should_have_peers: bool, is_syncing: bool) -> NodeState {
        NodeState {
            chain: "Test".into(),
            version: "1".into(),
            peers,
            should_have_peers,
            is_syncing,
        }
    }

    #[test]
    fn a_node_alone_behind_or_without_finality_is_wrong() {
        assert_eq!(node(&state(0, false, false), "ws://x", 10, 8).state, State::Good);
        assert_eq!(node(&state(3, true, false), "ws://x", 10, 8).state, State::Good);
        assert_eq!(node(&state(0, true, false), "ws://x", 10, 8).state, State::Wrong);
        assert_eq!(node(&state(3, true, true), "ws://x", 10, 8).state, State::Wrong);
        assert_eq!(node(&state(3, true, false), "ws://x", 100, 8).state, State::Wrong);
        assert_eq!(node(&state(3, true, false), "ws://x", 16, 8).state, State::Good);
        assert_eq!(node(&state(3, true, false), "ws://x", 17, 8).state, State::Note);
        let still = node(&state(3, true, false), "ws://x", 33, 8);
        assert!(
            still.state == State::Wrong && still.found.contains("25 blocks behind"),
            "{still:?}"
        );
    }

    #[test]
    fn what_must_stay_does_not_pay_for_a_channel() {
        let judged = |free| {
            let found = Account { free, existential_deposit: 1_000, ..Account::default() };
            judge(&found, AccountId::from([7; 32]), (10_000, 500), &state(0, false, false)).state
        };
        assert_eq!(judged(0), State::Wrong);
        assert_eq!(judged(1_000), State::Wrong);
        assert_eq!(judged(11_500), State::Note);
        assert_eq!(judged(11_501), State::Good);
    }

    #[test]
    fn a_clock_may_differ_a_little() {
        let now = 1_700_000_000_000;
        for (block, expected) in [
            (now, State::Good),
            (now + 4_000, State::Good),
            (now + 6_000, State::Wrong),
            (now - 59_000, State::Good),
            (now - 61_000, State::Wrong),
            (u64::MAX, State::Wrong),
            (0, State::Wrong),
        ] {
            assert_eq!(clock(block, now).state, expected, "{block}");
        }
    }
}
