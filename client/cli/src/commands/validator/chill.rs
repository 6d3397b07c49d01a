//! `mica validator chill`: stands for election, or behind other validators, no more.

use mica_chain::Call;

use super::{Change, FEE_ONLY, refused};
use crate::context::Context;
use crate::error::CommandError;
use crate::options::SendOptions;

/// Runs `mica validator chill`.
///
/// # Errors
/// [`CommandError::Usage`] if the account neither stands for election nor nominates; otherwise as
/// every change.
pub(super) async fn run(context: &Context, options: SendOptions) -> Result<(), CommandError> {
    let chain = context.chain().await?;
    let state = chain.at_best().await?.validator(context.account()?).await?;
    if state.commission_ppb.is_none() && state.nominates.is_empty() {
        return refused(
            "this account neither stands for election nor nominates: there is nothing to end",
        );
    }
    let (question, purpose, done) = if state.nominates.is_empty() {
        (
            "Stand for election no more",
            "ending the candidacy",
            "stands for election no more; let the node run until `mica validator status` says \
             that it is out of the set",
        )
    } else {
        (
            "Stand behind validators no more",
            "ending the nomination",
            "stands behind nobody any more, from the next election on",
        )
    };
    let change = Change {
        call: Call::Chill,
        moved: FEE_ONLY,
        question: question.into(),
        purpose,
        done: done.into(),
    };
    change.carry_out(context, &chain, options).await
}
