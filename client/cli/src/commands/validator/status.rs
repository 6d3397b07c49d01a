//! `mica validator status`: what the chain knows of a validator, what its node says, and what is
//! still to do.

use mica_chain::{AccountId, Chain, ValidatorState};

use crate::context::Context;
use crate::error::CommandError;
use crate::render::validator::ValidatorStatus;

/// Runs `mica validator status`.
///
/// # Errors
/// [`CommandError`] if there is no such wallet or the node does not answer.
pub(super) async fn run(context: &Context, account: Option<AccountId>) -> Result<(), CommandError> {
    let account = match account {
        Some(account) => account,
        None => context.account()?,
    };
    let chain = context.chain().await?;
    let view = chain.at_best().await?;
    let state = view.validator(account).await?;
    let node_has_keys = node_has_keys(&chain, &state).await;
    let unpaid = view.unpaid_rewards(account).await?.len();
    let status = ValidatorStatus::new(account, state, node_has_keys, unpaid);
    Ok(context.output.show(&status, ValidatorStatus::to_text)?)
}

/// Only a node on this machine tells.
async fn node_has_keys(chain: &Chain, state: &ValidatorState) -> Option<bool> {
    chain.has_session_keys(state.keys.as_deref()?).await.ok()
}
