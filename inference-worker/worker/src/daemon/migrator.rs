//! Follows the market with the layers: fetches what the new ones lack, drains, loads them, tells
//! the chain, serves on.
//!
//! The chain is told last, so that it never names layers that the worker cannot compute, and
//! refuses the move if it would leave a layer without a worker or break an agreement; the worker
//! then goes back to what it served.

use std::time::Duration;

use mica_chain::{AccountId, Call, ReadError, SubmitError, Until};
use mica_market::migration::MigrationError;
use mica_primitives::{BlockNumber, LayerRange, WorkerRecord, WorkerStatus};
use tokio::time::Instant;

use super::{
    context::WorkerContext,
    layers::{Layers, LayersError},
};
use crate::{causes::with_causes, migration, report::Event};

/// Longest time in which it is found out what became of a move: its extrinsic is good for 64
/// blocks, and finality may be slow.
const PATIENCE: Duration = Duration::from_secs(600);
/// Pause between two looks at the chain meanwhile.
const POLL_INTERVAL: Duration = Duration::from_secs(3);

/// The migration task.
pub(crate) struct Migrator {
    /// Shared with the other tasks.
    pub context: WorkerContext,
    /// The loaded layers.
    pub layers: Layers,
}

/// Why the worker stays at its layers.
#[derive(Debug, thiserror::Error)]
enum MigrateError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Decide(#[from] MigrationError),
    #[error(transparent)]
    Layers(#[from] LayersError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl Migrator {
    /// Looks for better layers once per round until the worker stops. A move that has begun is
    /// brought to its end.
    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        let mut round = *self.context.block.borrow() / migration::ROUND_BLOCKS;
        while let Some(Ok(())) = stop.run_until_cancelled(self.context.block.changed()).await {
            let now = *self.context.block.borrow() / migration::ROUND_BLOCKS;
            if now == round || !self.context.standings.is_serving() {
                continue;
            }
            round = now;
            match self.next_range().await {
                Ok(None) => {}
                Ok(Some((own, to))) => {
                    if let Err(error) = self.migrate(&own, to).await {
                        let text =
                            format!("stays at layers {}: {}", own.range, with_causes(&error));
                        tracing::warn!("{text}");
                        self.context.reporter.emit(&Event::Warning { text });
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot look around for other layers"),
            }
        }
    }

    /// Where to go, if anywhere.
    async fn next_range(
        &self,
    ) -> Result<Option<(WorkerRecord<AccountId>, LayerRange)>, MigrateError> {
        let view = self.context.chain.at_finalized().await?;
        let account = self.context.signer.account();
        let workers = view.workers(self.context.source.id, None).await?;
        let serving = |worker: &WorkerRecord<AccountId>, online: bool| {
            online && worker.status == WorkerStatus::Active
        };
        let workers: Vec<_> = workers
            .into_iter()
            .filter(|(worker, online)| serving(worker, *online))
            .map(|(worker, _)| worker)
            .collect();
        let Some(own) = workers.iter().find(|worker| worker.account == account).cloned() else {
            return Ok(None);
        };
        let to = migration::next_range(
            self.context.source.manifest.layers,
            &workers,
            account,
            view.clock().await?.now,
            rand::random(),
        )?;
        Ok(to.map(|to| (own, to)))
    }

    /// Loads the new layers and tells the chain; if the chain refuses, loads the old ones.
    async fn migrate(
        &self,
        own: &WorkerRecord<AccountId>,
        to: LayerRange,
    ) -> Result<(), MigrateError> {
        let layers = &self.layers;
        // While the old ones are served; nothing has begun that would have to be brought to its
        // end.
        let fetching = self.context.stop.run_until_cancelled(layers.fetch(to));
        if fetching.await.transpose()?.is_none() {
            return Ok(());
        }
        let mut changed_at = self.context.registration.lock().await;
        let change = async {
            let (to, cost_us) = layers.load(to).await?;
            let call = Call::BatchAll(vec![Call::SetRange(to), Call::SetCost(cost_us)]);
            match self.context.chain.submit(&self.context.signer, call, Until::Finalized).await {
                Ok(submitted) => {
                    *changed_at = submitted.block.number;
                    self.context.reporter.emit(&Event::Moved {
                        from: own.range,
                        to,
                        block: submitted.block.number,
                    });
                    Ok((to, cost_us))
                }
                // Not heard of in time, it may be in a block all the same, or come into one yet:
                // then these are the layers that payers come for.
                Err(error) => match self.settle(&error, to).await {
                    Some(block) => {
                        *changed_at = block;
                        self.context.reporter.emit(&Event::Moved { from: own.range, to, block });
                        Ok((to, cost_us))
                    }
                    None => {
                        layers.reload().await?;
                        Err(error.into())
                    }
                },
            }
        };
        layers.swap(change).await
    }

    /// Whether a move to `to` of which nothing certain was heard is in a block: asks the chain
    /// until that is known, at most for [`PATIENCE`]. Returns the block that says so.
    async fn settle(&self, error: &SubmitError, to: LayerRange) -> Option<BlockNumber> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.seen().await;
            match seen.as_ref().map_or(Settled::Open, |seen| seen.judge(error, to)) {
                Settled::Moved(block) => return Some(block),
                Settled::Stayed => return None,
                Settled::Open if Instant::now() >= deadline => return None,
                Settled::Open => {}
            }
            let pause = tokio::time::sleep(POLL_INTERVAL);
            // Whoever starts again goes by the registry.
            self.context.stop.run_until_cancelled(pause).await?;
        }
    }

    /// What the chain says now; nothing if it does not answer.
    async fn seen(&self) -> Option<Seen> {
        let chain = &self.context.chain;
        let finalized = chain.finalized().await.ok()?.number;
        let view = chain.at_best().await.ok()?;
        let (record, _) = view.worker(self.context.signer.account()).await.ok()??;
        Some(Seen { range: record.range, best: view.number(), finalized })
    }
}

