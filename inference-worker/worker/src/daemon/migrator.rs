//! Follows the market with the layers: fetches what the new ones lack, drains, loads them, tells
//! the chain, serves on.
//!
//! The chain is told last, so that it never names layers that the worker cannot compute, and
//! refuses the move if it would leave a layer without a worker or break an agreement; the worker
//! then goes back to what it served.

use mica_chain::{AccountId, Call, ReadError, SubmitError, Until};
use mica_market::migration::MigrationError;
use mica_primitives::{BlockNumber, LayerRange, WorkerRecord, WorkerStatus};

use super::{
    context::WorkerContext,
    layers::{Layers, LayersError},
};
use crate::{causes::with_causes, migration, report::Event};

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
                // Not heard of in time, it may be in a block all the same: then these are the
                // layers that payers come for.
                Err(error) => match self.registered().await {
                    Some((range, block)) if range == to => {
                        *changed_at = block;
                        self.context.reporter.emit(&Event::Moved { from: own.range, to, block });
                        Ok((to, cost_us))
                    }
                    _ => {
                        layers.reload().await?;
                        Err(error.into())
                    }
                },
            }
        };
        layers.swap(change).await
    }

    /// The layers that the newest block names, with its number.
    async fn registered(&self) -> Option<(LayerRange, BlockNumber)> {
        let view = self.context.chain.at_best().await.ok()?;
        let (record, _) = view.worker(self.context.signer.account()).await.ok()??;
        Some((record.range, view.number()))
    }
}
