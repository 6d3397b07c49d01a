//! `mica validator set-keys`: the node makes session keys, and the chain learns them.

use mica_chain::{Call, Chain, SessionKeys};

use super::{Change, Context, rehearse};
use crate::{dry_run::Moved, error::CommandError, wait::SendOptions};

/// Runs `mica validator set-keys`.
///
/// # Errors
/// [`CommandError::Usage`] if the node gives no keys to us; otherwise as every change.
pub async fn run(context: &Context, options: SendOptions) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let account = context.account()?;
    let view = chain.at_best().await?;
    let is_first = view.validator(account).await?.keys.is_none();
    let locked = if is_first { view.session_key_deposit().await? } else { 0 };
    let moved = Moved { sent: 0, locked };
    if options.dry_run {
        // Real keys would be made for good.
        let call = Call::SetKeys(SessionKeys::placeholder());
        return rehearse(context, &chain, account, &call, moved).await;
    }
    let keys = rotate(&chain, context).await?;
    let change = Change {
        done: format!("set the session keys 0x{}", hex::encode(&keys.keys)),
        call: Call::SetKeys(keys),
        moved,
        question: format!("Let the node at {} sign as this validator", chain.url()),
        purpose: "setting session keys",
    };
    change.carry_out(context, &chain, options).await
}

async fn rotate(chain: &Chain, context: &Context) -> Result<SessionKeys, CommandError> {
    chain.rotate_session_keys(context.account()?).await.map_err(|error| {
        CommandError::Usage(format!(
            "the node at {} makes no session keys for us ({error}): run this on the validator's own machine, against its own node",
            chain.url()
        ))
    })
}
