//! Tells the chain, as often as it asks, that the worker lives. A heartbeat that is due costs no
//! fee.
//!
//! It waits for nothing else: a worker that loads layers or repairs its registration must not be
//! taken for dead meanwhile.

use std::time::Duration;

use eyre::Result;
use mica_chain::{Call, Chain, Signer, Until};
use mica_primitives::{BlockNumber, RegistryParameters, WorkerStatus};
use tokio::sync::watch;

use super::origin::Origin;

/// Longest pause between two looks.
const LOOK: Duration = Duration::from_secs(30);

/// What beats.
pub struct Heart {
    /// The chain.
    pub chain: Chain,
    /// The worker's account.
    pub signer: Signer,
    /// Whether the node still follows the chain that this worker registered with.
    pub origin: Origin,
    /// Newest finalized block.
    pub block: watch::Receiver<BlockNumber>,
    /// Constants of the registry.
    pub parameters: RegistryParameters,
    /// Whether another process has the registration: whoever has it beats.
    pub has_yielded: watch::Receiver<bool>,
}

impl Heart {
    /// Beats when it is due, for as long as blocks come.
    pub async fn run(mut self) {
        loop {
            if !*self.has_yielded.borrow()
                && let Err(error) = self.beat_if_due().await
            {
                tracing::warn!(%error, "no heartbeat this time");
            }
            tokio::select! {
                changed = self.block.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Beats if that is due and free: not for an account that is not registered, is leaving or has
    /// too little stake, which would pay a fee for each heartbeat and stay out of service.
    async fn beat_if_due(&self) -> Result<()> {
        if !self.origin.holds().await? {
            return Ok(());
        }
        let view = self.chain.at_best().await?;
        if view.number() < *self.block.borrow() {
            // A node that is behind does not know the last heartbeat.
            return Ok(());
        }
        let Some((record, _)) = view.worker(self.signer.account()).await? else { return Ok(()) };
        let is_leaving = matches!(record.status, WorkerStatus::Unbonding { .. });
        let is_due = view.number()
            >= record.last_heartbeat.saturating_add(self.parameters.heartbeat_interval);
        let is_free = record.stake
            >= self.parameters.min_stake_per_layer.saturating_mul(record.range.len().into());
        if !is_leaving && is_due && is_free {
            // A copy of this worker may beat in the same moment: then ours is not due any more, and
            // would cost a fee.
            self.chain.submit_once(&self.signer, Call::Heartbeat, Until::InBlock).await?;
        }
        Ok(())
    }
}
