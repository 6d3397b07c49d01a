//! Keeps the registration alive and true.
//!
//! It beats, and with every final block it compares the record with what the worker is: what
//! differs is mended, or said where only people can mend it. A node that cannot be asked is said as
//! well.

use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use mica_chain::{AccountId, ReadError};
use mica_net::{Instance, Listener, Reachability, Stay};
use mica_primitives::{BlockNumber, PublicKey, RegistryParameters, WorkerAddresses, WorkerRecord};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    compare::Own,
    context::WorkerContext,
    heartbeat::Heartbeats,
    layers::Layers,
    network::{may_stay, to_publish},
    offers::Offers,
    repair::RepairState,
    session_handle::Closed,
};
use crate::{causes::with_causes, store::ChainMark};

/// Longest pause between two comparisons.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// Interfaces rarely come alone: wait for so long after one has come or gone.
const QUIET: Duration = Duration::from_secs(2);
/// A node that could not be asked for so long is said. After about as long without a heartbeat
/// payers find nobody.
const PATIENCE: Duration = Duration::from_secs(120);
/// For how long the address record alone says where a worker is that has moved: payers who know
/// nobody yet find it by the registry only.
const RECORD_SUFFICES: Duration = Duration::from_secs(3_600);
/// Final blocks after which it is written down how far the chain was seen.
const MARK_BLOCKS: BlockNumber = 100;

/// The task that keeps the registration.
pub(crate) struct Reconciler {
    /// Shared with the other tasks.
    pub context: WorkerContext,
    /// The loaded layers.
    pub layers: Layers,
    /// Constants of the registry.
    pub parameters: RegistryParameters,
    /// Our peer key.
    pub peer: PublicKey,
    /// Its secret: proves at a registration that the key is ours, and signs heartbeats.
    pub peer_key: SigningKey,
    /// This start of this worker.
    pub instance: Instance,
    /// Addresses to publish instead of those listened on.
    pub announced: Vec<String>,
    /// Where the network listens.
    pub listening: watch::Receiver<Vec<Listener>>,
    /// What is known of it from outside.
    pub reach: watch::Receiver<Reachability>,
    /// Our addresses as they were last put into the registry.
    pub published: watch::Sender<WorkerAddresses>,
}

/// Why the registration could not be compared this time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReconcileError {
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The worker is stopping.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// What a comparison with the registry came to.
enum Polled {
    /// It was compared, or somebody else changes it just now.
    Well,
    /// The node knows less than was seen of the chain.
    Behind(String),
    /// The node follows another chain.
    Elsewhere,
}

impl Reconciler {
    /// Compares with every final block, and when addresses come or go, until the worker stops.
    pub(crate) async fn run(self) {
        let stop = self.context.stop.clone();
        let (yields, has_yielded) = watch::channel(false);
        let heart = Heartbeats {
            context: self.context.clone(),
            key: self.peer_key.clone(),
            parameters: self.parameters,
            has_yielded,
        };
        // Side by side: a heartbeat does not wait for layers to be loaded.
        tokio::join!(
            stop.run_until_cancelled(heart.run()),
            self.poll_until_stopped(&yields, &stop)
        );
    }

    async fn poll_until_stopped(mut self, yields: &watch::Sender<bool>, stop: &CancellationToken) {
        let mut state = RepairState::default();
        let mut last = Instant::now();
        let mut ways = Vec::new();
        while let Some(true) = stop.run_until_cancelled(self.next_change(&mut ways)).await {
            let Some(polled) = stop.run_until_cancelled(self.poll(&mut state)).await else {
                return;
            };
            yields.send_if_modified(|yielded| {
                std::mem::replace(yielded, state.duplicate.has_yielded())
                    != state.duplicate.has_yielded()
            });
            let (code, problem) = match polled {
                Ok(Polled::Well) => {
                    last = Instant::now();
                    continue;
                }
                Ok(Polled::Elsewhere) if self.context.origin.is_away() => {
                    let problem = "the node follows the chain of another network: correct \
                                   --node-url; until then nothing is done there";
                    self.context.standings.wrong(
                        self.context.standings.compared_at(),
                        false,
                        "other_network",
                        problem.to_owned(),
                    );
                    continue;
                }
                // It is started anew.
                Ok(Polled::Elsewhere) => continue,
                Ok(Polled::Behind(problem)) => ("node_behind", problem),
                Err(error) => {
                    ("node_away", format!("the chain cannot be asked: {}", with_causes(&error)))
                }
            };
            tracing::warn!(code, "the registration could not be looked after this time: {problem}");
            if last.elapsed() > PATIENCE {
                self.context.standings.wrong(
                    self.context.standings.compared_at(),
                    false,
                    code,
                    problem,
                );
            }
        }
    }

