//! `mica validator bond`: puts money at stake.

use clap::Args;
use mica_chain::{Call, Rewards, amount};
use mica_primitives::Balance;

use super::{Change, below_least, refused};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;
use crate::options::parse_amount;
use mica_payer::preview::Moved;

/// Options of `mica validator bond`.
#[derive(Debug, Args)]
pub struct BondArgs {
    /// How much, for example 1000 MICA; on top of what is bonded already
    #[arg(value_parser = parse_amount)]
    amount: Balance,
    /// Add rewards to the bond instead of paying them to the account; chosen with the first bond
    #[arg(long)]
    compound: bool,
    #[command(flatten)]
    options: SendOptions,
}

/// Runs `mica validator bond`.
///
/// # Errors
/// [`CommandError::Usage`] for less than a validator must have at stake; otherwise as every change.
pub(super) async fn run(context: &Context, arguments: &BondArgs) -> Result<(), CommandError> {
    let BondArgs { amount, compound, options } = *arguments;
    if amount == 0 {
        return refused("the amount is zero: nothing was bonded");
    }
    let chain = context.chain().await?;
    let state = chain.at_best().await?.validator(context.account()?).await?;
    let then = state.bonded.saturating_add(amount);
    if then < state.least_bond {
        return refused(format!("{}: bond more", below_least(then, state.least_bond)));
    }
    let is_first = !state.has_bond;
    if compound && !is_first {
        return refused("where rewards go is chosen with the first bond: leave --compound out");
    }
    let rewards = if compound { Rewards::Bonded } else { Rewards::Free };
    let call = if is_first { Call::Bond { amount, rewards } } else { Call::BondExtra(amount) };
    let change = Change {
        call,
        moved: Moved { sent: 0, locked: amount },
        question: format!(
            "Put {} at stake, which offences of your node can cost",
            amount::format(amount)
        ),
        purpose: "bonding",
        done: format!("bonded {}; {} are at stake", amount::format(amount), amount::format(then)),
    };
    change.carry_out(context, &chain, options).await
}
