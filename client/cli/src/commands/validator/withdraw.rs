//! `mica validator withdraw`: takes what has come free. With the last of the bond the session keys
//! go as well, and their deposit comes back.

use mica_chain::{Call, ValidatorState, amount};

use super::{Change, FEE_ONLY, refused};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;

/// Runs `mica validator withdraw`.
///
/// # Errors
/// [`CommandError::Usage`] if nothing has come free, or the withdrawal would lose rewards;
/// otherwise as every change.
pub(super) async fn run(context: &Context, options: SendOptions) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let (account, view) = (context.account()?, chain.at_best().await?);
    let state = view.validator(account).await?;
    let plan = Plan::of(&state).map_err(CommandError::Usage)?;
    let unpaid =
        if state.is_last_withdrawal() { view.unpaid_rewards(account).await?.len() } else { 0 };
    if unpaid > 0 {
        return refused(format!(
            "{unpaid} pages of rewards wait, and the chain pays none out to an account without a \
             bond: run `mica validator payout` first"
        ));
    }
    let Plan { call, question, done } = plan;
    let change = Change { call, moved: FEE_ONLY, question, purpose: "withdrawing", done };
    change.carry_out(context, &chain, options).await
}

/// What is withdrawn, and in which words.
#[derive(Debug)]
struct Plan {
    call: Call,
    question: String,
    done: String,
}

impl Plan {
    /// What can be had from an account in this state; why there is nothing otherwise.
    fn of(state: &ValidatorState) -> Result<Self, String> {
        let (money, is_last) = (state.withdrawable(), state.is_last_withdrawal());
        let withdraw = Call::WithdrawUnbonded { slashing_spans: state.slashing_spans };
        if money == 0 && !is_last {
            let next = state.unlocking.iter().map(|(era, _)| *era).min();
            return match next {
                Some(next) => Err(format!(
                    "nothing has come free yet: the next part does in era {next}, and this is era \
                     {}",
                    state.planned_era
                )),
                // They were still needed when the last of the bond was taken.
                None if !state.has_bond && state.can_give_up_keys() => Ok(Self {
                    call: Call::PurgeKeys,
                    question: "Give the session keys up".into(),
                    done: "gave the session keys up; their deposit is free".into(),
                }),
                None if !state.has_bond && state.keys.is_some() => {
                    Err("the session keys are still needed: let the node run until `mica \
                         validator status` says that it is out of the set"
                        .into())
                }
                None => Err("nothing comes free: take money out of the bond with `mica validator \
                             unbond`"
                    .into()),
            };
        }
        let gives_up_keys = is_last && state.can_give_up_keys();
        let call =
            if gives_up_keys { Call::BatchAll(vec![withdraw, Call::PurgeKeys]) } else { withdraw };
        let keys = if gives_up_keys { ", and gave the session keys up" } else { "" };
        let money = amount::format(money);
        Ok(Self {
            call,
            question: format!("Take {money} back"),
            done: format!("took {money} back{keys}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::validator::tests::state;

    #[test]
    fn the_keys_go_with_the_last_of_the_bond_or_after_it() {
        let withdraw = Call::WithdrawUnbonded { slashing_spans: 0 };
        let mut leaving = ValidatorState {
            unlocking: vec![(28, 5), (29, 5)],
            keys: Some(vec![1; 64]),
            planned_era: 28,
            ..state()
        };
        leaving.has_bond = true;
        let call = |state: &ValidatorState| Plan::of(state).expect("a withdrawal").call;
        assert_eq!(call(&leaving), withdraw, "a part stays in the bond");
        leaving.planned_era = 29;
        assert_eq!(call(&leaving), Call::BatchAll(vec![withdraw.clone(), Call::PurgeKeys]));
        leaving.is_queued = true;
        assert_eq!(call(&leaving), withdraw, "the next session needs the keys");
        // The bond is gone, and the keys are left.
        let mut gone = ValidatorState { has_bond: false, unlocking: Vec::new(), ..leaving };
        assert!(Plan::of(&gone).expect_err("still needed").contains("out of the set"));
        gone.is_queued = false;
        assert_eq!(call(&gone), Call::PurgeKeys);
        gone.keys = None;
        assert!(Plan::of(&gone).expect_err("nothing").contains("nothing comes free"));
    }

    #[test]
    fn nothing_is_taken_before_it_has_come_free() {
        let waiting =
            ValidatorState { has_bond: true, unlocking: vec![(28, 5)], planned_era: 27, ..state() };
        assert!(
            Plan::of(&waiting).expect_err("too early").contains("in era 28, and this is era 27")
        );
        let bonded =
            ValidatorState { has_bond: true, bonded: 1_000, keys: Some(vec![1; 64]), ..state() };
        assert!(Plan::of(&bonded).expect_err("nothing").contains("mica validator unbond"));
    }
}
