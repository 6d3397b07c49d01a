//! Validators: what a change did, and what the chain knows of one.

use mica_chain::{AccountId, ValidatorState, amount};
use mica_host::json::Money;
use mica_primitives::Balance;
use serde::Serialize;

use super::sent::Sent;
use crate::send;

/// Billionths in a hundredth.
const PPB_PER_PERCENT: f64 = 1e7;

/// A change that was sent.
#[derive(Serialize)]
pub(crate) struct ValidatorChange {
    account: String,
    done: String,
    #[serde(flatten)]
    sent: Sent,
}

impl ValidatorChange {
    /// `done` says what `account` has done.
    pub(crate) fn new(account: AccountId, done: &str, sent: send::Sent) -> Self {
        let done = format!("{done}{}", refused_parts(&sent.events));
        Self { account: account.to_string(), done, sent: sent.into() }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        format!("{} ({})", self.done, self.sent.to_text())
    }
}

/// What the chain did not do of several calls of which each stands for itself.
fn refused_parts(events: &[String]) -> String {
    match events.iter().filter(|event| *event == "Utility.ItemFailed").count() {
        0 => String::new(),
        failed => {
            format!("; the chain refused {failed} of them (somebody may have done them before)")
        }
    }
}

/// Pages of rewards, when there are none to pay out.
#[derive(Serialize)]
pub(crate) struct NoRewards {
    pub(crate) paid_out: u32,
    pub(crate) left: u32,
}

impl NoRewards {
    /// For people.
    pub(crate) fn to_text(&self) -> String {
        "no rewards wait: an era's come when it is over".into()
    }
}

/// What the chain knows of a validator, and what is still to do.
#[derive(Serialize)]
pub(crate) struct ValidatorStatus {
    account: String,
    /// What is at stake.
    bonded: Money,
    /// What a validator must have at stake.
    least_bond: Money,
    /// What comes free later.
    unlocking: Money,
    /// What has come free.
    withdrawable: Money,
    session_keys: Option<String>,
    /// Whether this node holds them; nothing if it does not tell.
    node_has_keys: Option<bool>,
    /// Whether the account stands for election.
    is_candidate: bool,
    /// Whom it stands behind.
    nominates: Vec<String>,
    commission_percent: Option<f64>,
    /// Whether the next session has it.
    is_queued: bool,
    /// Whether this session has it.
    is_active: bool,
    validators: usize,
    session: u32,
    era: u32,
    /// Pages of rewards that are not paid out yet.
    unpaid_rewards: usize,
    /// What to do next; nothing if all is done.
    next: Option<&'static str>,
}

impl ValidatorStatus {
    /// Of `account`, whose chain state is `state`.
    pub(crate) fn new(
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
            bonded: Money(state.bonded),
            least_bond: Money(state.least_bond),
            unlocking: Money(unlocking.saturating_sub(withdrawable)),
            withdrawable: Money(withdrawable),
            session_keys: state.keys.map(|keys| format!("0x{}", hex::encode(keys))),
            node_has_keys,
            is_candidate: state.commission_ppb.is_some(),
            nominates: state.nominates.iter().map(ToString::to_string).collect(),
            commission_percent: state.commission_ppb.map(|ppb| f64::from(ppb) / PPB_PER_PERCENT),
            is_queued: state.is_queued,
            is_active: state.is_active,
            validators: state.validators,
            session: state.session,
            era: state.era,
            unpaid_rewards,
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
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
        let nominates = match self.nominates.as_slice() {
            [] => String::new(),
            named => format!("\nnominates  {}", named.join(", ")),
        };
        let set = match (self.is_active, self.is_queued) {
            (true, true) => "yes",
            (true, false) => "yes, until the session ends: let the node run",
            (false, true) => "from the next session on",
            (false, false) => "no",
        };
        let unlocking = match (self.unlocking.0, self.withdrawable.0) {
            (0, 0) => "nothing".to_owned(),
            (later, now) => format!("{} later, {} now", amount::format(later), amount::format(now)),
        };
        format!(
            "account    {}\nbonded     {} (at least {})\nkeys       {keys}\ncandidate  \
             {candidate}{nominates}\nin the set {set}\nset        {} validators, session {}, era {}\ncomes \
             free {unlocking}\nrewards    {} pages wait for `mica validator payout`\n{}",
            self.account,
            amount::format(self.bonded.0),
            amount::format(self.least_bond.0),
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
    if !state.nominates.is_empty() {
        return None;
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
pub(crate) mod tests {
    use super::*;

    /// An account that has nothing to do with validators.
    pub(crate) fn state() -> ValidatorState {
        ValidatorState {
            has_bond: false,
            bonded: 0,
            unlocking: Vec::new(),
            least_bond: 1_000,
            least_nomination: 10,
            keys: None,
            commission_ppb: None,
            nominates: Vec::new(),
            is_queued: false,
            is_active: false,
            validators: 4,
            session: 1,
            era: 0,
            planned_era: 0,
            existential_deposit: 10,
            slashing_spans: 0,
        }
    }

    #[test]
    fn calls_that_the_chain_refused_are_counted() {
        let events =
            |names: &[&str]| names.iter().map(|name| format!("Utility.{name}")).collect::<Vec<_>>();
        assert_eq!(refused_parts(&events(&["ItemCompleted", "BatchCompleted"])), "");
        assert!(
            refused_parts(&events(&["ItemFailed", "ItemCompleted", "BatchCompletedWithErrors"]))
                .contains("refused 1 of them")
        );
    }

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
        // Who stands behind others has nothing left to do.
        let nominator = ValidatorState { nominates: vec![AccountId::from([1; 32])], ..one.clone() };
        assert_eq!(next(&nominator, None, 0), None);
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
