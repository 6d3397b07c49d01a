//! `mica validator validate`: stands for election, after checking that the node can do the work.

use clap::Args;
use mica_chain::{Call, Chain, ValidatorState};

use super::{Change, FEE_ONLY, below_least, refused};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;

/// Billionths in a hundredth.
const PPB_PER_PERCENT: u32 = 10_000_000;

/// Options of `mica validator validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Share of the rewards, in percent, that the validator takes before it shares with its
    /// nominators
    #[arg(long, default_value_t = 0, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    commission: u32,
    #[command(flatten)]
    options: SendOptions,
}

/// Runs `mica validator validate`.
///
/// # Errors
/// [`CommandError::Usage`] if bond, keys or node are not ready: an elected validator whose node
/// does nothing holds up the whole chain.
pub(super) async fn run(context: &Context, arguments: &ValidateArgs) -> Result<(), CommandError> {
    let ValidateArgs { commission, options } = *arguments;
    let chain = context.chain().await?;
    let state = chain.at_best().await?.validator(context.account()?).await?;
    check(&chain, &state).await?;
    let change = Change {
        call: Call::Validate { commission_ppb: commission * PPB_PER_PERCENT },
        moved: FEE_ONLY,
        question: format!("Stand for election with a commission of {commission} %"),
        purpose: "standing for election",
        done: format!("stands for election with a commission of {commission} %"),
    };
    change.carry_out(context, &chain, options).await
}

async fn check(chain: &Chain, state: &ValidatorState) -> Result<(), CommandError> {
    if state.bonded < state.least_bond {
        let least = mica_chain::amount::format(state.least_bond);
        return refused(format!(
            "{}: bond with `mica validator bond {least}`",
            below_least(state.bonded, state.least_bond)
        ));
    }
    let Some(keys) = &state.keys else {
        return refused(
            "no session keys are set: make them with `mica validator set-keys`, against the \
             validator's own node",
        );
    };
    // A node that is asked from elsewhere does not tell; then the operator knows best.
    if let Ok(false) = chain.has_session_keys(keys).await {
        let url = chain.url();
        return refused(format!(
            "the node at {url} does not hold the session keys that are set, so it could not sign: \
             name the validator's own node with --node-url, or set its keys with `mica validator \
             set-keys`"
        ));
    }
    if chain.node_state().await?.is_syncing {
        return refused(format!(
            "the node at {} is still fetching old blocks: wait until it is in step",
            chain.url()
        ));
    }
    Ok(())
}
