//! `mica validator chill`: stands for election no more.

use mica_chain::Call;

use super::{Change, FEE_ONLY, refused};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;

/// Runs `mica validator chill`.
///
/// # Errors
/// [`CommandError::Usage`] if the account does not stand for election; otherwise as every change.
pub(super) async fn run(context: &Context, options: SendOptions) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let state = chain.at_best().await?.validator(context.account()?).await?;
    if state.commission_ppb.is_none() {
        return refused("this account does not stand for election: there is nothing to end");
    }
    let change = Change {
        call: Call::Chill,
        moved: FEE_ONLY,
        question: "Stand for election no more".into(),
        purpose: "ending the candidacy",
        done: "stands for election no more; let the node run until `mica validator status` says \
               that it is out of the set"
            .into(),
    };
    change.carry_out(context, &chain, options).await
}
