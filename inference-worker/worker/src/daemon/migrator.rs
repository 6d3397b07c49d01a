//! Follows the market with the layers: drains, loads the new ones, tells the chain, serves on.
//!
//! The chain is told last, so that it never names layers that the worker cannot compute, and
//! refuses the move if it would leave a layer without a worker or break an agreement; the worker
//! then goes back to what it served.

use std::sync::Arc;

use eyre::Result;
use mica_chain::{AccountId, Call, Chain, Signer, Until};
use mica_primitives::{BlockNumber, LayerRange, WorkerRecord, WorkerStatus};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{layers::Layers, standing::Standing, turn::Turn};
use crate::{
    migration,
    model::ModelSource,
    report::{Event, Reporter},
};

/// The migration task.
pub struct Moves {
    /// The chain.
    pub chain: Chain,
    /// The worker's account.
    pub signer: Signer,
    /// The model served.
    pub source: Arc<ModelSource>,
    /// The loaded layers.
    pub layers: Layers,
    /// Newest finalized block.
    pub block: watch::Receiver<BlockNumber>,
    /// Whose turn it is to change the registration.
    pub turn: Arc<Turn>,
    /// Whether the worker serves: one that does not stays where it is.
    pub standing: watch::Receiver<Standing>,
    /// Tells people and programs.
    pub reporter: Reporter,
}

impl Moves {
    /// Looks around once per round until the worker stops. A move that has begun is brought to its
    /// end.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut round = *self.block.borrow() / migration::ROUND_BLOCKS;
        while let Some(Ok(())) = stop.run_until_cancelled(self.block.changed()).await {
            let now = *self.block.borrow() / migration::ROUND_BLOCKS;
            if now == round || !self.standing.borrow().serving {
                continue;
            }
            round = now;
            match self.wanted().await {
                Ok(None) => {}
                Ok(Some((own, to))) => {
                    if let Err(error) = self.go(&own, to).await {
                        let text = format!("stays at layers {}: {error:#}", own.range);
                        tracing::warn!("{text}");
                        self.reporter.tell(&Event::Warning { text });
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot look around for other layers"),
            }
        }
    }

    /// Where to go, if anywhere.
    async fn wanted(&self) -> Result<Option<(WorkerRecord<AccountId>, LayerRange)>> {
        let view = self.chain.at_finalized().await?;
        let account = self.signer.account();
        let workers = view.workers(self.source.id, None).await?;
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
            self.source.manifest.layers,
            &workers,
            account,
            view.number(),
            rand::random(),
        )?;
        Ok(to.map(|to| (own, to)))
    }

    /// Loads the new layers and tells the chain; if the chain refuses, loads the old ones.
    async fn go(&self, own: &WorkerRecord<AccountId>, to: LayerRange) -> Result<()> {
        let mut turn = self.turn.take().await;
        let layers = &self.layers;
        let change = async {
            let (to, cost_us) = layers.load(to).await?;
            let call = Call::BatchAll(vec![Call::SetRange(to), Call::SetCost(cost_us)]);
            match self.chain.submit(&self.signer, call, Until::Finalized).await {
                Ok(submitted) => {
                    *turn = submitted.block.number;
                    self.reporter.tell(&Event::Moved {
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
                        *turn = block;
                        self.reporter.tell(&Event::Moved { from: own.range, to, block });
                        Ok((to, cost_us))
                    }
                    _ => {
                        layers.reload().await?;
                        Err(error.into())
                    }
                },
            }
        };
        layers.exchange(change).await
    }

    /// The layers that the newest block names, with its number.
    async fn registered(&self) -> Option<(LayerRange, BlockNumber)> {
        let view = self.chain.at_best().await.ok()?;
        let (record, _) = view.worker(self.signer.account()).await.ok()??;
        Some((record.range, view.number()))
    }
}
