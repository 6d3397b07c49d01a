//! `mica validator unbond`: takes money out of the bond.

use clap::Args;
use mica_chain::{Call, amount};
use mica_primitives::Balance;

use super::{Change, FEE_ONLY, below_least, refused};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;
use crate::options::parse_amount;

/// Options of `mica validator unbond`.
#[derive(Debug, Args)]
pub struct UnbondArgs {
    /// How much, for example 500 MICA
    #[arg(value_parser = parse_amount, required_unless_present = "all", conflicts_with = "all")]
    amount: Option<Balance>,
    /// The whole bond
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    options: SendOptions,
}

/// Runs `mica validator unbond`.
///
/// # Errors
/// [`CommandError::Usage`] if there is less, or what stays is too little for a validator; otherwise
/// as every change.
pub(super) async fn run(context: &Context, arguments: &UnbondArgs) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let view = chain.at_best().await?;
    let state = view.validator(context.account()?).await?;
    let amount = arguments.amount.unwrap_or(state.bonded);
    if amount == 0 || amount > state.bonded {
        return refused(format!(
            "{} are at stake: name an amount up to that",
            amount::format(state.bonded)
        ));
    }
    let left = state.bonded.saturating_sub(amount);
    if left > 0 && left < state.least_bond && state.commission_ppb.is_some() {
        let what = below_least(left, state.least_bond);
        return refused(format!(
            "{what}: leave more, run `mica validator chill` first, or unbond --all"
        ));
    }
    // The chain ends a candidacy by itself only for more than the bond and all that unlocks of it,
    // and takes what is there of that: also what rewards have added in between.
    let call = Call::Unbond(if left == 0 { Balance::MAX } else { amount });
    let eras = view.bonding_duration_eras().await?;
    let change = Change {
        call,
        moved: FEE_ONLY,
        question: format!("Take {} out of the bond", amount::format(amount)),
        purpose: "unbonding",
        done: format!(
            "unbonded {}: it comes free {eras} eras after the current one, then `mica validator \
             withdraw` takes it",
            amount::format(amount)
        ),
    };
    change.carry_out(context, &chain, arguments.options).await
}
