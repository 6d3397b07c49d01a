//! Follows the market with the price: now and then, and not more often than the chain allows.

use std::sync::Arc;

use mica_chain::{AccountId, Call, Chain, ReadError, Signer, SubmitError, Until};
use mica_primitives::{BlockNumber, MarketUnits, ModelId, WorkerRecord};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    handle::{Closed, Offers},
    standing::Standing,
    turn::Turn,
};
use crate::{
    pricing::{self, PriceLimits, PriceView},
    report::{Event, Reporter},
};

/// Blocks between two looks at the market.
const LOOK_BLOCKS: BlockNumber = 10;

/// The pricing task.
pub struct Prices {
    /// The chain.
    pub chain: Chain,
    /// The worker's account.
    pub signer: Signer,
    /// The model served.
    pub model: ModelId,
    /// Its exchange rate between money and time.
    pub units: MarketUnits,
    /// Between what the price may move.
    pub limits: PriceLimits,
    /// Newest finalized block.
    pub block: watch::Receiver<BlockNumber>,
    /// What is offered.
    pub offers: Arc<Offers>,
    /// Whose turn it is to change the registration.
    pub turn: Arc<Turn>,
    /// Whether the worker serves: one that does not leaves its price as it is.
    pub standing: watch::Receiver<Standing>,
    /// Tells people and programs.
    pub reporter: Reporter,
}

/// Why the price was left as it was.
#[derive(Debug, thiserror::Error)]
enum PriceError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error(transparent)]
    Closed(#[from] Closed),
    #[error(transparent)]
    Pricing(#[from] mica_market::pricing::PricingError),
}

impl Prices {
    /// Looks at the market until the worker stops.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut next = 0;
        while let Some(Ok(())) = stop.run_until_cancelled(self.block.changed()).await {
            let block = *self.block.borrow();
            if block < next || !self.standing.borrow().serving {
                continue;
            }
            next = block.saturating_add(LOOK_BLOCKS);
            if let Some(Err(error)) = stop.run_until_cancelled(self.look()).await {
                tracing::warn!(%error, "the price stays as it is");
            }
        }
    }

    async fn look(&self) -> Result<(), PriceError> {
        let view = self.chain.at_finalized().await?;
        let account = self.signer.account();
        let Some((own, _)) = view.worker(account).await? else { return Ok(()) };
        let interval = view.registry_parameters().await?.price_interval;
        if view.number() < own.last_price_change.saturating_add(interval) {
            return Ok(());
        }
        let workers = view.workers(self.model, Some(own.range)).await?;
        let rivals: Vec<WorkerRecord<AccountId>> = workers
            .into_iter()
            .filter(|(worker, online)| *online && worker.account != account)
            .map(|(worker, _)| worker)
            .collect();
        let utilisation = self.offers.utilisation().await?;
        let advice = pricing::advise(
            PriceView { own: &own, rivals: &rivals, units: self.units, utilisation },
            self.limits,
        )?;
        tracing::debug!(price = advice.price, reason = %advice, "looked at the market");
        if !advice.pays() {
            return Ok(());
        }
        let price = advice.price;
        let mut turn = self.turn.take().await;
        let submitted =
            self.chain.submit(&self.signer, Call::SetPrice(price), Until::InBlock).await?;
        *turn = submitted.block.number;
        self.offers.change(|offer| offer.price_per_layer_token = price).await?;
        self.reporter
            .tell(&Event::PriceSet { price_per_layer_token: price, block: submitted.block.number });
        Ok(())
    }
}
