//! Sending an extrinsic and following it as far as the user wants to wait, with progress on stderr.

use mica_chain::{Call, Chain, Reached, Signer, SubmitError, Submitted, Until};
use mica_primitives::{Balance, BlockNumber, Hash32};

use crate::options::{Follow, Wait};
use crate::progress::Progress;

/// An extrinsic that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Hash of the extrinsic.
    pub extrinsic: Hash32,
    /// How far it was followed.
    pub wait: Wait,
    /// The block that holds it; nothing if none was waited for.
    pub block: Option<BlockNumber>,
    /// What it cost, base units; nothing if no block was waited for.
    pub fee: Option<Balance>,
    /// The events that it left, each as `Pallet.Name`.
    pub events: Vec<String>,
}

impl From<(&Submitted, Wait)> for Sent {
    fn from((submitted, wait): (&Submitted, Wait)) -> Self {
        Self {
            extrinsic: submitted.extrinsic,
            wait,
            block: Some(submitted.block.number),
            fee: Some(submitted.fee),
            events: submitted
                .events
                .iter()
                .map(|event| format!("{}.{}", event.pallet, event.name))
                .collect(),
        }
    }
}

/// Sends `call` and follows it. `what` is said while that takes its time.
///
/// # Errors
/// [`SubmitError`], as [`Chain::submit`].
pub(crate) async fn send(
    chain: &Chain,
    signer: &Signer,
    call: Call,
    Follow { wait, patience }: Follow,
    progress: Progress,
    what: &str,
) -> Result<Sent, SubmitError> {
    let step = progress.step(what);
    let until = match wait {
        Wait::None => {
            let hash = chain.hand_in(signer, &call).await?;
            step.done("the node has it");
            return Ok(Sent { extrinsic: hash, wait, block: None, fee: None, events: Vec::new() });
        }
        Wait::Included => Until::InBlock,
        Wait::Finalized => Until::Finalized,
    };
    let submitted = chain
        .submit_watched(signer, call, until, patience, &mut |reached| match reached {
            Reached::Pool(hash) => {
                // Whoever stops waiting can look it up.
                step.note(&format!("    sent as 0x{}", hex::encode(hash)));
                step.now("the node has it, waiting for a block");
            }
            Reached::Block(_) => step.now("in a block, waiting until it is final"),
            Reached::Final(_) => {}
        })
        .await?;
    let state = if wait == Wait::Finalized { "final in block" } else { "in block" };
    step.done(&format!("{state} {}", submitted.block.number));
    Ok(Sent::from((&submitted, wait)))
}
