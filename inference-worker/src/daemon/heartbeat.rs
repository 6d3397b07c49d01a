//! Tells the chain, as often as it asks, that the worker lives. A heartbeat that is due costs no fee.

use mica_chain::{Call, Chain, ReadError, Signer, SubmitError, Until};
use mica_primitives::BlockNumber;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Beats until the worker stops.
pub async fn run(
    chain: Chain,
    signer: Signer,
    interval: BlockNumber,
    mut block: watch::Receiver<BlockNumber>,
    stop: CancellationToken,
) {
    while let Some(Ok(())) = stop.run_until_cancelled(block.changed()).await {
        match beat_if_due(&chain, &signer, interval).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "no heartbeat this time"),
        }
    }
}

/// Why there was no heartbeat.
#[derive(Debug, thiserror::Error)]
enum BeatError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

async fn beat_if_due(chain: &Chain, signer: &Signer, interval: BlockNumber) -> Result<(), BeatError> {
    let view = chain.at_best().await?;
    let Some((record, _)) = view.worker(signer.account()).await? else { return Ok(()) };
    if view.number() < record.last_heartbeat.saturating_add(interval) {
        return Ok(());
    }
    chain.submit(signer, Call::Heartbeat, Until::InBlock).await?;
    Ok(())
}
