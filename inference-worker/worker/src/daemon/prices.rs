//! Follows the market with the price: now and then, and not more often than the chain allows.

use mica_chain::{AccountId, Call, ReadError, SubmitError, Until};
use mica_market::pricing::rule::LOOK_BLOCKS;
use mica_primitives::{MarketUnits, WorkerRecord};

use super::{context::WorkerContext, session_handle::Closed};
use crate::{
    pricing::{self, PriceLimits, PriceView},
    report::Event,
};

/// The pricing task.
pub(crate) struct Prices {
    /// Shared with the other tasks.
    pub context: WorkerContext,
    /// The model's exchange rate between money and time.
    pub units: MarketUnits,
    /// Between what the price may move.
    pub limits: PriceLimits,
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
    pub(crate) async fn run(mut self) {
        let stop = self.context.stop.clone();
        let mut next = 0;
        while let Some(Ok(())) = stop.run_until_cancelled(self.context.block.changed()).await {
            let block = *self.context.block.borrow();
            if block < next || !self.context.standings.is_serving() {
                continue;
            }
            next = block.saturating_add(LOOK_BLOCKS);
            if let Some(Err(error)) = stop.run_until_cancelled(self.reprice()).await {
                tracing::warn!(%error, "the price stays as it is");
            }
        }
    }

    async fn reprice(&self) -> Result<(), PriceError> {
        let WorkerContext { chain, signer, offers, .. } = &self.context;
        let view = chain.at_finalized().await?;
        let account = signer.account();
        let Some((own, _)) = view.worker(account).await? else { return Ok(()) };
        let interval = view.registry_parameters().await?.price_interval;
        if view.clock().await?.now < own.last_price_change.saturating_add(interval) {
            return Ok(());
        }
        let workers = view.workers(self.context.source.id, Some(own.range)).await?;
        let rivals: Vec<WorkerRecord<AccountId>> = workers
            .into_iter()
            .filter(|(worker, online)| *online && worker.account != account)
            .map(|(worker, _)| worker)
            .collect();
        let utilisation = offers.utilisation().await?;
        let advice = pricing::advise(
            PriceView { own: &own, rivals: &rivals, units: self.units, utilisation },
            self.limits,
        )?;
        tracing::debug!(price = advice.price, reason = %advice, "looked at the market");
        if !advice.pays() {
            return Ok(());
        }
        let price = advice.price;
        let mut changed_at = self.context.registration.lock().await;
        let submitted = chain.submit(signer, Call::SetPrice(price), Until::InBlock).await?;
        *changed_at = submitted.block.number;
        offers.change(|offer| offer.price_per_layer_token = price).await?;
        self.context
            .reporter
            .emit(&Event::PriceSet { price_per_layer_token: price, block: submitted.block.number });
        Ok(())
    }
}
