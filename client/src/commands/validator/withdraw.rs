//! `mica validator withdraw`: takes what has come free. With the last of the bond the session keys go as well, and their deposit comes back.

use mica_chain::{Call, amount};

use super::{Change, Context, FEE_ONLY, refused};
use crate::{error::CommandError, wait::SendOptions};

/// Runs `mica validator withdraw`.
///
/// # Errors
/// [`CommandError::Usage`] if nothing has come free; otherwise as every change.
pub async fn run(context: &Context, options: SendOptions) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let state = chain.at_best().await?.validator(context.account()?).await?;
    let money = state.withdrawable();
    if money == 0 {
        let next = state.unlocking.iter().map(|(era, _)| *era).min();
        return refused(match next {
            Some(next) => format!("nothing has come free yet: the next part does in era {next}, and this is era {}", state.era),
            None => "nothing comes free: take money out of the bond with `mica validator unbond`".into(),
        });
    }
    let is_all = state.bonded == 0 && state.unlocking.iter().all(|(era, _)| *era <= state.era);
    let withdraw = Call::WithdrawUnbonded { slashing_spans: state.slashing_spans };
    let gives_up_keys = is_all && state.keys.is_some() && !state.is_active && !state.is_queued;
    let call = if gives_up_keys { Call::BatchAll(vec![withdraw, Call::PurgeKeys]) } else { withdraw };
    let keys = if gives_up_keys { ", and gave the session keys up" } else { "" };
    let change = Change {
        call,
        moved: FEE_ONLY,
        question: format!("Take {} back", amount::format(money)),
        purpose: "withdrawing",
        done: format!("took {} back{keys}", amount::format(money)),
    };
    change.carry_out(context, &chain, options).await
}
