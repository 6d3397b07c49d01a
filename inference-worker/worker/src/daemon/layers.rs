//! The layers that are loaded, and how others take their place while payers are about.

use std::{sync::Arc, time::Duration};

use eyre::{Result, WrapErr, eyre};
use mica_primitives::LayerRange;

use super::{
    handle::{DeskHandle, Offers},
    range::room,
};
use crate::{config::LimitsConfig, engine::Engine};

/// Pause between two looks at the sessions that are still open.
const LOOK: Duration = Duration::from_millis(200);

/// The loaded layers.
#[derive(Clone)]
pub struct Layers {
    /// The engine's thread.
    pub engine: Arc<Engine>,
    /// The desk.
    pub desk: DeskHandle,
    /// What is offered.
    pub offers: Arc<Offers>,
    /// How much room there is for sessions, and how long open ones are waited for.
    pub limits: LimitsConfig,
}

impl Layers {
    /// Lets open sessions end, carries out `change`, which loads layers and returns them with their
    /// cost, and takes sessions again.
    ///
    /// # Errors
    /// That of `change`, which has then loaded what was there before; or if sessions do not end in
    /// time.
    pub async fn exchange(
        &self,
        change: impl Future<Output = Result<(LayerRange, u32)>>,
    ) -> Result<()> {
        let present = self.offers.current();
        self.offers.change(|offer| offer.max_sessions = 0).await?;
        let changed = match self.empty().await {
            Ok(()) => change.await,
            Err(error) => Err(error),
        };
        // Whatever happened, sessions are taken again, for the layers that are loaded then.
        let (range, cost_us) =
            *changed.as_ref().unwrap_or(&(present.range, present.cost_us_per_layer_token));
        let room = room(&self.engine, &self.limits);
        self.offers
            .change(|offer| {
                (offer.range, offer.cost_us_per_layer_token) = (range, cost_us);
                (offer.max_sessions, offer.cache_positions) = (room.sessions, room.positions);
            })
            .await?;
        changed.map(|_| ())
    }

    /// Loads `range`; if that fails, what is offered now. Returns the layers and their cost.
    ///
    /// # Errors
    /// Why `range` cannot be loaded.
    pub async fn load(&self, range: LayerRange) -> Result<(LayerRange, u32)> {
        match self.engine.load(range).await {
            Ok(cost_us) => Ok((range, cost_us)),
            Err(error) => {
                self.reload().await?;
                Err(error)
            }
        }
    }

    /// Loads what is offered now.
    ///
    /// # Errors
    /// If that is not possible any more.
    pub async fn reload(&self) -> Result<()> {
        let before = self.offers.current().range;
        self.engine
            .load(before)
            .await
            .wrap_err("its old layers cannot be loaded again: start the worker anew")?;
        Ok(())
    }

    /// Lets open sessions end; gives up if they take too long.
    async fn empty(&self) -> Result<()> {
        let mut open = self.desk.totals().await?.sessions;
        let patience = Duration::from_secs(self.limits.drain_seconds);
        let deadline = tokio::time::Instant::now() + patience;
        while open > 0 {
            if tokio::time::Instant::now() >= deadline {
                return Err(eyre!(
                    "{open} sessions are still open after {} s",
                    self.limits.drain_seconds
                ));
            }
            tokio::time::sleep(LOOK).await;
            open = self.desk.totals().await?.sessions;
        }
        Ok(())
    }
}
