//! Tells the chain, as often as it asks, that the worker lives.
//!
//! A heartbeat is signed by the peer key and handed in without the account's signature: it costs no
//! fee, and waits for no other extrinsic of the account, however full the blocks are. Only a worker
//! that was jailed pays for the way back.
//!
//! It waits for nothing else: a worker that loads layers or repairs its registration must not be
//! taken for dead meanwhile.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use mica_chain::{Call, ReadError, SubmitError, Until};
use mica_primitives::{BlockNumber, Heartbeat, RegistryParameters, WorkerStatus};
use mica_protocol::signing;
use tokio::sync::watch;

use super::context::WorkerContext;

/// Longest pause between two checks.
const POLL_INTERVAL: Duration = Duration::from_secs(30);

/// The heartbeat task.
pub(crate) struct Heartbeats {
    /// Shared with the other tasks.
    pub context: WorkerContext,
    /// The peer key's secret.
    pub key: SigningKey,
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

    /// Beats if that is due, or leaves the jail if its stake suffices. An account that is leaving
    /// or has too little stake is not in service, whatever it says.
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
        let due = record.last_heartbeat.saturating_add(self.parameters.heartbeat_interval);
        let Some(at) = block_to_name(view.clock().await?.now, due) else { return Ok(()) };
        let minimum = self.parameters.min_stake_per_layer.saturating_mul(record.range.len().into());
        match record.status {
            WorkerStatus::Active => {
                let beat = Heartbeat { worker: record.account, at };
                let bytes = beat.signing_bytes(&chain.genesis_hash());
                let signature = signing::sign(&self.key, &bytes);
                chain.submit_unsigned(Call::Heartbeat { beat, signature }, Until::InBlock).await?;
            }
            // A copy of this worker may do the same in the same moment: once is enough.
            WorkerStatus::Jailed if record.stake >= minimum => {
                chain.submit_once(signer, Call::Unjail, Until::InBlock).await?;
            }
            WorkerStatus::Jailed | WorkerStatus::Unbonding { .. } => {}
        }
        Ok(())
    }
}

/// The block that a heartbeat names when the market's clock says `now` and one is due from block
/// `due` on; nothing if it is too early.
///
/// Never the newest: a node that does not have that block yet takes the heartbeat for one of the
/// future, and does not let it in again for a while.
fn block_to_name(now: BlockNumber, due: BlockNumber) -> Option<BlockNumber> {
    now.checked_sub(1).filter(|before| *before >= due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_names_a_block_that_other_nodes_have_and_no_earlier_than_it_is_due() {
        assert_eq!(block_to_name(0, 0), None);
        assert_eq!((block_to_name(19, 20), block_to_name(20, 20)), (None, None));
        assert_eq!(block_to_name(21, 20), Some(20));
        assert_eq!(block_to_name(60, 20), Some(59));
    }
}