/// What became of a move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Settled {
    /// This block has it.
    Moved(BlockNumber),
    /// No block has it, and none can have it any more.
    Stayed,
    /// It may still come.
    Open,
}

/// The registration in the newest block, and how far the chain is.
struct Seen {
    range: LayerRange,
    best: BlockNumber,
    finalized: BlockNumber,
}

impl Seen {
    fn judge(&self, error: &SubmitError, to: LayerRange) -> Settled {
        match error {
            _ if self.range == to => Settled::Moved(self.best),
            // It was sent, and is good until this block.
            SubmitError::Unknown { last, .. } if self.finalized <= *last => Settled::Open,
            // It was in a block that was taken back: another may have it.
            SubmitError::NotFinal { block, .. } if self.finalized <= *block => Settled::Open,
            _ => Settled::Stayed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: LayerRange = LayerRange { first: 0, end: 4 };
    const TO: LayerRange = LayerRange { first: 4, end: 8 };

    fn seen(range: LayerRange, finalized: BlockNumber) -> Seen {
        Seen { range, best: finalized + 2, finalized }
    }

    #[test]
    fn a_move_of_which_nothing_was_heard_is_what_the_chain_says() {
        let (what, reason) = ("a move".to_owned(), "silence".to_owned());
        let lost = SubmitError::Unknown { what, extrinsic: [0; 32], last: 70, reason };
        assert_eq!(seen(TO, 10).judge(&lost, TO), Settled::Moved(12));
        assert_eq!(seen(FROM, 10).judge(&lost, TO), Settled::Open, "it may still come");
        assert_eq!(seen(FROM, 70).judge(&lost, TO), Settled::Open);
        assert_eq!(seen(FROM, 71).judge(&lost, TO), Settled::Stayed);
    }

    #[test]
    fn a_move_that_a_fork_took_back_may_come_again_and_one_that_was_refused_does_not() {
        let what = "a move".to_owned();
        let late = SubmitError::NotFinal { what, block: 20, extrinsic: [0; 32], fee: 1 };
        assert_eq!(seen(TO, 15).judge(&late, TO), Settled::Moved(17));
        assert_eq!(seen(FROM, 20).judge(&late, TO), Settled::Open);
        assert_eq!(seen(FROM, 21).judge(&late, TO), Settled::Stayed);
        let refused = SubmitError::Refused { what: String::new(), reason: String::new() };
        assert_eq!(seen(FROM, 1).judge(&refused, TO), Settled::Stayed);
    }
}
