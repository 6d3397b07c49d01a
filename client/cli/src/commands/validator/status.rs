//! `mica validator status`: what the chain knows of a validator, what its node says, and what is
//! still to do.

use mica_chain::{AccountId, Chain, ValidatorState, amount};
use mica_primitives::Balance;
use serde::Serialize;

use super::Context;
use crate::error::CommandError;

/// Billionths in a hundredth.
const PPB_PER_PERCENT: f64 = 1e7;

#[derive(Serialize)]
struct Status {
    account: String,
    /// Base units at stake.
    bonded: Balance,
    /// Base units that a validator must have at stake.
    least_bond: Balance,
    /// Base units that come free later.
    unlocking: Balance,
    /// Base units that have come free.
    withdrawable: Balance,
    session_keys: Option<String>,
    /// Whether this node holds them; nothing if it does not tell.
    node_has_keys: Option<bool>,
    /// Whether the account stands for election.
    is_candidate: bool,
    commission_percent: Option<f64>,
    /// Whether the next session has it.
    is_queued: bool,
    /// Whether this session has it.
    is_active: bool,
    validators: usize,
    session: u32,
    era: u32,
    /// Pages of rewards that nobody has paid out.
    unpaid_rewards: usize,
    /// What to do next; nothing if all is done.
    next: Option<&'static str>,
}

/// Runs `mica validator status`.
///
/// # Errors
/// [`CommandError`] if there is no such wallet or the node does not answer.
pub async fn run(context: &Context, account: Option<AccountId>) -> Result<(), CommandError> {
    let account = match account {
        Some(account) => account,
        None => context.account()?,
    };
    let chain = context.chain().await?;
    let view = chain.at_best().await?;
    let state = view.validator(account).await?;
    let node_has_keys = node_has_keys(&chain, &state).await;
    let unpaid = view.unpaid_rewards(account).await?.len();
    Ok(context.output.show(&Status::new(account, state, node_has_keys, unpaid), Status::to_text)?)
}

/// Only a node on this machine tells.
async fn node_has_keys(chain: &Chain, state: &ValidatorState) -> Option<bool> {
    chain.has_session_keys(state.keys.as_deref()?).await.ok()
}

impl Status {
    fn new(
        account: AccountId,
        state: ValidatorState,
        node_has_keys: Option<bool>,
        unpaid_rewards: usize,
    ) -> Self {
        let withdrawable = state.withdrawable();
        let unlocking =
            state.unlocking.iter().fold(0, |sum: Balance, (_, amount)| sum.saturating_add(*amount));
        Self {
            account: account.to_string(),
            next: next(&state, node_has_keys, unpaid_rewards),
            bonded: state.bonded,
            least_bond: state.least_bond,
            unlocking: unlocking.saturating_sub(withdrawable),
            withdrawable,
            session_keys: state.keys.map(|keys| format!("0x{}", hex::encode(keys))),
            node_has_keys,
            is_candidate: state.commission_ppb.is_some(),
            commission_percent: state.commission_ppb.map(|ppb| f64::from(ppb) / PPB_PER_PERCENT),
            is_queued: state.is_queued,
            is_active: state.is_active,
            validators: state.validators,
            session: state.session,
            era: state.era,
            unpaid_rewards,
        }
    }

    fn to_text(&self) -> String {
        let keys = match (&self.session_keys, self.node_has_keys) {
            (None, _) => "not set".to_owned(),
            (Some(keys), Some(true)) => format!("{keys}, held by this node"),
            (Some(keys), Some(false)) => format!("{keys}, NOT held by this node"),
            (Some(keys), None) => format!("{keys}; this node does not tell whether it holds them"),
        };
        let candidate = match self.commission_percent {
            Some(commission) => format!("yes, commission {commission} %"),
            None => "no".into(),
        };
        let set = match (self.is_active, self.is_queued) {
            (true, true) => "yes",
            (true, false) => "yes, until the session ends: let the node run",
            (false, true) => "from the next session on",
            (false, false) => "no",
        };
        let unlocking = match (self.unlocking, self.withdrawable) {
            (0, 0) => "nothing".to_owned(),
            (later, now) => format!("{} later, {} now", amount::format(later), amount::format(now)),
        };
        format!(
            "account    {}\nbonded     {} (at least {})\nkeys       {keys}\ncandidate  \
             {candidate}\nin the set {set}\nset        {} validators, session {}, era {}\ncomes \
             free {unlocking}\nrewards    {} pages wait for `mica validator payout`\n{}",
            self.account,
            amount::format(self.bonded),
            amount::format(self.least_bond),
            self.validators,
            self.session,
            self.era,
            self.unpaid_rewards,
            self.next.map(|next| format!("next       {next}\n")).unwrap_or_default()
        )
    }
}