    /// Waits for something to compare; false if nothing more will come. `ways`: where others came
    /// in when this was last called.
    async fn next_change(&mut self, ways: &mut Vec<String>) -> bool {
        tokio::select! {
            changed = self.context.block.changed() => changed.is_ok(),
            changed = self.listening.changed() => {
                tokio::time::sleep(QUIET).await;
                changed.is_ok()
            }
            changed = new_ways(&mut self.reach, ways) => {
                tokio::time::sleep(QUIET).await;
                changed
            }
            () = tokio::time::sleep(POLL_INTERVAL) => true,
        }
    }

    async fn poll(&self, state: &mut RepairState) -> Result<Polled, ReconcileError> {
        if !self.context.origin.holds().await? {
            return Ok(Polled::Elsewhere);
        }
        let head = self.context.chain.finalized().await?;
        let behind = |seen: BlockNumber| {
            let text = format!(
                "the node knows {} final blocks, and this worker has seen {seen}: check that it \
                 finds its peers and that blocks become final, or name another with --node-url",
                head.number
            );
            Ok(Polled::Behind(text))
        };
        let seen = *self.context.block.borrow();
        if head.number < seen {
            return behind(seen);
        }
        if state.marked == 0 || head.number >= state.marked.saturating_add(MARK_BLOCKS) {
            self.context
                .sessions
                .mark(ChainMark::new(self.context.origin.known(), head.number))
                .await?;
            state.marked = head.number;
        }
        let Some(mut changed_at) = self.context.registration.try_lock() else {
            return Ok(Polled::Well);
        };
        if head.number < *changed_at {
            return behind(*changed_at);
        }
        let record = self
            .context
            .chain
            .at(head)
            .worker(self.context.signer.account())
            .await?
            .map(|(record, _)| record);
        self.compare(state, record.as_ref(), head.number, &mut changed_at).await?;
        Ok(Polled::Well)
    }

    /// What the worker is now. Addresses of `record` stay as long as they are good enough.
    pub(super) fn own(
        &self,
        record: Option<&WorkerRecord<AccountId>>,
        moved: &mut Option<Instant>,
    ) -> Own {
        let offer = self.offers().current();
        let (listening, reach) = (self.listening.borrow(), self.reach.borrow());
        let registered =
            record.map(|record| &record.addresses).filter(|registered| {
                match may_stay(&self.announced, &listening, &reach, registered) {
                    Stay::Yes => {
                        *moved = None;
                        true
                    }
                    Stay::ForNow => {
                        moved.get_or_insert_with(Instant::now).elapsed() < RECORD_SUFFICES
                    }
                    Stay::No => false,
                }
            });
        let addresses = match registered {
            Some(registered) => Some(registered.clone()),
            None => to_publish(&self.announced, &listening, &reach),
        };
        Own {
            model: self.context.source.id,
            range: offer.range,
            cost_us_per_layer_token: offer.cost_us_per_layer_token,
            price_per_layer_token: offer.price_per_layer_token,
            peer: self.peer,
            // Without any interface the old addresses are as good as none.
            addresses: addresses.unwrap_or_else(|| self.published.borrow().clone()),
        }
    }

    pub(super) fn offers(&self) -> &Offers {
        &self.context.offers
    }
}

/// Waits until others come in elsewhere than at `ways`; false if the network has stopped.
async fn new_ways(reach: &mut watch::Receiver<Reachability>, ways: &mut Vec<String>) -> bool {
    loop {
        let now: Vec<String> =
            reach.borrow_and_update().external().map(|way| way.address.clone()).collect();
        if now != *ways {
            *ways = now;
            return true;
        }
        if reach.changed().await.is_err() {
            return false;
        }
    }
}
