//! `mica validator set-keys`: the node makes session keys, and the chain learns them.

use mica_chain::{AccountId, Call, Chain, ReadError, SessionKeys};

use super::Change;
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;
use mica_payer::preview::Moved;

/// Runs `mica validator set-keys`.
///
/// # Errors
/// [`CommandError::Usage`] if the node gives no keys to us; otherwise as every change.
pub(super) async fn run(context: &Context, options: SendOptions) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let account = context.account()?;
    let view = chain.at_best().await?;
    let is_first = view.validator(account).await?.keys.is_none();
    let locked = if is_first { view.session_key_deposit().await? } else { 0 };
    let mut change = Change {
        // The node keeps real ones for good, so they are made last.
        call: Call::SetKeys(SessionKeys::placeholder()),
        moved: Moved { sent: 0, locked },
        question: format!("Let the node at {} sign as this validator", chain.url()),
        purpose: "setting session keys",
        done: String::new(),
    };
    let Some(signer) = change.approve(context, &chain, options).await? else { return Ok(()) };
    let keys = rotate(&chain, account).await?;
    change.done = format!("set the session keys 0x{}", hex::encode(&keys.keys));
    change.call = Call::SetKeys(keys);
    change.send(context, &chain, options, &signer).await
}

async fn rotate(chain: &Chain, account: AccountId) -> Result<SessionKeys, CommandError> {
    chain.rotate_session_keys(account).await.map_err(|error| match error {
        ReadError::Node { .. } => CommandError::Usage(format!(
            "the node at {} makes no session keys for us ({error}): run this on the validator's \
             own machine, against its own node",
            chain.url()
        )),
        error => error.into(),
    })
}
