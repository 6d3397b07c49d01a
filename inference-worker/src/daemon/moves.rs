//! Follows the market with the layers: drains, loads the new ones, tells the chain, serves on.
//!
//! The chain is told last, so that it never names layers that the worker cannot compute, and refuses the move if it would leave a
//! layer without a worker or break an agreement; the worker then goes back to what it served.

use std::{sync::Arc, time::Duration};

use eyre::{Context, Result, eyre};
use mica_chain::{AccountId, Call, Chain, Signer, SubmitError, Until};
use mica_primitives::{BlockNumber, LayerRange, WorkerRecord, WorkerStatus};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    handle::{DeskHandle, Offers},
    range::room,
};
use crate::{
    config::LimitsConfig,
    engine::Engine,
    migration,
    model::ModelSource,
    report::{Event, Reporter},
};

/// Pause between two looks at the sessions that are still open.
const LOOK: Duration = Duration::from_millis(200);

/// The migration task.
pub struct Moves {
    /// The chain.
    pub chain: Chain,
    /// The worker's account.
    pub signer: Signer,
    /// The model served.
    pub source: Arc<ModelSource>,
    /// How much room there is for sessions, and how long open ones are waited for.
    pub limits: LimitsConfig,
    /// The engine's thread.
    pub engine: Arc<Engine>,
    /// The desk.
    pub desk: DeskHandle,
    /// Newest finalized block.
    pub block: watch::Receiver<BlockNumber>,
    /// What is offered.
    pub offers: Arc<Offers>,
    /// Tells people and programs.
    pub reporter: Reporter,
}

impl Moves {
    /// Looks around once per round until the worker stops. A move that has begun is brought to its end.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut round = *self.block.borrow() / migration::ROUND_BLOCKS;
        while let Some(Ok(())) = stop.run_until_cancelled(self.block.changed()).await {
            let now = *self.block.borrow() / migration::ROUND_BLOCKS;
            if now == round {
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
        let serving = |worker: &WorkerRecord<AccountId>, online: bool| online && worker.status == WorkerStatus::Active;
        let workers: Vec<_> =
            workers.into_iter().filter(|(worker, online)| serving(worker, *online)).map(|(worker, _)| worker).collect();
        let Some(own) = workers.iter().find(|worker| worker.account == account).cloned() else { return Ok(None) };
        let to = migration::next_range(self.source.manifest.layers, &workers, account, view.number(), rand::random())?;
        Ok(to.map(|to| (own, to)))
    }

    async fn go(&self, own: &WorkerRecord<AccountId>, to: LayerRange) -> Result<()> {
        let present = self.offers.current();
        self.offers.change(|offer| offer.max_sessions = 0).await?;
        let moved = match self.empty().await {
            Ok(()) => self.change(own, to).await,
            Err(error) => Err(error),
        };
        // Whatever happened, sessions are taken again, for the layers that are loaded then.
        let (range, cost_us) = *moved.as_ref().unwrap_or(&(present.range, present.cost_us_per_layer_token));
        let room = room(&self.engine, &self.limits);
        self.offers
            .change(|offer| {
                (offer.range, offer.cost_us_per_layer_token) = (range, cost_us);
                (offer.max_sessions, offer.cache_positions) = (room.sessions, room.positions);
            })
            .await?;
        moved.map(|_| ())
    }

    /// Loads the new layers and tells the chain; if the chain refuses, loads the old ones. Returns layers and cost.
    async fn change(&self, own: &WorkerRecord<AccountId>, to: LayerRange) -> Result<(LayerRange, u32)> {
        let told = async {
            let cost_us = self.engine.load(to).await?;
            let call = Call::BatchAll(vec![Call::SetRange(to), Call::SetCost(cost_us)]);
            let block = match self.chain.submit(&self.signer, call, Until::Finalized).await {
                Ok(submitted) => submitted.block.number,
                // The chain has it, and finality only lies behind: the old layers would be the wrong ones soon.
                Err(SubmitError::NotFinal { block, .. }) => block,
                Err(error) => return Err(error.into()),
            };
            self.reporter.tell(&Event::Moved { from: own.range, to, block });
            Ok((to, cost_us))
        };
        let told: Result<(LayerRange, u32)> = told.await;
        if told.is_err() {
            self.engine.load(own.range).await.wrap_err("its old layers cannot be loaded again: start the worker anew")?;
        }
        told
    }

    /// Lets open sessions end; gives up the move if they take too long.
    async fn empty(&self) -> Result<()> {
        let mut open = self.desk.totals().await?.sessions;
        let patience = Duration::from_secs(self.limits.drain_seconds);
        let deadline = tokio::time::Instant::now() + patience;
        while open > 0 {
            if tokio::time::Instant::now() >= deadline {
                return Err(eyre!("{open} sessions are still open after {} s", self.limits.drain_seconds));
            }
            tokio::time::sleep(LOOK).await;
            open = self.desk.totals().await?.sessions;
        }
        Ok(())
    }
}
