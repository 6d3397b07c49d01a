//! Tells the chain, as often as it asks, that the worker lives. A heartbeat that is due costs no fee.

use eyre::Result;
use mica_chain::{Call, Chain, Signer, Until};
use mica_primitives::{BlockNumber, WorkerStatus};

/// Beats if the last heartbeat is `interval` blocks old; not for an account that is not registered or is leaving.
///
/// # Errors
/// If the node does not answer or the chain refuses.
pub async fn beat_if_due(chain: &Chain, signer: &Signer, interval: BlockNumber) -> Result<()> {
    let view = chain.at_best().await?;
    let Some((record, _)) = view.worker(signer.account()).await? else { return Ok(()) };
    let is_leaving = matches!(record.status, WorkerStatus::Unbonding { .. });
    if !is_leaving && view.number() >= record.last_heartbeat.saturating_add(interval) {
        chain.submit(signer, Call::Heartbeat, Until::InBlock).await?;
    }
    Ok(())
}
