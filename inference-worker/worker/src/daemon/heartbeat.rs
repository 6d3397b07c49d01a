//! Tells the chain, as often as it asks, that the worker lives. A heartbeat that is due costs no
//! fee.
//!
//! It waits for nothing else: a worker that loads layers or repairs its registration must not be
//! taken for dead meanwhile.

use std::time::Duration;

use mica_chain::{Call, ReadError, SubmitError, Until};
use mica_primitives::{RegistryParameters, WorkerStatus};
use tokio::sync::watch;

use super::context::WorkerContext;

/// Longest pause between two checks.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// The heartbeat task.
pub(crate) struct Heartbeats {
    /// Shared with the other tasks.
    pub context: WorkerContext,
    /// Constants of the registry.
    pub parameters: RegistryParameters,
    /// Whether another process has the registration: whoever has it beats.
    pub has_yielded: watch::Receiver<bool>,
}

/// Why no heartbeat was sent.
#[derive(Debug, thiserror::Error)]
enum HeartbeatError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl Heartbeats {
    /// Beats when it is due, for as long as blocks come.
    pub(crate) async fn run(mut self) {
        loop {
            if !*self.has_yielded.borrow()
                && let Err(error) = self.beat_if_due().await
            {
                tracing::warn!(%error, "no heartbeat this time");
            }
            tokio::select! {
                changed = self.context.block.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
    }

    /// Beats if that is due and free: not for an account that is not registered, is leaving or has
    /// too little stake, which would pay a fee for each heartbeat and stay out of service.
    async fn beat_if_due(&self) -> Result<(), HeartbeatError> {
        let WorkerContext { chain, signer, origin, .. } = &self.context;
        if !origin.holds().await? {
            return Ok(());
        }
        let view = chain.at_best().await?;
        if view.number() < *self.context.block.borrow() {
            // A node that is behind does not know the last heartbeat.
            return Ok(());
        }
        let Some((record, _)) = view.worker(signer.account()).await? else { return Ok(()) };
        let is_leaving = matches!(record.status, WorkerStatus::Unbonding { .. });
        let is_due = view.clock().await?.now
            >= record.last_heartbeat.saturating_add(self.parameters.heartbeat_interval);
        let is_free = record.stake
            >= self.parameters.min_stake_per_layer.saturating_mul(record.range.len().into());
        if !is_leaving && is_due && is_free {
            // A copy of this worker may beat in the same moment: then ours is not due any more, and
            // would cost a fee.
            chain.submit_once(signer, Call::Heartbeat, Until::InBlock).await?;
        }
        Ok(())
    }
}
