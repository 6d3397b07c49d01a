//! `mica validator payout`: pays out the rewards of past eras. The chain does it by itself when its
//! blocks leave time, and it forgets old eras.

use clap::Args;
use mica_chain::{AccountId, Call};

use super::{Change, FEE_ONLY};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;
use crate::options::parse_address;
use crate::render::validator::NoRewards;

/// Most pages of rewards that one extrinsic pays out: each may pay a whole page of nominators.
const MAX_PAGES: usize = 8;

/// Options of `mica validator payout`.
#[derive(Debug, Args)]
pub struct PayoutArgs {
    /// Validator whose rewards are paid out, instead of the wallet's account
    #[arg(long, value_name = "ACCOUNT", value_parser = parse_address)]
    validator: Option<AccountId>,
    #[command(flatten)]
    options: SendOptions,
}

/// Runs `mica validator payout`.
///
/// # Errors
/// As every change. Without rewards it says so and sends nothing.
pub(super) async fn run(context: &Context, arguments: &PayoutArgs) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let validator = match arguments.validator {
        Some(validator) => validator,
        None => context.account()?,
    };
    let unpaid = chain.at_best().await?.unpaid_rewards(validator).await?;
    if unpaid.is_empty() {
        let none = NoRewards { paid_out: 0, left: 0 };
        return Ok(context.output.show(&none, NoRewards::to_text)?);
    }
    let now = unpaid.len().min(MAX_PAGES);
    let calls = unpaid.iter().take(now).map(|reward| Call::PayOut {
        validator,
        era: reward.era,
        page: reward.page,
    });
    let left = unpaid.len() - now;
    let rest = if left == 0 { String::new() } else { format!("; {left} are left, run it again") };
    let change = Change {
        // Somebody else may pay one of them out first: the others are paid all the same.
        call: Call::ForceBatch(calls.collect()),
        moved: FEE_ONLY,
        question: format!("Pay out {now} pages of rewards"),
        purpose: "paying out rewards",
        done: format!("paid out {now} pages of rewards{rest}"),
    };
    change.carry_out(context, &chain, arguments.options).await
}