/// What stands between the account and its work, or its money.
fn next(
    state: &ValidatorState,
    node_has_keys: Option<bool>,
    unpaid_rewards: usize,
) -> Option<&'static str> {
    let is_validator = state.commission_ppb.is_some() || state.is_active || state.is_queued;
    if is_validator && node_has_keys == Some(false) {
        return Some(
            "set this node's keys with `mica validator set-keys`, or ask the node that holds them",
        );
    }
    if is_validator && state.keys.is_none() {
        return Some(
            "set session keys with `mica validator set-keys`: without them nobody is elected",
        );
    }
    if state.is_last_withdrawal() && unpaid_rewards > 0 {
        return Some(
            "pay the rewards out with `mica validator payout`, before `mica validator withdraw` \
             takes the last of the bond",
        );
    }
    if state.withdrawable() > 0 {
        return Some("take what has come free with `mica validator withdraw`");
    }
    match (state.bonded >= state.least_bond, &state.keys, state.commission_ppb) {
        (false, ..) if !state.has_bond && state.can_give_up_keys() => Some(
            "bond with `mica validator bond AMOUNT`, or give the session keys up with `mica \
             validator withdraw`",
        ),
        (false, ..) if state.unlocking.is_empty() => Some("bond with `mica validator bond AMOUNT`"),
        (false, ..) => None,
        (true, None, _) => Some("make session keys with `mica validator set-keys`"),
        (true, Some(_), None) => Some(
            "stand for election with `mica validator validate`, or take the bond back with `mica \
             validator unbond`",
        ),
        (true, Some(_), Some(_)) if state.is_active || state.is_queued => None,
        (true, Some(_), Some(_)) => {
            Some("wait for the next election, at the end of the era, and the session after it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::validator::tests::state;

    #[test]
    fn each_step_names_the_next() {
        let says = |state: &ValidatorState, word: &str| {
            next(state, Some(true), 0).is_some_and(|next| next.contains(word))
        };
        let mut one = state();
        assert!(says(&one, "bond AMOUNT"));
        (one.has_bond, one.bonded) = (true, 1_000);
        assert!(says(&one, "set-keys"));
        one.keys = Some(vec![1; 64]);
        assert!(says(&one, "validate"));
        one.commission_ppb = Some(0);
        assert!(says(&one, "election"));
        one.is_queued = true;
        assert_eq!(next(&one, Some(true), 0), None);
        // Keys that lie elsewhere come first: an idle validator holds up the chain.
        assert!(next(&one, Some(false), 0).is_some_and(|next| next.contains("set-keys")));
    }

    #[test]
    fn a_bond_that_comes_free_asks_for_nothing_until_it_has() {
        let mut leaving = state();
        (leaving.has_bond, leaving.unlocking) = (true, vec![(28, 1_000)]);
        assert_eq!(next(&leaving, None, 3), None);
        leaving.planned_era = 28;
        // Without a bond no rewards are paid out.
        assert!(next(&leaving, None, 3).is_some_and(|next| next.contains("payout")));
        assert!(
            next(&leaving, None, 0).is_some_and(|next| next.contains("take what has come free"))
        );
    }

    #[test]
    fn keys_without_a_bond_can_be_given_up() {
        let keyed = ValidatorState { keys: Some(vec![1; 64]), ..state() };
        assert!(
            next(&keyed, None, 0)
                .is_some_and(|next| next.contains("bond AMOUNT") && next.contains("withdraw"))
        );
    }
}
